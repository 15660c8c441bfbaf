"""The manifest that the DAGs are drawn from, written with nothing but what docs/production.md says to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.settings import load_settings
from tests.unit.transformation.test_run import PRODUCTION, example
from transformation.project import read_manifest
from transformation.run import write_manifest


@pytest.mark.slow
def test_the_manifest_of_staging_names_stagings_databases(tmp_path: Path, monkeypatch) -> None:
    for name, value in example().items():
        monkeypatch.setenv(name, value)
    config = load_settings(PRODUCTION | {"ELT_HOME": str(tmp_path)})
    assert write_manifest(config)
    manifest = read_manifest(config)
    assert {source["database"] for source in manifest["sources"].values()} == {"RAW_STAGING"}
    assert {node["database"] for node in manifest["nodes"].values()} == {"ANALYTICS_STAGING"}
    warehouses = {
        node["config"].get("snowflake_warehouse")
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == "marts"
    }
    assert warehouses == {"TRANSFORMING_MARTS_STAGING"}
