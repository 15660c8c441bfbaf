"""What the warehouse remembers: the state of each stream, every sync, and the steps that a commit leaves to be done."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from airbyte_local.destinations.base import INTERNAL_SCHEMA, SyncRecord
from airbyte_local.destinations.snowflake.account import Link
from airbyte_local.schema import ConnectionState, StreamState
from airbyte_local.states import packed, unpacked

INTERNAL = INTERNAL_SCHEMA.upper()

TABLES = {
    "STATE": "CONNECTION_ID varchar, STREAM_NAMESPACE varchar, STREAM_NAME varchar, STATE variant,"
    " JOB_ID number(19,0), COMMITTED_AT timestamp_tz",
    "SYNCS": "JOB_ID number(19,0), CONNECTION_ID varchar, CONNECTION_NAME varchar, STARTED_AT timestamp_tz,"
    " WATERMARK timestamp_tz, EXTRACTED_AT timestamp_tz, COMMITTED_AT timestamp_tz, ROWS_READ number(19,0),"
    " ROWS_WRITTEN number(19,0), STREAMS variant",
    "LEASES": "CONNECTION_ID varchar, TOKEN varchar, HOLDER varchar, TAKEN_AT timestamp_tz, ATTEMPTS varchar",
    # a table that takes another's place as soon as the transaction that filled it is committed
    "SUCCESSORS": "CONNECTION_ID varchar, SUCCESSOR varchar, TARGET_SCHEMA varchar, TARGET_TABLE varchar",
}

OWN = f"%s in (select right(ATTEMPTS, 32) from {INTERNAL}.LEASES)"  # the transaction is still the one that began


def create(link: Link) -> None:
    """Make what is not there yet."""
    link.safely(f"create schema if not exists {INTERNAL}")
    for name, columns in TABLES.items():
        link.safely(f"create table if not exists {INTERNAL}.{name} ({columns})")


def read(link: Link, connection_id: str) -> ConnectionState:
    """The saved state of a connection. The row without a stream is the source's position."""
    rows = link.rows(
        f"select STREAM_NAMESPACE, STREAM_NAME, STATE from {INTERNAL}.STATE where CONNECTION_ID = %s",
        [connection_id],
    )
    saved = ConnectionState()
    for namespace, name, text in rows:
        if name is None:
            saved.position = unpacked(text)
        else:
            saved.streams[namespace, name] = StreamState(**unpacked(text))
    return saved


def other_with_slot(link: Link, connection_id: str, system: str, slot: str) -> str | None:
    """The id of another connection whose saved position names this slot of this server."""
    found = link.rows(
        f"select CONNECTION_ID from {INTERNAL}.STATE where STREAM_NAME is null and CONNECTION_ID <> %s"
        " and cast(STATE:system as varchar) = %s and cast(STATE:slot as varchar) = %s limit 1",
        [connection_id, system, slot],
    )
    return found[0][0] if found else None


def next_moment(link: Link) -> datetime:
    """Now, and in any case later than every earlier sync, one that failed after a commit included: what is built on
    `_airbyte_extracted_at` misses none.
    """
    ((last,),) = link.run(
        f"select max(M) from (select max(EXTRACTED_AT) as M from {INTERNAL}.SYNCS"
        f" union all select max(COMMITTED_AT) from {INTERNAL}.STATE)"
    ).fetchall()
    now = datetime.now(UTC)
    return now if last is None else max(now, last.astimezone(UTC) + timedelta(microseconds=2))


def write(
    link: Link,
    connection_id: str,
    reached: ConnectionState,
    job_id: int,
    attempt: str,
    extracted_at: datetime,
) -> bool:
    """Replace a connection's state, in the transaction of `attempt`; False when that is not the one that is open.

    It is not older than what was extracted, whatever the clock says.
    """
    rows: list[tuple[str | None, str | None, str]] = [
        (*key, packed(asdict(state))) for key, state in reached.streams.items()
    ]
    if reached.position is not None:
        rows.append((None, None, packed(reached.position)))
    link.run(f"delete from {INTERNAL}.STATE where CONNECTION_ID = %s and {OWN}", [connection_id, attempt])
    if not rows:
        return True
    marks = ", ".join(["(%s, %s, %s)"] * len(rows))
    written = link.run(
        f"insert into {INTERNAL}.STATE select %s, COLUMN1, COLUMN2, parse_json(COLUMN3), %s,"
        f" cast(%s as timestamp_tz) from values {marks} where {OWN}",
        [
            connection_id,
            job_id,
            text_of(max(datetime.now(UTC), extracted_at)),
            *(value for row in rows for value in row),
            attempt,
        ],
    )
    return bool(written.rowcount == len(rows))


def add_record(link: Link, record: SyncRecord, extracted_at: datetime) -> None:
    """Add a sync to the history."""
    moments = (record.started_at, record.watermark, extracted_at, datetime.now(UTC))
    link.run(
        f"insert into {INTERNAL}.SYNCS select %s, %s, %s, {', '.join(['cast(%s as timestamp_tz)'] * 4)}, %s, %s,"
        " parse_json(%s)",
        [
            record.job_id,
            record.connection_id,
            record.connection_name,
            *map(text_of, moments),
            sum(stream["rowsSynced"] for stream in record.streams),
            sum(stream["rowsWritten"] for stream in record.streams),
            json.dumps(record.streams),
        ],
    )


def text_of(moment: datetime) -> str:
    """A moment as Snowflake reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f +00:00")


def successors(link: Link, connection_id: str) -> list[tuple[str, str, str]]:
    """(successor, schema, table) of what the last commit left to be put in place."""
    return link.rows(
        f"select SUCCESSOR, TARGET_SCHEMA, TARGET_TABLE from {INTERNAL}.SUCCESSORS where CONNECTION_ID = %s",
        [connection_id],
    )


def write_successors(link: Link, connection_id: str, rows: list[tuple[str, str, str]]) -> None:
    """Replace that list, in the transaction."""
    link.run(f"delete from {INTERNAL}.SUCCESSORS where CONNECTION_ID = %s", [connection_id])
    if rows:
        marks = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
        values = [value for row in rows for value in (connection_id, *row)]
        link.run(f"insert into {INTERNAL}.SUCCESSORS select * from values {marks}", values)
