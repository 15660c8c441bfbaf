"""What `elt snowflake doctor` makes of rows as Snowflake's SHOW gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elt.snowflake.doctor import SUSPEND_SECONDS, _future, _grant, _users, _warehouses, compare
from elt.snowflake.privileges import Grant, grants
from elt.snowflake.statements import statements
from foundation.settings import load_settings

ROLES = ["LOADER", "TRANSFORMER", "REPORTER", "HR_REPORTER"]


@pytest.fixture
def wanted(tmp_path: Path) -> list[Grant]:
    return grants(statements(load_settings({"ELT_HOME": str(tmp_path)}), complete=False))


def whole(wanted: list[Grant]) -> set[Grant]:
    """What an account shows after the bootstrap, a sync and two publishings."""
    rows = {
        "LOADER": [
            ("OWNERSHIP", "SCHEMA", "RAW.ADVENTUREWORKS_SALES"),
            ("OWNERSHIP", "TABLE", "RAW.PUBLIC.T"),
        ],
        "TRANSFORMER": [
            ("USAGE", "SCHEMA", "RAW.ADVENTUREWORKS_SALES"),
            ("SELECT", "TABLE", "RAW.ADVENTUREWORKS_SALES.STORE"),
            ("OWNERSHIP", "SCHEMA", "ANALYTICS.MARTS_NEXT"),
            ("OWNERSHIP", "TABLE", "ANALYTICS.MARTS.FCT_SALES"),
        ],
        "REPORTER": [
            ("SELECT", "TABLE", "ANALYTICS.MARTS.FCT_SALES"),
            ("USAGE", "SCHEMA", "ANALYTICS.MARTS_RUN_7"),
            ("SELECT", "TABLE", "ANALYTICS.MARTS_RUN_7.FCT_SALES"),
        ],
    }
    held = {grant for grant in wanted if grant.scope != "all"}
    for role, shown in rows.items():
        held |= {_grant({"privilege": p, "granted_on": k, "name": n}, role) for p, k, n in shown}
    return held


def test_an_account_after_some_runs_is_well(wanted: list[Grant]) -> None:
    findings = list(compare(wanted, whole(wanted), ROLES))
    assert [finding.line() for finding in findings if not finding.ok] == []
    assert findings[0].ok


def test_each_missing_grant_is_named_with_the_remedy(wanted: list[Grant]) -> None:
    for grant in (one for one in wanted if one.scope != "all"):
        (finding,) = (one for one in compare(wanted, whole(wanted) - {grant}, ROLES) if not one.ok)
        assert finding.line() == f"WRONG  grant: {grant.line()} is not there — elt snowflake bootstrap"


@pytest.mark.parametrize(
    ("row", "role", "remedy"),
    [
        (("USAGE", "DATABASE", "ANALYTICS"), "LOADER", "revoke USAGE on DATABASE ANALYTICS from role LOADER"),
        (("SELECT", "TABLE", "ANALYTICS.STAGING.T"), "REPORTER",
         "revoke SELECT on TABLE ANALYTICS.STAGING.T from role REPORTER"),
        (("SELECT", "TABLE", "ANALYTICS.MARTS_RESTRICTED.FCT_EMPLOYEE_PAY"), "REPORTER",
         "revoke SELECT on TABLE ANALYTICS.MARTS_RESTRICTED.FCT_EMPLOYEE_PAY from role REPORTER"),
        (("INSERT", "TABLE", "RAW.ADVENTUREWORKS_SALES.STORE"), "TRANSFORMER",
         "revoke INSERT on TABLE RAW.ADVENTUREWORKS_SALES.STORE from role TRANSFORMER"),
        (("OWNERSHIP", "DATABASE", "RAW"), "TRANSFORMER", "revoke OWNERSHIP on DATABASE RAW from role TRANSFORMER"),
        (("USAGE", "ROLE", "SYSADMIN"), "TRANSFORMER", "revoke role SYSADMIN from role TRANSFORMER"),
    ],
)  # fmt: skip
def test_a_grant_too_many_is_named_with_its_revoke(
    wanted: list[Grant], row: tuple[str, str, str], role: str, remedy: str
) -> None:
    privilege, kind, name = row
    extra = _grant({"privilege": privilege, "granted_on": kind, "name": name}, role)
    (finding,) = (one for one in compare(wanted, whole(wanted) | {extra}, ROLES) if not one.ok)
    assert finding.remedy == remedy


def test_a_future_grant_too_many_is_named(wanted: list[Grant]) -> None:
    row = {
        "privilege": "SELECT",
        "grant_on": "TABLE",
        "name": "ANALYTICS.MARTS.<TABLE>",
        "grantee_name": "REPORTER",
    }
    (finding,) = (one for one in compare(wanted, whole(wanted) | {_future(row)}, ROLES) if not one.ok)
    assert finding.remedy == "revoke SELECT on future TABLEs in ANALYTICS.MARTS from role REPORTER"


def problems(look: Any, row: dict[str, Any]) -> list[str]:
    return [finding.found for finding in look(lambda query: [row], [row["name"]]) if not finding.ok]


def test_a_warehouse_that_would_run_on_is_wrong() -> None:
    good = {"name": "LOADING", "auto_suspend": 60, "auto_resume": "true", "resource_monitor": "LOADING"}
    assert problems(_warehouses, good) == []
    for bad in (0, None, SUSPEND_SECONDS + 1):
        assert problems(_warehouses, good | {"auto_suspend": bad}) == ["does not suspend itself soon"]
    assert problems(_warehouses, good | {"auto_resume": "false"}) == ["does not start by itself"]
    assert problems(_warehouses, good | {"resource_monitor": "null"}) == ["has no resource monitor"]


def test_a_service_with_a_password_or_without_a_key_is_wrong() -> None:
    good = {
        "name": "DBT",
        "type": "SERVICE",
        "has_rsa_public_key": "true",
        "has_password": "false",
        "disabled": "false",
    }
    assert problems(_users, good) == []
    assert problems(_users, good | {"type": "PERSON"}) == ["is no service user"]
    assert problems(_users, good | {"has_rsa_public_key": "false"}) == ["has no public key"]
    assert problems(_users, good | {"has_password": "true"}) == ["has a password"]
    assert problems(_users, good | {"disabled": "true"}) == ["is disabled"]
