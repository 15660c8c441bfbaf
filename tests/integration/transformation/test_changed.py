"""`elt build --changed`: what it leaves out, and when it builds everything."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.integration.transformation import small_shop
from tests.integration.transformation.conftest import MODELS_ONLY, Built, marts
from tests.integration.transformation.raw_layer import Warehouse

NO_UNIT_TESTS = ("--exclude", "resource_type:unit_test")
NOTHING = "nothing has changed since the last complete build\n"


@pytest.fixture
def warehouse(second_build: Built, tmp_path: Path) -> Warehouse:
    """A copy of the small shop's warehouse after a complete build."""
    return second_build.warehouse.copy(tmp_path / "home")


def changed(warehouse: Warehouse, *arguments: str) -> str:
    return warehouse.build("--changed", *NO_UNIT_TESTS, *arguments)


def ran(warehouse: Warehouse) -> set[str]:
    """Names of the models, seeds and snapshots of the last build."""
    results = json.loads((warehouse.target / "run_results.json").read_text())["results"]
    kinds = ("model.", "seed.", "snapshot.")
    return {each["unique_id"].split(".")[2] for each in results if each["unique_id"].startswith(kinds)}


def noted(warehouse: Warehouse) -> dict[str, str]:
    return dict(warehouse.rows("from marts.built_from"))


def reason(output: str) -> str:
    return output.splitlines()[0]


def test_after_a_complete_build_nothing_is_run(warehouse: Warehouse) -> None:
    assert changed(warehouse) == NOTHING
    assert not (warehouse.target / "run_results.json").exists()


def test_a_synced_order_builds_its_descendants_alone_and_the_marts_equal_a_full_refresh(
    second_build: Built, tmp_path: Path
) -> None:
    warehouse = second_build.warehouse.copy(tmp_path / "home")
    lines = [small_shop.line(14, 12, 708, 2, "10")]
    order = [small_shop.order(12, 2, "2025-07-01", "20.00")]
    warehouse.sync(
        "2025-07-02 00:00:00+00", {"sales.salesorderheader": order, "sales.salesorderdetail": lines}
    )
    assert "everything" not in changed(warehouse)
    built = ran(warehouse)
    assert {
        "stg_sales_order_headers",
        "stg_sales_order_details",
        "fct_sales",
        "obt_sales",
        "dim_date",
    } <= built
    assert not built & {
        "stg_products",
        "dim_product",
        "fct_currency_rates",
        "fct_work_orders",
        "sales_channels",
    }
    assert warehouse.row("select count(*) from marts.fct_sales where order_id = 12") == (1,)
    assert changed(warehouse) == NOTHING
    anew = warehouse.copy(tmp_path / "anew")
    anew.build("--full-refresh", *MODELS_ONLY)
    assert marts(warehouse) == marts(anew)
    log = (warehouse.home / "logs" / "dbt" / "dbt.log").read_text()
    assert "Nothing changed, skipping partial parsing" in log  # although the versions are others
    assert "Unable to do partial parsing" not in log


def test_fewer_rows_build_what_descends_from_them(warehouse: Warehouse) -> None:
    with duckdb.connect(warehouse.path) as connection:  # erased, not marked as deleted
        connection.execute("delete from adventureworks_production.workorderrouting where workorderid = 1")
    changed(warehouse)
    assert {"stg_work_order_routings", "fct_work_orders"} <= ran(warehouse)
    assert "fct_sales" not in ran(warehouse)


def test_another_day_builds_what_depends_on_it(warehouse: Warehouse) -> None:
    with duckdb.connect(warehouse.path) as connection:
        for schema in ("marts", "intermediate"):
            connection.execute(f"update {schema}.built_from set version = '2025-06-30' where name = 'day'")
    changed(warehouse)
    assert {"int_date_range", "dim_date", "fct_inventory_daily"} <= ran(warehouse)
    assert not [name for name in ran(warehouse) if name.startswith("stg_")]


def test_a_failed_test_fails_again_until_it_is_mended(warehouse: Warehouse) -> None:
    before = noted(warehouse)
    work_order = "update adventureworks_production.workorder set scrappedqty = {}, _airbyte_extracted_at = '{}' where workorderid = 1"
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(work_order.format(99, "2025-07-02 00:00:00+00"))
    for _ in range(2):
        done = warehouse.elt("build", "--changed", *NO_UNIT_TESTS)
        assert done.returncode == 1 and "fct_work_orders_quantities_in_range" in done.stdout
        assert noted(warehouse) == before
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(work_order.format(0, "2025-07-03 00:00:00+00"))
    changed(warehouse)
    assert changed(warehouse) == NOTHING


def test_a_part_by_the_same_files_and_a_developers_build_leave_the_note(warehouse: Warehouse) -> None:
    before = noted(warehouse)
    warehouse.sync("2025-07-02 00:00:00+00", {"sales.currency": [{"currencycode": "XYZ", "name": "New"}]})
    warehouse.build("--select", "dim_currency", *NO_UNIT_TESTS)
    by_hand = warehouse.dbt("build", "--target", "dev", "--select", "+dim_channel", *MODELS_ONLY)
    assert by_hand.returncode == 0, by_hand.stdout
    assert noted(warehouse) == before
    changed(warehouse)
    assert {"stg_currencies", "dim_currency"} <= ran(warehouse) and "stg_products" not in ran(warehouse)


def test_a_build_without_its_tests_is_not_noted(warehouse: Warehouse) -> None:
    before = noted(warehouse)
    warehouse.sync("2025-07-02 00:00:00+00", {"sales.currency": [{"currencycode": "XYZ", "name": "New"}]})
    warehouse.build("--changed", *MODELS_ONLY)
    assert "dim_currency" in ran(warehouse)
    assert noted(warehouse) == before


@pytest.mark.parametrize(
    "how",
    [
        "dbt by hand",
        *(pytest.param(how, marks=pytest.mark.slow) for how in ("other files", "a table dropped")),
    ],
)
def test_everything_is_built_when_it_is_not_known_what_was_built(warehouse: Warehouse, how: str) -> None:
    if how == "dbt by hand":
        assert warehouse.dbt("run", "--select", "dim_channel").returncode == 0
        says = "no complete build is on record"
    elif how == "other files":
        with duckdb.connect(warehouse.path) as connection:
            for schema in ("marts", "intermediate"):
                connection.execute(f"update {schema}.built_from set version = 'x' where name = 'project'")
        says = "the project has changed"
    else:
        with duckdb.connect(warehouse.path) as connection:
            connection.execute("drop table marts.dim_channel")
        says = "marts.dim_channel is not there"
    assert reason(changed(warehouse)) == f"everything is built: {says}"
    assert len(ran(warehouse)) > 80
    assert changed(warehouse) == NOTHING


def test_a_build_upon_another_state_than_its_choice_was_made_from_is_not_noted(warehouse: Warehouse) -> None:
    before = noted(warehouse)
    environ = {
        "ELT_BUILD_PROJECT": before["project"],
        "ELT_BUILDING_FROM": json.dumps(before | {"day": "2025-07-01"}),
        "ELT_BUILT_FROM": json.dumps(before | {"day": "2025-06-01"}),
    }
    chosen = ["build", "--select", "sales_channels"]
    assert warehouse.dbt(*chosen, environ=environ).returncode == 0
    assert noted(warehouse) == before
    environ["ELT_BUILT_FROM"] = json.dumps(before)
    assert warehouse.dbt(*chosen, environ=environ).returncode == 0
    assert noted(warehouse) == before | {"day": "2025-07-01"}
    assert warehouse.rows("from marts.built_from order by all") == warehouse.rows(
        "from intermediate.built_from order by all"
    )


@pytest.mark.parametrize(
    "arguments",
    [("--select", "fct_sales"), ("--exclude", "fct_sales"), ("--full-refresh",), ("--target", "dev")],
)
def test_what_contradicts_it_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = Warehouse(tmp_path).elt("build", "--changed", *arguments)
    assert done.returncode == 2
    assert f"--changed can't be used with {arguments[0]}" in done.stderr
