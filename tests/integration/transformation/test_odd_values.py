"""A shop at the edges of what the source's types and checks allow: all of it is published, and what is odd is counted."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from tests.integration.transformation import small_shop
from tests.integration.transformation.odd_shop import ODD, ODD_SYNC, VISITS
from tests.integration.transformation.raw_layer import Warehouse

pytestmark = pytest.mark.promise  # one build for all of them
WITH_WEB = {"ELT_SOURCES": "adventureworks,web"}


def add_visits(warehouse: Warehouse) -> None:
    """The raw table that the web site's connector leaves, with a page view for each of `VISITS`."""
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(
            """
            create schema web;
            create table web.events (
                event_id varchar, "timestamp" timestamptz, session_id varchar, user_id bigint, page_url varchar,
                referrer_url varchar, ip_address varchar, user_agent varchar, device_type varchar, duration bigint,
                country varchar, order_value double,
                _airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, _airbyte_meta json, _airbyte_generation_id bigint
            )
            """
        )
        for number, (page, referrer, device, seconds, value) in enumerate(VISITS):
            connection.execute(
                """
                insert into web.events by name
                select cast(? as varchar) as event_id, timestamptz '2025-05-01 12:00:00+00' as "timestamp",
                    'visit ' || cast(? // 2 as varchar) as session_id, 99999999999 as user_id, ? as page_url,
                    ? as referrer_url, ':' as ip_address, '%' as user_agent, ? as device_type, ? as duration,
                    cast(? as double) as order_value, cast(? as timestamptz) as _airbyte_extracted_at
                """,
                [number, number, page, referrer, device, seconds, value, ODD_SYNC],
            )


@pytest.fixture(scope="session")
def odd_build(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The small shop with everything odd in it, built with every data test; only read it."""
    warehouse = Warehouse(tmp_path_factory.mktemp("odd build"))
    warehouse.create_raw()
    warehouse.sync(small_shop.FIRST_SYNC, small_shop.AT_FIRST)
    warehouse.sync(ODD_SYNC, ODD)
    add_visits(warehouse)
    done = warehouse.elt("build", "--exclude", "resource_type:unit_test", environ=WITH_WEB)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return warehouse


def test_everything_is_published_with_one_warning(odd_build: Warehouse) -> None:
    """Both facts hold every row of raw; nothing failed."""
    results = json.loads((odd_build.target / "run_results.json").read_text())["results"]
    warned = [each["unique_id"].split(".")[2] for each in results if each["status"] == "warn"]
    assert warned == ["data_quality_odd_rows"]
    for fact, raw in (
        ("fct_sales", "adventureworks_sales.salesorderdetail"),
        ("fct_orders", "adventureworks_sales.salesorderheader"),
        ("obt_sales", "adventureworks_sales.salesorderdetail"),
        ("fct_purchases", "adventureworks_purchasing.purchaseorderdetail"),
        ("fct_work_orders", "adventureworks_production.workorder"),
        ("fct_page_views", "web.events"),
    ):
        assert odd_build.row(f"select count(*) from marts.{fact}") == odd_build.row(
            f"select count(*) from {raw}"
        ), fact


def test_line_is_exact_at_the_digits_of_price_and_discount(odd_build: Warehouse) -> None:
    found = dict(odd_build.rows("select order_line_id, line_total from marts.fct_sales"))
    assert found[101] == Decimal("1771.8701875")
    assert found[104] == -60
    assert found[105] == Decimal("99999999999999.9999") * 32767 * Decimal("0.0001")
    assert found[109] is None


def test_ratio_of_any_two_amounts_has_a_type_that_holds_it(odd_build: Warehouse) -> None:
    ratio = "select margin_rate from marts.mart_product_performance where product_id = 720"
    assert odd_build.row(ratio) == (Decimal("-217128.42"),)


def test_what_a_visitor_typed_is_unknown_and_counted(odd_build: Warehouse) -> None:
    orders = odd_build.rows(
        "select order_id from marts.fct_page_views where page_type = 'order' order by event_id"
    )
    assert orders == [(None,), (None,), (1,), (None,), (None,)]
    referrers = dict(odd_build.rows("select referrer_host, referrer_type from marts.dim_referrer"))
    assert referrers["www.climbing.com"] == "Other site"
    assert referrers["www.google.co.uk"] == "Search"


def test_day_beyond_the_calendar_is_the_unknown_day(odd_build: Warehouse) -> None:
    assert odd_build.row("select due_date_key, due_at from marts.fct_orders where order_id = 103") == (
        -1,
        datetime(9999, 12, 31),
    )
    first, last = odd_build.row("select min(date_day), max(date_day) from marts.dim_date")
    assert (first.year, last.year) == (1900, 2026)


def test_tax_is_shared_out_whole_whatever_the_lines_are(odd_build: Warehouse) -> None:
    shares = odd_build.rows(
        "select order_line_id, tax_amount from marts.fct_sales where order_id = 110 order by 1"
    )
    assert sum(tax for _, tax in shares) == Decimal("-0.0001")  # a return as large as the sale
    assert odd_build.row("select sum(tax_amount) from marts.fct_sales where order_id = 108") == (
        Decimal("0.08"),
    )


@pytest.mark.parametrize(
    ("kind", "stream", "row_id"),
    [
        ("Quantity is not positive", "sales.salesorderdetail", "104/104"),
        ("Discount is not between 0 and 1", "sales.salesorderdetail", "109/113"),
        ("Due day is not in the calendar", "sales.salesorderheader", "103"),
        ("Order has no lines", "sales.salesorderheader", "112"),
        ("Amount is no number or too large: unitprice", "sales.salesorderdetail", "107/109"),
        ("Amount has too many decimals: unitpricediscount", "sales.salesorderdetail", "106/108"),
        ("Period overlaps the next one", "production.productcosthistory", "723"),
        ("Page confirms an order without a number", "web.events", "0"),
    ],
)
def test_what_is_odd_is_counted_by_kind_stream_and_day(
    odd_build: Warehouse, kind: str, stream: str, row_id: str
) -> None:
    named = odd_build.rows(
        f"select first_row_id, last_row_id from marts.mart_data_quality where kind = '{kind}' and stream_name = '{stream}'"
    )
    assert any(first <= row_id <= last for first, last in named), named
