"""Warehouses that were built once, for the tests of this folder to look at."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from foundation.settings import ROOT
from tests.fixtures.kept import kept
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
    """A warehouse after an incremental build; its marts (all rows, as text) before and after, and fully refreshed."""

    warehouse: Warehouse
    before: dict[str, list[str]]
    after: dict[str, list[str]]
    anew: dict[str, list[str]]


def marts(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of every mart, all columns."""
    names = [name for (name,) in warehouse.rows(MARTS)]
    return {name: [str(row) for row in warehouse.rows(f"from {name} order by all")] for name in names}


# all that a build on the small shop is made from; `kept` holds each build to this list
HERE = Path(__file__).parent
BUILT_FROM = [
    *(ROOT / folder for folder in ("data-transformation", "infrastructure/foundation", "infrastructure/elt")),
    *(ROOT / "data-integration" / part for part in ("adventureworks", "connections")),
    *(HERE / name for name in ("small_shop.py", "raw_layer.py", "conftest.py")),
    ROOT / "uv.lock",
    ROOT / "tests" / "fixtures" / "warm_server.py",
]


@pytest.fixture(scope="session")
def first_build() -> Warehouse:
    """The small shop after its first sync, built with every test and unit test; only read it."""

    def make(folder: Path) -> list[str]:
        warehouse = Warehouse(folder)
        warehouse.create_raw()
        warehouse.sync(small_shop.FIRST_SYNC, small_shop.AT_FIRST)
        return warehouse.build_noting()

    return Warehouse(kept("first-build", BUILT_FROM, make))


def second_sync(warehouse: Warehouse) -> None:
    """What changes in the small shop, deletions included."""
    warehouse.sync(small_shop.SECOND_SYNC, small_shop.LATER)
    warehouse.delete("sales.salesorderdetail", "salesorderdetailid in (6, 8)")
    warehouse.delete("sales.salesorderheader", "salesorderid = 5")
    warehouse.delete("sales.salesorderheadersalesreason", "salesorderid = 4 and salesreasonid = 1")
    warehouse.delete("production.workorder", "workorderid = 5")
    warehouse.delete("production.productinventory", "productid = 708")


@pytest.fixture(scope="session")
def second_build(first_build: Warehouse) -> Built:
    """The same after a second sync, built incrementally with every test; a copy of it has its marts fully refreshed."""

    def make(folder: Path) -> list[str]:
        warehouse = first_build.copy(folder / "home")
        said = {"before": marts(warehouse)}
        second_sync(warehouse)
        opened = warehouse.build_noting("--exclude", "resource_type:unit_test")
        anew = warehouse.copy(folder / "anew")
        opened += anew.build_noting("--select", "path:models/marts", "--full-refresh", *MODELS_ONLY)
        said |= {"after": marts(warehouse), "anew": marts(anew)}
        shutil.rmtree(anew.home)
        (folder / "marts.json").write_text(json.dumps(said))
        return opened

    folder = kept("second-build", BUILT_FROM, make)
    return Built(Warehouse(folder / "home"), **json.loads((folder / "marts.json").read_text()))


@pytest.fixture(scope="session")
def original_build(first_build: Warehouse) -> Warehouse:
    """The original data, models only (the end-to-end test runs the tests on it)."""
    data = original_data()
    if not data.is_dir():
        pytest.skip(f"the original data is not here: no folder {data} (AW_DATA moves it)")

    def make(folder: Path) -> list[str]:
        warehouse = first_build.copy(folder / "home")
        warehouse.path.unlink()
        warehouse.load_original(data)
        return warehouse.build_noting(*MODELS_ONLY)

    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(data.iterdir())]
    return Warehouse(kept("original-build", BUILT_FROM, make, files) / "home")
