"""`elt build`, and dbt started by hand: exit codes, the lease, the place of the warehouse."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from foundation.lease import lease
from tests.integration.transformation.conftest import MODELS_ONLY, Built, marts
from tests.integration.transformation.raw_layer import Warehouse


@pytest.fixture
def warehouse(first_build: Warehouse, tmp_path: Path) -> Warehouse:
    """A copy of the small shop's warehouse, to break."""
    return first_build.copy(tmp_path)


def test_failed_test_is_exit_code_1_and_named(warehouse: Warehouse) -> None:
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(
            "insert into adventureworks_sales.salesorderdetail by name"
            " select * replace (timestamptz '2025-07-01 00:00:00+00' as _airbyte_extracted_at)"
            " from adventureworks_sales.salesorderdetail where salesorderdetailid = 10"  # of an unknown product: built again
        )
    done = warehouse.elt("build", "--select", "fct_sales", "--exclude", "resource_type:unit_test", "--timing")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "primary_key_fct_sales_sales_key" in done.stdout
    timing = done.stdout.splitlines()[-3:]
    assert [line.split(" s  ")[1] for line in timing] == [
        "fct_sales",
        "in all, for 1 models, seeds and snapshots",
        "for their tests",
    ]


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


def test_days_are_built_again_and_models_fully_refreshed_when_a_run_asks_for_it(
    first_build: Warehouse, tmp_path: Path
) -> None:
    """A wrong figure that no changed row gives away: only what is asked for is built from the raw rows again."""
    warehouse = first_build.copy(tmp_path)
    # a movement without a known product is built again by every run
    known = "from marts.fct_inventory_movements where product_key <> '-1'"
    figures = f"select movement_date_key, quantity {known} order by all"
    right = warehouse.rows(figures)
    days = sorted({day for day, _ in right})
    assert len(days) > 1
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("update marts.fct_inventory_movements set quantity = 4711")

    def build(*asked: str) -> list[tuple]:
        select = ("--select", "fct_inventory_movements", *MODELS_ONLY)
        done = warehouse.elt("build", *select, *asked)
        assert done.returncode == 0, done.stdout[-3000:]
        return warehouse.rows(figures)

    assert {quantity for _, quantity in build()} == {4711}
    day = str(days[0])
    again = build("--rebuild-from", f"{day[:4]}-{day[4:6]}-{day[6:]}")
    assert [row for row in again if row[0] == days[0]] == [row for row in right if row[0] == days[0]]
    assert {quantity for moved, quantity in again if moved != days[0]} == {4711}
    assert build("--anew", "fct_sales", "--anew", "fct_inventory_movements") == right


def test_table_of_an_older_version_of_its_model_is_fully_refreshed(
    second_build: Built, tmp_path: Path
) -> None:
    """Columns that the model has got since, one that it has lost."""
    warehouse = second_build.warehouse.copy(tmp_path)
    with duckdb.connect(warehouse.path) as connection:
        for table, column in {
            "fct_orders": "order_hash",
            "fct_sales": "sales_hash",
            "obt_sales": "sales_hash",
            "dim_customer": "version_number",
            "fct_work_orders": "actual_cost",
        }.items():
            connection.execute(f"alter table marts.{table} drop column {column}")
        connection.execute("alter table marts.fct_inventory_movements add column of_old_times integer")
    warehouse.build("--select", "config.materialized:incremental", *MODELS_ONLY)
    assert marts(warehouse) == second_build.after


def test_table_with_a_column_of_another_type_is_fully_refreshed(second_build: Built, tmp_path: Path) -> None:
    warehouse = second_build.warehouse.copy(tmp_path)
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("alter table marts.fct_sales alter order_quantity type bigint")
    warehouse.build("--select", "fct_sales", *MODELS_ONLY)
    assert marts(warehouse) == second_build.after
