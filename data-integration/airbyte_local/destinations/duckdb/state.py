"""What the warehouse remembers: the state of each stream, and every sync. Written in the transaction of the data."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import duckdb

from airbyte_local.destinations.base import INTERNAL_SCHEMA, SyncRecord
from airbyte_local.schema import ConnectionState, StreamState
from airbyte_local.states import packed, unpacked
from foundation.rows import one_row

SCHEMA = f"""
create schema if not exists {INTERNAL_SCHEMA};
create table if not exists {INTERNAL_SCHEMA}.state (
    connection_id varchar, stream_namespace varchar, stream_name varchar, state json, job_id bigint,
    committed_at timestamptz
);
create table if not exists {INTERNAL_SCHEMA}.syncs (
    job_id bigint, connection_id varchar, connection_name varchar, started_at timestamptz, watermark timestamptz,
    extracted_at timestamptz, committed_at timestamptz, rows_read bigint, rows_written bigint, streams json
);
"""


def read(connection: duckdb.DuckDBPyConnection, connection_id: str) -> ConnectionState:
    """The saved state of a connection. The row without a stream is the source's position."""
    rows = connection.execute(
        f"select stream_namespace, stream_name, state from {INTERNAL_SCHEMA}.state where connection_id = $1",
        [connection_id],
    ).fetchall()
    saved = ConnectionState()
    for namespace, name, text in rows:
        if name is None:
            saved.position = unpacked(text)
        else:
            saved.streams[namespace, name] = StreamState(**unpacked(text))
    return saved


def other_with_slot(
    connection: duckdb.DuckDBPyConnection, connection_id: str, system: str, slot: str
) -> str | None:
    """The id of another connection whose saved position names this slot of this server."""
    found = connection.execute(
        f"select connection_id from {INTERNAL_SCHEMA}.state where stream_name is null and connection_id <> $1"
        " and (state ->> 'system') = $2 and (state ->> 'slot') = $3 limit 1",
        [connection_id, system, slot],
    ).fetchone()
    return found[0] if found else None


def next_moment(connection: duckdb.DuckDBPyConnection) -> datetime:
    """Now, and in any case later than every earlier sync, one that failed after a commit included: what is built on
    `_airbyte_extracted_at` misses none.
    """
    query = (
        f"select epoch_us(greatest((select max(extracted_at) from {INTERNAL_SCHEMA}.syncs),"
        f" (select max(committed_at) from {INTERNAL_SCHEMA}.state)))"
    )
    (last,) = one_row(connection.execute(query))
    now = datetime.now(UTC)
    return (
        now if last is None else max(now, datetime.fromtimestamp(last / 1e6, UTC) + timedelta(microseconds=2))
    )


def write(
    connection: duckdb.DuckDBPyConnection,
    connection_id: str,
    reached: ConnectionState,
    job_id: int,
    extracted_at: datetime,
) -> None:
    """Replace a connection's state. It is not older than what was extracted, whatever the clock says."""
    rows: list[list[str | None]] = [[*key, packed(asdict(state))] for key, state in reached.streams.items()]
    if reached.position is not None:
        rows.append([None, None, packed(reached.position)])
    connection.execute(f"delete from {INTERNAL_SCHEMA}.state where connection_id = $1", [connection_id])
    connection.execute(
        f"insert into {INTERNAL_SCHEMA}.state"
        " select $connection, r[1], r[2], r[3]::json, $job, $now from (select unnest($rows::varchar[][]) as r)",
        {
            "connection": connection_id,
            "job": job_id,
            "now": max(datetime.now(UTC), extracted_at),
            "rows": rows,
        },
    )


def add_record(connection: duckdb.DuckDBPyConnection, record: SyncRecord, extracted_at: datetime) -> None:
    """Add a sync to the history."""
    connection.execute(
        f"insert into {INTERNAL_SCHEMA}.syncs values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::json)",
        [
            record.job_id,
            record.connection_id,
            record.connection_name,
            record.started_at,
            record.watermark,
            extracted_at,
            datetime.now(UTC),
            sum(stream["rowsSynced"] for stream in record.streams),
            sum(stream["rowsWritten"] for stream in record.streams),
            json.dumps(record.streams),
        ],
    )
