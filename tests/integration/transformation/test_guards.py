"""Wrong rows in raw, each caught by a test that is named after what is wrong; and floats where decimals were."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.integration.transformation.conftest import MODELS_ONLY
from tests.integration.transformation.raw_layer import Warehouse

DATA_ONLY = ("--exclude", "resource_type:unit_test")

# what is wrong → (what makes it so, the test that says so, whether it stops publishing)
WRONG = {
    "a negative quantity": (
        "update adventureworks_sales.salesorderdetail set orderqty = -1 where salesorderdetailid = 1",
        "fct_sales_quantity_price_and_discount_in_range",
        "fail",
    ),
    "a negative purchase": (
        "update adventureworks_purchasing.purchaseorderdetail set rejectedqty = 9 where purchaseorderdetailid = 2",
        "fct_purchases_quantities_and_price_in_range",
        "fail",
    ),
    "more scrap than work": (
        "update adventureworks_production.workorder set scrappedqty = 99 where workorderid = 1",
        "fct_work_orders_quantities_in_range",
        "fail",
    ),
    "an orphan line": (
        "update adventureworks_sales.salesorderdetail set salesorderid = 77 where salesorderdetailid = 13",
        "sales_order_lines_without_order",
        "warn",
    ),
    "a duplicate": (
        "insert into adventureworks_sales.salesorderheader from adventureworks_sales.salesorderheader where salesorderid = 1",
        "primary_key_stg_sales_order_headers_order_id",
        "fail",
    ),
    "a null key": (
        "update adventureworks_production.workorder set workorderid = null where workorderid = 5",
        "primary_key_stg_work_orders_work_order_id",
        "fail",
    ),
    "an overlapping history": (
        "update adventureworks_production.productcosthistory set enddate = timestamp '2025-02-01'"
        " where productid = 707 and enddate is not null",
        "product_costs_overlap",
        "fail",
    ),
    "a stay that overlaps": (
        "insert into adventureworks_humanresources.employeedepartmenthistory by name"
        " select * replace (date '2024-06-01' as startdate, 5 as departmentid)"
        " from adventureworks_humanresources.employeedepartmenthistory",
        "stays_in_departments_overlap",
        "fail",
    ),
    "a float where a decimal was": (
        "alter table adventureworks_purchasing.purchaseorderdetail alter unitprice type double using 10 / 3.0",
        "raw_amounts_have_four_decimals",
        "fail",
    ),
}


@pytest.fixture(scope="module")
def verdicts(first_build: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The status of every test on a raw layer with all the wrong rows, by the test's name."""
    warehouse = first_build.copy(tmp_path_factory.mktemp("wrong rows"))
    with duckdb.connect(warehouse.path) as connection:
        for change, _, _ in WRONG.values():
            connection.execute(change)
    # each model is built whatever the tests of those before it say, so that every test has its say
    models = warehouse.elt("build", "--full-refresh", *MODELS_ONLY)
    assert models.returncode == 0, models.stdout[-3000:]
    tests = warehouse.dbt("test", *DATA_ONLY)
    assert tests.returncode == 1
    results = json.loads((warehouse.target / "run_results.json").read_text())["results"]
    return {result["unique_id"].split(".")[2]: result["status"] for result in results}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_rows_are_caught_by_a_named_test(verdicts: dict[str, str], wrong: str) -> None:
    _, name, status = WRONG[wrong]
    assert verdicts[name] == status


def test_sound_rows_are_caught_by_none(first_build: Warehouse) -> None:
    """The small shop has rows that come late: a customer, a product. Those warn; nothing fails."""
    results = json.loads((first_build.target / "run_results.json").read_text())["results"]
    warned = {result["unique_id"].split(".")[2] for result in results if result["status"] == "warn"}
    built = [result for result in results if not result["unique_id"].startswith("exposure.")]
    assert {result["status"] for result in built} == {"success", "pass", "warn"}
    assert warned == {"sales_order_lines_without_product", "sales_orders_without_customer"}
    assert not warned & {name for _, name, _ in WRONG.values()}


def test_rows_that_fail_are_stored(first_build: Warehouse) -> None:
    stored = first_build.rows("select from_field from dbt_test_failures.sales_order_lines_without_product")
    assert stored == [(999,)]


def test_amounts_that_land_as_floats_are_the_same_decimals(first_build: Warehouse, tmp_path: Path) -> None:
    """A real Airbyte lands numbers as floats in Snowflake."""
    warehouse = first_build.copy(tmp_path)
    staged = [
        f"staging.{name}"
        for (name,) in first_build.rows("select view_name from duckdb_views() where schema_name = 'staging'")
    ]
    with duckdb.connect(warehouse.path) as connection:
        columns = connection.execute(
            """
            select schema_name || '."' || table_name || '"', column_name from duckdb_columns()
            where schema_name like 'adventureworks%' and data_type in ('VARCHAR', 'DECIMAL(8,2)', 'DECIMAL(9,4)')
            and regexp_matches(
                column_name,
                'price|cost|amt$|subtotal|freight|totaldue|rate$|discount|quota$|receivedqty|rejectedqty|hrs$|availability'
            )
            """
        ).fetchall()
        assert len(columns) > 25
        for table, column in columns:
            connection.execute(
                f'alter table {table} alter "{column}" type double using try_cast("{column}" as double)'
            )
    for name in staged:
        assert warehouse.rows(f"from {name} order by all") == first_build.rows(
            f"from {name} order by all"
        ), name
