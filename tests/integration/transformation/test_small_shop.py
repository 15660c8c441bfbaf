"""The marts of a shop small enough to work out by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from tests.integration.transformation.conftest import Built
from tests.integration.transformation.raw_layer import Warehouse

pytestmark = pytest.mark.promise

LINE = """
    select s.product_key, p.product_name, s.standard_cost, s.margin, s.is_cost_estimated, s.customer_key
    from marts.fct_sales as s join marts.dim_product as p using (product_key)
    where order_line_id = {}
"""


def test_every_line_is_there_with_its_exact_total(first_build: Warehouse) -> None:
    for table in ("fct_sales", "obt_sales"):
        found = first_build.row(f"select count(*), sum(line_total) from marts.{table}")
        assert found == (12, Decimal("236.000000"))


def test_missing_product_and_customer_are_the_unknown_members(first_build: Warehouse) -> None:
    assert first_build.row(LINE.format(10))[:5] == ("-1", "Unknown", None, None, True)
    assert first_build.row(LINE.format(4))[5] == "-1"
    customer = first_build.row(
        "select customer_name, line_total from marts.obt_sales where order_line_id = 4"
    )
    assert customer == ("Unknown", Decimal("19.000000"))


def test_line_after_its_products_cost_history_takes_the_last_cost(first_build: Warehouse) -> None:
    assert first_build.row(LINE.format(5))[1:5] == ("Helmet", Decimal("5.0000"), Decimal("3.000000"), True)


def test_last_day_of_a_cost_is_inclusive(first_build: Warehouse) -> None:
    assert first_build.row(LINE.format(1))[2:5] == (Decimal("22.0000"), Decimal("18.000000"), False)
    assert first_build.row(LINE.format(3))[2:5] == (Decimal("24.0000"), Decimal("6.000000"), False)


def test_product_without_history_has_one_version_from_itself(first_build: Warehouse) -> None:
    found = first_build.rows(
        "select standard_cost, list_price, valid_from, valid_to from marts.dim_product where product_id = 708"
    )
    assert found == [(Decimal("3.0000"), Decimal("10.0000"), datetime(2024, 1, 1), datetime(9999, 12, 31))]
    assert first_build.row(LINE.format(2))[4] is True


def test_email_and_phone_are_masked_everywhere_but_in_raw(first_build: Warehouse) -> None:
    masked = first_build.row(
        "select masked_email, masked_phone from marts.dim_customer where customer_id = 1"
    )
    assert masked == ("a***@example.com", "***24")
    assert first_build.row("select masked_email from staging.stg_email_addresses") == ("a***@example.com",)


def test_restricted_pay_is_not_among_the_marts_that_are_published(first_build: Warehouse) -> None:
    schemas = first_build.rows(
        "select distinct schema_name from duckdb_columns() where column_name = 'hourly_rate'"
        " and schema_name not like 'adventureworks%' order by 1"
    )
    assert schemas == [("marts_restricted",), ("staging",)]


def test_padding_blanks_are_gone(first_build: Warehouse) -> None:
    assert first_build.row("select state_code from staging.stg_state_provinces") == ("WA",)
    lines = first_build.row("select distinct product_line_code from marts.dim_product where product_id = 707")
    assert lines == ("R",)


def test_schemas_hold_what_they_should(first_build: Warehouse) -> None:
    found = first_build.rows(
        "select table_schema, table_type, count(*) from information_schema.tables"
        " where table_schema in ('staging', 'intermediate', 'marts', 'snapshots') group by all order by all"
    )
    kinds = {(schema, kind) for schema, kind, _ in found}
    assert ("staging", "BASE TABLE") not in kinds
    assert ("marts", "VIEW") not in kinds
    assert {schema for schema, _ in kinds} == {"staging", "intermediate", "marts", "snapshots"}


def test_late_dimensions_are_repaired_on_the_next_run(second_build: Built) -> None:
    repaired = second_build.warehouse.rows(
        "select product_name, customer_name, standard_cost from marts.obt_sales"
        " where order_line_id in (4, 10) order by order_line_id"
    )
    assert repaired == [("Bolt", "Ana Price", Decimal("3.0000")), ("Bell", "Ana Price", Decimal("2.0000"))]
    unknown = second_build.warehouse.row(
        "select count(*) from marts.fct_sales where product_key = '-1' or customer_key = '-1'"
    )
    assert unknown == (0,)


def test_status_change_moves_the_order_on(second_build: Built) -> None:
    moved = second_build.warehouse.row(
        "select order_status_name, days_to_ship, ship_date_key, is_shipped_on_time"
        " from marts.fct_orders join marts.dim_order_status using (order_status_key) where order_id = 2"
    )
    assert moved == ("Shipped", 7, 20250208, True)
    status = second_build.warehouse.row("select order_status_name from marts.obt_sales where order_id = 2")
    assert status == ("Shipped",)


def test_late_correction_rebuilds_the_whole_order(second_build: Built) -> None:
    lines = second_build.warehouse.rows(
        "select order_line_id, line_total, tax_amount, freight_amount from marts.fct_sales where order_id = 1 order by 1"
    )
    assert lines == [
        (1, Decimal("40.000000"), Decimal("3.2000"), Decimal("1.0000")),
        (2, Decimal("30.000000"), Decimal("2.4000"), Decimal("0.7500")),
    ]


def test_cost_put_right_reaches_the_lines_that_used_it(second_build: Built) -> None:
    assert second_build.warehouse.row(LINE.format(11))[2:4] == (Decimal("12.5000"), Decimal("7.500000"))
    assert second_build.warehouse.row(LINE.format(1))[2] == Decimal("22.0000")  # of the version before


def test_product_called_otherwise_is_so_in_the_wide_table(
    first_build: Warehouse, second_build: Built
) -> None:
    """Nothing of the line itself has changed."""
    line = "select product_name, sales_hash from marts.obt_sales where order_line_id = 5"
    (before, line_before), (after, line_after) = first_build.row(line), second_build.warehouse.row(line)
    assert (before, after) == ("Helmet", "Sport Helmet")
    assert line_before == line_after


def test_price_change_makes_a_new_version_from_its_day(second_build: Built) -> None:
    versions = second_build.warehouse.rows(
        "select valid_from, valid_to, list_price, is_current from marts.dim_product"
        " where product_id = 707 order by 1"
    )
    assert versions == [
        (datetime(2024, 1, 1), datetime(2025, 2, 1), Decimal("20.0000"), False),
        (datetime(2025, 2, 1), datetime(2025, 6, 1), Decimal("20.0000"), False),
        (datetime(2025, 6, 1), datetime(9999, 12, 31), Decimal("22.0000"), True),
    ]
    prices = second_build.warehouse.rows(
        "select order_line_id, p.list_price from marts.fct_sales join marts.dim_product as p using (product_key)"
        " where order_line_id in (9, 11, 13) order by 1"
    )
    assert prices == [(9, Decimal("22.0000")), (11, Decimal("20.0000")), (13, Decimal("22.0000"))]


def test_move_makes_a_new_version_of_the_customer(second_build: Built) -> None:
    versions = second_build.warehouse.rows(
        "select city, version_number, is_current, valid_from from marts.dim_customer where customer_id = 1 order by 2"
    )
    assert [row[:3] for row in versions] == [("Bothell", 1, False), ("Redmond", 2, True)]
    assert versions[0][3] == datetime(1900, 1, 1)
    city = second_build.warehouse.row("select ship_to_city from marts.obt_sales where order_line_id = 12")
    assert city == ("Redmond",)


def test_what_left_the_source_leaves_the_facts(second_build: Built) -> None:
    lines = second_build.warehouse.rows("select order_line_id from marts.fct_sales order by 1")
    assert [number for (number,) in lines] == [1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13]
    orders = second_build.warehouse.rows("select order_id from marts.fct_orders order by 1")
    assert [number for (number,) in orders] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    tax = second_build.warehouse.row("select tax_amount from marts.fct_sales where order_line_id = 7")
    assert tax == (Decimal("1.6000"),)  # the order's only line now


def test_incremental_equals_full_refresh_row_for_row(second_build: Built) -> None:
    assert len(second_build.anew) >= 32
    for mart, rows in second_build.anew.items():
        assert second_build.after[mart] == rows, mart
    changed = {mart for mart, rows in second_build.before.items() if second_build.after[mart] != rows}
    assert {
        f"marts.fct_{name}" for name in ("orders", "sales", "work_orders", "inventory_movements")
    } < changed
    assert {"marts.fct_purchases", "marts.fct_order_sales_reasons", "marts.fct_sales_quotas"} < changed
    assert {"marts.fct_inventory_daily", "marts.dim_employee", "marts_restricted.fct_employee_pay"} < changed


def test_work_order_is_brought_up_to_date_by_its_operations_and_its_product(second_build: Built) -> None:
    query = """
        select work_order_id, product_name, end_date_key, operation_count, actual_hours, actual_cost, days_late,
            scrapped_quantity, stocked_quantity, scrap_reason_name
        from marts.fct_work_orders join marts.dim_product using (product_key)
        join marts.dim_scrap_reason using (scrap_reason_key) order by 1
    """
    assert second_build.warehouse.rows(query) == [
        (1, "Road", 20250311, 1, Decimal("4.0000"), Decimal("90.0000"), -1, 0, 10, "Unknown"),
        (2, "Road", 20250314, 1, Decimal("3.5000"), Decimal("100.0000"), 2, 0, 8, "Unknown"),
        (3, "Bell", -1, 0, None, None, None, 0, 5, "Unknown"),
        (4, "Bolt", 20250312, 1, Decimal("1.0000"), Decimal("20.0000"), 0, 2, 3, "Drill size too large"),
    ]


def test_movement_that_was_archived_since_is_counted_once(second_build: Built) -> None:
    moved = second_build.warehouse.rows(
        "select transaction_id, product_name, movement_type_name, quantity from marts.fct_inventory_movements"
        " join marts.dim_product using (product_key) order by 1"
    )
    assert moved == [
        (1, "Road", "Sale", 1),
        (11, "Road", "Sale", 2),
        (12, "Bell", "Purchase", 5),
        (13, "Bolt", "Work order", 6),
        (14, "Road", "Sale", 1),
    ]


def test_stock_of_today_is_the_last_one_seen(first_build: Warehouse, second_build: Built) -> None:
    query = """
        select product_id, location_name, quantity, stock_value
        from marts.fct_inventory_daily join marts.dim_location using (location_key)
        where date_key = (select max(date_key) from marts.fct_inventory_daily) order by 1
    """
    assert first_build.rows(query) == [
        (707, "Miscellaneous Storage", 40, Decimal("480.0000")),
        (708, "Miscellaneous Storage", 7, Decimal("21.0000")),
    ]
    assert second_build.warehouse.rows(query) == [
        (707, "Miscellaneous Storage", 38, Decimal("475.0000")),
        (999, "Frame Forming", 4, Decimal("8.0000")),
    ]


def test_purchase_moves_on_and_its_product_arrives(first_build: Warehouse, second_build: Built) -> None:
    query = """
        select purchase_order_line_id, product_name, purchase_order_status_name, ship_date_key, stocked_quantity,
            tax_amount, freight_amount, department_name
        from marts.fct_purchases join marts.dim_product using (product_key)
        join marts.dim_employee on buyer_key = employee_key order by 1
    """
    shares = [(Decimal("1.0000"), Decimal("0.3125")), (Decimal("0.5000"), Decimal("0.1563"))]
    assert first_build.rows(query) == [
        (1, "Bolt", "Approved", -1, Decimal("0.00"), *shares[0], "Sales"),
        (2, "Unknown", "Approved", -1, Decimal("4.00"), *shares[1], "Sales"),
    ]
    assert second_build.warehouse.rows(query) == [
        (1, "Bolt", "Complete", 20250315, Decimal("8.00"), *shares[0], "Purchasing"),
        (2, "Bell", "Complete", 20250315, Decimal("4.00"), *shares[1], "Purchasing"),
    ]


def test_reasons_share_an_order_again_when_one_arrives_is_taken_back_or_gets_its_name(
    first_build: Warehouse, second_build: Built
) -> None:
    weights = """
        select order_id, sales_reason_name, weight from marts.fct_order_sales_reasons
        join marts.dim_sales_reason using (sales_reason_key) where order_id in (1, 2, 4, 5, 6) order by all
    """
    whole, half = Decimal("1.000000"), Decimal("0.500000")
    assert first_build.rows(weights) == [
        (1, "Price", whole),
        (2, "No reason", whole),
        (4, "On Promotion", half),
        (4, "Price", half),
        (5, "No reason", whole),
        (6, "Unknown", whole),
    ]
    assert second_build.warehouse.rows(weights) == [
        (1, "On Promotion", half),
        (1, "Price", half),
        (2, "No reason", whole),
        (4, "On Promotion", whole),
        (6, "Quality", whole),
    ]


def test_pay_and_department_have_their_history(second_build: Built) -> None:
    versions = second_build.warehouse.rows(
        "select department_name, valid_from, is_current from marts.dim_employee where employee_id = 279 order by 2"
    )
    assert versions == [
        ("Sales", datetime(2024, 3, 1), False),
        ("Purchasing", datetime(2025, 3, 1), True),
    ]
    pay = second_build.warehouse.rows(
        "select change_date_key, department_name, hourly_rate, rate_change from marts_restricted.fct_employee_pay"
        " join marts.dim_department using (department_key) order by 1"
    )
    assert pay == [
        (20240301, "Sales", Decimal("20.0000"), None),
        (20250501, "Purchasing", Decimal("22.5000"), Decimal("2.5000")),
    ]


@pytest.mark.parametrize("fact", ["fct_orders", "fct_sales"])
def test_order_knows_how_it_is_shipped_and_in_which_currency_it_was_paid(
    first_build: Warehouse, fact: str
) -> None:
    found = first_build.rows(
        f"select order_id, ship_method_name, currency_code from marts.{fact}"
        " join marts.dim_ship_method using (ship_method_key) join marts.dim_currency using (currency_key)"
        " where order_id in (8, 10) order by 1"
    )
    assert found == [(8, "Unknown", None), (10, "XRQ - TRUCK GROUND", "EUR")]
