"""Warehouses that were built once, for the tests of this folder to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures.source import original_data
from tests.integration.transformation import small_shop
from tests.integration.transformation.raw_layer import Warehouse

MODELS_ONLY = ("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test")
FACTS = ("fct_orders", "fct_sales")


@dataclass
class Built:
    """A warehouse after an incremental build; its facts (all rows, as text) before and after, and built anew."""

    warehouse: Warehouse
    before: dict[str, list[str]]
    after: dict[str, list[str]]
    anew: dict[str, list[str]]


def facts(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of every fact, all columns."""
    return {name: [str(row) for row in warehouse.rows(f"from marts.{name} order by all")] for name in FACTS}


@pytest.fixture(scope="session")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The small shop after its first sync, built with every test and unit test; only read it."""
    warehouse = Warehouse(tmp_path_factory.mktemp("first build"))
    warehouse.create_raw()
    warehouse.sync(small_shop.FIRST_SYNC, small_shop.AT_FIRST)
    warehouse.build()
    return warehouse


@pytest.fixture(scope="session")
def second_build(first_build: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same after a second sync, built incrementally with every test; a copy of it has its facts built anew."""
    warehouse = first_build.copy(tmp_path_factory.mktemp("second build"))
    before = facts(warehouse)
    warehouse.sync(small_shop.SECOND_SYNC, small_shop.LATER)
    warehouse.delete("sales.salesorderdetail", "salesorderdetailid in (6, 8)")
    warehouse.delete("sales.salesorderheader", "salesorderid = 5")
    warehouse.build("--exclude", "resource_type:unit_test")
    anew = warehouse.copy(tmp_path_factory.mktemp("full refresh"))
    anew.build("--select", "fct_orders", "--select", "fct_sales", "--full-refresh", *MODELS_ONLY)
    return Built(warehouse, before, facts(warehouse), facts(anew))


@pytest.fixture(scope="session")
def original_build(first_build: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The original data, models only (the end-to-end test runs the tests on it)."""
    folder: Path = original_data()
    if not folder.is_dir():
        pytest.skip(f"the original data is not here: no folder {folder} (AW_DATA moves it)")
    warehouse = first_build.copy(tmp_path_factory.mktemp("original build"))
    warehouse.path.unlink()
    warehouse.load_original(folder)
    warehouse.build(*MODELS_ONLY)
    return warehouse
