"""The DuckDB file in one transaction, under the lease of the warehouse."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from airbyte_local.batches import Batches
from airbyte_local.destinations.base import Moment, SyncRecord, Target, Write
from airbyte_local.destinations.duckdb import captured_changes, ddl, memory, merge, state
from airbyte_local.destinations.duckdb.ddl import DIALECT
from airbyte_local.destinations.duckdb.drafts import Drafts
from airbyte_local.destinations.duckdb.errors import explained, is_locked
from airbyte_local.destinations.duckdb.waiting import Waiting
from airbyte_local.destinations.fitting import check_names, fitting, key_of
from airbyte_local.schema import ConnectionState, StreamPlan, StreamState
from airbyte_local.sources.base import ChangeBatch, Truncated
from foundation.errors import EltError
from foundation.lease import holder, lease
from foundation.quoting import quoted, visible
from foundation.rows import one_row
from foundation.warehouse import NEW_FILE

log = logging.getLogger(__name__)

DATABASES = frozenset({"system", "temp", "information_schema", "pg_catalog"})  # DuckDB's own, and views of it
LEASE_WAIT_VARIABLE = "AIRBYTE_LEASE_WAIT_SECONDS"
LEASE_WAIT_SECONDS = 300.0

CONFIG = NEW_FILE | {
    "preserve_insertion_order": "false",  # parallel, and less to hold back
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class DuckdbDestination:
    """A configured file."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.path = Path(configuration["destination_path"])
        self.default_schema = configuration.get("schema") or "main"

    @staticmethod
    def fold(name: str) -> str:
        """A name as the destination compares it."""
        return DIALECT.fold(name)

    def check_names(self, plans: Iterable[StreamPlan]) -> None:
        """Raises EltError when names would be one in DuckDB, or DuckDB would take a schema for a database."""
        plans = list(plans)
        taken = DATABASES | {self.fold(self.path.name.partition(".")[0])}
        for plan in plans:
            if self.fold(plan.target_schema) in taken:
                raise EltError(
                    f"stream {plan.label}: in {self.path.name} DuckDB takes the schema {visible(plan.target_schema)} for a database",
                    "give the connection another namespaceFormat, or the destination's file another name",
                )
        check_names(DIALECT, plans)

    @contextmanager
    def open(self, connection_id: str, job_id: int, connection_name: str = "") -> Iterator[DuckdbSession]:
        """The session, while this job alone may write. Raises EltError: in use by whom, disk full."""
        wait = float(os.environ.get(LEASE_WAIT_VARIABLE) or LEASE_WAIT_SECONDS)
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
                session = DuckdbSession(connection, self.path, connection_id, job_id)
                try:
                    yield session
                finally:
                    session.abandon()
            finally:
                connection.close()

    def _connect(self, deadline: float) -> duckdb.DuckDBPyConnection:
        """Open the file; a program that reads it for a moment without the lease is waited for."""
        while True:
            try:
                return duckdb.connect(self.path, config=CONFIG | {"memory_limit": f"{memory.megabytes()}MB"})
            except duckdb.Error as error:
                if not is_locked(error) or time.monotonic() > deadline:
                    raise explained(error, self.path, "opening it") from None
            time.sleep(0.2)


def width(plan: StreamPlan) -> int:
    """The columns of the stream's table."""
    return len(plan.columns) + len(DIALECT.extra_types(plan))


class DuckdbSession:
    """Without `commit` nothing remains."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, path: Path, connection_id: str, job_id: int
    ) -> None:
        self._connection, self._path = connection, path
        self._connection_id, self._job_id = connection_id, job_id
        self._drafts, self._waiting = Drafts(connection, memory.megabytes() * 10**6), Waiting(connection)
        self._unaltered: dict[tuple[str, str], tuple[StreamPlan, Target]] = {}  # whose tables do not fit yet
        with self._explaining("preparing the sync"):
            connection.execute("set TimeZone = 'UTC'; begin")
            self._catalogue = ddl.read_catalogue(connection)
            self._drafts.drop_left(self._catalogue)
            if not {("airbyte_internal", "state"), ("airbyte_internal", "syncs")} <= self._catalogue.keys():
                connection.execute(state.SCHEMA)
            self._extracted_at = state.next_moment(connection)
        self._schemas = {schema for schema, _ in self._catalogue}
        self._stages: dict[tuple[str, str], str] = {}  # the staging table of each captured stream
        # of each with rows in it: the columns, by number, that some row left unchanged
        self._staged: dict[tuple[str, str], set[int]] = {}
        self._truncated: dict[tuple[str, str], Truncated] = {}

    def state(self) -> ConnectionState:
        """The saved state of the connection and of each of its streams."""
        with self._explaining("reading the state"):
            return state.read(self._connection, self._connection_id)

    def fitting(self, plan: StreamPlan, saved: StreamState, refresh: bool) -> Target:
        """What is to be done to the stream's table; with `refresh` it is replaced. Raises EltError when it cannot fit."""
        with self._explaining(plan):
            present = self._catalogue.get(key_of(DIALECT, plan))
            unused = saved.cursor is None and saved.blob is None
            unused = unused and (saved.columns is None or not plan.read.captured)
            if present is not None and unused and DIALECT.is_ours(present) and self._is_empty(plan):
                present = None
            self._drafts.plan(plan, width(plan))
            return fitting(DIALECT, plan, present, saved, refresh)

    def order(self, plans: Iterable[StreamPlan]) -> list[StreamPlan]:
        """The streams as they are best loaded: a large table, which is written in place, after what may be committed before."""
        return sorted(plans, key=self._drafts.size) if self._drafts.needed else list(plans)

    def prepare(self, plan: StreamPlan, target: Target) -> None:
        """Create the stream's table, or make the one that is there fit."""
        with self._explaining(plan):
            if not target.create:
                if target.add or target.retype:
                    self._unaltered[plan.key] = plan, target
                if not self._drafts.needed:
                    self._alter(plan, ddl.table_name(plan))
                return
            if plan.target_schema.casefold() not in self._schemas:
                self._connection.execute(ddl.create_schema(plan.target_schema))
                self._schemas.add(plan.target_schema.casefold())
            if self._drafts.needed:
                table = self._drafts.name(plan)
                self._connection.execute(ddl.create_table(plan, table))
                self._drafts.put(plan, table)
            else:
                self._connection.execute(ddl.create_table(plan, ddl.table_name(plan)))

    def _alter(self, plan: StreamPlan, table: str) -> None:
        """Make the stream's table fit, or a draft of the same columns."""
        _, target = self._unaltered.pop(plan.key, (plan, None))
        for statement in ddl.alterations(target, table) if target else ():
            log.info("%s: %s", plan.label, statement)
            self._connection.execute(statement)

    @contextmanager
    def _writing(self, plan: StreamPlan, adding: bool = False) -> Iterator[tuple[str, str]]:
        """The table with the stream's rows, and the one to write: the same, or an empty draft that takes its place then.

        `adding`: rows only come, none goes.
        """
        table, draft = ddl.table_name(plan), self._drafts.current(plan)
        if draft is None and not self._drafts.wants(plan, width(plan)):
            self._drafts.alone = False
            self._alter(plan, table)
            yield table, table
            return
        if draft is None and (adding or plan.key in self._unaltered):
            draft = self._like(plan, table)
            self._alter(plan, draft)
            self._connection.execute(merge.keep(plan, table, draft))
            self._drafts.put(plan, draft)
        old = draft or table
        if adding:
            yield old, old
        else:
            new = self._like(plan, old)
            yield old, new
            self._drafts.put(plan, new)
        self._drafts.relieve()

    def _like(self, plan: StreamPlan, table: str) -> str:
        """An empty draft with the columns of a table."""
        name = self._drafts.name(plan)
        self._connection.execute(f"create table {name} as from {table} limit 0")
        return name

    def load(
        self,
        plan: StreamPlan,
        target: Target,
        batches: Batches,
        saved: StreamState,
        moment: Moment | None = None,
    ) -> int:
        """Write a stream's rows; returns how many were new or changed. `moment`: of a captured stream, which is whole."""
        values = self._metadata(saved)
        whole = values | ({"lsn": moment.lsn, "at": moment.at} if moment and plan.captured else {})
        try:
            self._connection.register(merge.ARRIVING, batches.reader())
            with self._writing(plan, adding=target.write != Write.MERGE) as (old, table):
                if target.write == Write.INSERT:
                    return self._count(merge.insert(plan, target, table), whole)
                self._connection.execute(merge.stage(plan, target))
                # before unneeded rows leave the stage
                written = self._sweep(plan, target, old, table, whole) if plan.captured else 0
                if target.write == Write.APPEND:
                    written += self._count(merge.append(plan, target, table, saved.cursor), values)
                else:
                    for statement in merge.drop_unneeded(plan, target, old):
                        self._connection.execute(statement)
                    self._make_way(plan, old, table, merge.STAGED, swept=plan.captured)
                    written += self._count(merge.write(plan, table), whole)
                self._connection.execute(f"drop table {merge.STAGED}")
        except (duckdb.Error, OSError) as error:
            if batches.error is not None:
                raise batches.error from None
            raise explained(error, self._path, plan) from error
        finally:
            self._connection.unregister(merge.ARRIVING)
        return written

    def _sweep(self, plan: StreamPlan, target: Target, old: str, table: str, values: dict[str, Any]) -> int:
        """Mark rows that are not among the staged ones as deleted: the source no longer has them."""
        deleted = merge.delete_all(plan, target, old) if old == table else merge.deleted(plan, old, table)
        return self._count(f"{deleted} and {merge.absent(plan)}", values)

    def _make_way(self, plan: StreamPlan, old: str, table: str, rows: str, swept: bool = False) -> None:
        """Take the keys of `rows` out of the table, or all others into the draft; `swept`: which has rows already."""
        if old == table:
            self._connection.execute(merge.remove(plan, table, rows))
        else:
            self._connection.execute(merge.keep(plan, old, table, rows, *([table] if swept else [])))

    def stage(self, change: ChangeBatch | Truncated) -> None:
        """Keep changes of a stream until they are applied."""
        plan = change.plan
        with self._explaining(plan):
            if isinstance(change, Truncated):
                self._waiting.drop(plan.key)
                self._staged.pop(plan.key, None)
                self._connection.execute(f"drop table if exists temp.{self._stage_name(plan)}")
                self._truncated[plan.key] = change
                return
            if not self._waiting.add(plan.key, change.batch):
                self._to_table(plan)
            unchanged = self._staged.setdefault(plan.key, set())
            for flags in change.batch.column("unchanged").unique().drop_null().to_pylist():
                unchanged.update(index for index, flag in enumerate(flags) if flag == "1")

    def _to_table(self, plan: StreamPlan) -> str:
        """Bring the changes that wait into the stream's staging table; returns its name."""
        stage = self._stage_name(plan)
        for batch in self._waiting.take(plan.key):
            # not registered under a name: that would keep each batch in memory until the transaction ends
            self._connection.execute(captured_changes.create_stage(stage, batch.schema))
            self._connection.from_arrow(batch).insert_into(stage)
        return stage

    def apply(self, plan: StreamPlan, target: Target, saved: StreamState) -> int:
        """Bring the staged changes of a stream into its table; returns how many rows were written."""
        values, written = self._metadata(saved), 0
        with self._explaining(plan):
            if truncated := self._truncated.pop(plan.key, None):
                moment = values | {"lsn": truncated.lsn, "at": truncated.at}
                with self._writing(plan) as (old, table):
                    if old == table:
                        written += self._count(merge.delete_all(plan, target, table), moment)
                    else:
                        written += self._count(merge.deleted(plan, old, table), moment)
                        self._connection.execute(merge.keep(plan, old, table, table))
            unchanged = self._staged.pop(plan.key, None)
            if unchanged is not None:
                stage = self._to_table(plan)
                with self._writing(plan) as (old, table):
                    self._connection.execute(
                        captured_changes.resolve(plan, target, old, stage, sorted(unchanged))
                    )
                    self._connection.execute(f"drop table temp.{stage}")
                    self._connection.execute(captured_changes.drop_unknown(plan, old))
                    self._make_way(plan, old, table, captured_changes.RESOLVED)
                    written += self._count(captured_changes.write(plan, table), values)
                    self._connection.execute(f"drop table {captured_changes.RESOLVED}")
        return written

    def settle(self) -> dict[tuple[str, str], int]:
        """Nothing is left to do: rows go straight into their tables here."""
        return {}

    def other_with_slot(self, system: str, slot: str) -> str | None:
        """Another connection that captures through the same slot of the same server, if this warehouse knows one."""
        with self._explaining("reading the state"):
            return state.other_with_slot(self._connection, self._connection_id, system, slot)

    def _metadata(self, saved: StreamState) -> dict[str, Any]:
        return {
            "extracted_at": self._extracted_at,
            "meta": json.dumps({"sync_id": self._job_id, "changes": []}),
            "generation": saved.generation_id,
        }

    def _count(self, statement: str, values: dict[str, Any]) -> int:
        rows: int = one_row(self._connection.execute(statement, values))[0]
        return rows

    def _stage_name(self, plan: StreamPlan) -> str:
        return self._stages.setdefault(plan.key, f"changes_{len(self._stages)}")

    def clear(self, schema: str, table: str) -> int:
        """Take all rows out of a table; returns how many there were. A table that is not there has none."""
        present = self._catalogue.get((schema.casefold(), table.casefold()))
        if present is None or not DIALECT.is_ours(present):
            return 0
        with self._explaining(f"table {schema}.{table}"):
            return self._count(f"delete from {quoted(schema)}.{quoted(table)}", {})

    def commit(self, reached: ConnectionState, record: SyncRecord | None = None) -> None:
        """Data, state and, of a sync, its record, all at once; then the next transaction begins."""
        with self._explaining("committing"):
            for plan, _ in list(self._unaltered.values()):
                self._alter(plan, ddl.table_name(plan))
            self._drafts.take_place()
            key, at = self._connection_id, self._extracted_at
            state.write(self._connection, key, reached, self._job_id, at)
            if record is not None:
                state.add_record(self._connection, record, at)
            self._connection.execute("commit; begin")
            self._drafts.alone = True

    def abandon(self) -> None:
        """Leave nothing that was not committed as a part of a sync."""
        with suppress(duckdb.Error):  # then the next session does it
            self._drafts.abandon()

    def _is_empty(self, plan: StreamPlan) -> bool:
        query = f"select not exists (select 1 from {ddl.table_name(plan)})"
        empty: bool = one_row(self._connection.execute(query))[0]
        return empty

    @contextmanager
    def _explaining(self, doing: str | StreamPlan) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, OSError) as error:
            raise explained(error, self._path, doing) from error
