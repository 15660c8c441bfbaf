"""What every model must have (data-transformation/dbt-bouncer.yml), and that a model without it is named."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.transformation.raw_layer import BIN, Warehouse
from transformation.project import PROJECT

Manifest = dict[str, Any]


def check(folder: Path, manifest: Manifest) -> subprocess.CompletedProcess[str]:
    """dbt-bouncer over a manifest."""
    shutil.copy(PROJECT / "dbt-bouncer.yml", folder)
    (folder / "target").mkdir()
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))
    words = ["run", "--config-file", folder / "dbt-bouncer.yml", "--output-file", folder / "found.json"]
    return subprocess.run(
        [BIN / "dbt-bouncer", *words, "--output-format", "json", "--output-only-failures"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def failed(folder: Path) -> set[str]:
    """The checks that failed, as "check:…:model"."""
    return {each["check_run_id"] for each in json.loads((folder / "found.json").read_text())}


@pytest.fixture
def manifest(first_build: Warehouse) -> Manifest:
    """dbt's, as a build has left it."""
    return json.loads((first_build.target / "manifest.json").read_text())


def test_every_model_has_what_it_must_have(manifest: Manifest, tmp_path: Path) -> None:
    done = check(tmp_path, manifest)
    assert done.returncode == 0, done.stdout + done.stderr


def _without_tests(manifest: Manifest, name: str) -> None:
    manifest["nodes"] = {
        key: node
        for key, node in manifest["nodes"].items()
        if not (
            node["resource_type"] == "test" and node.get("attached_node") == f"model.adventureworks.{name}"
        )
    }


def _model(manifest: Manifest, name: str) -> dict[str, Any]:
    return manifest["nodes"][f"model.adventureworks.{name}"]


BREAKAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "check_model_description_populated": lambda model: model.update(description=""),
    "check_model_has_meta_keys": lambda model: (model.update(meta={}), model["config"].update(meta={})),
    "check_model_code_does_not_contain_regexp_pattern": lambda model: model.update(raw_code="select 1"),
    "check_model_has_contracts_enforced": lambda model: (
        model["contract"].update(enforced=False),
        model["config"]["contract"].update(enforced=False),
    ),
    "check_model_column_description_populated": lambda model: model["columns"]["vendor_name"].update(
        description=""
    ),
}


@pytest.mark.parametrize("rule", BREAKAGES)
def test_model_without_it_is_named(manifest: Manifest, tmp_path: Path, rule: str) -> None:
    BREAKAGES[rule](_model(manifest, "dim_vendor"))
    done = check(tmp_path, manifest)
    assert done.returncode == 1, done.stdout + done.stderr
    assert all(name.startswith(f"{rule}:") and "dim_vendor" in name for name in failed(tmp_path))


def test_model_without_a_test_of_its_key_is_named(manifest: Manifest, tmp_path: Path) -> None:
    _without_tests(manifest, "dim_vendor")
    assert check(tmp_path, manifest).returncode == 1
    assert any(name.startswith("check_model_has_unique_test:") for name in failed(tmp_path))


def test_every_dashboard_is_an_exposure(manifest: Manifest) -> None:
    labels = {exposure["label"] for exposure in manifest["exposures"].values()}
    assert labels == {
        "Sales overview",
        "Products",
        "Customers",
        "Orders and geography",
        "Salespeople and quotas",
        "Purchasing and production",
        "Data quality",
        "Pipeline health",
    }
