"""Every dbt that this project starts finds the same environment: the settings', whatever else the process's own holds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner

from elt.build import build
from foundation.errors import EltError
from foundation.settings import ROOT, load_settings, read_env_file
from foundation.settings import settings as this_process
from orchestration import documentation, parameters
from stack import airflow_environment
from transformation import run
from transformation.project import PROJECT, files_of
from transformation.snowflake_session import profile_of

# the variables of docs/production.md, for staging
PRODUCTION = {
    "DBT_TARGET": "snowflake",
    "SNOWFLAKE_ENVIRONMENT": "staging",
    "SNOWFLAKE_ACCOUNT": "acme-eu",
    "SNOWFLAKE_HOST": "acme-eu.snowflakecomputing.com",
    "SNOWFLAKE_PRIVATE_KEY": "a2V5",  # pragma: allowlist secret
}
NAMES = {
    "SNOWFLAKE_USER": "DBT_STAGING",
    "SNOWFLAKE_ROLE": "TRANSFORMER_STAGING",
    "SNOWFLAKE_WAREHOUSE": "TRANSFORMING_STAGING",
    "SNOWFLAKE_WAREHOUSE_MARTS": "TRANSFORMING_MARTS_STAGING",
    "SNOWFLAKE_DATABASE": "ANALYTICS_STAGING",
    "SNOWFLAKE_RAW_DATABASE": "RAW_STAGING",
}


def example() -> dict[str, str]:
    """A copy of `.env.example` as a container has it: every variable is there, most of them empty."""
    return read_env_file(ROOT / ".env.example")


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a container in production: all of `.env.example`, and what docs/production.md says to set."""
    for name, value in (example() | PRODUCTION | {"ELT_HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    this_process.cache_clear()
    yield
    this_process.cache_clear()


class Spy:
    """In the place of dbt's runner: it notes the environment in which it is asked, and answers that nothing was found."""

    def __init__(self) -> None:
        self.environ: dict[str, str] = {}

    def __call__(self, manifest: object = None) -> Spy:
        return self

    def invoke(self, words: list[str]) -> SimpleNamespace:
        self.environ = dict(os.environ)
        Path(self.environ["DBT_TARGET_PATH"]).mkdir(parents=True, exist_ok=True)
        Path(self.environ["DBT_TARGET_PATH"], "static_index.html").touch()
        found: object = ["a_model"] if "ls" in words else SimpleNamespace(results=[])
        return SimpleNamespace(exception=None, success=True, result=found)


CALLERS = {
    "elt build": lambda: CliRunner().invoke(build, ["--target", "snowflake"]),
    "plan": lambda: parameters.models_of(this_process(), "fct_sales+"),
    "docs": lambda: documentation.publish(this_process()),
    "parse": lambda: run.parse(this_process()),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_every_caller_gives_dbt_the_names_and_the_login_of_snowflake(container, caller, monkeypatch):
    spy = Spy()
    monkeypatch.setattr("dbt.cli.main.dbtRunner", spy)
    CALLERS[caller]()
    found = {name: spy.environ[name] for name in NAMES}
    assert found == NAMES
    assert (spy.environ["SNOWFLAKE_ACCOUNT"], spy.environ["SNOWFLAKE_PRIVATE_KEY"]) == ("acme-eu", "a2V5")
    assert spy.environ["DBT_TARGET"] == "snowflake"
    assert "DBT_PROJECT_DIR" not in os.environ  # dbt's environment is dbt's alone


def test_airflows_tasks_find_them_too(container):
    told = os.environ | airflow_environment.environment(this_process())
    assert {name: told[name] for name in NAMES} == NAMES
    assert (told["SNOWFLAKE_ACCOUNT"], told["SNOWFLAKE_PRIVATE_KEY"]) == ("acme-eu", "a2V5")


def test_a_session_on_snowflake_has_the_same_login(container):
    login = profile_of(this_process(), "snowflake")
    assert (login.user, login.database, login.role) == (
        "DBT_STAGING",
        "ANALYTICS_STAGING",
        "TRANSFORMER_STAGING",
    )
    assert (login.account, login.private_key) == ("acme-eu", "a2V5")


@pytest.mark.parametrize("target", ["duckdb", "dev", "ci"])
def test_an_empty_variable_is_one_that_is_not_set(tmp_path, monkeypatch, target):
    for name, value in example().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ELT_LEASE_WAIT_SECONDS", "")
    monkeypatch.setenv("SNOWFLAKE_EMULATOR_PORT", "")
    config = load_settings(dict(os.environ) | {"ELT_HOME": str(tmp_path), "DBT_TARGET": ""})
    assert config.dbt_target == "duckdb"
    found = profile_of(config, target)
    if target == "ci":
        assert (found.database, found.port, found.role) == ("ANALYTICS", 8084, "TRANSFORMER")
    else:
        assert found.schema == ("main" if target == "duckdb" else os.environ.get("USER") or "dev")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_ACCOUNT is not set"),
        ("SNOWFLAKE_PRIVATE_KEY", "neither SNOWFLAKE_PRIVATE_KEY nor SNOWFLAKE_PRIVATE_KEY_PATH is set"),
    ],
)
def test_a_login_that_is_not_there_is_named(tmp_path, missing, message):
    given = PRODUCTION | {"ELT_HOME": str(tmp_path), missing: ""}
    config = load_settings(given | ({"SNOWFLAKE_HOST": ""} if missing == "SNOWFLAKE_ACCOUNT" else {}))
    with pytest.raises(EltError, match=message):
        run.environment(config)


def test_the_variables_are_all_that_profile_and_project_ask_for(tmp_path):
    asked: set[str] = set()
    for path in (PROJECT / "profiles.yml", PROJECT / "dbt_project.yml"):
        asked |= set(re.findall(r"env_var\('(\w+)'", path.read_text()))
    asked -= {"USER", "DBT_MARTS_SCHEMA"}  # the system's; publishing's, for a build alone
    config = load_settings(PRODUCTION | {"ELT_HOME": str(tmp_path)})
    assert asked <= set(run.environment(config)) | set(run.environment(config, "ci"))


@pytest.mark.parametrize(
    ("kind", "folder"), [("models", "models"), ("seeds", "seeds"), ("data_tests", "tests")]
)
def test_whatever_the_project_configures_exists(kind, folder):
    """dbt's own warning is silenced, because it also comes for each source that is not in use."""

    def check(configured, inside):
        for name, value in configured.items():
            if not name.startswith("+"):
                found = [
                    path
                    for path in files_of(folder, "*")
                    if path.stem == name and path.parts[-1 - len(inside) : -1] == inside
                ]
                assert found, "/".join((folder, *inside, name))
                check(value, (*inside, name))

    check(yaml.safe_load((PROJECT / "dbt_project.yml").read_text())[kind]["adventureworks"], ())


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "10:00:00  Running with dbt\n10:00:01  Encountered an error:\nCompilation Error in model a (models/a.sql)\n"
            "  Model 'a' depends on 'b' which was not found\n",
            "Compilation Error in model a (models/a.sql) Model 'a' depends on 'b' which was not found",
        ),
        ("Runtime Error\n  Could not find profile\n", "Could not find profile"),
        (
            "10:00:00  1 of 2 ERROR creating a\n10:00:01  Done. PASS=1 ERROR=1 TOTAL=2\n",
            "1 of 2 ERROR creating a",
        ),
    ],
)
def test_the_reason_is_the_first_lines_that_say_something(output, reason):
    assert run.reason_in(output) == reason


def test_a_message_about_a_node_loses_its_heading_and_the_excerpt_of_its_sql():
    message = "Runtime Error in model a (models/a.sql)\n  Binder Error: no column x\n\n  LINE 3: select x\n         ^\n"
    assert run.plain(message) == "Binder Error: no column x"
