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
from airbyte_local.destinations.base import SyncRecord, Target
from airbyte_local.destinations.duckdb import ddl, merge, state
from airbyte_local.destinations.duckdb.errors import explained, is_locked
from airbyte_local.enums import SyncMode
from airbyte_local.schema import StreamPlan, StreamState
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

    def states(self, connection_id: str) -> dict[tuple[str, str], StreamState]:
        """Where each stream of the connection stands."""
        with self._explaining("reading the state"):
            return state.read_states(self._connection, connection_id)

    def prepare(self, plan: StreamPlan, saved: StreamState) -> Target:
        """Make the stream's table fit. Raises EltError when it cannot."""
        with self._explaining(f"stream {plan.label}"):
            present = self._catalogue.get(ddl.key_of(plan))
            if present is None or plan.mode == SyncMode.FULL_REFRESH_OVERWRITE:
                if plan.target_schema.casefold() not in self._schemas:
                    self._connection.execute(ddl.create_schema(plan.target_schema))
                    self._schemas.add(plan.target_schema.casefold())
                self._connection.execute(ddl.create_table(plan))
                return Target(empty=True, from_start=True)
            added = ddl.missing_columns(plan, present)
            for column in added:
                log.info("%s: new column %s (%s)", plan.label, column.name, column.source_type)
                self._connection.execute(ddl.add_column(plan, column))
            empty = saved.cursor is None and self._is_empty(plan)
            return Target(empty=empty, from_start=bool(added))

    def load(self, plan: StreamPlan, target: Target, batches: Batches, generation_id: int) -> int:
        """Write a stream's rows; returns how many were new or changed."""
        values = {
            "extracted_at": self._extracted_at,
            "meta": json.dumps({"sync_id": self._job_id, "changes": []}),
            "generation": generation_id,
        }
        try:
            self._connection.register(merge.ARRIVING, batches.reader())
            if target.empty:
                return self._connection.execute(merge.insert(plan), values).fetchone()[0]
            self._connection.execute(merge.stage(plan))
            written = self._connection.execute(merge.merge(plan), values).fetchone()[0]
            self._connection.execute(f"drop table {merge.STAGED}")
        except (duckdb.Error, OSError) as error:
            if batches.error is not None:
                raise batches.error from None
            raise explained(error, self._path, f"stream {plan.label}") from error
        finally:
            self._connection.unregister(merge.ARRIVING)
        return written

    def commit(self, record: SyncRecord, states: dict[tuple[str, str], StreamState]) -> None:
        """Data, state and the sync's record, all at once."""
        with self._explaining("committing"):
            state.write(self._connection, record, states, self._extracted_at)
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
