"""The DAGs of further sources as Airflow reads them: made by one factory, where the source is in use."""

import json

import pytest

from foundation.settings import load_settings
from tests.integration.orchestration.test_dag import look
from transformation.project import manifest_path
from transformation.run import write_manifest

SOURCES = "adventureworks,web"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    home = str(tmp_path_factory.mktemp("source dags") / "elt home")
    settings = load_settings({"ELT_HOME": home, "ELT_SOURCES": SOURCES})
    assert write_manifest(settings)
    return settings


@pytest.fixture(scope="module")
def found(config):
    return look(config, ELT_SOURCES=SOURCES)


@pytest.mark.slow
def test_a_source_in_use_has_a_sync_and_a_transformation_on_its_asset(found):
    assert found["errors"] == {}
    sync, transformation = found["dags"]["web_sync"], found["dags"]["web_transformation"]
    assert sync["schedule"] == "*/5 * * * *"
    assert set(sync["tasks"]) == {"sync", "record"}
    assert sync["tasks"]["sync"]["outlets"] == ["web_raw"]
    assert sync["tasks"]["record"]["teardown"]
    assert transformation["schedule"] == ["web_raw"]
    after = {name: task["after"] for name, task in transformation["tasks"].items()}
    assert after["prepare"] == []
    assert after["complete"] == ["publish"]
    assert {"complete", "dbt.dbt_producer_watcher", "dbt.fct_web_sessions"} <= set(after["record"])
    assert transformation["tasks"]["publish"]["outlets"] == ["adventureworks_marts"]


def test_its_transformation_has_a_task_for_each_of_its_marts_and_no_others(found, config):
    nodes = json.loads(manifest_path(config).read_text())["nodes"].values()
    marts = {
        f"dbt.{node['name']}"
        for node in nodes
        if node["resource_type"] == "model" and node["fqn"][1] == "marts" and "web" in node["tags"]
    }
    assert len(marts) == 7
    shown = {name for name in found["dags"]["web_transformation"]["tasks"] if name.startswith("dbt.")}
    others = {"dbt.dbt_producer_watcher", "dbt.dbt_producer_watcher_done", "dbt.staging", "dbt.intermediate"}
    assert shown - others == {*marts, "dbt.dim_date"}


def test_the_shops_dag_builds_its_marts_too(found):
    assert "dbt.fct_web_sessions" in found["dags"]["adventureworks_elt"]["tasks"]


def test_each_says_what_it_is_for_whose_it_is_and_what_to_do_when_it_fails(found):
    for name in ("web_sync", "web_transformation"):
        dag = found["dags"][name]
        for heading in ("**Purpose.**", "**Owner.**", "**When it fails.**", "**What to do.**"):
            assert heading in dag["doc"], f"{name}: {heading}"
        assert dag["tags"] == ["pipeline", "web"] and "**Paused.**" in dag["doc"]
        assert dag["catchup"] is False and dag["max_active_runs"] == 1 and dag["timeout"] > 0
        for task_id, task in dag["tasks"].items():
            assert (task["doc"] and task["timeout"]) or task_id.endswith("watcher_done"), task_id


def test_a_source_that_is_not_in_use_has_none(config):
    found = look(config, ELT_SOURCES="adventureworks")
    assert found["errors"] == {}
    assert not {"web_sync", "web_transformation"} & set(found["dags"])
