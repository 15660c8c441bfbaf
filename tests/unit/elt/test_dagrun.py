"""`elt run`: what it asks Airflow for, and what it says about a run."""

from __future__ import annotations

import json

import httpx
import pytest
from click.testing import CliRunner, Result

from elt import dagrun
from foundation.settings import load_settings
from orchestration import airflow_api

REASON = "failed tests: \n• fct_sales_total: 3 rows"
PRODUCER = "dbt.dbt_producer_watcher"


class Airflow:
    """Airflow's REST API with one DAG, each run of which ends at once with these tasks: name, state, operator."""

    def __init__(self) -> None:
        self.tasks = [("sync", "success", "X"), ("publish", "success", "X"), ("record", "success", "X")]
        self.state = "success"
        self.told: dict[tuple[str, str], object] = {}
        self.triggered: list[dict] = []
        self.gone = False
        self.paused, self.tick = False, ""
        self.active: list[str] = []  # runs under way, until they are looked at
        self.asked: list[str] = []
        self.answer = self.__call__

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2/dags/adventureworks_elt").strip("/").split("/")
        if self.gone and self.triggered:
            raise httpx.ConnectError("Connection refused")
        match request.method, *path:
            case "GET", "":
                dag = {"has_import_errors": False, "is_paused": self.paused}
                return httpx.Response(200, json=dag | {"next_dagrun_run_after": self.tick or None})
            case "PATCH", "":
                self.paused = json.loads(request.content)["is_paused"]
                self.asked.append("pause" if self.paused else "unpause")
                return httpx.Response(200, json={})
            case "DELETE", "assets", "queuedEvents":
                self.asked.append("forget what changes asked for")
                return httpx.Response(404, json={})
            case "GET", "dagRuns":
                return httpx.Response(200, json={"dag_runs": [{"dag_run_id": run} for run in self.active]})
            case "POST", "dagRuns":
                self.asked.append("trigger")
                body = json.loads(request.content)
                self.triggered.append(body["conf"])
                if body["conf"].get("full_refresh") == ["dim_date"]:
                    return httpx.Response(400, json={"detail": "Invalid input for param full_refresh\nmore"})
                return httpx.Response(200, json={"dag_run_id": "run 1"})
            case "GET", "dagRuns", name:
                self.active = [run for run in self.active if run != name]
                self.asked += [name] if name not in self.asked else []
                return httpx.Response(200, json={"state": self.state})
            case "GET", "dagRuns", _, "taskInstances":
                found = [
                    {"task_id": task, "state": state, "operator_name": operator, "duration": 1.0}
                    | {"end_date": f"2026-03-01T12:00:{second:02}Z"}
                    for second, (task, state, operator) in enumerate(self.tasks)
                ]
                return httpx.Response(200, json={"task_instances": found})
            case "GET", "dagRuns", _, "taskInstances", task, "xcomEntries", key:
                if (task, key) in self.told:
                    return httpx.Response(200, json={"value": self.told[task, key]})
                return httpx.Response(404, json={})
        raise AssertionError(request.url)


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


@pytest.fixture
def run(airflow, tmp_path, monkeypatch):
    """`elt run ARGUMENTS` against that Airflow."""
    config = load_settings({"ELT_HOME": str(tmp_path)})
    monkeypatch.setattr(dagrun, "settings", lambda: config)
    monkeypatch.setattr(airflow_api, "healthy", lambda settings: {"api_server": "healthy"})
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda self, request: airflow.answer(request))
    monkeypatch.setattr(airflow_api._Login, "_token", "known", raising=False)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(dagrun.run, arguments)

    monkeypatch.setattr(airflow_api._Login, "__init__", lambda self, settings: None)
    return call


def test_its_options_are_the_fields_of_the_trigger_form(run, airflow):
    assert run().exit_code == 0
    assert (
        run("--select", "fct_sales+", "--full-refresh", "fct_sales", "--full-refresh", "fct_orders").exit_code
        == 0
    )
    assert run("--everything", "--rebuild-from", "2026-01-01", "--rebuild-to", "2026-01-31").exit_code == 0
    assert airflow.triggered == [
        {},
        {"select": "fct_sales+", "full_refresh": ["fct_sales", "fct_orders"]},
        {"everything": True, "rebuild_from": "2026-01-01", "rebuild_to": "2026-01-31"},
    ]


def test_a_paused_dag_gets_its_run_before_it_is_switched_on_and_no_second_one_for_the_same_changes(
    run, airflow
):
    airflow.paused, airflow.tick = True, "2999-01-01T00:00:00Z"
    assert run().exit_code == 0
    assert airflow.asked == ["trigger", "forget what changes asked for", "unpause", "run 1"]


def test_a_run_that_was_held_by_the_pause_ends_first(run, airflow):
    airflow.paused, airflow.tick, airflow.active = True, "2026-01-01T00:00:00Z", ["held"]
    assert run().exit_code == 0
    assert airflow.asked == ["unpause", "held", "trigger", "run 1"]


def test_a_missed_time_of_the_schedule_starts_the_run_that_is_awaited(run, airflow):
    airflow.paused, airflow.tick = True, "2026-01-01T00:00:00Z"
    ticked = airflow.__call__

    def with_tick(request):
        if request.method == "PATCH":
            airflow.active = ["ticked"]
        return ticked(request)

    airflow.answer = with_tick
    assert run().exit_code == 0
    assert airflow.asked == ["unpause", "ticked"]


def test_a_dry_run_says_which_models_are_meant(run, airflow):
    airflow.tasks = [("plan", "success", "X"), ("sync", "skipped", "X"), ("publish", "skipped", "X")]
    airflow.told["plan", "models"] = ["fct_orders", "fct_sales"]
    said = run("--dry-run", "--select", "fct_sales fct_orders")
    assert airflow.triggered == [{"dry_run": True, "select": "fct_sales fct_orders"}]
    assert said.output.splitlines()[-1] == "2 models would be looked at: fct_orders, fct_sales"


def test_a_value_that_airflow_refuses_is_one_line(run):
    refused = run("--full-refresh", "dim_date")
    assert str(refused.exception).startswith(
        "Airflow refuses to run this: Invalid input for param full_refresh — "
    )


def test_a_failure_is_reported_with_its_reason_and_what_only_follows_is_folded(run, airflow):
    watchers = [(f"dbt.mart_{number}", "failed", "DbtNodesSensor") for number in range(3)]
    left_out = [(f"dbt.fct_{number}", "upstream_failed", "DbtNodesSensor") for number in range(20)]
    airflow.tasks = [
        ("sync", "success", "X"),
        *watchers,
        (PRODUCER, "failed", "DbtProducerWatcherOperator"),
        *left_out,
        ("publish", "upstream_failed", "X"),
        ("record", "success", "X"),
    ]
    airflow.state = "failed"
    airflow.told[PRODUCER, "failure_reason"] = REASON
    said = run()
    assert isinstance(said.exception, dagrun.DagRunFailedError)
    assert str(said.exception).startswith(
        f"failed in {PRODUCER}: failed tests: • fct_sales_total: 3 rows — the log: "
    )
    lines = [line.split() for line in said.output.splitlines()]
    assert [line[-1] for line in lines[:2]] == ["sync", PRODUCER]
    assert [" ".join(line) for line in lines[2:4]] == REASON.replace(": \n", ":\n").splitlines()
    assert lines[4][-1] == "record"
    assert lines[5] == ["not", "run", "24", "tasks", "that", "only", "follow"] and len(lines) == 6


def test_of_a_task_that_was_killed_the_last_task_knows(run, airflow):
    airflow.tasks = [("sync", "failed", "X"), ("record", "success", "X")]
    airflow.state = "failed"
    airflow.told["record", "failure_reason"] = "the task's process ended without a word"
    assert "failed in sync: the task's process ended without a word — " in str(run().exception)


def test_an_airflow_that_goes_away_in_mid_run_is_one_line(run, airflow):
    airflow.gone = True
    said = run()
    assert str(said.exception).startswith(
        "Airflow does not answer at http://127.0.0.1:8080 (Connection refused)"
    )
