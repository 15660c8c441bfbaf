"""The marts of the original data, against figures that are known."""

from __future__ import annotations

from decimal import Decimal

from tests.integration.transformation.raw_layer import Warehouse


def test_totals_are_the_originals_to_the_last_digit(original_build: Warehouse) -> None:
    lines = original_build.row("select count(*), sum(line_total) from marts.fct_sales")
    assert lines == (121317, Decimal("109846381.399888"))
    orders = original_build.row("select count(*), sum(tax_amount), sum(freight_amount) from marts.fct_orders")
    assert orders == (31465, Decimal("10186974.4602"), Decimal("3183430.2518"))
    shared_out = original_build.row("select sum(tax_amount), sum(freight_amount) from marts.fct_sales")
    assert shared_out == orders[1:]


def test_lines_beyond_their_products_cost_history_are_kept_and_flagged(original_build: Warehouse) -> None:
    found = original_build.row(
        """
        select count(*), count(distinct order_id), sum(line_total), count(standard_cost)
        from marts.fct_sales where is_cost_estimated
        """
    )
    assert found == (64, 23, Decimal("37107.222000"), 64)


def test_no_line_is_without_product_customer_or_place(original_build: Warehouse) -> None:
    found = original_build.row(
        """
        select count(*) from marts.fct_sales
        where '-1' in (product_key, customer_key, promotion_key, territory_key, ship_to_geography_key, channel_key)
        """
    )
    assert found == (0,)


def test_channels_and_customers_are_told_apart(original_build: Warehouse) -> None:
    channels = original_build.rows(
        """
        select channel_name, customer_type, count(distinct order_id), bool_and(salesperson_name = 'Unknown')
        from marts.obt_sales group by all order by all
        """
    )
    assert channels == [("Online", "Individual", 27659, True), ("Reseller", "Store", 3806, False)]


def test_dates_cover_whole_years(original_build: Warehouse) -> None:
    found = original_build.row(
        "select count(*), min(date_key), min(date_day), max(date_day) from marts.dim_date"
    )
    assert (found[0], found[1], str(found[2]), str(found[3])) == (1462, -1, "2011-01-01", "2014-12-31")
