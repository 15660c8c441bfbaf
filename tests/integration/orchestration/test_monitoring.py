"""The monitoring tables: what each origin tells arrives once, an origin that is away is made good, readers are never locked out."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta

import duckdb
import httpx
import pytest

from foundation.errors import EltError
from foundation.settings import load_settings
from orchestration import monitoring
from tests.fixtures import warm
from tests.fixtures.source import free_port
from transformation.project import manifest_path
from transformation.results import results_path

QUARTER = timedelta(minutes=15)
BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def config(tmp_path):
    """A stack without servers: Airbyte does not answer, nothing is published."""
    return load_settings({"ELT_HOME": str(tmp_path / "elt home"), "AIRBYTE_PORT": str(free_port())})


class Airflow:
    """Airflow's REST API as far as monitoring asks it; the forms are those of its OpenAPI document."""

    def __init__(self):
        self.runs = {}
        self.asked = []
        self.unchanged = {}  # run: the version that it found right still

    def add(self, number, state, tasks, seconds=60.0, watchers=()):
        began = BEGAN + timedelta(minutes=15 * number)
        moment = began.isoformat()
        ended = None if state == "running" else (began + timedelta(seconds=seconds)).isoformat()
        run = {"dag_id": "adventureworks_elt", "dag_run_id": f"run {number}", "run_type": "scheduled"}
        run |= {
            "state": state,
            "run_after": moment,
            "queued_at": moment,
            "start_date": moment,
            "end_date": ended,
        }
        run |= {"duration": seconds if ended else None, "conf": {"select": "fct_sales"}}
        instances = [
            {"dag_id": "adventureworks_elt", "dag_run_id": f"run {number}", "task_id": task, "map_index": -1}
            | {"try_number": tries, "state": outcome, "pool": "default_pool"}
            | {"operator_name": "DbtNodesSensor" if task in watchers else "X"}
            | {"queued_when": moment, "start_date": moment, "duration": 7.5}
            # one after the other, as they are listed
            | {"end_date": ended and (began + timedelta(seconds=1 + order)).isoformat()}
            for order, (task, outcome, tries) in enumerate(tasks)
        ]
        self.runs[f"run {number}"] = (run, instances)

    def answer(self, request):
        path = request.url.path.removeprefix("/api/v2")
        self.asked.append((path, dict(request.url.params)))
        if path == "/dags/~/dagRuns":
            return self._page("dag_runs", [run for run, _ in self.runs.values()], request)
        _, _, _, _, run, *rest = path.split("/")
        instances = self.runs[run][1]
        match rest:
            case ["taskInstances"]:
                return self._page("task_instances", instances, request)
            case ["taskInstances", task, "tries"]:
                [last] = [each for each in instances if each["task_id"] == task]
                tries = [last | {"try_number": n, "state": "failed"} for n in range(1, last["try_number"])]
                return httpx.Response(200, json={"task_instances": [*tries, last]})
            case ["taskInstances", "publish", "xcomEntries", "unchanged"] if run in self.unchanged:
                return httpx.Response(200, json={"value": self.unchanged[run]})
            case ["taskInstances", "sync", "xcomEntries", "job_id"]:
                return httpx.Response(200, json={"value": run.removeprefix("run ")})
        return httpx.Response(404, json={"detail": "no such thing"})

    def _page(self, field, rows, request):
        offset, limit = int(request.url.params["offset"]), min(int(request.url.params["limit"]), 2)
        return httpx.Response(200, json={field: rows[offset : offset + limit], "total_entries": len(rows)})

    @property
    def api(self):
        return httpx.Client(base_url="http://airflow/api/v2", transport=httpx.MockTransport(self.answer))


@pytest.fixture
def airflow():
    return Airflow()


def ask(config, query):
    with duckdb.connect(monitoring.monitoring_path(config), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(query).fetchall()


def dbt_left(config, invocation, results, run="run 1"):
    """What dbt leaves behind: an artifact, and the manifest that knows the tests."""
    about = {"invocation_id": invocation, "generated_at": BEGAN.isoformat()}
    about["env"] = {"DAG_ID": "adventureworks_elt", "RUN_ID": run}
    results_path(config).mkdir(parents=True, exist_ok=True)
    (results_path(config) / f"{invocation}.json").write_text(
        json.dumps({"metadata": about, "args": {"which": "build"}, "results": results})
    )
    manifest_path(config).parent.mkdir(parents=True, exist_ok=True)
    test = {"name": "fct_sales_total", "attached_node": "model.adventureworks.fct_sales"}
    manifest_path(config).write_text(json.dumps({"nodes": {"test.adventureworks.fct_sales_total.1f": test}}))


def result(unique_id, status, failures=None, message=None):
    return {"unique_id": unique_id, "status": status, "execution_time": 1.5, "failures": failures} | {
        "message": message,
        "timing": [{"name": "execute", "started_at": BEGAN.isoformat(), "completed_at": BEGAN.isoformat()}],
    }


def test_runs_and_the_tries_of_their_tasks_are_taken_page_by_page(config, airflow):
    tasks = [
        ("sync", "success", 3),
        ("dbt.dbt_producer_watcher", "failed", 1),
        ("publish", "upstream_failed", 0),
    ]
    for number in range(5):
        airflow.add(number, "failed", tasks)
    assert monitoring.record(config, airflow.api)["pipeline_runs"] == 5
    assert ask(config, "select count(*), count(distinct run_id), min(seconds) from pipeline_runs") == [
        (5, 5, 60.0)
    ]
    assert ask(
        config,
        "select task_id, try_number, state, is_last_try from pipeline_tasks where run_id = 'run 3' order by all",
    ) == [
        ("dbt.dbt_producer_watcher", 1, "failed", True),
        ("publish", 0, "upstream_failed", True),
        ("sync", 1, "failed", False),
        ("sync", 2, "failed", False),
        ("sync", 3, "success", True),
    ]
    assert ask(config, "select sync_job_id, conf ->> 'select' from pipeline_runs where run_id = 'run 3'") == [
        (3, "fct_sales")
    ]


def test_a_run_that_was_not_over_is_completed_by_the_next_pass_and_nothing_is_doubled(config, airflow):
    airflow.add(1, "running", [("sync", "running", 1)])
    monitoring.record(config, airflow.api)
    airflow.add(1, "success", [("sync", "success", 1)])
    monitoring.record(config, airflow.api)
    assert ask(config, "select run_id, state, seconds from pipeline_runs") == [("run 1", "success", 60.0)]
    assert ask(config, "select state from pipeline_tasks") == [("success",)]
    first, second = (params for path, params in airflow.asked if path == "/dags/~/dagRuns")
    assert "updated_at_gte" not in first and "updated_at_gte" in second


def test_a_run_of_which_only_its_record_is_missing_counts_as_ended(config, airflow):
    """It is written from within the run, so Airflow still calls it running."""
    airflow.add(1, "running", [("publish", "success", 1), ("record", "running", 1)])
    airflow.add(
        2, "running", [("sync", "failed", 1), ("publish", "upstream_failed", 0), ("record", "running", 1)]
    )
    airflow.add(3, "running", [("sync", "success", 1), ("publish", "running", 1), ("record", None, 0)])
    monitoring.record(config, airflow.api)
    assert ask(config, "select state, ended_at is null, seconds > 0 from pipeline_runs order by run_id") == [
        ("success", False, True),
        ("failed", False, True),
        ("running", True, None),
    ]


def test_a_failed_test_is_there_with_its_model_and_rows_and_its_artifact_is_taken_once(config, airflow):
    airflow.add(1, "failed", [("dbt.dbt_producer_watcher", "failed", 1)])
    dbt_left(
        config,
        "one",
        [
            result("model.adventureworks.fct_sales", "success"),
            result(
                "test.adventureworks.fct_sales_total.1f", "fail", 3, "Got 3 results,\n configured to fail"
            ),
            result("test.adventureworks.gone.2a", "pass", 0),
        ],
    )
    assert monitoring.record(config, airflow.api)["dbt_results"] == 3
    assert list(results_path(config).iterdir()) == []
    assert "dbt_results" not in monitoring.record(config, airflow.api)
    assert ask(config, "select run_id, name, model, failed_rows, message from mart_test_failures") == [
        ("run 1", "fct_sales_total", "fct_sales", 3, "Got 3 results, configured to fail")
    ]
    assert ask(
        config,
        "select state, models_built, tests_passed, tests_failed, first_failed_task from mart_pipeline_runs",
    ) == [("failed", 1, 1, 1, "dbt.dbt_producer_watcher")]


def test_a_run_failed_in_the_test_that_failed_not_in_a_bystander_whose_test_was_left_out(config, airflow):
    """A task that watches ends before the one that builds; what dbt skipped is a consequence."""
    watchers = ("dbt.dim_customer", "dbt.fct_sales")
    ended = [*((task, "failed", 1) for task in watchers), ("dbt.dbt_producer_watcher", "failed", 1)]
    airflow.add(1, "failed", ended, watchers=watchers)
    dbt_left(
        config,
        "one",
        [
            result("test.adventureworks.dim_customer_is_known.2a", "skipped"),
            result("model.adventureworks.obt_sales", "skipped"),
            result("test.adventureworks.fct_sales_total.1f", "fail", 3),
        ],
    )
    monitoring.record(config, airflow.api)
    assert ask(
        config, "select first_failed_task, first_failed_node, tests_failed from mart_pipeline_runs"
    ) == [("dbt.dbt_producer_watcher", "fct_sales_total", 1)]
    listed = warm.run("elt", "runs", environ=os.environ | {"ELT_HOME": str(config.home)}).stdout
    assert "failed" in listed and "fct_sales_total" in listed and "dim_customer" not in listed


def test_data_is_as_fresh_as_the_last_run_that_found_nothing_to_change(config, airflow):
    airflow.add(1, "success", [("sync", "success", 1), ("publish", "success", 1)])
    airflow.add(2, "success", [("sync", "success", 1), ("publish", "success", 1)])
    airflow.unchanged["run 2"] = 1
    monitoring.record(config, airflow.api)

    def fill(duck):
        duck.execute("insert into published_tables values (1, 'run 1', now(), 'fct', 7)")
        for job in (1, 2):
            duck.execute(
                "insert into sync_jobs (job_id, started_at) values (?, ?)", [job, BEGAN + job * QUARTER]
            )

    monitoring._rewrite(config, fill)
    assert ask(config, "select data_as_of from mart_freshness") == [(BEGAN + 2 * QUARTER,)]
    assert ask(config, "select unchanged_version from pipeline_runs order by run_id") == [(None,), (1,)]


def test_a_file_of_an_older_version_is_brought_up_to_date(config, airflow):
    airflow.add(1, "success", [("sync", "success", 1)])
    monitoring.record(config, airflow.api)
    with duckdb.connect(monitoring.monitoring_path(config)) as duck:
        for name in ("mart_freshness", "mart_pipeline_runs", "mart_pipeline_status"):
            duck.execute(f"drop view {name}")
        duck.execute("alter table pipeline_runs drop column unchanged_version")
    monitoring.prepare(config)
    assert ask(config, "select first_failed_node, state from mart_pipeline_runs") == [(None, "success")]


def test_results_that_come_while_others_are_taken_are_the_next_passes(config, airflow, monkeypatch):
    dbt_left(config, "one", [result("model.adventureworks.fct_sales", "success")])
    draft = results_path(config) / ".three.json"
    draft.write_text("{")
    real = monitoring._published

    def meanwhile(*arguments):
        dbt_left(config, "two", [result("model.adventureworks.fct_orders", "success")])
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(monitoring, "_published", meanwhile)
        assert monitoring.record(config, airflow.api)["dbt_results"] == 1
    assert {path.name for path in results_path(config).iterdir()} == {"two.json", draft.name}
    assert monitoring.record(config, airflow.api)["dbt_results"] == 1
    assert list(results_path(config).iterdir()) == [draft]


def test_origins_that_are_away_are_named_in_the_log_and_the_others_are_taken(config, airflow, caplog):
    airflow.add(1, "success", [("publish", "success", 1)])
    taken = monitoring.record(config, airflow.api)  # no Airbyte
    assert taken["pipeline_runs"] == 1 and "sync_jobs" not in taken
    assert "_airbyte did not answer" in caplog.text
    gone = httpx.Client(base_url=f"http://127.0.0.1:{free_port()}")
    dbt_left(config, "one", [result("model.adventureworks.fct_sales", "success")])
    assert monitoring.record(config, gone)["dbt_results"] == 1


def test_readers_are_never_locked_out_and_see_whole_passes(config, airflow):
    monitoring.prepare(config)
    stop, problems, seen = threading.Event(), [], set()

    def look():
        while not stop.is_set():
            try:
                seen.update(
                    ask(
                        config,
                        "select count(distinct p.run_id) = count(distinct t.run_id) from pipeline_runs p"
                        " full join pipeline_tasks t using (run_id)",
                    )
                )
            except duckdb.Error as error:
                problems.append(repr(error))

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(8):
        airflow.add(number, "success", [("sync", "success", 1)])
        monitoring.record(config, airflow.api)
    stop.set()
    reader.join()
    assert problems == [] and seen == {(True,)}


def test_a_pass_that_is_killed_leaves_the_last_one_and_the_next_is_whole(config, airflow, monkeypatch):
    airflow.add(1, "success", [("sync", "success", 1)])
    monitoring.record(config, airflow.api)
    monkeypatch.setattr(monitoring, "_published", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    airflow.add(2, "success", [("sync", "success", 1)])
    with pytest.raises(KeyboardInterrupt):
        monitoring.record(config, airflow.api)
    monkeypatch.undo()
    assert ask(config, "select count(*) from pipeline_runs") == [(1,)]
    monitoring.record(config, airflow.api)
    assert ask(config, "select count(*) from pipeline_runs") == [(2,)]


def test_a_broken_file_is_one_line_with_a_remedy(config, airflow):
    path = monitoring.prepare(config)
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(EltError, match=r"monitoring\.duckdb can't be written") as caught:
        monitoring.record(config, airflow.api)
    assert "\n" not in str(caught.value)


def test_what_is_old_is_forgotten(config, airflow):
    airflow.add(1, "success", [("sync", "success", 1)])
    monitoring.record(config, airflow.api)
    age = (datetime.now(UTC) - BEGAN).days
    assert monitoring.prune(config, days=age + 1) == 0
    assert ask(config, "select count(*) from pipeline_tasks") == [(1,)]
    assert monitoring.prune(config, days=age - 1) == 1
    assert ask(
        config, "select (select count(*) from pipeline_tasks), (select count(*) from pipeline_runs)"
    ) == [(0, 0)]


def test_elt_runs_prints_the_recent_ones(config, airflow):
    def elt(*arguments):
        done = warm.run(
            "elt",
            "runs",
            *arguments,
            environ=os.environ | {"ELT_HOME": str(config.home)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "no run is recorded yet" in elt()
    airflow.add(1, "success", [("sync", "success", 1)])
    airflow.add(2, "failed", [("publish", "failed", 1)])
    monitoring.record(config, airflow.api)
    lines = elt().splitlines()
    assert "run 2" in lines[1] and "failed" in lines[1] and "publish" in lines[1]
    assert "run 1" in lines[2] and "2026-03-01 12:15:00" in lines[2] and "60.0" in lines[2]
    assert [run["run_id"] for run in json.loads(elt("--failed", "--json"))] == ["run 2"]
