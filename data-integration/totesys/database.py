"""The database: its eleven tables, what fills them, and what happens in them while the company trades."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

from adventureworks.database import connect_owner, readable_errors
from foundation.errors import EltError
from foundation.pace import paced
from foundation.rows import one_row
from foundation.settings import SCALES, Settings, settings

TABLES = (
    "address",
    "counterparty",
    "currency",
    "department",
    "design",
    "payment",
    "payment_type",
    "purchase_order",
    "sales_order",
    "staff",
    "transaction",
)
PUBLICATION = "totesys"  # of all its tables; it belongs to the database
EARLIEST = datetime.date(2003, 1, 1)
LOCK = 0x544F5445  # advisory lock: one at a time makes the tables or fills them

# how often what happens, of a hundred events
EVENTS = {
    "new_sales_order": 32,
    "new_purchase_order": 18,
    "pay": 20,
    "change_sales_order": 8,
    "change_purchase_order": 4,
    "correct_backdated": 6,
    "cancel_purchase_order": 3,
    "change_contact": 3,
    "move_address": 2,
    "transfer_staff": 2,
    "new_counterparty": 1,
    "new_design": 1,
}


def connect(config: Settings | None = None) -> psycopg.Connection:
    """Connect as the tables' owner. Raises EltError: server down, wrong password, no such database."""
    config = config or settings()
    try:
        return connect_owner(config.model_copy(update={"source_database": config.totesys_database}))
    except EltError as error:
        if "has no database" not in error.message:
            raise
        raise EltError(
            error.message, "add totesys to ELT_SOURCES, then `elt down postgres && elt up postgres`"
        ) from None


def ensure_schema(conn: psycopg.Connection, reader: str | None = None) -> None:
    """Make the tables that are not there, let `reader` (default: the configured role) select from them, publish them.

    Works inside the caller's transaction. Raises EltError: the role is not there, another table has a name of ours.
    """
    reader = reader or settings().source_reader
    with readable_errors():
        conn.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        conn.execute(_text("schema"))
        if conn.execute("select from pg_roles where rolname = %s", [reader]).fetchone() is None:
            raise EltError(f"the source server has no role {reader}", "set SOURCE_READER to one that it has")
        every = sql.SQL(", ").join(sql.Identifier("public", table) for table in TABLES)
        conn.execute(sql.SQL("grant select on {} to {}").format(every, sql.Identifier(reader)))
        published = {
            name
            for (name,) in conn.execute(
                "select tablename from pg_publication_tables where pubname = %s and schemaname = 'public'",
                [PUBLICATION],
            )
        }
        there = conn.execute("select from pg_publication where pubname = %s", [PUBLICATION]).fetchone()
        if lacking := [sql.Identifier("public", table) for table in TABLES if table not in published]:
            make = (
                "alter publication {} add table {}"
                if there is not None
                else "create publication {} for table {}"
            )
            conn.execute(sql.SQL(make).format(sql.Identifier(PUBLICATION), sql.SQL(", ").join(lacking)))


def is_filled(conn: psycopg.Connection) -> bool:
    """Whether there are orders (none where the tables are not made)."""
    if one_row(conn.execute("select to_regclass('public.sales_order')"))[0] is None:
        return False
    return bool(one_row(conn.execute("select exists (select from public.sales_order)"))[0])


def generate(
    conn: psycopg.Connection,
    scale: float = 1.0,
    seed: int = 42,
    as_of: datetime.date | None = None,
    reader: str | None = None,
) -> dict[str, int]:
    """Replace all rows by three years of trade that end with the day `as_of` (default: today in UTC), in one transaction.

    Scale 1 has 12,000 sales, 8,000 purchases and 20,000 payments. The same three arguments give the same rows on every
    machine. Returns rows by table. Raises EltError: the scale or the day is out of range.
    """
    today = datetime.datetime.now(datetime.UTC).date()
    as_of = as_of or today
    if not SCALES[0] <= scale <= SCALES[1]:
        raise EltError(
            f"the scale {scale:g} is out of range", f"choose one from {SCALES[0]} to {SCALES[1]:g}"
        )
    if not EARLIEST <= as_of <= today:
        raise EltError(
            f"the last day {as_of} is out of range", f"choose one from {EARLIEST} to today, {today} in UTC"
        )
    with conn.transaction():
        ensure_schema(conn, reader)
        with readable_errors():
            conn.execute(_text("chance"))
            with psycopg.ClientCursor(conn) as cursor:  # values go into the bodies of functions, too
                cursor.execute(_text("history"), {"scale": scale, "seed": str(seed), "as_of": as_of})
        return row_counts(conn)


def row_counts(conn: psycopg.Connection) -> dict[str, int]:
    """Rows of every table. Raises EltError when the tables are not there."""
    with _filled():
        return {
            table: one_row(
                conn.execute(sql.SQL("select count(*) from {}").format(sql.Identifier("public", table)))
            )[0]
            for table in TABLES
        }


def trade(
    conn: psycopg.Connection,
    rate: float,
    seconds: float | None = None,
    events: int | None = None,
    seed: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Trade live: `rate` events per second, each a transaction of its own, at the real clock.

    Ends after `seconds` or `events`, or between two events once `stopped()`. Returns the rows that each kind of event
    touched. Raises EltError when the database is empty.
    """
    seed = secrets.randbits(48) if seed is None else seed
    conn.autocommit = True
    with _filled():
        if not is_filled(conn):
            raise EltError(*EMPTY)
        conn.execute(_text("chance"))
        conn.execute(_text("events"))
        done = dict.fromkeys(EVENTS, 0)
        for number in paced(rate, stopped, seconds=seconds, events=events):
            (dice,) = one_row(conn.execute("select pg_temp.roll(%s, 100)", [f"{seed} {number}"]))
            event = kind(dice)
            call = sql.SQL("select {}(%s)").format(sql.Identifier("pg_temp", event))
            done[event] += one_row(conn.execute(call, [f"{seed} {number} {event}"]))[0]
    return done


def kind(dice: int) -> str:
    """The kind of event that a number from 1 to 100 stands for."""
    for name, share in EVENTS.items():
        dice -= share
        if dice <= 0:
            return name
    raise EltError(f"{dice} is beyond the last event", "use a number from 1 to 100")


EMPTY = ("the database totesys is empty", "fill it: `elt totesys generate`")


@contextmanager
def _filled():  # type: ignore[no-untyped-def]
    with readable_errors():
        try:
            yield
        except psycopg.errors.UndefinedTable:
            raise EltError(*EMPTY) from None


@cache
def _text(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text()
