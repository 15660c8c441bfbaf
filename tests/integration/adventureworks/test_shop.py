"""The shop trades: what a day changes, and what it never breaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from adventureworks.database import row_counts
from adventureworks.schema import foreign_keys
from adventureworks.shop import ShopDay, day, live
from foundation.errors import EltError
from tests.fixtures.source import GENERATED_AS_OF, SourceDatabase

DELETES = ("cleared_lines", "deleted_addresses", "forgotten_customers")
FIRST_DAY = date(2014, 7, 1)  # the day after the original's newest order


@pytest.fixture(scope="module")
def traded(original_source: SourceDatabase) -> Iterator[tuple[SourceDatabase, list[ShopDay], datetime]]:
    """Nine days on the original data, and the clock before them."""
    database = original_source.copy()
    with database.connect() as conn:
        (before,) = conn.execute("select clock_timestamp() at time zone 'UTC'").fetchone()
        days = [day(conn, seed=7) for _ in range(9)]
    yield database, days, before
    database.server.drop(database)


def scalar(database: SourceDatabase, query: str, *values: object) -> object:
    with database.connect() as conn:
        return conn.execute(query, values).fetchone()[0]


def test_a_day_follows_the_newest_order_and_brings_something_of_everything(traded) -> None:
    _, days, _ = traded
    assert [one.date for one in days] == [FIRST_DAY + timedelta(days=n) for n in range(9)]
    for one in days:
        assert 15 <= one.new_orders <= 60  # the original's last 30 days: 31 a day
        assert one.new_lines > one.new_orders
        assert min(one.status_changes, one.price_changes, one.late_corrections, one.new_customers) >= 1
        assert min(one.address_moves, one.forgotten_customers) >= 1
    # what was cancelled a week before, and addresses that were given on earlier days
    assert min(sum(one.cleared_lines for one in days), sum(one.deleted_addresses for one in days)) >= 1
    assert days[-1].status_changes > 40  # by now a day's orders are shipped each day


def test_what_is_reported_is_what_is_there(traded, original_source: SourceDatabase) -> None:
    database, days, _ = traded
    query = "select count(*) from sales.salesorderheader where orderdate >= %s"
    assert scalar(database, query, FIRST_DAY) == sum(one.new_orders for one in days)
    lines = "select count(*) from sales.salesorderdetail join sales.salesorderheader using (salesorderid) where orderdate >= %s"
    new = scalar(database, lines, FIRST_DAY)
    with original_source.connect() as conn:
        before = row_counts(conn)
    with database.connect() as conn:
        after = row_counts(conn)
    cleared = sum(one.cleared_lines for one in days)
    assert after["sales.salesorderdetail"] == before["sales.salesorderdetail"] + sum(one.new_lines for one in days) - cleared  # fmt: skip
    assert sum(one.new_lines for one in days) - cleared <= new <= sum(one.new_lines for one in days)


def test_amounts_of_every_order_belong_together(traded) -> None:
    assert orders_whose_amounts_differ(traded[0]) == 0


def test_foreign_keys_are_whole(traded) -> None:
    assert broken_foreign_keys(traded[0]) == []


def orders_whose_amounts_differ(database: SourceDatabase) -> int:
    """Orders whose subtotal is not their lines' sum, whose total is not the sum of its parts, or without lines, unless they
    were cancelled and cleared: then nothing is to be paid.
    """
    query = """
        select count(*)
        from sales.salesorderheader h
        left join (
            select salesorderid, sum(unitprice * (1 - unitpricediscount) * orderqty) as lines
            from sales.salesorderdetail group by 1
        ) d using (salesorderid)
        where case
            when d.lines is null then h.status not in (4, 6) or h.totaldue + h.subtotal + h.taxamt + h.freight <> 0
            else abs(h.subtotal - d.lines) > 0.00005 or h.totaldue <> h.subtotal + h.taxamt + h.freight
                or h.subtotal <= 0 or h.taxamt <= 0 or h.freight <= 0
        end
    """
    return scalar(database, query)


def broken_foreign_keys(database: SourceDatabase) -> list[str]:
    broken = []
    with database.connect() as conn:
        for key in foreign_keys():
            present = " and ".join(f'c."{column}" is not null' for column in key.columns)
            equal = " and ".join(f'p."{k}" = c."{c}"' for k, c in zip(key.key, key.columns, strict=True))
            orphans = f"not exists (select from {key.references} p where {equal})"
            if conn.execute(
                f"select count(*) from {key.table} c where {present} and {orphans}"
            ).fetchone() != (0,):
                broken.append(key.name)
    return broken


def test_generated_data_trade_as_well(generated_source: SourceDatabase) -> None:
    database = generated_source.copy()
    with database.connect() as conn:
        days = [day(conn) for _ in range(3)]
    assert days[0].date == GENERATED_AS_OF + timedelta(days=1)
    for one in days:
        told = {name: value for name, value in one.as_dict().items() if isinstance(value, int)}
        assert min(value for name, value in told.items() if name not in DELETES) >= 1, told
    for kind in DELETES:
        assert sum(getattr(one, kind) for one in days) >= 1, kind
    assert days[0].status_changes > 1  # the generator leaves open orders
    assert orders_whose_amounts_differ(database) == 0
    assert broken_foreign_keys(database) == []
    database.server.drop(database)


def test_orders_look_like_the_shops(traded) -> None:
    database, _, _ = traded
    new = "from sales.salesorderheader where orderdate >= '2014-07-01'"
    assert scalar(database, f"select bool_and(onlineorderflag = (salespersonid is null)) {new}")
    assert scalar(database, f"select bool_and(onlineorderflag = (purchaseordernumber is null)) {new}")
    assert scalar(database, f"select count(distinct onlineorderflag) {new}") == 2
    assert scalar(database, f"select count(distinct territoryid) {new}") >= 5
    # priced as the history says on the day; stores pay 60 per cent
    assert (
        scalar(
            database,
            """
            select count(*)
            from sales.salesorderdetail d
            join sales.salesorderheader h using (salesorderid)
            join production.productlistpricehistory p on p.productid = d.productid
                and h.orderdate >= p.startdate and (p.enddate is null or h.orderdate <= p.enddate)
            where h.orderdate >= '2014-07-01'
                and d.unitprice <> round(p.listprice * case when h.onlineorderflag then 1 else 0.6 end, 4)
            """,
        )
        == 0
    )
    sold_too_late = """
        select count(*) from sales.salesorderdetail d
        join sales.salesorderheader h using (salesorderid) join production.product p using (productid)
        where h.orderdate >= '2014-07-01' and p.sellenddate < h.orderdate
    """
    assert scalar(database, sold_too_late) == 0


def test_orders_go_from_in_process_to_shipped_after_a_week(traded) -> None:
    database, _, _ = traded
    with database.connect() as conn:
        found = dict(
            conn.execute(
                "select orderdate::date, array_agg(distinct status) from sales.salesorderheader"
                " where orderdate >= '2014-07-01' group by 1"
            ).fetchall()
        )
        assert found[date(2014, 7, 9)] == [1]
        assert 2 in found[date(2014, 7, 4)] and 5 not in found[date(2014, 7, 4)]
        assert 5 in found[date(2014, 7, 1)] and 1 not in found[date(2014, 7, 1)]
        odd = "select count(*) from sales.salesorderheader where (status in (1, 2)) = (shipdate is not null)"
        assert conn.execute(odd + " and status in (1, 2, 5)").fetchone() == (0,)
    assert scalar(database, "select count(*) from sales.salesorderheader where status in (3, 4, 6)") >= 9


def test_price_histories_stay_without_gap_or_overlap(traded) -> None:
    database, days, _ = traded
    for table, amount in (("productlistpricehistory", "listprice"), ("productcosthistory", "standardcost")):
        assert (
            scalar(
                database,
                f"""
                select count(*) from (
                    select enddate, lead(startdate) over w as next_start, {amount} = lead({amount}) over w as same
                    from production.{table} window w as (partition by productid order by startdate)
                ) as versions
                where next_start >= '2014-07-02' and (enddate is distinct from next_start - interval '1 day' or same)
                """,
            )
            == 0
        )
        # tomorrow's price is announced, the product still shows today's
        assert (
            scalar(
                database,
                f"""
                select count(*) from production.product p join production.{table} h using (productid)
                where h.startdate between '2014-07-02' and %s and h.{amount} <> p.{amount}
                    and (h.enddate is null or h.enddate >= %s)
                """,
                days[-1].date,
                days[-1].date,
            )
            == 0
        )
    changes = scalar(
        database, "select count(*) from production.productlistpricehistory where startdate >= '2014-07-02'"
    )
    assert 9 <= changes <= sum(one.price_changes for one in days)


def test_a_forgotten_customer_is_nobody_and_their_orders_are_what_they_were(
    traded, original_source: SourceDatabase
) -> None:
    database, days, _ = traded
    query = """
        select c.customerid, c.personid from sales.customer c join person.person p on p.businessentityid = c.personid
        where p.firstname = 'Erased' order by 1
    """
    with database.connect() as conn:
        forgotten = conn.execute(query).fetchall()
        assert len(forgotten) == sum(one.forgotten_customers for one in days)
        people = [person for _, person in forgotten]
        for table in ("emailaddress", "personphone", "businessentityaddress", "password"):
            left = f"select count(*) from person.{table} where businessentityid = any(%s)"
            assert conn.execute(left, [people]).fetchone() == (0,)
    orders = "select count(*), sum(totaldue) from sales.salesorderheader where customerid = any(%s)"
    with database.connect() as conn, original_source.connect() as original:
        ids = [[customer for customer, _ in forgotten]]
        assert conn.execute(orders, ids).fetchone() == original.execute(orders, ids).fetchone()


def test_every_change_moves_the_cursor_and_only_what_is_reported_is_deleted(
    traded, original_source: SourceDatabase
) -> None:
    database, days, before = traded
    with original_source.connect() as conn:
        original = row_counts(conn)
    with database.connect() as conn:
        fewer = {name for name, count in row_counts(conn).items() if count < original[name]}
        assert fewer <= {"person.password", "person.emailaddress", "person.personphone"}

        def moved(table: str) -> int:
            return conn.execute(f"select count(*) from {table} where modifieddate > %s", [before]).fetchone()[
                0
            ]

        assert moved("person.address") >= sum(one.new_customers for one in days) + 9
        assert moved("sales.salesorderheader") > sum(one.new_orders for one in days)
        assert (
            moved("sales.salesorderdetail") >= sum(one.new_lines + one.late_corrections for one in days) - 9
        )
        assert moved("sales.customer") == sum(one.new_customers for one in days)
        assert moved("production.product") >= 9
        corrected = conn.execute(
            "select count(*) from sales.salesorderdetail d join sales.salesorderheader h using (salesorderid)"
            " where d.modifieddate > %s and h.orderdate < '2014-07-01'",
            [before],
        ).fetchone()
        assert corrected > (0,)


def test_the_same_seed_makes_the_same_day(generated_source: SourceDatabase) -> None:
    def orders(seed: int) -> list[tuple]:
        database = generated_source.copy()
        with database.connect() as conn:
            told = day(conn, seed)
            rows = conn.execute(
                "select h.customerid, h.totaldue, h.rowguid, d.productid, d.orderqty, d.rowguid"
                " from sales.salesorderheader h join sales.salesorderdetail d using (salesorderid)"
                " where h.orderdate = %s order by d.salesorderdetailid",
                [told.date],
            ).fetchall()
        database.server.drop(database)
        return rows

    first = orders(1)
    assert first == orders(1)
    assert first != orders(2)


def test_live_shops_trade_side_by_side(generated_source: SourceDatabase) -> None:
    database = generated_source.copy()
    query = "select count(*) from sales.salesorderheader"
    before = scalar(database, query)
    done: list[dict[str, int]] = []

    def trade(seed: int | None) -> None:
        with database.connect() as conn:
            done.append(live(conn, rate=15, seconds=4, seed=seed))

    threads = [threading.Thread(target=trade, args=(seed,)) for seed in (1, None)]
    for thread in threads:
        thread.start()
    with database.connect() as conn:
        simulated = day(conn)
    for thread in threads:
        thread.join()
    assert len(done) == 2
    assert all(one["new_orders"] >= 10 and one["status_changes"] >= 1 for one in done)
    assert scalar(database, query) - before == simulated.new_orders + sum(one["new_orders"] for one in done)
    assert orders_whose_amounts_differ(database) == 0
    database.server.drop(database)


def test_an_empty_shop_says_what_to_do(empty_source: SourceDatabase) -> None:
    with empty_source.connect() as conn, pytest.raises(EltError, match="holds no orders"):
        day(conn)
