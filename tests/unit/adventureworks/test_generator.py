"""What the generator makes, asked in SQL: whole keys, the original's traps, realistic shapes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree

import duckdb
import pyarrow.compute as pc
import pytest

from adventureworks.arrow import csv_chunks
from adventureworks.generator import Plan, frames, generate
from adventureworks.schema import ForeignKey, Table, foreign_keys, tables
from foundation.errors import EltError

AS_OF = date(2025, 6, 30)
SMALLEST, SMALL = 0.01, 0.05
CLOSE = {
    "production.transactionhistory",
    "production.transactionhistoryarchive",
}  # cut at midnight: within 0.5 %

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[float, duckdb.DuckDBPyConnection]]:
    """Generated data in DuckDB, by scale: numeric, uuid, xml and bytea as text."""
    made = {}
    for scale in (SMALLEST, SMALL):
        made[scale] = conn = duckdb.connect()
        conn.execute("set timezone = 'UTC'")
        for name, reader in generate(scale, as_of=AS_OF).items():
            batches = reader.read_all()  # noqa: F841 - DuckDB finds it by its name
            conn.execute(f"create schema if not exists {name.partition('.')[0]}")
            conn.execute(f"create table {name} as from batches")
        conn.execute(SALES_VIEW)
    yield made
    for conn in made.values():
        conn.close()


SALES_VIEW = """
    create view sold as
    select h.*, d.productid, d.orderqty, d.specialofferid, d.carriertrackingnumber, d.modifieddate as line_changed,
           d.unitprice::decimal(18, 4) as price, d.unitpricediscount::decimal(18, 4) as discount,
           price * (1 - discount) * orderqty as line_total, coalesce(c.productcategoryid, 0) as category
    from sales.salesorderheader h
    join sales.salesorderdetail d using (salesorderid)
    join production.product p using (productid)
    left join production.productsubcategory c using (productsubcategoryid)
"""


@pytest.fixture(scope="module")
def ask(databases: dict[float, duckdb.DuckDBPyConnection]) -> Ask:
    """Rows of a query at the scale that most tests use."""
    return lambda query: databases[SMALL].execute(query).fetchall()


@pytest.fixture(scope="module")
def one(ask: Ask) -> Callable[[str], Any]:
    """The one value of a query."""
    return lambda query: ask(query)[0][0]


def digests(scale: float, seed: int, as_of: date = AS_OF) -> dict[str, str]:
    """A checksum per table over the bytes that are copied into PostgreSQL."""
    return {
        name: hashlib.sha256(b"".join(csv_chunks(tables()[name], batches))).hexdigest()
        for name, batches in generate(scale, seed, as_of).items()
    }


@pytest.fixture(scope="module")
def first_digests() -> dict[str, str]:
    return digests(SMALLEST, 42)


# -- repeatable


def test_the_same_seed_gives_the_same_checksums(first_digests: dict[str, str]) -> None:
    assert digests(SMALLEST, 42) == first_digests


def test_another_seed_gives_other_people_orders_and_goods_received(first_digests: dict[str, str]) -> None:
    other = digests(SMALLEST, 43)
    changed = {name for name, digest in other.items() if digest != first_digests[name]}
    assert {"person.person", "sales.salesorderdetail", "production.workorder"} <= changed
    assert "sales.salesorderheader" in changed


def test_the_bytes_are_those_of_every_other_machine(first_digests: dict[str, str]) -> None:
    """Changes whenever the generator does, and then on purpose; a processor or a library must not change it."""
    whole = hashlib.sha256(
        "".join(first_digests[name] for name in sorted(first_digests)).encode()
    ).hexdigest()
    assert whole == "2c6c8d1a3bacd77898076a54deeb5c749aa9f5ca07cc8d8a0e275305b48cfdc8"


def test_without_a_day_the_data_ends_today_in_utc() -> None:
    before = datetime.now(UTC).date()
    days = generate(SMALLEST)["sales.salesorderheader"].read_all()["orderdate"]
    assert before <= pc.max(days).as_py().date() <= datetime.now(UTC).date()


@pytest.mark.parametrize(
    ("scale", "day"), [(0.0, AS_OF), (11.0, AS_OF), (1.0, date(1999, 1, 1)), (1.0, date(9999, 1, 1))]
)
def test_what_cannot_be_made_is_refused_with_the_remedy(scale: float, day: date) -> None:
    with pytest.raises(EltError, match="out of range — choose one from"):
        generate(scale, as_of=day)


# -- whole


def test_at_scale_one_the_row_counts_are_the_originals() -> None:
    rows = {frame.table: frame.rows for frame in frames(Plan(1.0, 42, AS_OF))}
    expected = {name: table.original_rows for name, table in tables().items()}
    assert {name: count for name, count in rows.items() if name not in CLOSE} == {
        name: count for name, count in expected.items() if name not in CLOSE
    }
    for name in CLOSE:
        assert rows[name] == pytest.approx(expected[name], rel=0.005)


@pytest.mark.parametrize("scale", [SMALLEST, SMALL])
def test_every_table_has_rows_parents_first(scale: float) -> None:
    content = generate(scale, as_of=AS_OF)
    assert set(content) == set(tables())
    places = {name: place for place, name in enumerate(content)}
    assert all(places[key.references] < places[key.table] for key in foreign_keys())
    for name, reader in content.items():
        assert reader.schema.names == list(tables()[name].column_names)
        assert sum(batch.num_rows for batch in reader) > 0, name


def test_customers_have_numbers_of_their_own_where_the_originals_ranges_would_meet() -> None:
    made = generate(2.0, as_of=AS_OF)
    numbers = made["sales.customer"].read_all()["customerid"].to_pylist()
    assert len(numbers) == len(set(numbers)) > 2 * 19_820 - 10
    assert set(made["sales.salesorderheader"].read_all()["customerid"].to_pylist()) < set(numbers)


@pytest.mark.parametrize("scale", [SMALLEST, SMALL])
@pytest.mark.parametrize("table", tables().values(), ids=lambda table: table.qualified)
def test_keys_are_unique_and_values_fit(
    databases: dict[float, duckdb.DuckDBPyConnection], table: Table, scale: float
) -> None:
    conn = databases[scale]
    keys = ", ".join(table.primary_key)
    assert not conn.execute(
        f"select {keys} from {table.qualified} group by all having count(*) > 1"
    ).fetchall()
    faults = []
    for column in table.columns:
        faults.append(f'count(*) filter ("{column.name}" is null and {not column.nullable})')
        if length := re.fullmatch(r"(?:var)?char\((\d+)\)", column.type):
            faults.append(f'count(*) filter (length("{column.name}") > {length[1]})')
        if column.type.startswith("numeric"):
            faults.append(
                f"count(*) filter (not regexp_full_match(\"{column.name}\", '-?[0-9]+([.][0-9]+)?'))"
            )
    assert set(conn.execute(f"select {', '.join(faults)} from {table.qualified}").fetchone()) == {0}


@pytest.mark.parametrize("scale", [SMALLEST, SMALL])
@pytest.mark.parametrize("key", foreign_keys(), ids=lambda key: f"{key.table}.{'_'.join(key.columns)}")
def test_foreign_keys_are_whole(
    databases: dict[float, duckdb.DuckDBPyConnection], key: ForeignKey, scale: float
) -> None:
    match = " and ".join(f"p.{there} = c.{here}" for here, there in zip(key.columns, key.key, strict=True))
    given = " and ".join(f"c.{here} is not null" for here in key.columns)
    orphans = f"from {key.table} c where {given} and not exists (from {key.references} p where {match})"
    assert databases[scale].execute(f"select count(*) {orphans}").fetchone() == (0,)


def test_nothing_was_changed_after_the_last_day(databases: dict[float, duckdb.DuckDBPyConnection]) -> None:
    for scale, conn in databases.items():
        late = {
            name: conn.execute(f"select max(modifieddate) from {name}").fetchone()[0] for name in tables()
        }
        assert {name: day for name, day in late.items() if day > datetime(2025, 6, 30)} == {}, scale


def test_xml_is_well_formed(ask: Ask) -> None:
    for name, table in tables().items():
        for column in (column.name for column in table.columns if column.type == "xml"):
            documents = ask(f"select {column} from {name} where {column} is not null limit 300")
            assert documents, (name, column)
            for (document,) in documents:
                ElementTree.fromstring(document)  # noqa: S314 - our own


def test_bytes_are_hexadecimal_as_postgresql_reads_them(one: Callable[[str], Any]) -> None:
    for name, table in tables().items():
        for column in (column.name for column in table.columns if column.type == "bytea"):
            odd = f"not regexp_full_match({column}, '\\\\x([0-9a-f]{{2}})*')"
            assert one(f"select count(*) filter ({odd}) from {name}") == 0
            assert one(f"select count({column}) from {name}") > 0


def test_row_identifiers_are_random_uuids_of_their_own(ask: Ask) -> None:
    columns = [name for name, table in tables().items() if "rowguid" in table.column_names]
    every = " union all ".join(f"select rowguid from {name}" for name in columns)
    pattern = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    wrong = f"count(*) filter (not regexp_full_match(rowguid, '{pattern}'))"
    assert ask(f"select {wrong}, count(*) = count(distinct rowguid) from ({every})") == [(0, True)]


# -- orders


def test_header_amounts_follow_from_the_lines(one: Callable[[str], Any]) -> None:
    assert (
        one(
            """
            with summed as (
                select salesorderid, sum(line_total) as lines, any_value(subtotal)::decimal(18, 4) as subtotal,
                       any_value(taxamt)::decimal(18, 4) as tax, any_value(freight)::decimal(18, 4) as freight,
                       any_value(totaldue)::decimal(18, 4) as due
                from sold group by all
            )
            select count(*) from summed
            where subtotal <> round(lines, 4) or tax <> round(subtotal * 0.08, 4)
               or freight <> round(subtotal * 0.025, 4) or due <> subtotal + tax + freight
            """
        )
        == 0
    )


def test_prices_are_those_of_the_day(ask: Ask) -> None:
    rows = ask(
        """
        select count(*), count(*) filter (price <> case when onlineorderflag then listed else round(listed * 0.6, 4) end)
        from (
            select s.*, l.listprice::decimal(18, 4) as listed from sold s
            join production.productlistpricehistory l
              on l.productid = s.productid and s.orderdate between l.startdate and coalesce(l.enddate, s.orderdate)
        )
        """
    )
    assert rows[0][0] > 5000
    assert rows[0][1] == 0


def test_the_product_shows_its_last_price_and_cost(one: Callable[[str], Any]) -> None:
    for kind, column in (("listprice", "listprice"), ("cost", "standardcost")):
        history = f"production.product{kind}history"
        assert (
            one(
                f"""select count(*) from production.product p
                join (select productid, arg_max({column}, startdate) as last from {history} group by all) h
                using (productid) where h.last <> p.{column}"""
            )
            == 0
        )
        assert one(f"select count(*) from {history}") == 395


def test_online_orders_are_those_without_salesperson_and_purchase_order(ask: Ask) -> None:
    rows = ask(
        """select onlineorderflag, count(*) > 0, count(salespersonid), count(purchaseordernumber),
                  count(*) filter (salespersonid is null or purchaseordernumber is null)
           from sales.salesorderheader group by all order by 1"""
    )
    assert rows[0][:2] == (False, True)
    assert rows[0][4] == 0
    assert rows[1][:4] == (True, True, 0, 0)


def test_online_lines_are_single_pieces_at_full_price_whatever_their_offer(ask: Ask) -> None:
    rows = ask(
        """select max(orderqty), max(discount), count(*) filter (specialofferid <> 1), count(carriertrackingnumber)
           from sold where onlineorderflag"""
    )
    assert rows[0][:2] == (1, 0)
    assert rows[0][2] > 50
    assert rows[0][3] == 0


def test_reseller_discounts_are_those_of_their_offers(ask: Ask) -> None:
    rows = ask(
        """select count(*) filter (discount <> o.discountpct::decimal(18, 4)),
                  count(*) filter (orderqty < o.minqty or orderqty > o.maxqty),
                  count(*) filter (orderdate not between o.startdate and o.enddate),
                  count(distinct o.type)
           from sold join sales.specialoffer o using (specialofferid) where not onlineorderflag"""
    )
    assert rows[0][:3] == (0, 0, 0)
    assert rows[0][3] >= 4  # none, volume, and promotions


def test_an_order_ships_to_its_territory(one: Callable[[str], Any]) -> None:
    assert (
        one(
            """select count(*) from sales.salesorderheader h join sales.customer c using (customerid)
               join person.address a on a.addressid = h.shiptoaddressid
               join person.stateprovince s using (stateprovinceid)
               where s.territoryid <> h.territoryid or c.territoryid <> h.territoryid"""
        )
        == 0
    )


def test_no_order_holds_a_product_twice_or_before_its_sale_begins(one: Callable[[str], Any]) -> None:
    assert (
        one(
            "select count(*) from (from sold select salesorderid group by salesorderid, productid having count(*) > 1)"
        )
        == 0
    )
    assert (
        one(
            "select count(*) from sold join production.product using (productid) where orderdate < sellstartdate"
        )
        == 0
    )


# -- the original's traps


def test_the_last_seven_days_are_not_shipped_yet(ask: Ask) -> None:
    rows = ask(
        """select status, shipdate is null, min(orderdate)::date, max(orderdate)::date, count(*) > 0
           from sales.salesorderheader where status <> 3 group by all order by 1"""
    )
    assert rows[:2] == [
        (1, True, date(2025, 6, 28), date(2025, 6, 30), True),
        (2, True, date(2025, 6, 24), date(2025, 6, 27), True),
    ]
    [shipped, returned] = rows[2:]
    assert shipped == (5, False, date(2022, 5, 31), date(2025, 6, 23), True)
    assert returned[:2] == (6, False) and returned[3] <= date(2025, 6, 23)
    backordered = ask(
        "select shipdate is null, orderdate::date <= date '2025-06-23' from sales.salesorderheader where status = 3"
    )
    assert set(backordered) == {(True, True)}


def test_header_and_line_cursors_differ(ask: Ask) -> None:
    rows = ask(
        """select shipdate is null, count(*) filter (modifieddate <> coalesce(shipdate, orderdate)),
                  count(*) filter (line_changed <> orderdate),
                  count(*) filter (date_diff('day', orderdate, modifieddate) < if(shipdate is null, 0, 7))
           from sold group by all order by 1"""
    )
    assert rows == [(False, 0, 0, 0), (True, 0, 0, 0)]


def test_cursors_tie(ask: Ask) -> None:
    assert ask("select count(distinct modifieddate) from sales.customer") == [(1,)]
    assert sorted(ask("select count(*) from production.product group by modifieddate")) == [(1,), (503,)]


def test_products_without_subcategory_or_history_and_without_an_open_version(ask: Ask) -> None:
    assert (
        ask(
            """select count(*), count(*) filter (productsubcategoryid is null),
                  count(*) filter (h.productid is null), count(*) filter (h.open = 0)
           from production.product left join (
               select productid, count(*) - count(enddate) as open from production.productcosthistory group by all
           ) h using (productid)"""
        )
        == [(504, 209, 211, 98)]
    )
    assert ask("select count(*) from sold where category = 0") == [(0,)]


def test_some_lines_come_after_the_end_of_their_products_sale_and_history(ask: Ask) -> None:
    after = """
        from sold join production.product p using (productid)
        where orderdate > p.sellenddate and not exists (
            from production.productcosthistory c
            where c.productid = sold.productid and orderdate between c.startdate and coalesce(c.enddate, orderdate)
        )
    """
    assert ask(f"select count(*), count(distinct salesorderid) {after}") == [
        (round(64 * SMALL), round(23 * SMALL))
    ]
    every = "select count(*) from sold join production.product p using (productid) where orderdate > p.sellenddate"
    assert ask(every) == [(round(64 * SMALL),)]


def test_end_dates_are_inclusive(one: Callable[[str], Any]) -> None:
    gaps = """
        select count(*) from (
            select enddate, lead(startdate) over (partition by productid order by startdate) as next
            from production.productcosthistory
        ) where next is not null and date_diff('day', enddate, next) <> 1
    """
    assert one(gaps) == 0
    assert one("select count(*) from production.productcosthistory where enddate is not null") == 200


def test_stores_never_order_but_persons_at_stores_do(ask: Ask) -> None:
    rows = ask(
        """select personid is null, storeid is null, count(distinct customerid), count(distinct h.customerid)
           from sales.customer left join sales.salesorderheader h using (customerid) group by all order by 1, 2"""
    )
    assert rows == [
        (False, False, round(635 * SMALL), round(635 * SMALL)),
        (False, True, round(18_484 * SMALL), round(18_484 * SMALL)),
        (True, False, round(701 * SMALL), 0),
    ]


def test_sales_reasons_fan_out_over_some_online_orders(ask: Ask) -> None:
    rows, orders, online = ask(
        """select count(*), count(distinct salesorderid), bool_and(onlineorderflag)
           from sales.salesorderheadersalesreason join sales.salesorderheader using (salesorderid)"""
    )[0]
    assert online
    assert orders == round(23_012 * SMALL)
    assert rows / orders == pytest.approx(27_647 / 23_012, rel=0.01)


def test_currency_rates_are_of_the_orders_day_and_only_abroad(ask: Ask) -> None:
    rows = ask(
        """select count(*), count(*) filter (r.currencyratedate <> h.orderdate), min(territoryid),
                  count(distinct r.tocurrencycode)
           from sales.salesorderheader h join sales.currencyrate r using (currencyrateid)"""
    )
    assert rows[0][0] > 300
    assert rows[0][1:] == (0, 6, 4)


def test_tax_has_more_than_two_decimals_and_amounts_vary_in_theirs(ask: Ask) -> None:
    digits = {len(text.partition(".")[2]) for (text,) in ask("select taxamt from sales.salesorderheader")}
    assert digits >= {2, 3, 4}
    assert ask("select count(*) from sales.salesorderheader where subtotal like '%.%0'") == [(0,)]


def test_nulls_are_where_the_original_has_them(ask: Ask) -> None:
    present = ask(
        """select count(creditcardid) < count(*), count(comment) = 0, count(currencyrateid) > 0
           from sales.salesorderheader"""
    )
    assert present == [(True, True, True)]
    assert ask("select count(*) from sales.salesperson where territoryid is null and salesquota is null") == [
        (3,)
    ]
    assert ask("select count(title) < count(*), count(title) > 0 from person.person") == [(True, True)]
    assert ask("select count(*) from production.document where document is null") == [(5,)]
    assert ask("select cultureid from production.culture order by 1 limit 1") == [("",)]


def test_the_headers_territory_is_not_always_the_salespersons(ask: Ask) -> None:
    elsewhere, every = ask(
        """select count(*) filter (t.territoryid is null), count(*) from sales.salesorderheader h
           left join sales.salesterritoryhistory t
             on t.businessentityid = h.salespersonid and t.territoryid = h.territoryid
            and h.orderdate between t.startdate and coalesce(t.enddate, h.orderdate)
           where h.salespersonid is not null"""
    )[0]
    assert 0.05 < elsewhere / every < 0.3


# -- shapes


def test_orders_span_three_years_and_grow(ask: Ask) -> None:
    years = ask(
        """select onlineorderflag, date_diff('day', timestamp '2022-05-31', orderdate) // 376 as year, count(*)
           from sales.salesorderheader group by all order by 1, 2"""
    )
    reseller, online = ([count for flag, _, count in years if flag is kind] for kind in (False, True))
    assert len(reseller) == len(online) == 3
    assert reseller[0] < reseller[1] < reseller[2]
    assert online[0] < online[1] < online[2] / 3


def test_summer_and_december_are_high_and_january_low(ask: Ask) -> None:
    months = dict(
        ask("select month(orderdate), count(*) from sold where orderdate >= '2024-07-01' group by all")
    )
    assert min(months[6], months[12]) > 1.2 * max(months[1], months[2])


def test_the_web_is_busy_on_weekends_and_resellers_are_not(ask: Ask) -> None:
    weekend = dict(
        ask(
            """select onlineorderflag, count(*) filter (isodow(orderdate) >= 6) / count(*)
               from sales.salesorderheader group by all"""
        )
    )
    assert weekend[True] > 2 / 7
    assert weekend[False] < 0.05


def test_bikes_bring_most_of_the_revenue(ask: Ask) -> None:
    share = ask(
        "select sum(line_total) filter (category = 1) / sum(line_total), count(distinct category) from sold"
    )
    assert 0.8 < share[0][0] < 0.92
    assert share[0][1] == 4


def test_few_products_bring_most_of_the_revenue(ask: Ask) -> None:
    (share,) = ask(
        """with ranked as (
               select sum(line_total) as revenue, percent_rank() over (order by sum(line_total) desc) as place
               from sold group by productid
           )
           select sum(revenue) filter (place <= 0.2) / sum(revenue) from ranked"""
    )[0]
    assert 0.55 < share < 0.95


def test_resellers_are_few_orders_and_most_of_the_revenue(ask: Ask) -> None:
    (few, most) = ask(
        """select count(distinct salesorderid) filter (not onlineorderflag) / count(distinct salesorderid),
                  sum(line_total) filter (not onlineorderflag) / sum(line_total) from sold"""
    )[0]
    assert few == pytest.approx(3_806 / 31_465, rel=0.01)
    assert 0.6 < most < 0.85


def test_customers_come_back(ask: Ask) -> None:
    (again, most) = ask(
        """select count(*) filter (orders > 1) / count(*), max(orders)
           from (select count(*) as orders from sales.salesorderheader where onlineorderflag group by customerid)"""
    )[0]
    assert 0.2 < again < 0.5
    assert most >= 4


def test_customers_come_back_less_and_less(databases: dict[float, duckdb.DuckDBPyConnection]) -> None:
    """Of the customers of each quarter, those who order again so many quarters later; in the season before clothing was sold, too."""
    query = """
        with orders as (
            select customerid, date_diff('day', min(orderdate) over (partition by customerid), orderdate) // 91 as later,
                min(orderdate) over (partition by customerid)::date as first_day
            from sales.salesorderheader where onlineorderflag
        )
        select count(distinct customerid) filter (later = 1), count(distinct customerid) filter (later = 2),
            count(distinct customerid) filter (later = 3)
        from orders where first_day between {}
    """
    for between in ("date '2022-05-31' and date '2023-05-31'", "date '2024-05-31' and date '2024-09-30'"):
        first, second, third = databases[SMALL].execute(query.format(between)).fetchone()
        assert first > second > third


def test_some_orders_ship_late_and_some_shipped_ones_come_back(ask: Ask) -> None:
    [(late, returned)] = ask(
        """select count(*) filter (shipdate > duedate) / count(shipdate), count(*) filter (status = 6) / count(shipdate)
           from sales.salesorderheader"""
    )
    assert 0.02 < late < 0.08 and 0.005 < returned < 0.02


# -- buying and making


def test_vendors_differ_in_punctuality_and_in_what_is_rejected(ask: Ask) -> None:
    rates = """
        with vendors as (
            select h.vendorid, count(*) filter (h.shipdate > d.duedate) / count(h.shipdate) as late,
                sum(d.rejectedqty::decimal) / sum(d.receivedqty::decimal) as rejected
            from purchasing.purchaseorderheader h join purchasing.purchaseorderdetail d using (purchaseorderid)
            where h.status <> 3 group by all having count(h.shipdate) > 10
        )
        select quantile_cont({0}, 0.1), quantile_cont({0}, 0.9) from vendors
    """
    for rate, least, most in (("late", 0.05, 0.2), ("rejected", 0.005, 0.015)):
        [(low, high)] = ask(rates.format(rate))
        assert low < least and high > most, (rate, low, high)


def test_goods_are_rejected_at_most_as_received_and_ordered(ask: Ask) -> None:
    rows = ask(
        """select count(*) filter (rejectedqty::decimal > receivedqty::decimal),
                  count(*) filter (receivedqty::decimal > orderqty),
                  sum(rejectedqty::decimal) / sum(receivedqty::decimal)
           from purchasing.purchaseorderdetail"""
    )
    assert rows[0][:2] == (0, 0)
    assert 0.005 < rows[0][2] < 0.1


def test_purchase_orders_add_up_and_name_suppliers_and_buyers(ask: Ask) -> None:
    assert (
        ask(
            """select count(*) from (
               select any_value(h.subtotal)::decimal(18, 4) as subtotal, sum(d.orderqty * d.unitprice::decimal(18, 4)) as lines
               from purchasing.purchaseorderheader h join purchasing.purchaseorderdetail d using (purchaseorderid)
               group by purchaseorderid
           ) where subtotal <> lines"""
        )
        == [(0,)]
    )
    assert (
        ask(
            """select count(*) from purchasing.purchaseorderheader h join purchasing.purchaseorderdetail d using (purchaseorderid)
           where not exists (from purchasing.productvendor v where v.productid = d.productid and v.businessentityid = h.vendorid)"""
        )
        == [(0,)]
    )
    assert (
        ask(
            """select distinct jobtitle from purchasing.purchaseorderheader join humanresources.employee
           on businessentityid = employeeid order by 1"""
        )
        == [("Buyer",), ("Purchasing Assistant",), ("Purchasing Manager",)]
    )


def test_scrap_has_a_reason_and_unfinished_work_no_end(ask: Ask) -> None:
    rows = ask(
        """select count(*) filter ((scrappedqty > 0) <> (scrapreasonid is not null)), count(*) filter (scrappedqty > orderqty),
                  count(*) filter (enddate is null), max(enddate)::date <= '2025-06-30', count(scrapreasonid) > 0
           from production.workorder"""
    )
    assert rows[0][:2] == (0, 0)
    assert rows[0][2] > 0
    assert rows[0][3:] == (True, True)
    assert (
        ask(
            """select count(*) from production.workorderrouting join production.workorder using (workorderid)
           where (enddate is null) <> (actualcost is null)"""
        )
        == [(0,)]
    )


def test_every_movement_of_goods_is_recorded_once(ask: Ask) -> None:
    movements = """
        (from production.transactionhistoryarchive union all by name from production.transactionhistory)
    """
    counts = dict(ask(f"select transactiontype, count(*) from {movements} group by all"))
    for kind, table in (
        ("S", "sales.salesorderdetail"),
        ("W", "production.workorder"),
        ("P", "purchasing.purchaseorderdetail"),
    ):
        assert [(counts[kind],)] == ask(f"select count(*) from {table}")
    assert (
        ask(
            """select (select max(transactiondate) from production.transactionhistoryarchive)
                < (select min(transactiondate) from production.transactionhistory)"""
        )
        == [(True,)]
    )


def test_staff_history_is_whole(ask: Ask) -> None:
    assert (
        ask(
            """select count(*), count(*) filter (enddate is null), count(*) filter (enddate < startdate)
           from humanresources.employeedepartmenthistory"""
        )
        == [(296, 290, 0)]
    )
    assert ask(
        "select jobtitle from humanresources.employee where businessentityid in (274, 285, 287) order by businessentityid"
    ) == [("North American Sales Manager",), ("Pacific Sales Manager",), ("European Sales Manager",)]
