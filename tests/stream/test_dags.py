"""The lane's DAGs as Airflow reads them."""

from __future__ import annotations

from pathlib import Path

from foundation.settings import load_settings
from tests.integration.orchestration.test_dag import look
from transformation.run import write_manifest

FRAUD = {"fraud_training": "23 4 * * 1", "fraud_drift": "53 3 * * *"}


def test_fraud_is_trained_each_week_and_watched_each_day_where_the_lane_is_in_use(tmp_path: Path) -> None:
    config = load_settings({"ELT_HOME": str(tmp_path / "elt home")})
    assert write_manifest(config)
    found = look(config, ELT_SOURCES="adventureworks,stream")
    assert found["errors"] == {}
    assert {name: found["dags"][name]["schedule"] for name in FRAUD} == FRAUD
    assert set(found["dags"]["fraud_training"]["tasks"]) == {"train"}
    assert not set(FRAUD) & set(look(config, ELT_SOURCES="adventureworks")["dags"])


def test_the_topics_are_loaded_each_hour_and_compared_while_the_models_are_built(tmp_path: Path) -> None:
    config = load_settings({"ELT_HOME": str(tmp_path / "elt home")})
    assert write_manifest(config)
    found = look(config, ELT_SOURCES="adventureworks,stream")
    assert found["errors"] == {}
    sync, build = (found["dags"][f"stream_{name}"] for name in ("sync", "transformation"))
    assert sync["schedule"] == "37 * * * *" and set(sync["tasks"]) == {"sync", "reconcile", "record"}
    assert sync["tasks"]["sync"]["outlets"] == ["stream_raw"] and not sync["tasks"]["reconcile"]["outlets"]
    assert "**When it fails.**" in sync["doc"] and "reconciliation" not in set(build["tasks"])
