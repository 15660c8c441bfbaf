"""The table that everybody reads: `sales.salesorderdetail` as the catalogue has it, with made-up order lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from adventureworks.database import ensure_schema
from adventureworks.schema import (
    add_primary_key,
    create_indexes,
    drop_indexes,
    drop_primary_key,
    tables,
)
from tests.fixtures.source import SourceDatabase, make_server

TABLE = tables()["sales.salesorderdetail"]
DATABASE = "benchmark"

# filling is not what is measured; the rest is as the stack has it
OPTIONS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}

# Four lines to an order, every other order by a reseller (with tracking number, quantities, discounts), a thousand
# orders a day: ties in the cursor as the original has them. A line's values follow from its number alone.
LINES = """
insert into sales.salesorderdetail (salesorderid, salesorderdetailid, carriertrackingnumber, orderqty, productid,
    specialofferid, unitprice, unitpricediscount, rowguid, modifieddate)
select
    43659 + n / 4,
    n + 1,
    case when reseller then left(code, 4) || '-' || substr(code, 5, 4) || '-' || lpad((chance % 100)::text, 2, '0') end,
    case when reseller then 1 + chance % 12 else 1 end,
    707 + chance % 293,
    case when reseller then 1 + chance % 16 else 1 end,
    (array[2024.994, 2039.994, 28.8404, 5.7, 5.1865, 20.1865, 419.4589, 874.794, 809.76, 714.7043, 3578.27, 3399.99,
        699.0982, 4.99, 34.99, 24.99, 8.99, 53.99, 21.98, 1000.4375])[1 + chance % 20],
    case when reseller then (array[0.0, 0, 0, 0, 0.02, 0.05, 0.1, 0.15, 0.4])[1 + chance % 9] else 0.0 end,
    md5(n::text)::uuid,
    timestamp '2000-01-01' + n / 4000 * interval '1 day'
from generate_series({first}, {last} - 1) as n,
    lateral (select n / 4 % 2 = 1 as reseller, hashint4(n) & 2147483647 as chance,
        upper(lpad(to_hex(hashint4(n / 4)), 8, '0')) as code) as made
"""
# beyond 36 million rows the dates lie in the future


class OrderLines:
    """The source database with its one filled table."""

    def __init__(self, database: SourceDatabase) -> None:
        self.database = database

    def connect(self) -> psycopg.Connection:
        """As superuser, in autocommit."""
        return self.database.connect("superuser", autocommit=True)

    def fill(self, rows: int, price_type: str = "numeric") -> None:
        """Make the table hold `rows` lines (`price_type` is that of both price columns), read-optimised and cached.

        Lines that are there already stay.
        """
        price = sql.SQL("alter table {} alter unitprice type {}, alter unitpricediscount type {}")
        with self.connect() as conn:
            # neither trigger nor foreign keys: the given dates stay, and the other tables are empty
            conn.execute("set session_replication_role = replica")
            present, changed = conn.execute(
                sql.SQL(
                    "select count(*), count(*) filter (where modifieddate > '2015-01-01') from {}"
                ).format(TABLE.identifier)
            ).fetchone()
            if present > rows or changed:
                conn.execute(sql.SQL("truncate {}").format(TABLE.identifier))
                present = 0
            conn.execute(price.format(TABLE.identifier, sql.SQL(price_type), sql.SQL(price_type)))
            if present < rows:
                for statement in (drop_primary_key(TABLE), *drop_indexes(TABLE)):
                    conn.execute(statement)
                conn.execute(sql.SQL(LINES).format(first=present, last=rows))
                for statement in (add_primary_key(TABLE), *create_indexes(TABLE)):
                    conn.execute(statement)
        self.settle()

    def settle(self) -> None:
        """Leave nothing for the first reader to do: no hint bits, no dirty pages, all of it in memory."""
        with self.connect() as conn:
            conn.execute(sql.SQL("vacuum (freeze, analyze) {}").format(TABLE.identifier))
            conn.execute("checkpoint")

    def change(self, every: int) -> int:
        """Update every `every`th line, as an application would (the trigger moves the cursor); returns how many."""
        statement = sql.SQL("update {} set orderqty = orderqty + 1 where salesorderdetailid % {} = 0")
        with self.connect() as conn:
            return conn.execute(statement.format(TABLE.identifier, sql.Literal(every))).rowcount

    def sample(self, rows: int) -> str:
        """A table of its own with the first `rows` lines, for those who would not get through all; returns its name."""
        name = sql.Identifier("sample", TABLE.name)
        reader = sql.Identifier(self.database.server.config.source_reader)
        statements = (
            "drop schema if exists sample cascade",
            "create schema sample",
            sql.SQL("create table {} (like {} including indexes)").format(name, TABLE.identifier),
            sql.SQL("insert into {} select * from {} where salesorderdetailid <= {}").format(
                name, TABLE.identifier, rows
            ),
            sql.SQL("grant usage on schema sample to {}").format(reader),
            sql.SQL("grant select on {} to {}").format(name, reader),
            sql.SQL("vacuum (freeze, analyze) {}").format(name),
        )
        with self.connect() as conn:
            for statement in statements:
                conn.execute(statement)
        return f"sample.{TABLE.name}"

    def totals(self, table: str = TABLE.qualified) -> tuple[Any, ...]:
        """What a copy must add up to (see TOTALS)."""
        with self.connect() as conn:
            return conn.execute(f"select {TOTALS} from {table}").fetchone()


# in both databases' SQL; exact, whatever type the prices travel as
TOTALS = (
    "count(*), sum(orderqty), sum(salesorderdetailid), sum(cast(unitprice as decimal(18,4)) * orderqty),"
    " count(carriertrackingnumber)"
)


@contextmanager
def order_lines(home: Path) -> Iterator[OrderLines]:
    """A server of its own under `home` (what an earlier run left there is used), stopped at the end."""
    server = make_server(home, **OPTIONS)
    server.cluster.start()
    try:
        with server.superuser() as conn:
            known = conn.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone()
        if known:
            database = SourceDatabase(server, DATABASE, "template1")
        else:
            database = server.create(name=DATABASE)
            with database.connect() as conn:
                ensure_schema(conn, server.config.source_reader)
        yield OrderLines(database)
    finally:
        server.cluster.stop()
