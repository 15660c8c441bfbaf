"""The second company's DAGs as Airflow reads them, where it is in use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from foundation.settings import Settings, load_settings
from tests.integration.orchestration.test_dag import look
from transformation.project import manifest_path
from transformation.run import write_manifest

SOURCES = "adventureworks,totesys"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = str(tmp_path_factory.mktemp("totesys dags") / "elt home")
    settings = load_settings({"ELT_HOME": home, "ELT_SOURCES": SOURCES})
    assert write_manifest(settings)
    return settings


@pytest.fixture(scope="module")
def dags(config: Settings) -> dict[str, Any]:
    found = look(config, ELT_SOURCES=SOURCES)
    assert found["errors"] == {}
    return found["dags"]


def test_it_is_synced_every_ten_minutes_and_built_after_each_sync(dags: dict[str, Any]) -> None:
    sync, transformation = dags["totesys_sync"], dags["totesys_transformation"]
    assert sync["schedule"] == "*/10 * * * *"
    assert sync["tasks"]["load"]["after"] == ["sync"]
    assert sync["tasks"]["catalogue"]["after"] == ["load"]
    assert {name: task["outlets"] for name, task in sync["tasks"].items() if task["outlets"]} == {
        "load": ["totesys_raw"]
    }, "raw is new when the lake has been loaded"
    assert transformation["schedule"] == ["totesys_raw"]
    assert transformation["tasks"]["publish"]["outlets"] == ["adventureworks_marts"]


def test_it_has_a_task_for_each_of_its_marts(dags: dict[str, Any], config: Settings) -> None:
    nodes = json.loads(manifest_path(config).read_text())["nodes"].values()
    marts = {
        f"dbt.{node['name']}"
        for node in nodes
        if node["resource_type"] == "model" and node["fqn"][1] == "marts" and "totesys" in node["tags"]
    }
    assert len(marts) == 18
    assert marts < set(dags["totesys_transformation"]["tasks"])
