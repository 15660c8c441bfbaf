"""Random days, each at the edges of what the source allows: all of them are published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.transformation.conftest import MODELS_ONLY, marts
from tests.integration.transformation.fuzz import Shop
from tests.integration.transformation.raw_layer import Warehouse

CHANGED = ("--changed", "--exclude", "resource_type:unit_test")


def not_passed(warehouse: Warehouse) -> set[str]:
    """Names of the nodes of the last build that neither succeeded nor passed."""
    results = json.loads((warehouse.target / "run_results.json").read_text())["results"]
    fine = {"success", "pass", "no-op"}
    return {each["unique_id"].split(".")[2] for each in results if each["status"] not in fine}


@pytest.mark.slow
def test_days_of_odd_business_are_published(first_build: Warehouse, tmp_path: Path) -> None:
    """Three days in one build of what has changed."""
    warehouse, shop = first_build.copy(tmp_path / "home"), Shop(seed=1)
    for _ in range(3):
        shop.day(warehouse)
    warehouse.build(*CHANGED)
    assert not_passed(warehouse) == {"data_quality_odd_rows"}


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(2, 12))
def test_ten_days_are_published_one_by_one_and_equal_a_full_refresh(
    first_build: Warehouse, tmp_path: Path, seed: int
) -> None:
    """A hundred days in all."""
    warehouse, shop = first_build.copy(tmp_path / "home"), Shop(seed)
    for _ in range(10):
        shop.day(warehouse)
        warehouse.build(*CHANGED)
        assert not_passed(warehouse) == {"data_quality_odd_rows"}
    anew = warehouse.copy(tmp_path / "anew")
    anew.build("--select", "path:models/marts", "--full-refresh", *MODELS_ONLY)
    built, refreshed = marts(warehouse), marts(anew)
    for mart, rows in refreshed.items():
        assert built[mart] == rows, mart
