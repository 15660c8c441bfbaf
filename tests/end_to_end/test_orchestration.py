"""Failures, kills and company on the real scheduler: each is reported, nothing half is shown, the next run is right. Slow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime

import httpx
import psutil
import pytest

from adventureworks.database import connect_owner
from exporter.airflow import Airflow
from foundation.lease import lease
from foundation.settings import ROOT
from orchestration.airflow_api import COMPONENTS
from tests.fixtures.site import DAG, RUNS
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PRODUCER = "dbt.dbt_producer_watcher"


def failure_of(messages: list[str]) -> str:
    [text] = [message for message in messages if message.startswith(":x:")]
    return text


# ---------------------------------------------------------------------------------------------------- failures


def test_a_row_changed_in_raw_by_hand_fails_reconcile_with_its_key_and_the_next_run_recovers(site):
    shown = site.shown()
    change = "update adventureworks_sales.salesorderdetail set orderqty = orderqty {} 1 where salesorderdetailid = 7"
    site.raw(change.format("+"))
    with site.told() as told:
        assert site.run() == "failed"
    text = failure_of(told)
    assert "failed in `reconcile`" in text and "salesorderdetailid=7 differs in orderqty" in text
    assert "*Log:* http" in text and "*Runbook:* http" in text and "*Try:* 1 of" in text
    assert site.shown() == shown
    site.raw(change.format("-"))
    with site.told() as told:
        assert site.run() == "success"
    assert "recovered" in told[-1] and "*Failed before:* 1 time" in told[-1]
    assert f"nothing has changed: version {shown} is right still" in told[-1]
    assert site.shown() == shown
    site.all_is_right()


def test_a_data_test_that_fails_is_reported_by_name_and_rows_and_the_next_run_builds_on_what_is_published(
    site,
):
    shown, failing = site.shown(), "primary_key_fct_orders_order_key"
    site.raw("insert into marts.fct_orders from marts.fct_orders limit 1")
    with site.told() as told:
        run = site.trigger(select="fct_orders")
        assert site.end(run) == "failed"
    text = failure_of(told)
    assert f"failed in `{PRODUCER}`" in text and "*Tests:*" in text
    assert f"{failing}: 1 row" in text
    assert site.shown() == shown
    assert site.task(run, "publish")["state"] == "upstream_failed"
    # the history: recorded when all had ended, with the test's name
    others = [
        task["end_date"] for task in site.tasks(run) if task["task_id"] != "record" and task["end_date"]
    ]
    assert site.task(run, "record")["start_date"] >= max(others)
    [listed] = [line for line in site.stack.elt("runs").stdout.splitlines() if run in line]
    assert "failed" in listed and failing in listed
    again = site.trigger(everything=True)
    assert site.end(again) == "success"
    with site.api as api:
        done = api.get(f"{RUNS}/{again}/taskInstances/prepare/xcomEntries/return_value").json()["value"]
    assert "put back" in done
    assert site.shown() == shown + 1
    site.all_is_right()


def test_publishing_that_fails_shows_the_old_version_and_the_next_run_recovers(site):
    shown = site.shown()
    serving = site.config.serving_path.parent.parent
    in_the_way = serving / f"v{shown + 1}"
    in_the_way.write_text("a file where the next version's folder is to be")
    try:
        with site.told() as told:
            assert site.run(everything=True) == "failed"
    finally:
        in_the_way.unlink()
    text = failure_of(told)
    assert (
        "failed in `publish`" in text
        and "the last version is still shown" in text
        and "*Try:* 3 of 3" in text
    )
    assert site.shown() == shown and site.lines()[0] > 0
    assert site.run(everything=True) == "success"
    assert site.shown() == shown + 1
    site.all_is_right()


# ---------------------------------------------------------------------------------------------------- kills


def test_airbyte_restarted_in_the_middle_of_a_sync_is_survived_by_the_run(site):
    with connect_owner(site.config) as locking:
        locking.execute("insert into sales.currency (currencycode, name) values ('XYZ', 'New money')")
        locking.commit()
        locking.execute("lock table sales.currency in access exclusive mode")
        run = site.trigger()
        site.await_task(run, "sync")
        wait_until(lambda: "running" in site.stack.elt("airbyte", "jobs", "--status", "running").stdout, 60)
        os.kill(site.pid("airbyte"), signal.SIGKILL)
    assert site.end(run) == "success"
    site.source("delete from sales.currency where currencycode = 'XYZ'")
    assert site.run() == "success"
    site.all_is_right()


def test_a_scheduler_that_is_killed_in_mid_run_comes_back_and_the_run_ends_cleanly(site):
    shown = site.shown()
    assert site.stack.elt("shop", "day").returncode == 0
    run = site.trigger()
    site.await_task(run, PRODUCER)
    os.kill(site.pid("airflow-scheduler"), signal.SIGKILL)
    outcome = site.end(run)
    assert site.shown() == shown + (outcome == "success")
    if outcome == "failed":
        assert site.run() == "success"
    site.all_is_right()


def test_a_worker_that_is_killed_in_mid_model_is_reported_within_a_minute_and_the_next_run_is_right(site):
    shown = site.shown()
    assert site.stack.elt("shop", "day").returncode == 0
    with site.told() as told:
        run = site.trigger()
        site.await_task(run, PRODUCER)
        wait_until(lambda: holder_pid(site), 60)
        killed = datetime.now().astimezone()
        psutil.Process(holder_pid(site)).kill()
        assert site.end(run) == "failed"
    noticed = datetime.fromisoformat(site.task(run, PRODUCER)["end_date"])
    assert (noticed - killed).total_seconds() < 90
    assert f"failed in `{PRODUCER}`" in failure_of(told)
    assert site.shown() == shown
    assert site.run() == "success"
    assert site.shown() == shown + 1
    site.all_is_right()


@pytest.mark.parametrize("task", ["sync", PRODUCER])
def test_a_run_that_down_has_cut_goes_on_or_fails_once_with_one_message_after_up(site, task):
    assert site.stack.elt("shop", "day").returncode == 0
    with connect_owner(site.config) as locking, site.told() as told:
        if task == "sync":
            locking.execute("lock table sales.currency in access exclusive mode")
        run = site.trigger()
        site.await_task(run, task)
        wait_until(lambda: task == "sync" or holder_pid(site), 60)
        down = site.stack.elt("down")
        assert down.returncode == 0 and site.stack.processes() == [], down.stdout + down.stderr
        locking.close()  # its server is gone
        up = site.stack.elt("up", "airflow")
        assert up.returncode == 0, up.stderr
        outcome = site.end(run)
    assert len([text for text in told if text.startswith(":x:")]) == (outcome == "failed")
    if outcome == "failed":
        assert f"failed in `{task}`" in failure_of(told)
        assert site.run() == "success"
    site.all_is_right()


def test_a_rollback_works_while_a_run_builds_and_the_run_publishes_nothing(site):
    shown = site.shown()
    assert site.stack.elt("shop", "day").returncode == 0
    run = site.trigger()
    site.await_task(run, PRODUCER)
    wait_until(lambda: holder_pid(site), 60)
    back = site.stack.elt("publish", "--rollback", "--wait", "0")
    assert back.returncode == 0 and site.shown() < shown, back.stderr
    assert site.end(run) == "success" and site.shown() < shown
    assert site.stack.elt("publish", "--resume").returncode == 0
    assert site.run() == "success" and site.shown() == shown + 1
    site.all_is_right()


def holder_pid(site) -> int | None:
    """The process that builds in the warehouse now."""
    note = site.config.warehouse_path.with_name("warehouse.duckdb.owner.json")
    owner = json.loads(note.read_text()) if note.exists() else {}
    return owner["pid"] if owner.get("owner") == "dbt build" and psutil.pid_exists(owner["pid"]) else None


# ---------------------------------------------------------------------------------------------------- company


def test_two_triggers_at_once_run_one_after_the_other_and_a_sync_by_hand_waits_or_says_for_whom(site):
    first, second = site.trigger(everything=True), site.trigger()  # the first one builds for a while
    site.await_task(first, PRODUCER)
    assert "the warehouse is written by" in site.stack.elt("status").stdout
    refused = site.stack.elt("publish", "--wait", "0")
    assert refused.returncode == 2 and "in use by" in refused.stderr
    by_hand = subprocess.Popen(
        [sys.executable, "-m", "elt.cli", "sync"],
        env=site.stack.environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert site.end(first) == site.end(second) == "success"
    by_hand.communicate(timeout=300)
    assert by_hand.returncode == 0
    with site.api as api:
        one, two = (api.get(f"{RUNS}/{run}").json() for run in (first, second))
    assert one["end_date"] <= two["start_date"]
    site.all_is_right()


def test_reconcile_passes_every_run_while_the_shop_writes_all_the_time(site):
    shop = subprocess.Popen(
        [sys.executable, "-m", "elt.cli", "shop", "run", "--rate", "5"], env=site.stack.environ, cwd=ROOT
    )
    try:
        for _ in range(3):
            assert site.run() == "success"
    finally:
        shop.send_signal(signal.SIGINT)
        shop.wait(60)
    assert site.run() == "success"
    site.all_is_right()


def test_a_change_in_the_shop_starts_a_run_of_which_no_message_tells(site):
    elt, log = site.stack.elt, site.config.logs_dir / "airflow-triggerer.log"
    assert elt("down").returncode == 0
    restarted = elt("up", "airflow", ELT_SCHEDULE="0 0 1 1 *", ELT_LISTEN_SECONDS="1")
    assert restarted.returncode == 0, restarted.stderr
    try:
        with site.told() as told:
            wait_until(lambda: f"listening: changes start {DAG}" in log.read_text(), 180)
            assert elt("shop", "day").returncode == 0
            wait_until(lambda: site.runs("asset_triggered"), 60)
            for run in site.runs("asset_triggered"):
                assert site.end(run) == "success"
        assert not [text for text in told if DAG in text]
        site.all_is_right()
    finally:
        assert elt("down").returncode == 0
        assert elt("up", "airflow").returncode == 0


def test_a_dry_run_does_nothing_and_wrong_parameters_are_refused_by_name(site):
    shown = site.shown()
    dry = site.trigger(dry_run=True, select="fct_sales")
    assert site.end(dry) == "success"
    assert site.task(dry, "sync")["state"] == "skipped" and site.shown() == shown
    with site.api as api:
        answer = api.post(RUNS, json={"logical_date": None, "conf": {"full_refresh": ["dim_date"]}})
    assert answer.status_code == 400 and "full_refresh" in answer.text
    with site.told() as told:
        assert site.run(rebuild_from="2026-01-02", rebuild_to="2026-01-01") == "failed"
    assert "failed in `plan`" in failure_of(told) and "is before rebuild_from" in failure_of(told)


def test_chosen_models_are_fully_refreshed_and_days_built_again_and_the_figures_stay(site):
    before = site.lines()
    assert site.run(select="fct_sales", full_refresh=["fct_sales"]) == "success"
    [(day,)] = site.source("select max(orderdate)::date from sales.salesorderheader")
    assert site.run(select="fct_sales fct_orders", rebuild_from=str(day)) == "success"
    assert site.lines() == before
    site.all_is_right()


def test_a_full_refresh_reads_and_builds_everything_again(site):
    shown = site.shown()
    dag = "adventureworks_full_refresh"
    assert site.end(site.trigger(dag), 900, dag) == "success"
    assert site.shown() == shown + 1
    site.all_is_right()


def test_the_nightly_dags_leave_a_page_and_a_backup(site):
    for dag in ("adventureworks_docs", "adventureworks_maintenance"):
        with site.api as api:
            api.patch(f"/dags/{dag}", json={"is_paused": False}).raise_for_status()
        assert site.end(site.trigger(dag), dag=dag) == "success", dag
    assert "fct_sales" in (site.config.home / "docs" / "index.html").read_text()
    assert list((site.config.home / "backups").glob("2*/airflow.dump"))


def test_lineage_is_written_to_a_file(site):
    events = [
        json.loads(line) for line in (site.config.logs_dir / "openlineage.jsonl").read_text().splitlines()
    ]
    jobs = {event["job"]["name"] for event in events}
    assert {f"{DAG}.sync", f"{DAG}.publish"} <= jobs


def test_airflows_metrics_reach_a_collector_by_one_variable(site, collector):
    assert site.run() == "success"
    wait_until(lambda: f"airflow.dagrun.duration.success.{DAG}" in collector.names, 120)
    assert {"airflow.scheduler_heartbeat", "airflow.ti_successes"} <= collector.names


@pytest.mark.threat("a user who does more than the role says")
def test_the_exporter_shows_runs_and_components_as_airflow_has_them(site):
    found = {(name, *labels): value for name, labels, value in Airflow().look(site.config)}
    with site.api as api:
        for state, outcome in (("success", "success"), ("failed", "failure")):
            asked = {"state": state, "order_by": "-end_date", "limit": 1}
            runs = api.get(RUNS, params=asked).raise_for_status().json()
            assert found["elt_airflow_dag_runs", DAG, state] == runs["total_entries"]
            for run in runs["dag_runs"]:
                moment = datetime.fromisoformat(run["end_date"]).timestamp()
                assert found[f"elt_airflow_dag_last_{outcome}_timestamp_seconds", DAG] == moment
        paused = api.get(f"/dags/{DAG}").raise_for_status().json()["is_paused"]
    assert found["elt_airflow_dag_runs", DAG, "success"] > 0
    assert found["elt_airflow_dag_last_success_duration_seconds", DAG] > 1
    assert found["elt_airflow_dag_paused", DAG] == paused
    assert all(found["elt_airflow_component_up", component] == 1 for component in COMPONENTS)
    assert 0 <= time.time() - found["elt_airflow_scheduler_heartbeat_timestamp_seconds",] < 60


def test_the_api_asks_for_a_token_and_each_user_may_what_the_role_says(site):
    """A viewer looks; an operator triggers and clears, and changes no connection, variable or pool, marks, pauses and backfills nothing."""
    base = f"{site.config.airflow_base}/api/v2"
    assert httpx.get(f"{base}/dags").status_code == 401
    passwords = {
        "viewer": site.config.airflow_viewer_password,
        "operator": site.config.airflow_operator_password,
    }
    writes = {
        ("POST", "/connections"): {"connection_id": "one_more", "conn_type": "http"},
        ("POST", "/variables"): {"key": "one_more", "value": "1"},
        ("PATCH", "/pools/warehouse"): {"pool": "warehouse", "slots": 2},
        ("PATCH", f"/dags/{DAG}"): {"is_paused": False},
        ("PATCH", RUNS): {"actions": [{"action": "update", "entities": [{"dag_run_id": "no such run"}]}]},
        ("PATCH", f"{RUNS}/~/taskInstances/sync"): {"new_state": "success"},
        ("POST", "/backfills"): {"dag_id": DAG, "from_date": "2026-01-01", "to_date": "2026-01-01"},
    }
    for user, password in passwords.items():
        login = {"username": user, "password": password.get_secret_value()}
        token = httpx.post(f"{site.config.airflow_base}/auth/token", json=login).raise_for_status().json()
        with httpx.Client(headers={"Authorization": f"Bearer {token['access_token']}"}) as client:
            assert client.get(f"{base}/dags").status_code == 200
            for (method, path), body in writes.items():
                assert client.request(method, base + path, json=body).status_code == 403, (user, path)
            wrong = {"logical_date": None, "conf": {"no such parameter": 1}, "dag_run_id": "/"}
            triggered = client.post(f"{base}{RUNS}", json=wrong).status_code
            assert (triggered == 403) == (user == "viewer")
            cleared = client.post(f"{base}/dags/{DAG}/clearTaskInstances", json={"dry_run": True}).status_code
            assert cleared == {"viewer": 403, "operator": 200}[user]


def test_a_run_that_is_late_is_reported_while_it_runs_and_ended_at_last(site):
    elt, shown = site.stack.elt, site.shown()
    assert elt("down").returncode == 0
    # so a run should end within half a minute, and has to within two
    restarted = elt("up", "airflow", FRESHNESS_MINUTES="1")
    assert restarted.returncode == 0, restarted.stderr
    try:
        with site.told() as told, lease(site.config.warehouse_path, "the test"):
            run = site.trigger()
            wait_until(lambda: any(" is late: " in text for text in site.messages()), 180)
            assert site.state(run) == "running"
            assert site.end(run) == "failed"
            wait_until(lambda: any(" was ended: " in text for text in site.messages()), 120)
        [late] = [text for text in told if " is late: " in text]
        assert f"*{DAG}* is late: it should have ended by" in late and run in late
        [ended] = [text for text in told if " was ended: " in text]
        assert f"*{DAG}* was ended: it took longer than 2 min 0 s" in ended and run in ended
        assert "*Runbook:* http" in late and "*Runbook:* http" in ended
        assert site.shown() == shown
        # its last task was skipped, too, and yet it is in the history
        wait_until(
            lambda: any(run in line and "failed" in line for line in elt("runs").stdout.splitlines()), 60
        )
        with site.told() as told:
            quick = site.trigger(rebuild_from="2026-01-02", rebuild_to="2026-01-01")
            assert site.end(quick) == "failed"
            wait_until(lambda: not site.awaits_deadline(quick), 120)
        assert not [text for text in told if " is late: " in text]
    finally:
        assert elt("down").returncode == elt("up", "airflow").returncode == 0
    assert site.run() == "success"
    site.all_is_right()
