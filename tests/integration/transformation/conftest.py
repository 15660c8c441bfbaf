"""Warehouses that were built once, for the tests of this folder to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures.source import original_data
from tests.integration.transformation import small_shop
from tests.integration.transformation.raw_layer import Warehouse

MODELS_ONLY = ("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test")
MARTS = (
    "select schema_name || '.' || table_name from duckdb_tables()"
    " where schema_name like 'marts%' and table_name <> 'built_from' order by 1"
)


@dataclass
class Built:
    """A warehouse after an incremental build; its marts (all rows, as text) before and after, and built anew."""

    warehouse: Warehouse
    before: dict[str, list[str]]
    after: dict[str, list[str]]
    anew: dict[str, list[str]]


def marts(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of every mart, all columns."""
    names = [name for (name,) in warehouse.rows(MARTS)]
    return {name: [str(row) for row in warehouse.rows(f"from {name} order by all")] for name in names}


@pytest.fixture(scope="session")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The small shop after its first sync, built with every test and unit test; only read it."""
    warehouse = Warehouse(tmp_path_factory.mktemp("first build"))
    warehouse.create_raw()
    warehouse.sync(small_shop.FIRST_SYNC, small_shop.AT_FIRST)
    warehouse.build()
    return warehouse


def second_sync(warehouse: Warehouse) -> None:
    """What changes in the small shop, deletions included."""
    warehouse.sync(small_shop.SECOND_SYNC, small_shop.LATER)
    warehouse.delete("sales.salesorderdetail", "salesorderdetailid in (6, 8)")
    warehouse.delete("sales.salesorderheader", "salesorderid = 5")
    warehouse.delete("sales.salesorderheadersalesreason", "salesorderid = 4 and salesreasonid = 1")
    warehouse.delete("production.workorder", "workorderid = 5")
    warehouse.delete("production.productinventory", "productid = 708")


@pytest.fixture(scope="session")
def second_build(first_build: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same after a second sync, built incrementally with every test; a copy of it has its marts built anew."""
    warehouse = first_build.copy(tmp_path_factory.mktemp("second build"))
    before = marts(warehouse)
    second_sync(warehouse)
    warehouse.build("--exclude", "resource_type:unit_test")
    anew = warehouse.copy(tmp_path_factory.mktemp("full refresh"))
    anew.build("--select", "path:models/marts", "--full-refresh", *MODELS_ONLY)
    return Built(warehouse, before, marts(warehouse), marts(anew))


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
