"""Notices through Airflow's own Slack hook, to the real sink; and what becomes of a run when Slack is away."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from orchestration import notices


@pytest.fixture
def slack(monkeypatch):
    """Points `slack_default` to a host, as a deployment does: by the environment alone."""

    def point(host, token):
        monkeypatch.setenv(
            "AIRFLOW_CONN_SLACK_DEFAULT",
            json.dumps({"conn_type": "slackwebhook", "host": f"{host}/services", "password": token}),
        )

    return point


class TaskInstance(SimpleNamespace):
    """What Airflow's task instance offers to a callback."""

    task_id = "sync"
    try_number = 3
    log_url = "http://127.0.0.1:8080/dags/adventureworks_elt/runs/1/tasks/sync?try_number=3"
    ended: tuple = ()

    def __init__(self, **values):
        super().__init__(xcoms={}, **values)

    def xcom_push(self, key, value):
        self.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids, key):
        return self.xcoms.get((task_ids, key))

    def get_task_breadcrumbs(self, dag_id, run_id):
        return [{"task_id": name, "state": state} for name, state in self.ended]


def context(exception=None, **ti):
    began = datetime.now(UTC) - timedelta(seconds=61)
    return {
        "dag": SimpleNamespace(dag_id="adventureworks_elt"),
        "dag_run": SimpleNamespace(start_date=began),
        "run_id": "manual__1",
        "exception": exception,
        "ti": TaskInstance(**ti),
    }


def test_start_and_success_reach_the_sink(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    assert notices.started(context()) and notices.succeeded(context())
    start, success = (message["text"] for message in shared_sink.messages[-2:])
    assert "*adventureworks_elt* started" in start and "manual__1" in start
    assert "*adventureworks_elt* succeeded after 1 min 1 s" in success


def test_a_failure_names_task_reason_try_duration_and_link(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    began = datetime.now(UTC) - timedelta(seconds=10)
    failure = RuntimeError("Airbyte job 7 failed: password=hunter2 is wrong")
    assert notices.failed(context(failure, start_date=began, max_tries=2))
    message = shared_sink.messages[-1]
    text = message["text"]
    assert "failed in `sync`" in text
    assert "*Reason:* Airbyte job 7 failed: password=*** is wrong" in text
    assert "*Try:* 3 of 3, after 10 s" in text
    assert "http://127.0.0.1:8080/dags/adventureworks_elt/runs/1" in text
    assert message["payload"]["blocks"][0]["text"]["text"] == text


def test_a_killed_task_is_told_with_what_the_dag_processor_knows(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    assert notices.failed(context())
    assert "ended without a word" in shared_sink.messages[-1]["text"]


def test_a_task_that_watched_another_one_fail_says_nothing(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    before = len(shared_sink.messages)
    watched = context(notices.WatchedTaskFailed("fct_sales: a test failed"))
    assert not notices.failed(watched)
    assert len(shared_sink.messages) == before
    assert watched["ti"].xcoms == {("sync", notices.SPOKE): False}


def test_of_the_tasks_that_failed_only_those_are_told_late_whose_process_was_killed(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    before = len(shared_sink.messages)
    ended = [
        ("sync", "success"),
        ("dbt.producer", "failed"),
        ("dbt.staging", "failed"),
        ("publish", "upstream_failed"),
    ]
    found = context(ended=ended)
    found["ti"].xcoms["dbt.staging", notices.SPOKE] = False  # it only watched
    assert notices.killed(found) == ["dbt.producer"]
    [message] = shared_sink.messages[before:]
    assert "failed in `dbt.producer`" in message["text"] and "ended without a word" in message["text"]
    assert (
        message["text"]
        .split("*Log:* ")[1]
        .startswith("http://127.0.0.1:8080/dags/adventureworks_elt/runs/1/tasks/dbt.producer\n")
    )


def test_a_note_that_airflow_does_not_take_changes_nothing(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    failing = context(RuntimeError("x"))
    failing["ti"].xcom_push = None
    assert notices.failed(failing)


def test_with_nobody_there_it_returns_at_once_and_says_so_in_the_log(slack, caplog):
    with socket.socket() as probe:  # bound, and not listening: the port stays closed
        probe.bind(("127.0.0.1", 0))
        slack(f"http://127.0.0.1:{probe.getsockname()[1]}", "T000/B000/XXX")
        began = time.monotonic()
        assert not notices.failed(context(RuntimeError("x")))
    assert time.monotonic() - began < notices.LIMIT
    assert "notice not delivered" in caplog.text and "failed in `sync`" in caplog.text


def test_a_slack_that_never_answers_costs_no_more_than_the_limit(slack, monkeypatch):
    monkeypatch.setattr(notices, "LIMIT", 1.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slack(f"http://127.0.0.1:{silent.getsockname()[1]}", "T000/B000/XXX")
        began = time.monotonic()
        assert not notices.started(context())
    assert 1.0 <= time.monotonic() - began < 3.0


def test_a_refused_token_is_a_line_in_the_log_without_the_token(shared_sink, slack, caplog):
    slack(shared_sink.url, "T000/B000/hunter2")
    assert not notices.started(context())
    assert "notice not delivered" in caplog.text
    assert "hunter2" not in caplog.text


def test_without_a_connection_the_run_goes_on(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_SLACK_DEFAULT", raising=False)
    assert not notices.started(context())
