"""The cursor rule: how far a sync may say it has read.

A row's cursor value is set while its transaction runs, but the row is seen only after the commit. A sync that saved the
greatest value it saw would miss a row with a smaller value that is committed later. So, before the snapshot and in
a statement of its own, the sync takes W = least(clock, start of the oldest transaction that is open elsewhere): whoever
commits later than the snapshot wrote values of W or above. It saves least(greatest value read, W), and the next sync
reads from there, the bound included.

The clock is read when the source is opened, earlier than the list of transactions: one that has just begun is in the
list before the list is read.

A prepared transaction shows when it was prepared, not when it began. While there is one, the saved cursor stays where it
was, which is below all that it wrote.

A time stamp without zone holds the local time of whoever writes it, and nothing tells which zone a writer's session has (a
driver may set its machine's own). So W is taken there as the clocks of the westernmost zone show it: no writer's is behind
that, in winter or summer. Rows of the last half day are then read again, and left alone where they are equal.

W is a time and can only bound cursors of time. Another cursor (a number) saves the greatest value read: it is sound only
where values are committed in their order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg import sql

from airbyte_local.schema import TIME_CURSOR_KINDS, Column, Kind
from foundation.errors import EltError
from foundation.quoting import visible
from foundation.rows import one_row

CLOCK = "select clock_timestamp()"
WEST = timedelta(hours=-12)  # what the westernmost zone is ahead of UTC

# Autovacuum writes no rows; transactions in other databases write none here.
OLDEST = """
select
    (select min(xact_start) from pg_stat_activity
     where pid <> pg_backend_pid() and backend_type <> 'autovacuum worker'
         and (datid is null or datid = (select oid from pg_database where datname = current_database()))),
    (select string_agg(gid, ', ') from pg_prepared_xacts where database = current_database())
"""

EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Clock:
    """The database's time when the source was opened."""

    now: datetime


@dataclass(frozen=True)
class Watermark:
    """W; what the local time of some writer may be ahead of UTC at least; and whether the saved cursors must stay because
    of prepared transactions (their names).
    """

    at: datetime
    offset: timedelta
    prepared: str | None

    def bound(self, column: Column) -> int:
        """W in the Arrow unit of a cursor: microseconds or days since 1970, the least local time for types without zone.

        It is rounded down as far as the column rounds what is written at W.
        """
        kind, moment = column.type.kind, self.at.astimezone(UTC).replace(tzinfo=None)
        if kind != Kind.TIMESTAMPTZ:
            moment += self.offset
        if kind == Kind.DATE:
            return (moment - EPOCH).days
        reached = _microseconds(moment)
        return reached - reached % _step(column)


def read_clock(connection: psycopg.Connection) -> Clock:
    return Clock(*one_row(connection.execute(CLOCK)))


def read_watermark(connection: psycopg.Connection, clock: Clock) -> Watermark:
    """W, in a statement of its own; call it before the snapshot is taken."""
    oldest, prepared = one_row(connection.execute(OLDEST))
    return Watermark(min(filter(None, (clock.now, oldest))), WEST, prepared)


def next_cursor(column: Column, saved: str | None, greatest: int | None, watermark: Watermark) -> str | None:
    """The cursor to save: least(greatest value read or saved before, W).

    `greatest` is in Arrow's unit (see `Watermark.bound`). With no row read, and with a prepared transaction about, the
    position stays.
    """
    kind = column.type.kind
    if kind not in TIME_CURSOR_KINDS:
        return saved if greatest is None else str(greatest)
    if greatest is None or watermark.prepared:
        return saved
    reached = min(greatest, watermark.bound(column))
    return _text(kind, reached) or saved


def condition(column: Column, saved: str | None) -> sql.Composable:
    """The rows to read: from the saved value on, and those without a value. All of them when nothing is saved."""
    if saved is None:
        return sql.SQL("")
    name = sql.Identifier(column.name)
    bound = sql.SQL("{} >= {}::{}").format(name, sql.Literal(saved), sql.SQL(_CASTS[column.type.kind]))
    if not column.nullable:
        return sql.SQL(" where {}").format(bound)
    return sql.SQL(" where ({} or {} is null)").format(bound, name)


_CASTS = {
    Kind.TIMESTAMP: "timestamp",
    Kind.TIMESTAMPTZ: "timestamptz",
    Kind.DATE: "date",
    Kind.SMALLINT: "bigint",
    Kind.INTEGER: "bigint",
    Kind.BIGINT: "bigint",
}


def check_cursor(label: str, column: Column) -> None:
    """Raises EltError when a column of this type cannot order rows."""
    if column.type.kind not in _CASTS:
        raise EltError(
            f"stream {label}: {visible(column.name)} is {column.source_type}, which cannot be a cursor",
            "choose a column of a timestamp, date or integer type, or sync the stream in full",
        )


def _step(column: Column) -> int:
    """The microseconds that a time stamp is a multiple of; those of a domain may be whole seconds."""
    if not column.source_type.startswith("timestamp"):
        return 10**6
    digits = re.search(r"\((\d)\)", column.source_type)
    return 10 ** (6 - int(digits[1])) if digits else 1


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _text(kind: Kind, value: int) -> str | None:
    """The value as PostgreSQL reads it; None before the year 1, which is then read again from the start."""
    try:
        if kind == Kind.DATE:
            return (date(1970, 1, 1) + timedelta(days=value)).isoformat()
        text = (EPOCH + timedelta(microseconds=value)).isoformat(sep=" ")
    except OverflowError:
        return None
    return text + ("+00" if kind == Kind.TIMESTAMPTZ else "")
