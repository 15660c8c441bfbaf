"""The DAG as Airflow reads it, in the environment of the one-machine stack: which, with which tasks, in which order."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import jinja2
import pytest
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError

import transformation.project
import transformation.run
from foundation.errors import EltError
from foundation.settings import load_settings
from orchestration import parameters, steps
from stack.airflow_environment import ORCHESTRATION, environment
from transformation import changed_inputs
from transformation.project import PROJECT, manifest_path
from transformation.run import write_manifest

pytestmark = pytest.mark.promise

LOOK = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import AssetOrTimeSchedule
bag = DagBag(sys.argv[1])
print("DAGS=" + json.dumps({
    "errors": {k: v for k, v in bag.import_errors.items()},
    "dags": {
        dag.dag_id: {
            "schedule": dag.schedule if isinstance(dag.schedule, str | None)
                        else dag.timetable.timetable.expression if isinstance(dag.schedule, AssetOrTimeSchedule)
                        else [asset.name for asset in dag.schedule],
            "listens": [watcher.trigger.serialize()[1] for asset in dag.timetable.asset_condition.objects
                        for watcher in asset.watchers] if isinstance(dag.schedule, AssetOrTimeSchedule) else [],
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "doc": dag.doc_md,
            "tags": sorted(dag.tags),
            "timeout": dag.dagrun_timeout.total_seconds(),
            "params": list(dag.params),
            "deadline": [alert.interval.total_seconds() for alert in (dag.deadline or [])],
            "tasks": {
                task.task_id: {
                    "after": sorted(task.upstream_task_ids),
                    "class": type(task).__name__,
                    "owner": task.owner,
                    "retries": task.retries,
                    "timeout": (task.execution_timeout.total_seconds() if task.execution_timeout
                                else getattr(task, "timeout", None)),
                    "pool": task.pool,
                    "callbacks": [f.__name__ for f in task.on_failure_callback],
                    "deferrable": getattr(task, "deferrable", False),
                    "triggered": task.start_from_trigger,
                    "trigger_rule": task.trigger_rule.value,
                    "before": getattr(task._pre_execute_hook, "__name__", None),
                    "doc": bool(task.doc_md),
                    "teardown": task.is_teardown,
                    "backoff": bool(task.retry_exponential_backoff),
                    "outlets": [asset.name for asset in task.outlets],
                    "params": list(task.params),
                }
                for task in dag.tasks
            },
        }
        for dag in bag.dags.values()
    },
}))
"""
PRODUCER = "dbt.dbt_producer_watcher"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    settings = load_settings({"ELT_HOME": str(tmp_path_factory.mktemp("dag") / "elt home")})
    assert write_manifest(settings)
    return settings


def look(config, **extra):
    """What Airflow finds in data-orchestration/dags, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(ORCHESTRATION / "dags")],
        env=os.environ | environment(config) | extra,
        capture_output=True,
        text=True,
        timeout=120,
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("DAGS=")] or pytest.fail(
        done.stderr
    )
    return json.loads(line.removeprefix("DAGS="))


@pytest.fixture(scope="module")
def found(config):
    return look(config)


@pytest.fixture(scope="module")
def dag(found):
    return found["dags"]["adventureworks_elt"]


@pytest.fixture(scope="module")
def marts(config):
    """The mart models of dbt's manifest: name → names of the marts that it reads."""
    nodes = json.loads(manifest_path(config).read_text())["nodes"]
    models = {k: n for k, n in nodes.items() if n["resource_type"] == "model" and n["fqn"][1] == "marts"}
    return {
        node["name"]: sorted(models[up]["name"] for up in node["depends_on"]["nodes"] if up in models)
        for node in models.values()
    }


TASKS = {
    "adventureworks_full_refresh": ["build_and_publish", "record", "refresh"],
    "adventureworks_docs": ["notify_start", "notify_success", "publish_docs", "record"],
    "adventureworks_maintenance": ["backup", "record", "tidy"],
}


def test_exactly_these_dags_are_there_and_every_file_is_read(found):
    assert sorted(found["dags"]) == sorted(["adventureworks_elt", *TASKS])
    assert found["errors"] == {}
    for name, tasks in TASKS.items():
        assert sorted(found["dags"][name]["tasks"]) == tasks, name


def test_each_dag_says_what_it_is_for_whose_it_is_and_what_to_do_when_it_fails(found):
    for name, dag in found["dags"].items():
        for heading in ("**Purpose.**", "**Owner.**", "**When it fails.**", "**What to do.**"):
            assert heading in dag["doc"], f"{name}: {heading}"
        assert dag["catchup"] is False and dag["max_active_runs"] == 1, name
        assert dag["timeout"] > 0, name


def test_each_has_the_tags_of_its_source_and_kind_and_says_why_it_is_paused(found):
    kinds = {"adventureworks_docs": "documentation", "adventureworks_maintenance": "maintenance"}
    for name, dag in found["dags"].items():
        assert dag["tags"] == ["adventureworks", kinds.get(name, "pipeline")], name
        assert "**Paused.**" in dag["doc"], name


def test_its_tasks_are_the_chain_and_one_for_each_mart(dag, marts):
    assert len(marts) >= 13
    assert set(dag["tasks"]) == {
        "notify_start",
        "plan",
        "sync",
        "reconcile",
        "freshness",
        "prepare",
        PRODUCER,
        f"{PRODUCER}_done",
        "dbt.staging",
        "dbt.intermediate",
        *(f"dbt.{name}" for name in marts),
        "publish",
        "notify_success",
        "record",
    }


def test_they_come_in_the_order_of_the_data(dag, marts):
    after = {name: task["after"] for name, task in dag["tasks"].items()}
    assert after["notify_start"] == []
    assert after["plan"] == []
    assert after["sync"] == ["plan"]
    assert after["reconcile"] == after["freshness"] == ["sync"]
    assert after["prepare"] == ["freshness", "reconcile"]  # the warehouse is reserved for dbt from there
    assert after[PRODUCER] == ["prepare"]
    assert after["dbt.staging"] == ["prepare"]
    assert after["dbt.intermediate"] == ["dbt.staging", "prepare"]
    for name, upstream in marts.items():
        expected = [f"dbt.{other}" for other in upstream] or ["dbt.intermediate"]
        assert after[f"dbt.{name}"] == sorted([*expected, "prepare"]), name
    assert after["publish"] == [PRODUCER]  # whatever fails in dbt fails it, and nothing is published
    assert after["notify_success"] == ["publish"]


def test_the_run_is_recorded_when_all_has_ended_also_the_build_that_goes_on_after_a_failed_test(dag):
    # a teardown: it runs whatever happened, and a failed run stays failed when it succeeds
    assert dag["tasks"]["record"]["teardown"]
    assert set(dag["tasks"]["record"]["after"]) == {
        "notify_start",
        "notify_success",
        *(name for name in dag["tasks"] if name.startswith("dbt.")),
    }


def test_every_task_has_an_owner_a_limit_a_failure_notice_and_documentation(found):
    for dag in found["dags"].values():
        for name, task in dag["tasks"].items():
            assert task["owner"] == "data-platform", name
            assert "failed" in task["callbacks"], name
            assert not task["deferrable"], name
            assert task["retries"] in (0, 1, 2), name
            if task["class"] != "EmptyOperator":
                assert 0 < task["timeout"] <= dag["timeout"], name
                assert task["doc"], name


def test_what_can_be_retried_is_and_a_data_test_is_not(dag):
    retries = {name: task["retries"] for name, task in dag["tasks"].items()}
    for name in ("sync", "reconcile", "freshness", "prepare", "publish"):
        assert retries[name] == 2 and dag["tasks"][name]["backoff"], name
    assert retries["plan"] == 0  # wrong parameters stay wrong
    assert {n for name, n in retries.items() if name.startswith("dbt.")} == {0}


def test_a_build_that_was_cut_off_is_not_begun_again(dag):
    assert {name for name, task in dag["tasks"].items() if task["before"]} == {PRODUCER}
    assert dag["tasks"][PRODUCER]["before"] == "begin_build"


def test_only_the_dbt_producer_takes_the_warehouse_pool(dag):
    assert [name for name, task in dag["tasks"].items() if task["pool"] == "warehouse"] == [PRODUCER]


def test_nothing_waits_for_the_start_notice_and_no_notice_makes_a_failed_run_green(dag):
    tasks = dag["tasks"]
    assert [name for name, task in tasks.items() if "notify_start" in task["after"]] == ["record"]
    assert tasks["notify_start"]["teardown"]  # so that its failure fails no run
    assert tasks["sync"]["trigger_rule"] == "all_success"
    # a leaf: upstream_failed, whatever its neighbour does
    assert tasks["notify_success"]["trigger_rule"] == "all_success"


def test_a_task_that_watches_dbt_has_no_process_and_watches_from_the_beginning(dag, marts):
    watching = {name: task for name, task in dag["tasks"].items() if task["triggered"]}
    assert set(watching) == {"dbt.staging", "dbt.intermediate", *(f"dbt.{name}" for name in marts)}
    for name, task in watching.items():
        assert task["trigger_rule"] == "one_success" and "prepare" in task["after"], name


def test_the_form_stands_once_in_the_dag_and_in_no_task(found):
    assert found["dags"]["adventureworks_elt"]["params"]
    assert not [
        name for name, dag in found["dags"].items() for task in dag["tasks"].values() if task["params"]
    ]


def test_nothing_is_built_or_published_after_a_failure(dag):
    """A task that Airflow starts whatever became of those before it only watches, tells or records."""
    tasks = dag["tasks"]
    stopped = ("all_success", "none_failed")  # the second is what Cosmos gives its own last task
    anyway = {name for name, task in tasks.items() if task["trigger_rule"] not in stopped}
    watching = {name for name, task in tasks.items() if task["triggered"]}
    assert anyway - watching == {"notify_start", "record"}


def test_raw_and_marts_are_assets_and_the_run_has_a_deadline(dag):
    outlets = {name: task["outlets"] for name, task in dag["tasks"].items() if task["outlets"]}
    assert outlets == {"sync": ["adventureworks_raw"], "publish": ["adventureworks_marts"]}
    assert dag["deadline"] == [1800]
    assert dag["params"] == [
        "models",
        "select",
        "everything",
        "full_refresh",
        "rebuild_from",
        "rebuild_to",
        "dry_run",
    ]


def test_one_run_at_a_time_and_no_past_ones(dag):
    assert dag["max_active_runs"] == 1 and dag["catchup"] is False


def test_it_runs_every_quarter_of_an_hour_and_when_the_source_changes_unless_a_setting_says_otherwise(
    config, dag
):
    assert dag["schedule"] == "*/15 * * * *"
    assert dag["listens"] == [{"dag_id": "adventureworks_elt", "seconds": 2.0}]
    assert look(config, ELT_SCHEDULE="manual")["dags"]["adventureworks_elt"]["schedule"] is None


def test_without_a_manifest_the_file_says_how_to_get_one(tmp_path):
    found = look(load_settings({"ELT_HOME": str(tmp_path)}))
    assert sorted(found["dags"]) == ["adventureworks_docs", "adventureworks_maintenance"]
    assert len(found["errors"]) == 2
    assert all("elt up airflow" in error for error in found["errors"].values())


def test_the_manifest_is_written_again_only_when_the_project_has_changed(tmp_path, monkeypatch):
    config = load_settings({"ELT_HOME": str(tmp_path / "elt home")})
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: small\nprofile: adventureworks\n")
    (project / "profiles.yml").write_text((PROJECT / "profiles.yml").read_text())
    (project / "models" / "one.sql").write_text("select 1 as id")
    for module in (transformation.run, transformation.project):
        monkeypatch.setattr(module, "PROJECT", project)
    assert write_manifest(config) is True
    assert write_manifest(config) is False
    (project / "target").mkdir()
    (project / "target" / "leavings").write_text("x")
    assert write_manifest(config) is False
    (project / "models" / "two.sql").write_text("select * from {{ ref('nowhere') }}")
    with pytest.raises(EltError, match="nowhere"):
        write_manifest(config)


# ---------------------------------------------------------------------------------------------------- the trigger form


@pytest.fixture
def form(config, monkeypatch):
    """The form as Airflow checks it: a call with what somebody filled in, which raises when a value is wrong."""
    monkeypatch.setenv("ELT_HOME", str(config.home))

    def fill(**values):
        fields = ParamsDict(parameters.form(config))
        fields.update(values)
        return fields.validate()

    return fill


@pytest.mark.parametrize(
    "values",
    [
        {"select": "--target prod"},
        {"select": "fct_sales; drop"},
        {"models": ["fct_sale"]},
        {"models": "fct_sales"},
        {"full_refresh": ["dim_date"]},  # not incremental
        {"full_refresh": "fct_sales"},
        {"rebuild_from": "yesterday"},
        {"dry_run": "maybe"},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_when_it_is_triggered(form, values):
    with pytest.raises(ParamValidationError):
        form(**values)


def test_what_is_filled_in_becomes_a_plan(config, form):
    assert "fct_sales" in parameters.plan(config, form())
    chosen = parameters.plan(
        config, form(select="fct_orders fct_sales", full_refresh=["fct_sales"], rebuild_from="2026-01-01")
    )
    assert chosen == ["fct_orders", "fct_sales"]
    assert parameters.plan(config, form(models=["fct_sales"], select="dim_date")) == ["dim_date", "fct_sales"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rebuild_to": "2026-01-01"}, "give the first day, too"),
        ({"rebuild_from": "2026-01-02", "rebuild_to": "2026-01-01"}, "is before rebuild_from"),
        (
            {"select": "dim_date", "full_refresh": ["fct_sales"]},
            "fct_sales, which `dim_date` does not select",
        ),
        ({"select": "fct_sales", "everything": True}, "everything is to be built, but select is `fct_sales`"),
        ({"select": "no_such_model"}, "no model matches `no_such_model`"),
    ],
)
def test_values_that_do_not_fit_together_are_refused_by_name(config, form, values, says):
    with pytest.raises(AirflowFailException, match=says):
        parameters.plan(config, form(**values))


# ---------------------------------------------------------------------------------------------------- what has changed

ORDERS = "adventureworks_sales.salesorderheader"
SELECT_ORDERS = f"source:adventureworks.{ORDERS}+"


class Run:
    """A run of the DAG: its parameters, and what its tasks tell each other."""

    def __init__(self, params):
        self.context = {"ti": self, "params": params, "run_id": "run 1", "dag": SimpleNamespace(dag_id="elt")}
        self.told = {}

    def xcom_push(self, key, value):
        self.told[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids, key):
        assert task_ids == "prepare"
        return self.told.get(key)

    def rendered(self, *templates):
        """Templates of the task that runs dbt, as Airflow renders them."""
        return [jinja2.Template(text).render(self.context) for text in templates]


@pytest.fixture
def prepared(config, form, monkeypatch):
    """A call that runs `prepare` with values of the form; the shop has got an order since the last complete build."""
    monkeypatch.setattr(steps, "settings", lambda: config)
    monkeypatch.setattr(steps.publishing, "prepare", lambda settings, run: "the marts are as published")
    monkeypatch.setattr(steps.changed_inputs, "asking", lambda settings, reader: nullcontext())
    digest = transformation.project.project_digest(config)
    built = {ORDERS: "1 rows", "project": digest, "day": "2025-06-01"}

    def run(now=None, reason="", **values):
        now = built | {ORDERS: "2 rows"} if now is None else now
        selectors = None if reason else [SELECT_ORDERS] * (now[ORDERS] != "1 rows")
        found = changed_inputs.Changes(now, built, selectors, reason, {"since": {}})
        monkeypatch.setattr(steps.changed_inputs, "look", lambda settings, ask, marts: found)
        run = Run(form(**values))
        steps.prepare(run.context)
        flags = [flag for flag in run.rendered(*parameters.FLAGS) if flag]
        (request,) = run.rendered(*parameters.ENVIRONMENT.values())
        request = json.loads(request)
        assert request["project"] == digest
        noted, upon, told = (request[name] or None for name in ("building_from", "built_from", "changes"))
        assert noted in (None, now) and (upon, told) in ((None, None), (built, found.difference))
        return flags, noted is not None, upon is not None

    run.built = built
    return run


def test_a_run_builds_what_has_changed_and_notes_it_upon_what_it_was_chosen_from(prepared):
    assert prepared() == (["--select", SELECT_ORDERS], True, True)


def test_a_run_that_finds_nothing_changed_still_has_dbt_build_a_little(prepared):
    assert prepared(now=prepared.built) == (["--select", "resource_type:seed"], True, True)


def test_a_run_that_does_not_know_what_has_changed_builds_everything(prepared):
    assert prepared(reason="the project has changed") == ([], True, False)


@pytest.mark.parametrize(
    "values", [{"everything": True}, {"full_refresh": ["fct_sales"]}, {"rebuild_from": "2026-01-01"}]
)
def test_a_run_that_is_asked_for_more_builds_everything_and_notes_it(prepared, values):
    assert prepared(**values) == ([], True, False)


def test_a_run_of_chosen_models_builds_them_and_notes_nothing(prepared):
    assert prepared(select="fct_sales+") == (["--select", "fct_sales+"], False, False)
