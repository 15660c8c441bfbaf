"""The marts of a shop small enough to work out by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from tests.integration.transformation.conftest import Built
from tests.integration.transformation.raw_layer import Warehouse

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


@pytest.mark.parametrize("fact", ["fct_orders", "fct_sales"])
def test_incremental_equals_full_refresh_row_for_row(second_build: Built, fact: str) -> None:
    assert second_build.after[fact] != second_build.before[fact]
    assert second_build.after[fact] == second_build.anew[fact]
