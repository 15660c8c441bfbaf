"""The lane's marts: dbt-clickhouse builds them as it is, twice, and its tests fail where the figures do not agree."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from foundation.errors import EltError
from streaming.marts import build
from streaming.sink.minutes import PER_MINUTE
from streaming.sink.tables import LANDED, create
from tests.fixtures.clickhouse import ClickHouse, served

ORDER = """
insert into orders (topic, partition, offset, appended_at, event_id, occurred_at, salesorderid, revisionnumber, status, orderdate, duedate,
    onlineorderflag, customerid, shiptoaddressid, shipmethodid, subtotal, taxamt, freight, modifieddate, lines)
select 'shop.orders', 0, number, now64(3) - interval 10 minute, 'o-' || toString(number), now64(6) - interval 10 minute, number, 8, 1,
    now64(6), now64(6), number % 2, 11000 + number, 1, 1, 0, 0, 0, now64(6),
    [(number * 10, 700, 1, 2, toDecimal128('19.99', 6), toDecimal128('0.15', 6)),
     (number * 10 + 1, 701, 1, 1, toDecimal128('5', 6), toDecimal128('0', 6))]
from numbers(10)
"""
CHANGE = """
insert into order_status (topic, partition, offset, appended_at, event_id, occurred_at, salesorderid, revisionnumber, status, customerid,
    subtotal, taxamt, freight, modifieddate)
select 'shop.order_status', 0, number, now64(3), 's-' || toString(number), now64(6), 3, 8, if(number = 1, 5, 2), 11003, 0, 0, 0, now64(6)
from numbers(2)
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ClickHouse]:
    """A ClickHouse with ten orders, each written twice, and two changes of one of them."""
    with served(tmp_path / "home") as running:
        client = running.client(database="shop")
        for topic in LANDED:
            for statement in create(topic, "shop"):
                client.command(statement)
        for view in PER_MINUTE:
            for statement in view.create("shop"):
                client.command(statement)
        for statement in (ORDER, ORDER, CHANGE):
            client.command(statement)
        moments = [row[0] for row in client.query("select distinct appended_at from orders").result_rows]
        client.command(PER_MINUTE[0].recompute("shop", moments))
        yield running


def test_marts_are_built_twice_and_hold_each_order_once(house: ClickHouse) -> None:
    for _ in range(2):
        build(house.settings)
    client = house.client(writes=False)
    rows = client.query(
        "select order_id, order_status, change_count, units, revenue from shop_marts.orders_now order by order_id"
    )
    total = Decimal("19.99") * Decimal("0.85") * 2 + 5
    assert [row[0] for row in rows.result_rows] == list(range(10))
    assert rows.result_rows[3] == (3, 5, 2, 3, total)
    assert rows.result_rows[4] == (4, 1, 0, 3, total)
    assert client.command("select sum(revenue) from shop_marts.product_sales_hourly") == str(
        total * 10
    ).rstrip("0")


def test_figures_that_do_not_agree_fail_the_build(
    house: ClickHouse, capfd: pytest.CaptureFixture[str]
) -> None:
    house.client(database="shop").command(
        "insert into orders_per_minute_computed select * replace (revenue + 1 as revenue, messages + 1 as messages) from orders_per_minute"
    )
    with pytest.raises(EltError, match="did not build the lane's marts whole"):
        build(house.settings)
    assert "minutes_equal_orders" in capfd.readouterr().out
