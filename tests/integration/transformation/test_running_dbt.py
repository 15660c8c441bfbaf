"""`elt build`, and dbt started by hand: exit codes, the lease, the place of the warehouse."""

from __future__ import annotations

from pathlib import Path

import pytest

from elt.lease import lease
from tests.integration.transformation.conftest import MODELS_ONLY
from tests.integration.transformation.raw_layer import Warehouse


@pytest.fixture
def warehouse(first_build: Warehouse, tmp_path: Path) -> Warehouse:
    """A copy of the small shop's warehouse, to break."""
    return first_build.copy(tmp_path)


def test_failed_test_is_exit_code_1_and_named(warehouse: Warehouse) -> None:
    warehouse.sync("2025-07-01 00:00:00+00", {"sales.salesorderdetail": [_negative_line()]})
    done = warehouse.elt("build", "--select", "fct_sales", "--exclude", "resource_type:unit_test", "--timing")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "fct_sales_quantity_price_and_discount_in_range" in done.stdout
    timing = done.stdout.splitlines()[-3:]
    assert [line.split(" s  ")[1] for line in timing] == [
        "fct_sales",
        "in all, for 1 models, seeds and snapshots",
        "for their tests",
    ]


def _negative_line() -> dict[str, object]:
    return {"salesorderid": 4, "salesorderdetailid": 5, "orderqty": -1}


def test_selection_without_a_match_is_a_usage_error(warehouse: Warehouse) -> None:
    done = warehouse.elt("build", "--select", "no_such_model")
    assert done.returncode == 2
    assert "no node matches --select no_such_model" in done.stderr


def test_dbt_by_hand_asks_for_the_lease_and_builds_in_the_developers_schemas(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    chosen = ("--target", "dev", "--select", "dim_channel", "sales_channels")
    with lease(warehouse.path, "sync job 12"):
        refused = warehouse.dbt("run", *chosen, cwd=tmp_path)
        listed = warehouse.dbt("ls", "--quiet", "--resource-type", "model", *chosen, cwd=tmp_path)
    assert refused.returncode != 0
    assert "is in use by sync job 12" in refused.stdout
    assert (listed.returncode, listed.stdout.strip()) == (0, "adventureworks.marts.dim_channel")

    done = warehouse.dbt("build", *chosen, *MODELS_ONLY, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert warehouse.row("select count(*) from ana_marts.dim_channel") == (3,)
    assert (
        warehouse.path.with_name("warehouse.duckdb.owner.json")
        .read_text()
        .startswith('{"owner": "dbt build"')
    )
