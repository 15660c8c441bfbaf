"""The whole chain on the original data: the sums are known to the last digit."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from elt.settings import ROOT

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def original(make_stack):
    """A stack on which `SHOP=off AW_DATA=… elt demo` ran."""
    folder = Path(os.environ.get("AW_DATA") or ROOT.parent / "shared" / "adventureworks")
    if not folder.is_dir():
        pytest.skip(f"the original data is not here: no folder {folder}")
    stack = make_stack("original", ELT_SCHEDULE="manual")
    demo = stack.elt("demo", SHOP="off", AW_DATA=str(folder))
    assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr[-3000:]
    yield stack
    stack.elt("down")


def served(stack, query: str) -> list[tuple]:
    with duckdb.connect(str(stack.settings.serving_path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_the_sales_fact_has_every_line_and_sums_to_the_last_digit(original):
    assert served(original, "select count(*), sum(line_total) from marts.fct_sales") == [
        (121317, Decimal("109846381.399888"))
    ]


def test_the_64_lines_beyond_their_products_cost_history_are_kept_with_the_last_known_cost(original):
    [(lines, orders, costs)] = served(
        original,
        "select count(*), count(distinct order_id), count(standard_cost) from marts.fct_sales where is_cost_estimated",
    )
    assert (lines, orders, costs) == (64, 23, 64)


def test_raw_equals_source_in_every_stream(original):
    verify = original.elt("airbyte", "verify")
    assert verify.returncode == 0, verify.stdout + verify.stderr
    assert "salesorderdetail" in verify.stdout and "121317" in verify.stdout.replace(",", "")
