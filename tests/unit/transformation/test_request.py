"""A request for a build: how it is made of the form, what contradicts itself, how dbt gets it."""

from __future__ import annotations

import json
from datetime import date

import pytest

from foundation.errors import EltError
from transformation.request import BuildRequest


def test_an_empty_form_asks_for_what_has_changed() -> None:
    form = {
        "select": None,
        "everything": False,
        "full_refresh": None,
        "rebuild_from": None,
        "rebuild_to": None,
    }
    assert BuildRequest.of_form(form) == BuildRequest.of_form({}) == BuildRequest()
    assert BuildRequest().beyond_changes == ""


def test_each_value_of_the_form_reaches_dbt() -> None:
    form = {
        "select": "fct_orders  fct_sales+",
        "full_refresh": ["fct_sales"],
        "rebuild_from": "2026-01-30",
        "rebuild_to": "2026-01-31",
        "dry_run": False,
    }
    (told,) = BuildRequest.of_form(form).variables().values()
    assert json.loads(told) == {
        "select": ["fct_orders", "fct_sales+"],
        "everything": False,
        "full_refresh": ["fct_sales"],
        "rebuild_from": "2026-01-30",
        "rebuild_to": "2026-01-31",
        "project": "",
        "building_from": {},
        "built_from": {},
        "changes": {},
    }


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (BuildRequest(rebuild_to=date(2026, 1, 1)), "give the first day, too"),
        (BuildRequest(rebuild_from=date(2026, 1, 2), rebuild_to=date(2026, 1, 1)), "is before rebuild_from"),
        (BuildRequest(select=("a",), everything=True), "everything is to be built, but select is `a`"),
    ],
)
def test_values_that_contradict_each_other_are_refused(request_: BuildRequest, message: str) -> None:
    with pytest.raises(EltError, match=message):
        request_.check()


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (BuildRequest(select=("a",)), "select"),
        (BuildRequest(everything=True), "everything"),
        (BuildRequest(full_refresh=("a",)), "full_refresh"),
        (BuildRequest(rebuild_from=date(2026, 1, 1)), "rebuild_from"),
    ],
)
def test_what_needs_more_than_what_has_changed_is_named(request_: BuildRequest, name: str) -> None:
    assert request_.beyond_changes == name
