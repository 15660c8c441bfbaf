"""The DuckDB file in one transaction, under the lease of the warehouse."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from airbyte_local.batches import Batches
from airbyte_local.destinations.base import SyncRecord, Target, Write
from airbyte_local.destinations.duckdb import ddl, merge, state
from airbyte_local.destinations.duckdb.errors import explained, is_locked
from airbyte_local.destinations.duckdb.types import quoted
from airbyte_local.schema import ConnectionState, StreamPlan, StreamState
from elt.lease import holder, lease

log = logging.getLogger(__name__)

LEASE_WAIT_VARIABLE = "AIRBYTE_LEASE_WAIT_SECONDS"
LEASE_WAIT_SECONDS = 300.0

CONFIG = {
    "memory_limit": "640MB",
    "preserve_insertion_order": "false",  # parallel, and less to hold back
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class DuckdbDestination:
    """A configured file."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.path = Path(configuration["destination_path"])
        self.default_schema = configuration.get("schema") or "main"

    check_names = staticmethod(ddl.check_names)

    @contextmanager
    def open(self, job_id: int) -> Iterator[DuckdbSession]:
        """The session, while this job alone may write. Raises EltError: in use by whom, disk full."""
        wait = float(os.environ.get(LEASE_WAIT_VARIABLE, LEASE_WAIT_SECONDS))
        deadline = time.monotonic() + wait
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explained(error, self.path, "creating its folder") from None
        if owner := holder(self.path):
            log.info("waiting up to %.0f s for the warehouse: in use by %s", wait, owner)
        with lease(self.path, f"sync job {job_id}", wait):
            connection = self._connect(deadline)
            try:
                yield DuckdbSession(connection, self.path, job_id)
            finally:
                connection.close()

    def _connect(self, deadline: float) -> duckdb.DuckDBPyConnection:
        """Open the file; a program that reads it for a moment without the lease is waited for."""
        while True:
            try:
                return duckdb.connect(self.path, config=CONFIG)
            except duckdb.Error as error:
                if not is_locked(error) or time.monotonic() > deadline:
                    raise explained(error, self.path, "opening it") from None
            time.sleep(0.2)


class DuckdbSession:
    """One transaction; without `commit` nothing of it remains."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path, job_id: int) -> None:
        self._connection, self._path, self._job_id = connection, path, job_id
        with self._explaining("preparing the sync"):
            connection.execute("set TimeZone = 'UTC'; begin")
            self._catalogue = ddl.read_catalogue(connection)
            if not {("airbyte_internal", "state"), ("airbyte_internal", "syncs")} <= self._catalogue.keys():
                connection.execute(state.SCHEMA)
            self._extracted_at = state.next_moment(connection)
        self._schemas = {schema for schema, _ in self._catalogue}

    def state(self, connection_id: str) -> ConnectionState:
        """Where the connection and each of its streams stand."""
        with self._explaining("reading the state"):
            return state.read(self._connection, connection_id)

    def fitting(self, plan: StreamPlan, saved: StreamState, anew: bool) -> Target:
        """What is to be done to the stream's table; with `anew` it is replaced. Raises EltError when it cannot fit."""
        with self._explaining(f"stream {plan.label}"):
            present = self._catalogue.get(ddl.key_of(plan))
            if present is not None and saved.cursor is None and ddl.is_ours(present) and self._is_empty(plan):
                present = None
            return ddl.fitting(plan, present, saved, anew)

    def prepare(self, plan: StreamPlan, target: Target) -> None:
        """Create the stream's table, or make the one that is there fit."""
        with self._explaining(f"stream {plan.label}"):
            if target.create:
                if plan.target_schema.casefold() not in self._schemas:
                    self._connection.execute(ddl.create_schema(plan.target_schema))
                    self._schemas.add(plan.target_schema.casefold())
                self._connection.execute(ddl.create_table(plan))
                return
            for statement in ddl.alterations(plan, target):
                log.info("%s: %s", plan.label, statement)
                self._connection.execute(statement)

    def load(self, plan: StreamPlan, target: Target, batches: Batches, saved: StreamState) -> int:
        """Write a stream's rows; returns how many were new or changed."""
        values = {
            "extracted_at": self._extracted_at,
            "meta": json.dumps({"sync_id": self._job_id, "changes": []}),
            "generation": saved.generation_id,
        }
        try:
            self._connection.register(merge.ARRIVING, batches.reader())
            if target.write == Write.INSERT:
                return self._connection.execute(merge.insert(plan, target), values).fetchone()[0]
            self._connection.execute(merge.stage(plan, target))
            if target.write == Write.APPEND:
                statement = merge.append(plan, target, saved.cursor)
            else:
                statement = merge.merge(plan, target)
            written = self._connection.execute(statement, values).fetchone()[0]
            self._connection.execute(f"drop table {merge.STAGED}")
        except (duckdb.Error, OSError) as error:
            if batches.error is not None:
                raise batches.error from None
            raise explained(error, self._path, f"stream {plan.label}") from error
        finally:
            self._connection.unregister(merge.ARRIVING)
        return written

    def clear(self, schema: str, table: str) -> int:
        """Take all rows out of a table; returns how many there were. A table that is not there has none."""
        present = self._catalogue.get((schema.casefold(), table.casefold()))
        if present is None or not ddl.is_ours(present):
            return 0
        with self._explaining(f"table {schema}.{table}"):
            return self._connection.execute(f"delete from {quoted(schema)}.{quoted(table)}").fetchone()[0]

    def commit(self, connection_id: str, reached: ConnectionState, record: SyncRecord | None = None) -> None:
        """Data, state and, of a sync, its record, all at once."""
        with self._explaining("committing"):
            state.write(self._connection, connection_id, reached, self._job_id)
            if record is not None:
                state.add_record(self._connection, record, self._extracted_at)
            self._connection.execute("commit")

    def _is_empty(self, plan: StreamPlan) -> bool:
        query = f"select not exists (select 1 from {ddl.table_name(plan)})"
        return self._connection.execute(query).fetchone()[0]

    @contextmanager
    def _explaining(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, OSError) as error:
            raise explained(error, self._path, doing) from error
