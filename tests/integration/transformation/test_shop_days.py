"""Trading days, synced and built one after the other, leave the marts that a full refresh would make of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from adventureworks.shop import ShopDay, day
from tests.fixtures import warm
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.integration.transformation.conftest import MODELS_ONLY, marts
from tests.integration.transformation.raw_layer import Warehouse

# what keeps rows (views need no rebuild), compared with all that is in staging, or with what a sync has touched
HISTORY = ("--select", "path:models/marts", "--select", "path:snapshots", *MODELS_ONLY)
CHANGED = ("--changed", "--exclude", "resource_type:unit_test")
INCREMENTAL = {f"marts.fct_{name}" for name in ("orders", "sales")}


@pytest.mark.parametrize(
    ("days", "how"),
    [
        pytest.param(2, CHANGED, marks=pytest.mark.slow),
        pytest.param(10, CHANGED, marks=pytest.mark.slow),
        pytest.param(10, HISTORY, marks=pytest.mark.slow),
    ],
    ids=["2-changed", "10-changed", "10-all compared"],
)
def test_shop_days_built_incrementally_equal_a_full_refresh(
    airbyte: AirbyteServer,
    generated_source: SourceDatabase,
    first_build: Warehouse,
    tmp_path: Path,
    days: int,
    how: tuple[str, ...],
) -> None:
    source, warehouse = generated_source.copy(), Warehouse(tmp_path)
    warehouse.target.mkdir(parents=True)
    shutil.copy(first_build.target / "partial_parse.msgpack", warehouse.target)
    name = f"shop days {uuid4()}"
    airbyte.http.post("/workspaces", json={"name": name}).raise_for_status()
    environ = airbyte.environ_with(source, warehouse.home) | {"AIRBYTE_WORKSPACE": name}

    def elt(*arguments: str) -> None:
        done = warm.run("elt", *arguments, environ=environ)
        assert done.returncode == 0, done.stdout + done.stderr

    elt("airbyte", "apply")
    elt("sync")
    warehouse.build("--exclude", "resource_type:unit_test")
    before = marts(warehouse)
    traded: list[ShopDay] = []
    for _ in range(days):
        with source.connect() as connection:
            traded.append(day(connection))
        elt("sync")
        assert "everything is built" not in warehouse.build(*how)
    deletes = ("cleared_lines", "deleted_addresses", "forgotten_customers")
    for kind in (
        "new_orders",
        "status_changes",
        "price_changes",
        "address_moves",
        "late_corrections",
        *deletes,
    ):
        assert sum(getattr(each, kind) for each in traded) > 0, kind

    anew = warehouse.copy(tmp_path / "anew")
    anew.build("--select", "path:models/marts", "--full-refresh", *MODELS_ONLY)
    built, refreshed = marts(warehouse), marts(anew)
    for mart, rows in refreshed.items():
        assert built[mart] == rows, mart
    assert {mart for mart, rows in before.items() if built[mart] != rows} >= INCREMENTAL
    lines = sum(d.new_lines - d.cleared_lines for d in traded)
    assert len(built["marts.fct_sales"]) == len(before["marts.fct_sales"]) + lines
