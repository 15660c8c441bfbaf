"""The DAG as Airflow reads it, in the environment of the one-machine stack: which, with which tasks, in which order."""

import json
import os
import subprocess
import sys

import pytest

from elt.errors import EltError
from elt.settings import load_settings
from local.airflow import ORCHESTRATION, environment
from orchestration import manifest

LOOK = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("DAGS=" + json.dumps({
    "errors": {k: v for k, v in bag.import_errors.items()},
    "dags": {
        dag.dag_id: {
            "schedule": dag.schedule,
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "doc": dag.doc_md,
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
                    "trigger_rule": task.trigger_rule.value,
                    "doc": bool(task.doc_md),
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
    assert manifest.write_manifest(settings)
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
    nodes = json.loads(manifest.manifest_path(config).read_text())["nodes"]
    models = {k: n for k, n in nodes.items() if n["resource_type"] == "model" and n["fqn"][1] == "marts"}
    return {
        node["name"]: sorted(models[up]["name"] for up in node["depends_on"]["nodes"] if up in models)
        for node in models.values()
    }


def test_exactly_one_dag_is_there_and_every_file_is_read(found):
    assert list(found["dags"]) == ["adventureworks_elt"]
    assert found["errors"] == {}


def test_its_tasks_are_the_chain_and_one_for_each_mart(dag, marts):
    assert len(marts) >= 13
    assert set(dag["tasks"]) == {
        "notify_start",
        "sync",
        PRODUCER,
        f"{PRODUCER}_done",
        "dbt.staging",
        "dbt.intermediate",
        *(f"dbt.{name}" for name in marts),
        "publish",
        "notify_success",
        "notify_failure",
    }


def test_they_come_in_the_order_of_the_data(dag, marts):
    after = {name: task["after"] for name, task in dag["tasks"].items()}
    assert after["notify_start"] == []
    assert after["sync"] == ["notify_start"]
    assert after[PRODUCER] == ["sync"]
    assert after["dbt.staging"] == ["sync"]
    assert after["dbt.intermediate"] == ["dbt.staging"]
    for name, upstream in marts.items():
        expected = [f"dbt.{other}" for other in upstream] or ["dbt.intermediate"]
        assert after[f"dbt.{name}"] == expected, name
    last = set(marts) - {name for upstream in marts.values() for name in upstream}
    # the producer among them: whatever fails in dbt, nothing is published
    assert set(after["publish"]) == {f"{PRODUCER}_done", *(f"dbt.{name}" for name in last)}
    assert after["notify_success"] == after["notify_failure"] == ["publish"]


def test_every_task_has_an_owner_a_limit_and_a_failure_notice(dag):
    for name, task in dag["tasks"].items():
        assert task["owner"] == "data-platform", name
        assert "failed" in task["callbacks"], name
        assert not task["deferrable"], name
        if task["class"] != "EmptyOperator":
            assert 0 < task["timeout"] <= 4_000, name
    assert "What to do" in dag["doc"]


def test_what_can_be_retried_is_and_a_data_test_is_not(dag):
    retries = {name: task["retries"] for name, task in dag["tasks"].items()}
    assert retries["sync"] == 2 and retries["publish"] == 1
    assert {n for name, n in retries.items() if name.startswith("dbt.")} == {0}


def test_only_the_dbt_producer_takes_the_warehouse_pool(dag):
    assert [name for name, task in dag["tasks"].items() if task["pool"] == "warehouse"] == [PRODUCER]


def test_a_lost_start_notice_does_not_hold_the_sync_and_no_notice_makes_a_failed_run_green(dag):
    rules = {name: task["trigger_rule"] for name, task in dag["tasks"].items()}
    assert rules["sync"] == "all_done"
    assert rules["notify_success"] == "all_success"  # a leaf: upstream_failed, whatever its neighbour does
    assert rules["notify_failure"] == "one_failed"


def test_one_run_at_a_time_and_no_past_ones(dag):
    assert dag["max_active_runs"] == 1 and dag["catchup"] is False


def test_it_runs_every_quarter_of_an_hour_unless_it_is_told_otherwise(config, dag):
    assert dag["schedule"] == "*/15 * * * *"
    assert look(config, ELT_SCHEDULE="manual")["dags"]["adventureworks_elt"]["schedule"] is None


def test_without_a_manifest_the_file_says_how_to_get_one(tmp_path):
    found = look(load_settings({"ELT_HOME": str(tmp_path)}))
    assert found["dags"] == {}
    [error] = found["errors"].values()
    assert "elt up airflow" in error


def test_the_manifest_is_written_again_only_when_the_project_has_changed(tmp_path, monkeypatch):
    config = load_settings({"ELT_HOME": str(tmp_path / "elt home")})
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: small\nprofile: adventureworks\n")
    (project / "profiles.yml").write_text((manifest.PROJECT / "profiles.yml").read_text())
    (project / "models" / "one.sql").write_text("select 1 as id")
    monkeypatch.setattr(manifest, "PROJECT", project)
    assert manifest.write_manifest(config) is True
    assert manifest.write_manifest(config) is False
    (project / "target").mkdir()
    (project / "target" / "leavings").write_text("x")
    assert manifest.write_manifest(config) is False
    (project / "models" / "two.sql").write_text("select * from {{ ref('nowhere') }}")
    with pytest.raises(EltError, match="nowhere"):
        manifest.write_manifest(config)
