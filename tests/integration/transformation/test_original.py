"""The marts of the original data, against figures that are known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.integration.transformation.raw_layer import Warehouse

pytestmark = pytest.mark.promise


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


def test_channels_and_customers_are_distinguished(original_build: Warehouse) -> None:
    channels = original_build.rows(
        """
        select channel_name, customer_type, count(distinct order_id), bool_and(salesperson_name = 'Unknown')
        from marts.obt_sales group by all order by all
        """
    )
    assert channels == [("Online", "Individual", 27659, True), ("Reseller", "Store", 3806, False)]


def test_dates_cover_whole_years_from_the_first_pay_to_the_build(original_build: Warehouse) -> None:
    found = original_build.row(
        "select count(*), min(date_key), min(date_day), max(date_day) from marts.dim_date"
    )
    first, last = date(2006, 1, 1), date(datetime.now(UTC).year, 12, 31)
    assert found == ((last - first).days + 2, -1, first, last)


def test_totals_of_purchasing_production_and_quotas_are_the_originals(original_build: Warehouse) -> None:
    purchases = original_build.row(
        """
        select count(*), count(distinct purchase_order_id), sum(line_total), sum(ordered_quantity),
            sum(received_quantity), sum(rejected_quantity), sum(stocked_quantity)
        from marts.fct_purchases
        """
    )
    assert purchases == (
        *(8845, 4012, Decimal("63791994.8380"), 2348637),
        *(Decimal("2327299.00"), Decimal("72700.00"), Decimal("2254599.00")),
    )
    work_orders = original_build.row(
        "select count(*), sum(ordered_quantity), sum(scrapped_quantity), sum(actual_cost) from marts.fct_work_orders"
    )
    assert work_orders == (72591, 4507721, 10651, Decimal("3487969.5000"))
    quotas = original_build.row("select count(*), sum(quota_amount) from marts.fct_sales_quotas")
    assert quotas == (163, Decimal("95714000.0000"))
    movements = original_build.row("select count(*), sum(quantity) from marts.fct_inventory_movements")
    assert movements == (202696, 7035017)
    stock = original_build.row("select count(*), sum(quantity) from marts.fct_inventory_daily")
    assert stock == (1069, 335974)
    assert original_build.row("select count(*) from marts.fct_currency_rates") == (13532,)
    pay = original_build.row("select count(*) from marts_restricted.fct_employee_pay")
    assert pay == (316,)


def test_tax_and_freight_of_purchases_add_up_to_the_headers(original_build: Warehouse) -> None:
    shared_out = original_build.row("select sum(tax_amount), sum(freight_amount) from marts.fct_purchases")
    headers = original_build.row(
        "select sum(taxamt::decimal(18, 4)), sum(freight::decimal(18, 4)) from adventureworks_purchasing.purchaseorderheader"
    )
    assert shared_out == headers


def test_no_purchase_work_order_or_movement_is_without_its_dimensions(original_build: Warehouse) -> None:
    for fact, keys in (
        ("fct_purchases", "product_key, vendor_key, buyer_key, ship_method_key"),
        ("fct_work_orders", "product_key"),
        ("fct_inventory_movements", "product_key"),
        ("fct_inventory_daily", "product_key, location_key"),
        ("fct_sales_quotas", "salesperson_key"),
        ("fct_currency_rates", "from_currency_key, to_currency_key"),
    ):
        assert original_build.row(f"select count(*) from marts.{fact} where '-1' in ({keys})") == (0,), fact


def test_every_order_has_reasons_and_revenue_by_reason_adds_up(original_build: Warehouse) -> None:
    rows = original_build.row(
        """
        select count(*), count(distinct order_id), count(*) filter (sales_reason_name = 'No reason'),
            sum(weight * line_total)
        from marts.fct_order_sales_reasons
        join marts.dim_sales_reason using (sales_reason_key)
        join marts.fct_orders using (order_id)
        """
    )
    # 27,647 reasons of 23,012 orders, and one row for each of the other 8,453
    assert rows == (36100, 31465, 8453, Decimal("109846381.399888000000"))


# the same figure by the source's own tables and by the marts: (name, rows, from raw, from marts)
RAW_LINES = """
    with lines as (
        select h.*, d.productid,
            unitprice::decimal(18, 4) * (1 - unitpricediscount::decimal(18, 4)) * orderqty as line_total
        from adventureworks_sales.salesorderdetail as d
        join adventureworks_sales.salesorderheader as h using (salesorderid)
    )
"""
BREAKDOWNS = [
    (
        "category",
        4,
        """
        select c.name, sum(line_total) from lines
        join adventureworks_production.product as p using (productid)
        join adventureworks_production.productsubcategory as s using (productsubcategoryid)
        join adventureworks_production.productcategory as c using (productcategoryid) group by 1 order by 1
        """,
        "select product_category, sum(line_total) from marts.obt_sales group by 1 order by 1",
    ),
    (
        "channel",
        2,
        "select case when onlineorderflag then 'Online' else 'Reseller' end, sum(line_total) from lines group by 1 order by 1",
        "select channel_name, sum(line_total) from marts.obt_sales group by 1 order by 1",
    ),
    (
        "year",
        4,
        "select year(orderdate), sum(line_total) from lines group by 1 order by 1",
        "select calendar_year, sum(line_total) from marts.fct_sales"
        " join marts.dim_date on order_date_key = date_key group by 1 order by 1",
    ),
    (
        "territory",
        10,
        """
        select t.name, sum(line_total) from lines
        join adventureworks_sales.salesterritory as t using (territoryid) group by 1 order by 1
        """,
        "select territory_name, sum(line_total) from marts.obt_sales group by 1 order by 1",
    ),
    (
        "ship-to country",
        6,
        """
        select r.name, sum(line_total) from lines
        join adventureworks_person.address as a on shiptoaddressid = addressid
        join adventureworks_person.stateprovince as s using (stateprovinceid)
        join adventureworks_person.countryregion as r on s.countryregioncode = r.countryregioncode
        group by 1 order by 1
        """,
        "select country_name, sum(revenue) from marts.mart_sales_by_geography group by 1 order by 1",
    ),
    (
        "orders by reason",
        8,
        """
        select coalesce(r.name, 'No reason'), count(*)
        from adventureworks_sales.salesorderheader as h
        left join adventureworks_sales.salesorderheadersalesreason as o using (salesorderid)
        left join adventureworks_sales.salesreason as r using (salesreasonid) group by 1 order by 1
        """,
        """
        select sales_reason_name, count(*) from marts.fct_order_sales_reasons
        join marts.dim_sales_reason using (sales_reason_key) group by 1 order by 1
        """,
    ),
    (
        "revenue by reason",  # to the dollar: a third has no end, a weight six decimals
        8,
        """
        select coalesce(r.name, 'No reason'), round(sum(line_total / reasons))::bigint
        from lines
        join (
            select h.salesorderid, o.salesreasonid, count(*) over (partition by h.salesorderid) as reasons
            from adventureworks_sales.salesorderheader as h
            left join adventureworks_sales.salesorderheadersalesreason as o using (salesorderid)
        ) as shared using (salesorderid)
        left join adventureworks_sales.salesreason as r using (salesreasonid) group by 1 order by 1
        """,
        """
        select sales_reason_name, round(sum(weight * line_total))::bigint
        from marts.fct_order_sales_reasons
        join marts.dim_sales_reason using (sales_reason_key) join marts.fct_orders using (order_id)
        group by 1 order by 1
        """,
    ),
    (
        "purchases by vendor",
        86,
        """
        select v.name, sum(unitprice::decimal(18, 4) * orderqty), sum(receivedqty), sum(rejectedqty)
        from adventureworks_purchasing.purchaseorderdetail as d
        join adventureworks_purchasing.purchaseorderheader as h using (purchaseorderid)
        join adventureworks_purchasing.vendor as v on vendorid = v.businessentityid group by 1 order by 1
        """,
        """
        select vendor_name, sum(line_total), sum(received_quantity), sum(rejected_quantity)
        from marts.fct_purchases join marts.dim_vendor using (vendor_key) group by 1 order by 1
        """,
    ),
    (
        "scrap by reason",
        16,
        """
        select r.name, sum(scrappedqty) from adventureworks_production.workorder
        join adventureworks_production.scrapreason as r using (scrapreasonid) group by 1 order by 1
        """,
        """
        select scrap_reason_name, sum(scrapped_quantity) from marts.fct_work_orders
        join marts.dim_scrap_reason using (scrap_reason_key) where scrap_reason_key <> '-1' group by 1 order by 1
        """,
    ),
]


@pytest.mark.parametrize(("name", "rows", "raw", "marts"), BREAKDOWNS, ids=[name for name, *_ in BREAKDOWNS])
def test_breakdown_equals_the_source(
    original_build: Warehouse, name: str, rows: int, raw: str, marts: str
) -> None:
    expected = original_build.rows((RAW_LINES if "lines" in raw else "") + raw)
    assert len(expected) == rows
    assert original_build.rows(marts) == expected
