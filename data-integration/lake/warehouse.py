"""The lake's tables in the DuckDB warehouse, and which commits are in them: rows and that note commit together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from airbyte_local.destinations.base import EXTRACTED_AT, INTERNAL_SCHEMA, RAW_ID, SyncRecord
from airbyte_local.destinations.duckdb import memory, state
from airbyte_local.destinations.duckdb.ddl import DIALECT, Catalogue, read_catalogue
from airbyte_local.destinations.duckdb.errors import explained
from airbyte_local.destinations.duckdb.session import CONFIG
from airbyte_local.destinations.lake.conform import read
from airbyte_local.destinations.lake.manifests import Manifest, Table, TableKey, moment_of
from foundation.errors import EltError
from foundation.lease import lease
from foundation.quoting import literal, quoted
from foundation.rows import one_row
from foundation.settings import Settings
from foundation.warehouse import open_read_only, wait_until_writable

SCHEMA = f"""
create schema if not exists {INTERNAL_SCHEMA};
create table if not exists {INTERNAL_SCHEMA}.lake_loads (
    connection_id varchar, connection_name varchar, number bigint, manifest_sha256 varchar, extracted_at varchar,
    rows bigint, loaded_at timestamptz
);
create table if not exists {INTERNAL_SCHEMA}.lake_schema_changes (
    connection_id varchar, number bigint, table_schema varchar, table_name varchar, change varchar, column_name varchar,
    was varchar, now varchar, message varchar, extracted_at timestamptz
);
"""


@dataclass(frozen=True)
class Reached:
    """How far a warehouse has loaded a connection."""

    number: int = 0
    extracted_at: str = ""


class Warehouse:
    """The warehouse in one transaction; without `commit` nothing remains."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection, self._path = connection, path
        with self.explaining("preparing"):
            connection.execute("set TimeZone = 'UTC'; begin")
            connection.execute(SCHEMA + state.SCHEMA)
            self._catalogue: Catalogue = read_catalogue(connection)

    def reached(self, connection_id: str) -> Reached:
        """How far the connection is loaded."""
        return _reached(self._connection, connection_id)

    def forget(self, connection_id: str) -> None:
        """The connection is loaded from its beginning next."""
        for table in ("lake_loads", "lake_schema_changes", "syncs"):
            self._connection.execute(
                f"delete from {INTERNAL_SCHEMA}.{table} where connection_id = $1", [connection_id]
            )

    def align(self, table: Table, *, anew: bool = False) -> None:
        """Make the table, or give the one that is there the columns and types that it has in the lake; `anew`: an empty one.

        Raises EltError when another program made it.
        """
        name, key = _name(table.key), (table.schema.casefold(), table.table.casefold())
        present = self._catalogue.get(key)
        with self.explaining(f"table {table.schema}.{table.table}"):
            if present is not None and not DIALECT.is_ours(present):
                raise EltError(
                    f"the table {table.schema}.{table.table} is in the warehouse, and another program made it",
                    "drop or rename it, then load again",
                )
            if present is None or anew:
                columns = ", ".join(f"{quoted(one)} {type_}" for one, type_ in table.columns.items())
                self._connection.execute(f"create schema if not exists {quoted(table.schema)}")
                self._connection.execute(f"create or replace table {name} ({columns})")
            else:
                for column, type_ in table.columns.items():
                    found = present.get(column.casefold())
                    if found is None:
                        self._connection.execute(f"alter table {name} add column {quoted(column)} {type_}")
                    elif found != type_:
                        self._connection.execute(
                            f"alter table {name} alter column {quoted(column)} set data type {type_}"
                        )
        self._catalogue[key] = {column.casefold(): type_ for column, type_ in table.columns.items()}

    def empty(self, key: TableKey) -> None:
        """Take the rows out of a table."""
        with self.explaining(f"table {key[0]}.{key[1]}"):
            self._connection.execute(f"delete from {_name(key)}")

    def insert(self, table: Table, paths: list[Path], first: str, after: str | None) -> int:
        """Add the rows of processed files that are not there yet; `first`: the earliest extraction time in them, `after`: only
        rows extracted later. Returns how many were added."""
        files = read(paths, by_name=True)
        with self.explaining(f"table {table.schema}.{table.table}"):
            there = {name for name, *_ in self._connection.execute(f"describe from {files}").fetchall()}
            columns = {name: type_ for name, type_ in table.columns.items() if name in there}
            names = ", ".join(map(quoted, columns))
            values = ", ".join(f"s.{quoted(name)}::{type_}" for name, type_ in columns.items())
            later = "" if after is None else f" and s.{EXTRACTED_AT} > {_time(after)}"
            added = self._connection.execute(
                f"insert into {_name(table.key)} ({names}) select {values} from {files} as s where not exists ("
                f"select 1 from {_name(table.key)} as t where t.{EXTRACTED_AT} >= {_time(first)}"
                f" and t.{RAW_ID} = s.{RAW_ID}::uuid){later}"
            )
            rows: int = one_row(added)[0]
            return rows

    def note(self, manifest: Manifest, digest: str, number: int, rows: int) -> None:
        """A commit of the lake is loaded: with its schema changes and the record of its sync."""
        self._connection.execute(
            f"insert into {INTERNAL_SCHEMA}.lake_loads values ($1, $2, $3, $4, $5, $6, $7)",
            [
                manifest.connection_id,
                manifest.connection_name,
                number,
                digest,
                manifest.extracted_at,
                rows,
                datetime.now(UTC),
            ],
        )
        at = moment_of(manifest.extracted_at)
        found = [(part.schema, part.table, change) for part in manifest.parts for change in part.changes]
        found += [("", name, change) for name, change in manifest.refused]
        for schema, table, change in found:
            self._connection.execute(
                f"insert into {INTERNAL_SCHEMA}.lake_schema_changes values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                [
                    manifest.connection_id,
                    number,
                    schema,
                    table,
                    change.change,
                    change.column,
                    change.was,
                    change.now,
                    change.message,
                    at,
                ],
            )
        if manifest.record is not None:
            times = ("started_at", "watermark")
            values = manifest.record | {name: datetime.fromisoformat(manifest.record[name]) for name in times}
            state.add_record(self._connection, SyncRecord(**values), at)

    def commit(self) -> None:
        with self.explaining("committing"):
            self._connection.execute("commit")

    @contextmanager
    def explaining(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, OSError) as error:
            raise explained(error, self._path, doing) from error


@contextmanager
def opened(config: Settings, owner: str) -> Iterator[Warehouse]:
    """The warehouse's file under its lease. Raises EltError: in use by whom, disk full; WarehouseInUseError."""
    if config.dbt_target == "snowflake":
        raise EltError(
            "the loader writes the DuckDB warehouse; in Snowflake the lake's tables are read where they are",
            "see docs/lake.md, Snowflake",
        )
    path = config.warehouse_path
    with lease(path, owner, config.elt_lease_wait_seconds):
        if path.exists():
            wait_until_writable(path, time.monotonic() + config.elt_lease_wait_seconds)
        try:
            connection = duckdb.connect(path, config=CONFIG | {"memory_limit": f"{memory.megabytes()}MB"})
        except duckdb.Error as error:
            raise explained(error, path, "opening it") from None
        try:
            yield Warehouse(connection, path)
        finally:
            connection.close()


def reached(path: Path, connection_id: str) -> Reached:
    """How far a warehouse has loaded a connection, asked without writing; nothing where there is no warehouse yet."""
    if not path.exists():
        return Reached()
    with open_read_only(path, "elt lake") as connection:
        there = connection.execute(
            "select 1 from duckdb_tables() where schema_name = $1 and table_name = 'lake_loads'",
            [INTERNAL_SCHEMA],
        ).fetchone()
        if there is None:
            return Reached()
        return _reached(connection, connection_id)


def _reached(connection: duckdb.DuckDBPyConnection, connection_id: str) -> Reached:
    found = connection.execute(
        f"select number, extracted_at from {INTERNAL_SCHEMA}.lake_loads where connection_id = $1"
        " order by number desc limit 1",
        [connection_id],
    ).fetchone()
    return Reached(*found) if found else Reached()


def _name(key: TableKey) -> str:
    return f"{quoted(key[0])}.{quoted(key[1])}"


def _time(told: str) -> str:
    return f"{literal(moment_of(told).isoformat())}::timestamptz"
