"""The SQL of infrastructure/snowflake: what it gives to whom, and that it agrees with who uses the names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import sqlglot

from airbyte_config.definitions import load as definitions
from dashboards.render import rendered
from elt.snowflake.privileges import Grant, Thing, grants, things
from elt.snowflake.statements import DIRECTORY, Statement, statements
from foundation.errors import EltError
from foundation.settings import ROOT, SNOWFLAKE_NAMES, Settings, load_settings
from transformation.run import environment as dbt_environment

OURS = ("LOADER", "TRANSFORMER", "REPORTER", "HR_REPORTER")
ADMINISTRATORS = {"ACCOUNTADMIN", "SECURITYADMIN", "SYSADMIN", "USERADMIN"}
SCHEMAS = ("STAGING", "INTERMEDIATE", "MARTS", "MARTS_RESTRICTED", "SNAPSHOTS", "MONITORING")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ELT_HOME": str(tmp_path)})


@pytest.fixture
def given(settings: Settings) -> list[Statement]:
    return statements(settings, complete=False)


def lines(found: set[Grant] | list[Grant]) -> set[str]:
    return {grant.line().rpartition(" to ")[0] for grant in found}


def effective(role: str, given: Iterable[Grant]) -> set[Grant]:
    """All that a role may, with what it has from the roles that were granted to it."""
    every = list(given)
    found: set[Grant] = set()
    todo = [role]
    while todo:
        here = todo.pop()
        for grant in every:
            if grant.grantee == here and grant.to == "ROLE" and grant not in found:
                found.add(grant)
                if grant.kind == "ROLE":
                    todo.append(grant.name)
    return found


def check_least_privilege(given: list[Statement]) -> None:
    """What each role may, from the parsed grants; what it has from other roles is in it."""
    every = grants(given)
    may = {role: lines(effective(role, every)) for role in OURS}
    assert may["LOADER"] == {
        "USAGE on WAREHOUSE LOADING",
        "USAGE on DATABASE RAW",
        "CREATE SCHEMA on DATABASE RAW",
        "USAGE on SCHEMA RAW.PUBLIC",
        "CREATE TABLE on SCHEMA RAW.PUBLIC",
        "CREATE STAGE on SCHEMA RAW.PUBLIC",
    }
    assert may["TRANSFORMER"] == {
        "USAGE on WAREHOUSE TRANSFORMING",
        "USAGE on WAREHOUSE TRANSFORMING_MARTS",
        "USAGE on DATABASE RAW",
        "USAGE on all SCHEMAS in RAW",
        "USAGE on future SCHEMAS in RAW",
        "SELECT on all TABLES in RAW",
        "SELECT on future TABLES in RAW",
        "USAGE on DATABASE ANALYTICS",
        "CREATE SCHEMA on DATABASE ANALYTICS",
        *(f"OWNERSHIP on SCHEMA ANALYTICS.{schema}" for schema in SCHEMAS),
    }
    assert may["REPORTER"] == {
        "USAGE on WAREHOUSE REPORTING",
        "USAGE on DATABASE ANALYTICS",
        "USAGE on SCHEMA ANALYTICS.MARTS",
        "SELECT on all TABLES in ANALYTICS.MARTS",
    }
    assert may["HR_REPORTER"] == may["REPORTER"] | {
        "USAGE on ROLE REPORTER",
        "USAGE on SCHEMA ANALYTICS.MARTS_RESTRICTED",
        "SELECT on all TABLES in ANALYTICS.MARTS_RESTRICTED",
        "SELECT on future TABLES in ANALYTICS.MARTS_RESTRICTED",
    }
    # a role goes to an administrator, to HR_REPORTER, or to the one service that works with it
    assert {(grant.name, grant.grantee) for grant in every if grant.kind == "ROLE"} == {
        ("LOADER", "SYSADMIN"), ("TRANSFORMER", "SYSADMIN"), ("HR_REPORTER", "SYSADMIN"), ("REPORTER", "HR_REPORTER"),
        ("LOADER", "AIRBYTE"), ("TRANSFORMER", "DBT"), ("REPORTER", "SUPERSET"),
    }  # fmt: skip
    assert {grant.grantee for grant in every if grant.to == "ROLE"} <= {*OURS, "SYSADMIN"}
    owners = {(grant.grantee, grant.kind) for grant in every if grant.privilege == "OWNERSHIP"}
    assert owners == {("TRANSFORMER", "SCHEMA")}


def test_each_role_may_what_it_needs_and_nothing_else(given: list[Statement]) -> None:
    check_least_privilege(given)
    restricted = {
        role for role in OURS if any("MARTS_RESTRICTED" in g.name for g in effective(role, grants(given)))
    }
    assert restricted == {"TRANSFORMER", "HR_REPORTER"}  # who builds it, and who alone reads it


@pytest.mark.parametrize(
    "widened",
    [
        "grant usage on database ANALYTICS${SUFFIX} to role LOADER${SUFFIX};",
        "grant select on all tables in schema ANALYTICS${SUFFIX}.STAGING to role REPORTER${SUFFIX};",
        "grant select on future tables in database ANALYTICS${SUFFIX} to role REPORTER${SUFFIX};",
        "grant insert on all tables in database RAW${SUFFIX} to role TRANSFORMER${SUFFIX};",
        "grant usage on schema ANALYTICS${SUFFIX}.MARTS_RESTRICTED to role REPORTER${SUFFIX};",
        "grant role TRANSFORMER${SUFFIX} to role REPORTER${SUFFIX};",
        "grant role HR_REPORTER${SUFFIX} to user SUPERSET${SUFFIX};",
        "grant role SYSADMIN to role TRANSFORMER${SUFFIX};",
        "grant ownership on database ANALYTICS${SUFFIX} to role TRANSFORMER${SUFFIX} copy current grants;",
        "grant manage grants on account to role TRANSFORMER${SUFFIX};",
        "grant usage on warehouse LOADING${SUFFIX} to role PUBLIC;",
    ],
)
def test_a_widened_grant_is_noticed(settings: Settings, tmp_path: Path, widened: str) -> None:
    folder = tmp_path / "sql"
    shutil.copytree(DIRECTORY, folder)
    (folder / "60_widened.sql").write_text(f"use role SECURITYADMIN;\n{widened}\n")
    with pytest.raises((AssertionError, EltError)):
        check_least_privilege(statements(settings, complete=False, directory=folder))


def test_every_statement_parses_and_runs_as_an_administrator(given: list[Statement]) -> None:
    roles = []
    for statement in given:
        assert len(sqlglot.parse(statement.text, dialect="snowflake")) == 1
        if statement.text.lower().startswith("use role"):
            roles.append(statement.text.split()[2])
    assert given[0].text == "use role USERADMIN"
    assert set(roles) == ADMINISTRATORS


def test_running_twice_changes_nothing(given: list[Statement]) -> None:
    """Each statement creates what is missing, sets what must be, or grants: none replaces or takes away."""
    again = r"use role \w+|create (transient )?[a-z ]+ if not exists |alter [a-z ]+ \w+ set |grant "
    for statement in given:
        assert re.match(again, statement.text, re.I), statement.place
        assert not re.search(r"\b(or replace|drop|revoke)\b", statement.text, re.I), statement.place


def test_every_name_belongs_to_its_environment(settings: Settings) -> None:
    staging = statements(settings.model_copy(update={"snowflake_environment": "staging"}), complete=False)
    assert Thing("DATABASE", "RAW_STAGING") in things(staging)
    for thing in things(staging):
        assert thing.name.partition(".")[0].endswith("_STAGING")
    for grant in grants(staging):
        assert grant.grantee.endswith("_STAGING") or grant.grantee == "SYSADMIN"
        assert grant.name.partition(".")[0].endswith("_STAGING")
    with pytest.raises(EltError, match="can't be part of a name"):
        statements(settings.model_copy(update={"snowflake_environment": "x; drop database RAW"}))


def test_warehouses_suspend_and_have_a_limit_services_have_a_key_and_an_address(
    given: list[Statement],
) -> None:
    text = "\n".join(statement.text for statement in given)
    made = things(given)
    warehouses = [thing.name for thing in made if thing.kind == "WAREHOUSE"]
    assert warehouses == ["LOADING", "TRANSFORMING", "TRANSFORMING_MARTS", "REPORTING"]
    for name in warehouses:
        assert f"alter warehouse {name} set auto_suspend = 60 auto_resume = true" in text
        assert f"alter warehouse {name} set resource_monitor = {name}" in text
        assert Thing("RESOURCE MONITOR", name) in made
    assert text.count("do suspend_immediate") == len(warehouses)
    users = [thing.name for thing in made if thing.kind == "USER"]
    assert users == ["AIRBYTE", "DBT", "SUPERSET"]
    for name in users:
        assert f"create user if not exists {name} type = service" in text
        assert f"alter user {name} set rsa_public_key = " in text
        assert f"alter user {name} set network_policy = ELT_SERVICES" in text
    assert "password" not in text.lower()


def test_dbt_airbyte_and_the_bootstrap_mean_the_same_names(
    settings: Settings, given: list[Statement]
) -> None:
    made = things(given)

    def names(kind: str) -> set[str]:
        return {thing.name for thing in made if thing.kind == kind}

    every = grants(given)
    project = ROOT / "data-transformation"
    profiles = (project / "profiles.yml").read_text()
    defaults = dict(re.findall(r"env_var\('(SNOWFLAKE_\w+)', ''\) or '([A-Z_]+)'", profiles))
    assert defaults["SNOWFLAKE_ROLE"] in names("ROLE")
    assert defaults["SNOWFLAKE_DATABASE"] in names("DATABASE")
    configured = (project / "dbt_project.yml").read_text()
    marts = re.search(r"env_var\('SNOWFLAKE_WAREHOUSE_MARTS', '(\w+)'\)", configured).group(1)
    for warehouse in (defaults["SNOWFLAKE_WAREHOUSE"], marts):
        assert Grant(defaults["SNOWFLAKE_ROLE"], "USAGE", "WAREHOUSE", warehouse) in every
    schemas = set(re.findall(r"\+schema: (?:\"\{\{ env_var\('\w+', '(\w+)'\) \}\}\"|(\w+))", configured))
    optional = "".join(
        path.read_text() for path in (ROOT / "infrastructure/snowflake/optional").glob("*.sql")
    )
    for schema in (f"ANALYTICS.{''.join(pair).upper()}" for pair in schemas):
        assert schema in names("SCHEMA") or f"create transient schema if not exists {schema} " in optional
    raw = (project / "models/staging/_airbyte.yml").read_text()
    assert re.search(r"env_var\('SNOWFLAKE_RAW_DATABASE', '(\w+)'\)", raw).group(1) in names("DATABASE")

    ours = settings.snowflake_variables
    assert (
        Grant(ours["SNOWFLAKE_LOADER_ROLE"], "USAGE", "WAREHOUSE", ours["SNOWFLAKE_LOADER_WAREHOUSE"])
        in every
    )
    assert (
        Grant(ours["SNOWFLAKE_LOADER_ROLE"], "CREATE SCHEMA", "DATABASE", ours["SNOWFLAKE_RAW_DATABASE"])
        in every
    )
    assert {ours[name] for name in ours if name.endswith("_USER")} <= names("USER")
    assert defaults.items() <= ours.items() and marts == ours["SNOWFLAKE_WAREHOUSE_MARTS"]


def key_file(folder: Path, head: str = "PUBLIC") -> str:
    path = folder / "key.pub"
    path.write_text(f"-----BEGIN {head} KEY-----\nTUlJ\nQklq\n-----END {head} KEY-----\n")
    return str(path)


def test_keys_and_addresses_come_from_the_environment(settings: Settings, tmp_path: Path) -> None:
    keys = {
        f"snowflake_{role}_public_key": key_file(tmp_path) for role in ("loader", "transformer", "reporter")
    }
    complete = settings.model_copy(update=keys | {"snowflake_allowed_ips": "203.0.113.7, 198.51.100.0/24"})
    text = "\n".join(statement.text for statement in statements(complete))
    assert text.count("rsa_public_key = 'TUlJQklq'") == 3
    assert "allowed_ip_list = ('203.0.113.7', '198.51.100.0/24')" in text
    assert "<SNOWFLAKE" not in text


def test_every_program_of_an_environment_uses_the_names_that_were_made_for_it(tmp_path: Path) -> None:
    """Staging and production in one account: its sync, models and dashboards must not meet the other's."""
    given = {
        "ELT_HOME": str(tmp_path),
        "SNOWFLAKE_ENVIRONMENT": "staging",
        "SNOWFLAKE_HOST": "acme.snowflakecomputing.com",
        "SNOWFLAKE_PRIVATE_KEY": "KEY",  # pragma: allowlist secret
        "SNOWFLAKE_LOADER_PRIVATE_KEY": "KEY",  # pragma: allowlist secret
        "SNOWFLAKE_REPORTER_PRIVATE_KEY": "KEY",  # pragma: allowlist secret
    }
    staging = load_settings(
        given | dict.fromkeys(("AIRBYTE_DESTINATION", "DASHBOARDS_WAREHOUSE", "DBT_TARGET"), "snowflake")
    )
    made = {
        text.split()[-1 if "if not exists" not in text else text.split().index("exists") + 1]
        for text in (each.text for each in statements(staging, complete=False))
        if text.startswith("create ")
    }
    used = dbt_environment(staging)
    names = {used[field.upper()] for field in SNOWFLAKE_NAMES}
    assert len(names) == 12 and all(name.endswith("_STAGING") for name in names) and names <= made
    loader = definitions(settings=staging).destinations["warehouse"].configuration
    assert (loader.username, loader.role, loader.warehouse, loader.database) == (
        *("AIRBYTE_STAGING", "LOADER_STAGING", "LOADING_STAGING", "RAW_STAGING"),
    )
    database = rendered(staging)["databases/adventureworks.yaml"]["sqlalchemy_uri"]
    assert database == (
        "snowflake://SUPERSET_STAGING@acme/ANALYTICS_STAGING/MARTS?role=REPORTER_STAGING&warehouse=REPORTING_STAGING"
    )
    assert load_settings(given | {"SNOWFLAKE_DATABASE": "OTHER"}).snowflake_database == "OTHER"
    assert "SNOWFLAKE_ROLE" not in dbt_environment(load_settings(given))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: {"snowflake_loader_public_key": ""}, "SNOWFLAKE_LOADER_PUBLIC_KEY is not set"),
        (lambda folder: {"snowflake_loader_public_key": "/nowhere.pub"}, "there is no file /nowhere.pub"),
        (lambda folder: {"snowflake_loader_public_key": key_file(folder, "PRIVATE")}, "holds a private key"),
        (lambda folder: {"snowflake_loader_public_key": "a\n'; drop user x"}, "is no public key"),
        (lambda folder: {"snowflake_allowed_ips": ""}, "SNOWFLAKE_ALLOWED_IPS is not set"),
        (lambda folder: {"snowflake_allowed_ips": "1.2.3.4'); --"}, "SNOWFLAKE_ALLOWED_IPS: "),
    ],
)
def test_a_wrong_or_missing_value_is_reported(
    settings: Settings, tmp_path: Path, change: Callable[[Path], dict[str, str]], message: str
) -> None:
    good = key_file(tmp_path)
    keys = {f"snowflake_{role}_public_key": good for role in ("loader", "transformer", "reporter")}
    (tmp_path / "other").mkdir()
    broken = settings.model_copy(
        update=keys | {"snowflake_allowed_ips": "203.0.113.7"} | change(tmp_path / "other")
    )
    with pytest.raises(EltError, match=re.escape(message)):
        statements(broken)


def test_a_statement_knows_its_line_whatever_comments_and_strings_hold(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "1.sql").write_text(
        "-- a; b\nuse role X;\n\ngrant usage\n  on warehouse W to role R; -- c;\n"
    )
    assert [(one.place, one.text) for one in statements(settings, complete=False, directory=tmp_path)] == [
        ("1.sql:2", "use role X"),
        ("1.sql:4", "grant usage\n  on warehouse W to role R"),
    ]
