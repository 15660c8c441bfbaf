"""Notices through Airflow's own hooks, to the real sink; and what becomes of a run when Slack and mail are away."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import duckdb
import pytest
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from foundation.settings import load_settings, settings
from orchestration import channels, defaults, monitoring, notices, steps
from transformation.project import manifest_path
from transformation.results import artifacts_path


@pytest.fixture(autouse=True)
def config(monkeypatch, tmp_path):
    """Settings of an empty ELT_HOME in the environment `staging`; no mail server."""
    monkeypatch.setenv("ELT_HOME", str(tmp_path))
    monkeypatch.setenv("ELT_ENVIRONMENT", "staging")
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    settings.cache_clear()
    yield load_settings()
    settings.cache_clear()


@pytest.fixture
def mail(monkeypatch, shared_sink):
    """Points `smtp_default` to a mail server, the sink's at first."""

    def point(port=shared_sink.settings.sink_smtp_port, password=shared_sink.token):
        extra = {
            "from_email": "airflow@localhost",
            "disable_ssl": True,
            "disable_tls": True,
            "retry_limit": 0,
        }
        login = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "login": "elt", "password": password}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(login | {"extra": extra}))

    point()
    return point


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

    def xcom_pull(self, task_ids, key="return_value"):
        return self.xcoms.get((task_ids, key))

    def get_task_breadcrumbs(self, dag_id, run_id):
        return [
            {"task_id": name, "state": state, "operator": operator} for name, state, operator in self.ended
        ]


def context(exception=None, run_type="manual", **ti):
    began = datetime.now(UTC) - timedelta(seconds=61)
    return {
        "dag": SimpleNamespace(dag_id="adventureworks_elt"),
        "dag_run": SimpleNamespace(start_date=began, run_type=DagRunType(run_type)),
        "run_id": "manual__1",
        "exception": exception,
        "ti": TaskInstance(**ti),
    }


def test_start_and_success_reach_the_sink(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    assert notices.started(context()) and notices.succeeded(context())
    start, success = (message["text"] for message in shared_sink.messages[-2:])
    assert "*adventureworks_elt* started · staging" in start and "manual__1" in start
    assert "*adventureworks_elt* succeeded after 1 min 1 s" in success


def test_of_a_scheduled_run_only_the_first_success_is_reported_unless_all_are_asked_for(
    config, shared_sink, slack, monkeypatch
):
    slack(shared_sink.url, shared_sink.token)
    scheduled = context(run_type="scheduled")
    assert notices.started(scheduled) and notices.succeeded(scheduled)

    def fill(duck):
        duck.execute(
            "insert into pipeline_runs (dag_id, run_id, state, started_at)"
            " values ('adventureworks_elt', 'scheduled__0', 'success', now())"
        )

    monitoring._rewrite(config, fill)
    before = len(shared_sink.messages)
    assert not notices.started(scheduled) and not notices.succeeded(scheduled)
    assert len(shared_sink.messages) == before
    assert notices.started(context()) and notices.succeeded(context())  # somebody waits for this one
    monkeypatch.setenv("ALERT_LEVEL", "all")
    settings.cache_clear()
    assert notices.started(scheduled) and notices.succeeded(scheduled)


def test_a_success_says_what_was_synced_built_and_published_and_what_revenue_that_makes(
    config, shared_sink, slack
):
    slack(shared_sink.url, shared_sink.token)
    for version, total in ((6, "1000.25"), (7, "1234.50")):
        folder = config.serving_path.parent.parent / f"v{version}"
        folder.mkdir(parents=True)
        record = {"number": version, "run": "x", "published_at": "2026-03-01T12:00:00Z", "seconds": 1}
        (folder / "published.json").write_text(json.dumps(record | {"tables": {"obt_sales": 2}}))
        with duckdb.connect(folder / config.serving_path.name) as duck:
            duck.execute("create schema marts")
            duck.execute(
                f"create table marts.obt_sales as select {total} as line_total, 'Shipped' as order_status_name"
                " union all select 99, 'Cancelled'"
            )
            duck.execute("create table marts.mart_data_quality as from (values (2), (1)) as odd(row_count)")
    left = [f"{kind}.adventureworks.{number}" for kind in ("model", "test") for number in range(1200)]
    artifacts_path(config).mkdir(parents=True)
    results = [
        {"unique_id": node, "status": "pass" if node.startswith("test") else "success"} for node in left
    ]
    artifact = {"metadata": {"env": {"RUN_ID": "manual__1"}}, "results": results[1199:]}
    (artifacts_path(config) / "run_results.json").write_text(json.dumps(artifact))
    found = context()
    found["ti"].xcoms["sync", "synced"] = {"rows": 12_345, "seconds": 3.21}
    found["ti"].xcoms["publish", "return_value"] = 7
    assert notices.succeeded(found)
    lines = shared_sink.messages[-1]["text"].splitlines()
    assert "*Synced:* 12,345 rows in 3.2 s" in lines
    assert "*Built:* 1 model, 1,200 tests passed" in lines
    board = f"{config.superset_url}/superset/dashboard/data-quality/"
    assert f"*Odd, but published:* 3 rows, see {board}" in lines
    assert "*Revenue:* 1,234.50 (+234.25)" in lines and "*Published:* version 7" in lines
    del found["ti"].xcoms["publish", "return_value"]
    found["ti"].xcoms["publish", "unchanged"] = 7
    notices.succeeded(found)
    assert (
        "*Not published:* nothing has changed: version 7 is right still" in shared_sink.messages[-1]["text"]
    )


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
    assert "*Runbook:* http://127.0.0.1:8080/dags/adventureworks_elt" in text
    assert message["payload"]["blocks"][0]["text"]["text"] == text


def test_a_failure_goes_out_by_mail_too_and_a_start_does_not(shared_sink, slack, mail):
    slack(shared_sink.url, shared_sink.token)
    before = len(shared_sink.messages)
    notices.started(context())
    notices.failed(context(RuntimeError("no space left on device")))
    sent = shared_sink.messages[before:]
    assert sorted(message["channel"] for message in sent) == ["email", "slack", "slack"]
    [email] = [message for message in sent if message["channel"] == "email"]
    assert email["subject"] == "[staging] adventureworks_elt failed in sync"
    assert email["recipients"] == ["oncall@localhost"] and "no space left on device" in email["text"]


def test_failing_dbt_tests_are_reported_by_name_with_their_rows(config, shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    results = [
        {"unique_id": "model.adventureworks.fct_sales", "status": "success", "failures": None},
        {"unique_id": "test.adventureworks.not_null_x.1f", "status": "fail", "failures": 3},
        {"unique_id": "test.adventureworks.fct_orders_totals.2a", "status": "fail", "failures": 1200},
        {"unique_id": "test.adventureworks.other.3b", "status": "warn", "failures": 7},
    ]
    artifacts_path(config).mkdir(parents=True)
    artifact = {"metadata": {"env": {"RUN_ID": "manual__1"}}, "results": results}
    (artifacts_path(config) / "run_results.json").write_text(json.dumps(artifact))
    manifest_path(config).parent.mkdir(parents=True)
    manifest_path(config).write_text(
        json.dumps({"nodes": {"test.adventureworks.not_null_x.1f": {"name": "not_null_x"}}})
    )
    failing = context(RuntimeError("dbt"))
    failing["ti"].task_id = "dbt.dbt_producer_watcher"
    notices.failed(failing)
    text = shared_sink.messages[-1]["text"]
    assert "*Tests:* \n• fct_orders_totals: 1,200 rows\n• not_null_x: 3 rows\n*Try:*" in text
    assert "other" not in text
    failing["run_id"] = "manual__2"  # whose dbt ended before it had results
    notices.failed(failing)
    assert "*Tests:*" not in shared_sink.messages[-1]["text"]


OF_A_GENERIC_TEST = {
    "test_metadata": {"kwargs": {"keys": {"order_id": "salesorderid", "order_line_id": "salesorderdetailid"}}}
}
OF_A_FILE = {"config": {"meta": {"keys": ["order_id", "order_line_id"]}}}


@pytest.mark.parametrize("keys", [OF_A_GENERIC_TEST, OF_A_FILE])
def test_a_failed_test_with_keys_names_the_orders_that_failed(config, shared_sink, slack, keys):
    slack(shared_sink.url, shared_sink.token)
    name, stored = "fct_sales_equals_raw", "dbt_test_failures.fct_sales_equals_raw"
    with duckdb.connect(config.warehouse_path) as duck:
        duck.execute("create schema dbt_test_failures")
        duck.execute(
            f"create table {stored} as select 7 as order_id, 9 - i as order_line_id from range(7) as t(i)"
        )
    artifacts_path(config).mkdir(parents=True)
    failed = {
        "unique_id": "test.adventureworks.x.1f",
        "status": "fail",
        "failures": 7,
        "relation_name": stored,
    }
    artifact = {"metadata": {"env": {"RUN_ID": "manual__1"}}, "results": [failed]}
    (artifacts_path(config) / "run_results.json").write_text(json.dumps(artifact))
    manifest_path(config).parent.mkdir(parents=True)
    manifest_path(config).write_text(json.dumps({"nodes": {failed["unique_id"]: {"name": name} | keys}}))
    failing = context(RuntimeError("dbt"))
    failing["ti"].task_id = "dbt.dbt_producer_watcher"
    notices.failed(failing)
    rows = "order_id/order_line_id 7/3, 7/4, 7/5, 7/6, 7/7 …"
    assert f"• {name}: 7 rows ({rows})" in shared_sink.messages[-1]["text"]
    config.warehouse_path.unlink()  # the message goes out all the same
    notices.failed(failing)
    assert f"• {name}: 7 rows\n" in shared_sink.messages[-1]["text"]


def test_the_first_success_after_failures_says_that_all_is_well_again(config, shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    runs = [("a", "success", 10), ("b", "failed", 11), ("c", "failed", 12), ("manual__1", "running", 13)]

    def fill(duck):
        for run, state, hour in runs:
            values = ["adventureworks_elt", run, state, f"2026-03-01 {hour}:00:00+00"]
            duck.execute(
                "insert into pipeline_runs (dag_id, run_id, state, started_at) values (?, ?, ?, ?)", values
            )

    monitoring._rewrite(config, fill)
    notices.succeeded(context())
    text = shared_sink.messages[-1]["text"]
    assert "*adventureworks_elt* recovered: it succeeded after 1 min 1 s" in text
    assert "*Failed before:* 2 times, first at 2026-03-01 11:00 UTC" in text


def test_a_success_says_which_version_is_shown_or_that_one_is_held(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    found = context()
    found["ti"].xcoms["publish", "return_value"] = 7
    notices.succeeded(found)
    assert "*Published:* version 7" in shared_sink.messages[-1]["text"]
    found["ti"].xcoms["publish", "held"] = 5
    notices.succeeded(found)
    assert "*Not published:* version 5 is held by a rollback" in shared_sink.messages[-1]["text"]


def test_a_run_that_is_late_is_reported(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    run = {"dag_id": "adventureworks_elt", "dag_run_id": "scheduled__1", "state": "running"}
    for deadline in (
        datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        "2026-03-01T12:30:00Z",
    ):  # as the executors pass it
        assert notices.late({"dag_run": run, "deadline": {"deadline_time": deadline}})
        assert "is late: it should have ended by 12:30 UTC" in shared_sink.messages[-1]["text"]


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_run_that_has_ended_is_not_late(shared_sink, slack, mail, state):
    """Airflow keeps the deadline of a run that failed before it."""
    slack(shared_sink.url, shared_sink.token)
    before = len(shared_sink.messages)
    run = {"dag_id": "adventureworks_elt", "dag_run_id": "scheduled__1", "state": state}
    assert not notices.late({"dag_run": run, "deadline": {"deadline_time": "2026-03-01T12:30:00Z"}})
    assert len(shared_sink.messages) == before


def test_a_run_that_airflow_ended_is_reported_once(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    dag = SimpleNamespace(dag_id="adventureworks_elt", dagrun_timeout=timedelta(hours=2))
    ended = {"dag": dag, "run_id": "scheduled__1", "reason": "timed_out"}
    assert notices.timed_out(ended)  # the least that the DAG processor knows
    text = shared_sink.messages[-1]["text"]
    assert (
        "*adventureworks_elt* was ended: it took longer than 120 min 0 s" in text and "scheduled__1" in text
    )
    assert notices.timed_out(ended | {"ti": SimpleNamespace(task_id="sync")})
    assert "*At work:* `sync`" in shared_sink.messages[-1]["text"]


def test_what_the_skipped_last_task_would_have_done_is_done_when_airflow_ends_a_run(monkeypatch):
    """A timeout of a run skips its teardowns, too."""
    did = []
    monkeypatch.setattr(notices, "timed_out", lambda context: did.append("told"))
    monkeypatch.setattr(steps.publishing, "give_back", lambda settings, run: did.append(f"gave back {run}"))
    monkeypatch.setattr(steps.monitoring, "record", lambda settings, api: did.append("recorded") or {})
    ended = {"dag": SimpleNamespace(dag_id="adventureworks_elt"), "run_id": "1", "reason": "timed_out"}
    defaults.timed_out(ended)
    assert did == ["told", "gave back adventureworks_elt 1", "recorded"]
    defaults.timed_out(ended | {"reason": "task_failure"})  # of that its tasks have sent a message
    assert len(did) == 3


def test_data_that_grows_old_is_reported_before_the_target_is_missed_and_when_it_is(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    target = timedelta(hours=1)
    assert not notices.growing_old("adventureworks_elt", timedelta(minutes=44), target)
    told = [
        now
        for before, now in pairwise(range(0, 200, 15))  # a run every quarter of an hour, and none publishes
        if notices.growing_old("x", timedelta(minutes=now), target, timedelta(minutes=before))
    ]
    assert told == [45, 60, 120, 180]
    assert notices.growing_old("adventureworks_elt", timedelta(minutes=46), target)
    assert "are about to be too old" in shared_sink.messages[-1]["text"]
    assert "*Age:* 46 min 0 s; the target is 60 min 0 s" in shared_sink.messages[-1]["text"]
    assert notices.growing_old("adventureworks_elt", timedelta(minutes=61), target)
    assert "are older than they may be" in shared_sink.messages[-1]["text"]


def test_a_mail_server_that_is_away_or_refuses_changes_nothing(shared_sink, slack, mail, caplog):
    slack(shared_sink.url, shared_sink.token)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        mail(port=probe.getsockname()[1])
        assert notices.failed(context(RuntimeError("x")))
    mail(password="hunter2")
    assert notices.failed(context(RuntimeError("x")))
    assert caplog.text.count("notice not delivered by e-mail") == 2 and "hunter2" not in caplog.text


@pytest.mark.parametrize(
    "broken", [TaskDeferralError("Trigger failure"), TaskDeferralTimeout("Trigger timeout")]
)
def test_of_many_tasks_that_a_triggerer_fails_none_tells_for_itself(shared_sink, slack, broken):
    slack(shared_sink.url, shared_sink.token)
    before = len(shared_sink.messages)
    watching = context(broken)
    assert not notices.failed(watching)
    assert len(shared_sink.messages) == before
    assert watching["ti"].xcoms == {}  # so that `killed` tells of it


def test_of_the_tasks_that_were_killed_one_message_tells_at_the_end_of_the_run(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    before = len(shared_sink.messages)
    ended = [
        ("dbt.fct_sales", "failed", "DbtNodesSensor"),  # killed, too
        ("dbt.producer", "failed", "DbtProducerWatcherOperator"),
        ("dbt.staging", "failed", "DbtNodesSensor"),
        ("notify_start", "failed", "X"),
        ("publish", "upstream_failed", "X"),
        ("sync", "success", "X"),
    ]
    found = context(ended=ended, task_id="record")
    found["ti"].log_url = "http://127.0.0.1:8080/dags/adventureworks_elt/runs/1/tasks/record?try_number=1"
    found["ti"].xcoms["dbt.staging", notices.SPOKE] = False  # it only watched
    assert not notices.failed(found)  # the DAG processor, which knows no exception, calls it for each
    assert notices.killed(found) == ["dbt.producer", "notify_start"]
    [message] = shared_sink.messages[before:]
    assert "failed in `dbt.producer`" in message["text"] and "ended without a word" in message["text"]
    assert "*Also ended:* `notify_start`" in message["text"]
    assert (
        message["text"]
        .split("*Log:* ")[1]
        .startswith("http://127.0.0.1:8080/dags/adventureworks_elt/runs/1/tasks/dbt.producer\n")
    )


def test_a_run_that_failed_without_a_word_of_any_task_is_reported_once(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    before = len(shared_sink.messages)
    found = context(ended=[("dbt.staging", "failed", "DbtNodesSensor")])
    found["ti"].xcoms["dbt.staging", notices.SPOKE] = False
    assert notices.killed(found) == ["dbt.staging"]
    assert "no task of the run gave a reason" in shared_sink.messages[-1]["text"]
    found["ti"].ended = [*found["ti"].ended, ("dbt.producer", "failed", "X")]
    found["ti"].xcoms |= {("dbt.producer", notices.SPOKE): False, ("dbt.producer", notices.REASON): "x"}
    assert (
        notices.killed(found) == [] and len(shared_sink.messages) == before + 1
    )  # Slack was down when it sent its message


def test_a_watching_task_that_was_killed_alone_is_reported(shared_sink, slack):
    slack(shared_sink.url, shared_sink.token)
    assert notices.killed(context(ended=[("dbt.staging", "failed", "DbtNodesSensor")])) == ["dbt.staging"]


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
    assert time.monotonic() - began < channels.LIMIT
    assert "notice not delivered" in caplog.text and "failed in sync" in caplog.text


def test_a_slack_that_never_answers_costs_no_more_than_the_limit(slack, monkeypatch):
    monkeypatch.setattr(channels, "LIMIT", 1.5)
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
