"""Wrong rows in raw, each caught by a test that is named after what is wrong; and floats where decimals were."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.integration.transformation.conftest import MODELS_ONLY
from tests.integration.transformation.raw_layer import Warehouse

DATA_ONLY = ("--exclude", "resource_type:unit_test")
# what has not arrived yet in the small shop
LATE = {
    ("Customer is not known", "sales.salesorderheader"),
    ("Product is not known", "production.transactionhistory"),
    ("Product is not known", "production.workorder"),
    ("Product is not known", "purchasing.purchaseorderdetail"),
    ("Product is not known", "sales.salesorderdetail"),
}

# what is wrong → (what makes it so, the test that says so and stops publishing)
WRONG = {
    "a duplicate": (
        "insert into adventureworks_sales.salesorderheader from adventureworks_sales.salesorderheader where salesorderid = 1",
        "primary_key_stg_sales_order_headers_order_id",
    ),
    "a null key": (
        "update adventureworks_production.workorder set workorderid = null where workorderid = 5",
        "primary_key_stg_work_orders_work_order_id",
    ),
}
# the same of a mart, which only a mistake of ours can bring about
WRONG_MARTS = {
    "a key without a row": (
        "update marts.fct_sales set product_key = 'gone' where order_line_id = 1",
        "fct_sales_foreign_keys",
    ),
    "a null instead of the unknown member": (
        "update marts.fct_orders set customer_key = null where order_id = 1",
        "fct_orders_foreign_keys",
    ),
    "a key twice": (
        "insert into marts.dim_vendor from marts.dim_vendor",
        "primary_key_dim_vendor_vendor_key",
    ),
}
# what is odd → (what makes it so, the kind and the stream under which it is counted)
ODD = {
    "a negative quantity": (
        "update adventureworks_sales.salesorderdetail set orderqty = -1 where salesorderdetailid = 1",
        ("Quantity is not positive", "sales.salesorderdetail"),
    ),
    "a negative purchase": (
        "update adventureworks_purchasing.purchaseorderdetail set rejectedqty = 9 where purchaseorderdetailid = 2",
        ("Received or rejected quantity is out of range", "purchasing.purchaseorderdetail"),
    ),
    "more scrap than work": (
        "update adventureworks_production.workorder set scrappedqty = 99 where workorderid = 1",
        ("Scrap is out of range", "production.workorder"),
    ),
    "an orphan line": (
        "update adventureworks_sales.salesorderdetail set salesorderid = 77 where salesorderdetailid = 13",
        ("Order is not known", "sales.salesorderdetail"),
    ),
    "an overlapping history": (
        "update adventureworks_production.productcosthistory set enddate = timestamp '2025-02-01'"
        " where productid = 707 and enddate is not null",
        ("Period overlaps the next one", "production.productcosthistory"),
    ),
    "a stay that overlaps": (
        "insert into adventureworks_humanresources.employeedepartmenthistory by name"
        " select * replace (date '2024-06-01' as startdate, 5 as departmentid)"
        " from adventureworks_humanresources.employeedepartmenthistory",
        ("Period overlaps the next one", "humanresources.employeedepartmenthistory"),
    ),
    "a float where a decimal was": (
        "alter table adventureworks_purchasing.purchaseorderdetail alter unitprice type double using 10 / 3.0",
        ("Amount has too many decimals: unitprice", "purchasing.purchaseorderdetail"),
    ),
}


@pytest.fixture(scope="module")
def wrong(first_build: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A raw layer with all the wrong and odd rows, built; then every test was run on it."""
    warehouse = first_build.copy(tmp_path_factory.mktemp("wrong rows"))
    with duckdb.connect(warehouse.path) as connection:
        for change, _ in (*WRONG.values(), *ODD.values()):
            connection.execute(change)
    # each model is built whatever the tests of those before it say, so that every test has its say
    models = warehouse.elt("build", "--full-refresh", *MODELS_ONLY)
    assert models.returncode == 0, models.stdout[-3000:]
    with duckdb.connect(warehouse.path) as connection:
        for change, _ in WRONG_MARTS.values():
            assert connection.execute(change).fetchone() > (0,)
    tests = warehouse.dbt("test", *DATA_ONLY)
    assert tests.returncode == 1
    return warehouse


def verdicts(warehouse: Warehouse) -> dict[str, str]:
    """The status of every test, by the test's name."""
    results = json.loads((warehouse.target / "run_results.json").read_text())["results"]
    return {result["unique_id"].split(".")[2]: result["status"] for result in results}


@pytest.mark.parametrize("what", WRONG | WRONG_MARTS)
def test_wrong_rows_are_caught_by_a_named_test(wrong: Warehouse, what: str) -> None:
    assert verdicts(wrong)[(WRONG | WRONG_MARTS)[what][1]] == "fail"


@pytest.mark.parametrize("what", ODD)
def test_odd_rows_are_counted_and_stop_nothing(wrong: Warehouse, what: str) -> None:
    kinds = wrong.rows("select kind, stream_name from marts.mart_data_quality where row_count > 0")
    assert ODD[what][1] in kinds
    assert verdicts(wrong)["data_quality_odd_rows"] == "warn"


def test_sound_rows_are_caught_by_none(first_build: Warehouse) -> None:
    """The small shop has rows that come late: a customer, a product. Those are counted, with one warning; nothing fails."""
    built = {name: status for name, status in verdicts(first_build).items() if status != "no-op"}
    assert set(built.values()) == {"success", "pass", "warn"}
    assert {name for name, status in built.items() if status == "warn"} == {"data_quality_odd_rows"}
    kinds = first_build.rows("select distinct kind, stream_name from marts.mart_data_quality order by all")
    assert set(kinds) == LATE


def test_rows_that_fail_are_stored(first_build: Warehouse) -> None:
    stored = first_build.row(
        "select date_key, row_count, first_row_id, last_row_id from dbt_test_failures.data_quality_odd_rows"
        " where kind = 'Product is not known' and stream_name = 'sales.salesorderdetail'"
    )
    assert stored == (20250304, 1, "8/10", "8/10")


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
