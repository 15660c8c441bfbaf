"""The log of page views: grows with the shop's online orders, is never rewritten.

It lives in a DuckDB file of its own. Events come from orders by `events.sql`, in one statement for all orders that are new;
what an order was worth when it was placed stays in the log when the shop corrects it later. The site's clock is the shop's: its
day is over when the next one begins, so all of the newest order day has happened. A shop that was filled again gets a new log.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import psycopg
import pyarrow as pa

from adventureworks.database import connect_reader
from foundation.rows import one_row
from foundation.settings import Settings

log = logging.getLogger(__name__)

SITE = "https://www.adventure-works.example/"
SQL = Path(__file__).parent
OVERLAP = (
    1000  # orders before the newest known one that are looked at again: a lower number may be committed later
)
FIELDS = (
    *(
        "event_id",
        "timestamp",
        "session_id",
        "user_id",
        "page_url",
        "referrer_url",
        "ip_address",
        "user_agent",
    ),
    *("device_type", "duration", "country", "order_value"),
)
SCHEMA = """
create table if not exists origin (mark varchar);
create table if not exists known_orders (order_id bigint primary key, order_day date);
create table if not exists events (
    position bigint, event_id varchar, "timestamp" timestamp, session_id varchar, user_id integer, page_url varchar,
    referrer_url varchar, ip_address varchar, user_agent varchar, device_type varchar, duration integer, country varchar,
    order_value decimal(18, 4), arrived_at timestamp
);
create or replace macro chance(what) as (md5_number_lower(what) >> 1)::bigint
"""
ORDERS = pa.schema(
    [
        ("order_id", pa.int64()),
        ("order_day", pa.date32()),
        ("customer_id", pa.int32()),
        ("country", pa.string()),
        ("order_value", pa.decimal128(18, 4)),
        ("products", pa.list_(pa.int32())),
    ]
)
LINE = ", ".join(
    [
        f'"{field}" := ' + (f"strftime(\"{field}\", '%Y-%m-%dT%H:%M:%SZ')" if field == "timestamp" else field)
        for field in FIELDS
    ]
)
PAGE = f"""
with page as (
    select * from events
    where position > $after and "timestamp" >= $since and "timestamp" < $until and arrived_at < $now
    order by position limit $size
)
select
    coalesce('[' || string_agg(to_json(struct_pack({LINE}))::varchar, ',' order by position) || ']', '[]'),
    count(*)::integer,
    max(position)
from page
"""  # noqa: S608 - our own names
# another generation of the shop has other first orders
MARK = """
select min(salesorderid) || ' ' || min(orderdate) || ' ' || min(rowguid::text)
from (select * from sales.salesorderheader order by salesorderid limit 100) as first
"""


@dataclass(frozen=True)
class Page:
    """Events as a JSON array; `last`: where the next page goes on, None when there is none."""

    events: str
    last: int | None


class Log:
    """The log of one shop. `late`: whether events arrive hours late and twice."""

    def __init__(self, path: Path, config: Settings, *, seed: int = 42, late: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._config, self._seed, self._late = config, seed, late
        self._growing = Lock()
        self._connection = duckdb.connect(path, config={"memory_limit": "1GB", "threads": "2"})
        self._connection.execute(SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def grow(self) -> int:
        """Log what the orders that have come since have brought; returns how many events. Raises EltError without a shop."""
        with (
            self._growing,
            closing(connect_reader(self._config)) as shop,
            self._connection.cursor() as cursor,
        ):
            try:
                (mark,) = one_row(shop.execute(MARK))
            except psycopg.errors.UndefinedTable:
                return 0  # the shop is not filled yet
            if mark is None:
                return 0
            cursor.execute("begin")
            try:
                self._forget_another_shop(cursor, mark)
                events = self._append(cursor, shop)
            except BaseException:
                cursor.execute("rollback")
                raise
            cursor.execute("commit")
        if events:
            log.info("%s new events", events)
        return events

    def now(self) -> datetime | None:
        """The site's clock: the midnight after the newest order day; None before the first order."""
        (day,) = one_row(self._ask("select max(order_day) from known_orders"))
        return None if day is None else datetime.combine(day, datetime.min.time()) + timedelta(days=1)

    def first(self) -> datetime | None:
        """When the first event happened."""
        moment: datetime | None = one_row(self._ask('select min("timestamp") from events'))[0]
        return moment

    def page(self, since: datetime, until: datetime, after: int, size: int) -> Page:
        """Up to `size` events of [since, until), in the order in which they arrived, beyond position `after`."""
        values = {"since": since, "until": until, "after": after, "size": size, "now": self.now()}
        events, count, last = one_row(self._ask(PAGE, values))
        return Page(events, last if count == size else None)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the log itself: the truth that whoever reads the API should arrive at."""
        return self._ask(statement).fetchall()

    def _ask(self, statement: str, values: dict[str, object] | None = None) -> duckdb.DuckDBPyConnection:
        return self._connection.cursor().execute(statement, values)

    def _forget_another_shop(self, cursor: duckdb.DuckDBPyConnection, mark: str) -> None:
        known = cursor.execute("select mark from origin").fetchone()
        if known != (mark,):
            for table in ("origin", "known_orders", "events"):
                cursor.execute(f"delete from {table}")  # noqa: S608 - our own names
            cursor.execute("insert into origin values (?)", [mark])

    def _append(self, cursor: duckdb.DuckDBPyConnection, shop: psycopg.Connection) -> int:
        (newest,) = one_row(cursor.execute("select coalesce(max(order_id), 0) from known_orders"))
        found = shop.execute((SQL / "orders.sql").read_text(), {"after": newest - OVERLAP}).fetchall()
        columns = zip(*found, strict=True) if found else [[] for _ in ORDERS]
        table = pa.table(
            [pa.array(column, kind.type) for column, kind in zip(columns, ORDERS, strict=True)], ORDERS
        )
        cursor.register("found", table)
        cursor.execute(
            "create or replace temp table orders as from found anti join known_orders using (order_id)"
        )
        cursor.unregister("found")
        (last,) = one_row(cursor.execute("select coalesce(max(position), 0) from events"))
        cursor.execute(
            "insert into events by name " + (SQL / "events.sql").read_text(),
            {"seed": self._seed, "late": self._late, "site": SITE, "last": last},
        )
        events: int = one_row(cursor)[0]
        cursor.execute("insert into known_orders select order_id, order_day from orders")
        cursor.execute("drop table orders")
        return events
