"""A job's work in Snowflake: everything that is DDL first, then one transaction.

Rows go into stage tables as they come. `settle` opens the transaction and brings them into their tables, `commit` adds
state and record and ends it. A table that gets another shape is filled as a successor, which takes its
place right after the commit, or when the connection's next job begins.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from airbyte_local.batches import Batches
from airbyte_local.destinations.base import Moment, SyncRecord, Target, Write
from airbyte_local.destinations.fitting import check_names, fitting, key_of
from airbyte_local.destinations.snowflake import captured_changes, ddl, merge, state
from airbyte_local.destinations.snowflake.account import Account, Link
from airbyte_local.destinations.snowflake.ddl import DIALECT
from airbyte_local.destinations.snowflake.errors import LostError, unreachable
from airbyte_local.destinations.snowflake.files import Upload
from airbyte_local.destinations.snowflake.lease import Lease, safe
from airbyte_local.destinations.snowflake.merge import Stamp
from airbyte_local.destinations.snowflake.quoting import named
from airbyte_local.destinations.snowflake.state import INTERNAL
from airbyte_local.schema import ConnectionState, StreamPlan, StreamState, label
from airbyte_local.sources.base import ChangeBatch, Truncated
from foundation.errors import EltError
from foundation.scratch import scratch

log = logging.getLogger(__name__)

LEASE_WAIT_VARIABLE = "AIRBYTE_LEASE_WAIT_SECONDS"
LEASE_WAIT_SECONDS = 300.0
TRIES = 3  # of the transaction, each in a session of its own

Key = tuple[str, str]
T = TypeVar("T")


class SnowflakeDestination:
    """A configured database."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.account = Account.of(configuration)
        self.default_schema = configuration.get("schema") or "PUBLIC"
        self.retention_days = int(configuration.get("retention_period_days", 1))

    @staticmethod
    def fold(name: str) -> str:
        """A name as the destination compares it."""
        return DIALECT.fold(name)

    def check_names(self, plans: Iterable[StreamPlan]) -> None:
        """Raises EltError when names would be one in upper case."""
        check_names(DIALECT, plans)

    @contextmanager
    def open(self, connection_id: str, job_id: int, connection_name: str = "") -> Iterator[SnowflakeSession]:
        """The session. Raises EltError: not reached, login refused."""
        wait = float(os.environ.get(LEASE_WAIT_VARIABLE) or LEASE_WAIT_SECONDS)
        link = Link(self.account, job_id, wait)
        session = SnowflakeSession(link, connection_id, job_id, self.retention_days)
        try:
            yield session
        except EltError:
            session.check_lease()  # when another job took it, that is the reason
            raise
        finally:
            session.close()


@dataclass(frozen=True)
class Step:
    """A statement of the transaction, made when its moment is known; whether its rows count as written."""

    key: Key
    sql: Callable[[datetime], str]
    counts: bool = True


class SnowflakeSession:
    """One job's session; without `commit` nothing of it remains."""

    def __init__(self, link: Link, connection_id: str, job_id: int, retention_days: int) -> None:
        self._link, self._job_id, self._retention_days = link, job_id, retention_days
        self._connection_id, self._run = connection_id, uuid.uuid4().hex.upper()
        self._lease = Lease(link, connection_id, job_id)
        self._open = ExitStack()
        self._folder = self._open.enter_context(scratch("job-snowflake"))
        self._catalogues: dict[str, dict[str, dict[str, str]]] = {}
        self._tables: dict[Key, str] = {}  # where each stream's rows go: its table, or that one's successor
        self._targets: dict[Key, Target] = {}
        self._successors: list[tuple[str, str, str]] = []
        self._unplaced: list[tuple[str, str, str]] = []  # committed, and not yet in the place of their tables
        self._uploads: dict[Key, Upload] = {}
        self._pending: dict[Key, captured_changes.Pending] = {}
        self._steps: list[Step] = []
        self._staging = False
        self._moment: datetime | None = (
            None  # of the open transaction, which its rows carry; None: there is none
        )
        self._committing = False

    # -- before

    def state(self) -> ConnectionState:
        """Take the lease, put in order what an earlier job left, and read the saved state of the connection and its streams."""
        self._link.tag(connection=self._connection_id)
        with self._link.at("preparing the sync"):
            if not state.TABLES.keys() <= ddl.read_catalogue(self._link, INTERNAL).keys():
                state.create(self._link)
            self._lease.take()
            present = self._catalogue(INTERNAL)  # as the job left it whose commit this one has waited for
            self._put_successors_in_place(state.successors(self._link, self._connection_id), present)
            for table in present:
                if table.startswith(self._successor_prefix):
                    self._link.safely(f"drop table if exists {named(INTERNAL, table)}")
            for schema in ddl.schemas(self._link, self._stage_prefix):
                self._link.safely(f"drop schema if exists {schema}")
            return state.read(self._link, self._connection_id)

    @property
    def _stage_prefix(self) -> str:
        return f"AIRBYTE_STAGE_{safe(self._connection_id)}_"

    @property
    def _stage_schema(self) -> str:
        """This job's schema for what is only on its way. It is transient, goes as a whole, and needs no quotes.

        A job that tidies up after its commit leaves alone what the connection's next job has staged meanwhile.
        """
        return self._stage_prefix + self._run

    @property
    def _successor_prefix(self) -> str:
        return f"SUCCESSOR_{safe(self._connection_id)}_"

    def _catalogue(self, schema: str) -> dict[str, dict[str, str]]:
        if schema not in self._catalogues:
            self._catalogues[schema] = ddl.read_catalogue(self._link, schema)
        return self._catalogues[schema]

    def _present(self, plan: StreamPlan) -> dict[str, str] | None:
        schema, table = key_of(DIALECT, plan)
        return self._catalogue(schema).get(table)

    def fitting(self, plan: StreamPlan, saved: StreamState, refresh: bool) -> Target:
        """What is to be done to the stream's table; with `refresh` it is replaced. Raises EltError when it cannot fit."""
        with self._link.at(f"stream {plan.label}"):
            present = self._present(plan)
            unused = saved.cursor is None and saved.blob is None
            unused = unused and (saved.columns is None or not plan.read.captured)
            if present is not None and unused and DIALECT.is_ours(present) and self._is_empty(plan):
                present = None
            target = fitting(DIALECT, plan, present, saved, refresh)
            if target.create or saved.columns is None:
                return target
            # a column that a job added which was killed before it could fill it is still to be added
            named_already = {name for name, _ in target.add}
            again = tuple(
                (column.name, target.types[column.name])
                for column in plan.columns
                if column.name not in saved.columns and column.name not in named_already
            )
            return replace(target, add=target.add + again)

    def _is_empty(self, plan: StreamPlan) -> bool:
        return not self._link.rows(f"select 1 from {ddl.table_name(plan)} limit 1")

    def order(self, plans: Iterable[StreamPlan]) -> list[StreamPlan]:
        """Any order is good."""
        return list(plans)

    def prepare(self, plan: StreamPlan, target: Target) -> None:
        """Create the stream's table, or make the one that is there fit; or begin a successor to it."""
        table = ddl.table_name(plan)
        with self._link.at(f"stream {plan.label}"):
            self._targets[plan.key], self._tables[plan.key] = target, table
            present = self._present(plan)
            if present is None:
                schema, _ = key_of(DIALECT, plan)
                if not self._catalogue(schema):
                    self._link.safely(ddl.create_schema(plan.target_schema))
                self._create(table, ddl.shape(plan))
            elif target.create:
                if list(present.items()) == list(ddl.shape(plan).items()):
                    self._steps.append(Step(plan.key, lambda _: f"delete from {table}", counts=False))
                else:
                    self._begin_successor(plan, ddl.shape(plan))
            elif ddl.can_stay(present, target):
                for statement in ddl.alterations(plan, target):
                    log.info("%s: %s", plan.label, statement)
                    self._link.safely(statement, stream=plan.label)
            else:
                types = ddl.altered(present, target)
                successor = self._begin_successor(plan, types)
                moved = ddl.move_rows(table, present, successor, types)
                self._steps.append(Step(plan.key, lambda _: moved, counts=False))

    def _create(self, table: str, types: dict[str, str]) -> None:
        self._link.safely(ddl.create_table(table, types, self._retention_days))

    def _begin_successor(self, plan: StreamPlan, types: dict[str, str]) -> str:
        name = f"{self._successor_prefix}{uuid.uuid4().hex.upper()}"
        self._successors.append((name, *key_of(DIALECT, plan)))
        successor = self._tables[plan.key] = named(INTERNAL, name)
        log.info("%s: its table gets another shape and is replaced after the commit", plan.label)
        self._create(successor, types)
        return successor

    # -- rows on their way

    def load(
        self,
        plan: StreamPlan,
        target: Target,
        batches: Batches,
        saved: StreamState,
        moment: Moment | None = None,
    ) -> int:
        """Upload a stream's rows to its stage table; returns 0, because `settle` writes and counts them.

        `moment`: when the rows of a captured stream were read, which is then read as a whole.
        """
        with self._link.at(f"stream {plan.label}"):
            upload = self._upload(plan, merge.stage_types(plan, target))
            try:
                for batch in batches.reader():
                    upload.add(merge.filed_rows(batch, plan, target))
            except Exception:
                if batches.error is not None:
                    raise batches.error from None
                raise
            upload.finish()
        self._add_load(plan, target, upload.table, saved, moment)
        return 0

    def _add_load(
        self, plan: StreamPlan, target: Target, stage: str, saved: StreamState, moment: Moment | None
    ) -> None:
        table, generation, cursor = self._tables[plan.key], saved.generation_id, saved.cursor
        moment = moment if plan.captured else None

        def step(build: Callable[[Stamp], str]) -> None:
            self._steps.append(Step(plan.key, lambda at: build(Stamp(at, self._job_id, generation, moment))))

        if target.write == Write.INSERT:
            step(lambda stamp: merge.insert(plan, target, table, stage, stamp))
        elif target.write == Write.APPEND:
            step(lambda stamp: merge.append(plan, target, table, stage, stamp, cursor))
        else:
            step(lambda stamp: merge.merge(plan, target, table, stage, stamp))
        if plan.captured and target.write != Write.INSERT:
            step(lambda stamp: merge.sweep(plan, target, table, stage, stamp))

    def stage(self, change: ChangeBatch | Truncated) -> None:
        """Stage changes of a stream; `apply` says up to where they are to be brought into its table."""
        plan = change.plan
        pending = self._pending.setdefault(plan.key, captured_changes.Pending())
        with self._link.at(f"stream {plan.label}"):
            if isinstance(change, Truncated):
                pending.truncate(change)
                return
            target = self._targets[plan.key]
            upload = self._uploads.get(plan.key)
            if upload is None:
                upload = self._uploads[plan.key] = self._upload(
                    plan, captured_changes.stage_types(plan, target)
                )
            upload.add(captured_changes.filed_changes(change.batch, plan, target))
            pending.add(change.batch)

    def apply(self, plan: StreamPlan, target: Target, saved: StreamState) -> int:
        """The changes of a stream that wait are to be in its table before later ones; `settle` does and tells it."""
        pending = copy(self._pending.get(plan.key, captured_changes.Pending()))
        table, generation = self._tables[plan.key], saved.generation_id
        if (truncated := pending.truncated) is not None:
            moment = Moment(truncated.lsn, truncated.at)

            def delete_all(at: datetime) -> str:
                return merge.delete_all(plan, target, table, Stamp(at, self._job_id, generation, moment))

            self._steps.append(Step(plan.key, delete_all))
        if not pending.is_empty:
            stage = self._uploads[plan.key].table

            def apply_changes(at: datetime) -> str:
                stamp = Stamp(at, self._job_id, generation)
                return captured_changes.merge(plan, target, table, stage, pending, stamp)

            self._steps.append(Step(plan.key, apply_changes))
        self._pending[plan.key] = captured_changes.Pending(pending.until, pending.until)
        return 0

    def _upload(self, plan: StreamPlan, types: dict[str, str]) -> Upload:
        """A new stage table for rows of a stream."""
        if not self._staging:
            self._link.safely(f"create or replace transient schema {self._stage_schema}")
            self._link.safely(f"create or replace stage {self._stage_schema}.FILES")
            self._staging = True
        name = f"T_{uuid.uuid4().hex.upper()}"
        table = f"{self._stage_schema}.{name}"
        self._link.safely(ddl.create_stage_table(table, types), stream=plan.label)
        return Upload(self._link, self._folder, table, f"{self._stage_schema}.FILES/{name}", plan.label)

    # -- the transaction

    def settle(self) -> dict[Key, int]:
        """Begin the transaction and bring into the tables what is staged; returns the rows written by stream."""
        for upload in self._uploads.values():
            upload.finish()
        done = self._tried(self._transact)
        return done[1] if done else {}

    def _tried(self, action: Callable[[], T]) -> T | None:
        """Do what begins with a new transaction, again in a new session when that one is lost. Of a commit without an answer
        it is looked first what became of it; None when it had arrived.
        """
        for _ in range(TRIES - 1):
            try:
                return action()
            except LostError as error:
                log.warning("the transaction was lost (%s)", error)
                self._link.reopen()
                self._lease.end_own_transaction()
                if self._committing:
                    self._lease.wait_for_lock()
                    if self._lease.has_arrived():
                        log.info("its commit had arrived")
                        return None
                    self._committing = False
        try:
            return action()
        except LostError as error:
            raise unreachable(str(self._link.account), error) from None

    def _transact(self) -> tuple[datetime, dict[Key, int]]:
        """Begin the transaction and do its steps; returns its moment, and the rows written by stream."""
        written: dict[Key, int] = {}
        self._place()
        with self._link.at("beginning the transaction"):
            self._lease.begin()
            moment = state.next_moment(self._link)
        for step in self._steps:
            with self._link.at(f"stream {label(*step.key)}"):
                done = self._link.run(step.sql(moment), stream=label(*step.key))
                if step.counts:
                    written[step.key] = written.get(step.key, 0) + (done.rowcount or 0)
        self._moment = moment
        return moment, written

    def clear(self, schema: str, table: str) -> int:
        """Take all rows out of a table with the commit; returns how many there are. A table that is not there has none."""
        present = self._catalogue(schema.upper()).get(table.upper())
        if present is None or not DIALECT.is_ours(present):
            return 0
        name = named(schema, table)
        with self._link.at(f"table {schema}.{table}"):
            rows: int = self._link.rows(f"select count(*) from {name}")[0][0]
        self._steps.append(Step((schema, table), lambda _: f"delete from {name}"))
        return rows

    def other_with_slot(self, system: str, slot: str) -> str | None:
        """Another connection that captures through the same slot of the same server, if this warehouse knows one."""
        with self._link.at("reading the state"):
            return state.other_with_slot(self._link, self._connection_id, system, slot)

    def commit(self, reached: ConnectionState, record: SyncRecord | None = None) -> None:
        """Data, state and, of a sync, its record, all at once. A commit whose answer is lost is looked for."""

        def once() -> None:
            moment = self._moment or self._transact()[0]
            self._moment = None
            self._write_state(reached, record, moment)
            self._committing = True
            self._link.run("commit")

        with self._link.at("committing"):
            self._tried(once)
            if not self._lease.has_arrived():
                raise EltError(
                    "the transaction was ended by somebody else before its commit: nothing is written",
                    "sync again",
                )
            self._after_commit()

    def _write_state(self, reached: ConnectionState, record: SyncRecord | None, moment: datetime) -> None:
        key, attempt = self._connection_id, self._lease.attempt
        if not state.write(self._link, key, reached, self._job_id, attempt, moment):
            self._link.run("rollback")
            raise EltError(
                "the transaction was ended by somebody else while it ran: the state is as it was",
                "sync again",
            )
        state.write_successors(self._link, key, self._successors)
        if record is not None:
            state.add_record(self._link, record, moment)

    def check_lease(self) -> None:
        """Raises EltError when another job of the connection has begun since."""
        held = True
        with suppress(EltError, LostError):
            held = self._lease.is_held()
        if not held:
            raise self._lease.lost()

    # -- after

    def _after_commit(self) -> None:
        """Put successors in place and drop the staged rows. The connection's next job does whatever fails here."""
        self._committing = False
        self._unplaced, self._successors = self._successors, []
        self._steps, self._uploads, self._pending = [], {}, {}
        try:
            self._place()
            self._drop_staging()
        except EltError as error:
            log.warning("committed, but not tidied up, which the next sync does: %s", error)

    def _place(self) -> None:
        """Put the successors of the last commit in place: before anything else is written into their tables."""
        self._put_successors_in_place(self._unplaced, {name: {} for name, _, _ in self._unplaced})
        places = {named(INTERNAL, name): named(schema, table) for name, schema, table in self._unplaced}
        self._tables = {key: places.get(table, table) for key, table in self._tables.items()}
        self._unplaced = []

    def _put_successors_in_place(self, rows: list[tuple[str, str, str]], present: dict[str, Any]) -> None:
        """Each successor becomes the table. Once it is gone nobody can do that again, over what was written since.

        The job that committed it may do so at the same time as the connection's next one: it is in place, then.
        """
        for name, schema, table in rows:
            if name in present:
                successor = named(INTERNAL, name)
                try:
                    self._link.safely(ddl.replace_with(named(schema, table), successor))
                except EltError:
                    if name in ddl.read_catalogue(self._link, INTERNAL):
                        raise
                self._link.safely(f"drop table if exists {successor}")
                present.pop(name)
                self._catalogues.pop(schema, None)

    def _drop_staging(self) -> None:
        if self._staging:
            self._link.safely(f"drop schema if exists {self._stage_schema}")
            self._staging = False

    def close(self) -> None:
        """End the session, and with it a transaction that was not committed; leave nothing behind."""
        self._open.close()
        with suppress(EltError, LostError):
            if self._moment is not None:
                self._link.run("rollback")
            # with the outcome of a commit unknown they may be all there is of their tables
            for name, _, _ in [] if self._committing else self._successors:
                self._link.run(f"drop table if exists {named(INTERNAL, name)}")
            if self._staging:
                self._link.run(f"drop schema if exists {self._stage_schema}")
        self._link.close()
