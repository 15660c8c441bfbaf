"""One job's work in the lake: files first, a manifest last. Without the manifest none of the files is there for a reader."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from airbyte_local.batches import Batches
from airbyte_local.destinations.base import Moment, SyncRecord, Target, Write
from airbyte_local.destinations.duckdb.ddl import DIALECT
from airbyte_local.destinations.duckdb.types import column_type
from airbyte_local.destinations.fitting import check_names, fitting
from airbyte_local.destinations.lake import shapes
from airbyte_local.destinations.lake.conform import conform, engine, keep_known
from airbyte_local.destinations.lake.files import Ids, stored, write_landing
from airbyte_local.destinations.lake.manifests import (
    SYNC,
    Change,
    Field,
    File,
    Log,
    Manifest,
    Part,
    Table,
    TableKey,
    folder,
    moment_of,
    told,
)
from airbyte_local.destinations.lake.store import Place, Store
from airbyte_local.enums import SyncMode
from airbyte_local.failures import Key, StreamError
from airbyte_local.schema import ConnectionState, StreamPlan, StreamState
from airbyte_local.sources.base import ChangeBatch, Truncated
from foundation.errors import EltError
from foundation.scratch import scratch

log = logging.getLogger(__name__)

HISTORY = "a lake keeps every version of a row"


class LakeDestination:
    """A configured bucket."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.place = Place.of(configuration)
        self.default_schema = configuration.get("schema") or "main"

    @staticmethod
    def fold(name: str) -> str:
        """A name as the destination compares it."""
        return DIALECT.fold(name)

    def check_names(self, plans: Iterable[StreamPlan]) -> None:
        """Raises EltError when names would be one in the warehouse."""
        check_names(DIALECT, plans)

    @contextmanager
    def open(self, connection_id: str, job_id: int, connection_name: str = "") -> Iterator[LakeSession]:
        """The session. Raises EltError: not reached, refused, no bucket."""
        with scratch("job-lake") as folder:
            session = LakeSession(Store(self.place), connection_id, connection_name, job_id, folder)
            try:
                yield session
            finally:
                session.close()


@dataclass
class Draft:
    """What a stream has so far in this commit. `local`: its processed files here, as long as the commit lasts."""

    plan: StreamPlan
    target: Target
    replaces: bool
    table: Table
    changes: tuple[Change, ...]
    part: Part | None = None
    local: list[Path] = field(default_factory=list)


class LakeSession:
    """Without `commit` nothing is there."""

    def __init__(
        self, store: Store, connection_id: str, connection_name: str, job_id: int, scratch: Path
    ) -> None:
        self._store, self._log, self._scratch = store, Log(store, connection_id), scratch
        self._connection_id, self._connection_name, self._job_id = connection_id, connection_name, job_id
        self._latest: Manifest | None = None
        self._tables: dict[TableKey, Table] = {}
        self._columns: dict[Key, dict[str, str] | None] = {}  # the source's at the last sync
        self._cursors: dict[Key, str | None] = {}  # then
        self._drafts: dict[Key, Draft] = {}
        self._refused: list[tuple[str, Change]] = []
        self._cleared: dict[TableKey, Table] = {}  # as they were
        self._extracted_at = told(datetime.now(UTC))
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._files = 0

    # -- before

    def state(self) -> ConnectionState:
        """The saved state of the connection and of each of its streams."""
        self._follow(self._log.latest())
        return ConnectionState() if self._latest is None else self._latest.state

    def _follow(self, latest: Manifest | None) -> None:
        """What comes now is after this commit, in time as well."""
        self._latest = latest
        now = datetime.now(UTC)
        if latest is not None:
            self._tables = {(fold(t.schema), fold(t.table)): t for t in latest.tables}
            now = max(now, moment_of(latest.extracted_at) + timedelta(microseconds=2))
        self._extracted_at = told(now)

    @property
    def _number(self) -> int:
        return self._latest.number + 1 if self._latest else 1

    def _table(self, plan: StreamPlan) -> Table | None:
        return self._tables.get((fold(plan.target_schema), fold(plan.target_table)))

    def fitting(self, plan: StreamPlan, saved: StreamState, refresh: bool) -> Target:
        """What is to be done to the stream's table; with `refresh` it begins again. Raises EltError when it cannot fit, or keeps no
        history."""
        if plan.mode == SyncMode.INCREMENTAL_DEDUPED_HISTORY:
            raise EltError(
                f"stream {plan.label}: {plan.mode} keeps one row per key, and {HISTORY}",
                f"sync it with {SyncMode.INCREMENTAL_APPEND}",
            )
        table = self._table(plan)
        self._columns[plan.key], self._cursors[plan.key] = saved.columns, saved.cursor
        present = None if table is None else {fold(name): type_ for name, type_ in table.columns.items()}
        unused = (
            saved.cursor is None and saved.blob is None and (saved.columns is None or not plan.read.captured)
        )
        if table is not None and unused and not table.rows:
            present = None
        try:
            return fitting(DIALECT, plan, present, saved, refresh)
        except EltError as error:
            self._refused.append((plan.label, shapes.refusal(plan, table, saved.columns, error.message)))
            raise

    def order(self, plans: Iterable[StreamPlan]) -> list[StreamPlan]:
        """Any order is good."""
        return list(plans)

    def prepare(self, plan: StreamPlan, target: Target) -> None:
        """Note the shape that the stream's table has from here on, and what is new in it."""
        before = self._table(plan)
        table = Table(
            schema=before.schema if before else plan.target_schema,
            table=before.table if before else plan.target_table,
            columns=shapes.columns_after(plan, target, before),
            rows=before.rows if before and not target.create else 0,
            began=self._number if target.create or before is None else before.began,
            known=before.known if before and not target.create else None,
        )
        changes = shapes.changes(plan, target, before, self._columns.get(plan.key))
        for change in changes:
            log.warning("%s: %s", plan.label, shapes.sentence(change))
        self._drafts[plan.key] = Draft(plan, target, target.create, table, changes)

    # -- rows

    def load(
        self,
        plan: StreamPlan,
        target: Target,
        batches: Batches,
        saved: StreamState,
        moment: Moment | None = None,
    ) -> int:
        """Write a stream's rows into both zones; returns how many are new. Nobody sees them before the commit."""
        draft = self._drafts.get(plan.key)
        if draft is None:  # more rows, after a commit
            self.prepare(plan, target)
            draft = self._drafts[plan.key]
        here = self._scratch / uuid.uuid4().hex
        here.mkdir()
        try:
            landed = write_landing(batches.schema, batches.reader(), Ids(), here)
        except Exception:
            if batches.error is not None:
                raise batches.error from None
            raise
        part = self._part(plan, target, saved.generation_id)
        known = self._known(draft) if target.write == Write.APPEND else None
        groups = [landed] if known else [[one] for one in landed]
        try:
            written = [self._conformed(draft, part, group, known) for group in groups if group]
        except duckdb.ConversionException as error:
            raise StreamError(
                plan.key,
                f"stream {plan.label}: a value does not fit its column: {str(error).strip().splitlines()[0]}",
                "correct the value in the source, or leave the column out with selectedFields",
                unfit=True,
            ) from None
        landing = [self._stored("landing", draft.table, path, rows) for path, rows in landed]
        for path, _ in landed:
            path.unlink()
        processed = [self._stored("processed", draft.table, path, rows) for path, rows in written if rows]
        draft.local += [path for path, rows in written if rows]
        before = draft.part or part
        draft.part = replace(
            part,
            rows_read=before.rows_read + batches.rows,
            landing=(*before.landing, *landing),
            processed=(*before.processed, *processed),
            known=draft.table.known if known else before.known,
        )
        return sum(file.rows for file in processed)

    def _part(self, plan: StreamPlan, target: Target, generation: int) -> Part:
        return Part(
            namespace=plan.namespace,
            name=plan.name,
            schema=self._drafts[plan.key].table.schema,
            table=self._drafts[plan.key].table.table,
            mode=plan.mode.value,
            generation=generation,
            replaces=self._drafts[plan.key].replaces,
            logged=plan.logged,
            emitted=plan.emitted,
            rows_read=0,
            fields=tuple(
                Field(
                    column.name,
                    column.source_type,
                    column.type.kind.value,
                    column.type.precision,
                    column.type.scale,
                    target.types.get(column.name) or column_type(column.type),
                )
                for column in plan.columns
            ),
            meta=json.dumps({"sync_id": self._job_id, "changes": []}),
            changes=self._drafts[plan.key].changes,
        )

    def _conformed(
        self, draft: Draft, part: Part, group: list[tuple[Path, int]], known: Path | None
    ) -> tuple[Path, int]:
        to = group[0][0].with_suffix(".processed.parquet")
        moment = moment_of(self._extracted_at).isoformat()
        rows = conform(self._duckdb(), part, moment, [path for path, _ in group], known, to)
        return to, rows

    def _known(self, draft: Draft) -> Path | None:
        """The rows that may have been read again, here."""
        known = draft.table.known
        if known is None:
            return None
        path = self._scratch / f"known-{known.sha256}.parquet"
        if not path.exists():
            self._store.download(known.key, path, known.sha256)
        return path

    def _stored(self, zone: str, table: Table, path: Path, rows: int, name: str = "") -> File:
        self._files += 1
        begin = folder(zone, self._connection_id, table.key, self._extracted_at)
        key = f"{begin}{name or f'{self._files:05d}'}-{uuid.uuid4().hex}.parquet"
        return stored(self._store, path, key, rows, self._extracted_at, self._extracted_at)

    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        if self._engine is None:
            self._engine = engine(self._scratch)
        return self._engine

    def stage(self, change: ChangeBatch | Truncated) -> None:
        """Raises EltError: changes that replace rows are none of a lake's."""
        raise EltError(
            f"stream {change.plan.label}: {HISTORY}", f"sync it with {SyncMode.INCREMENTAL_APPEND}"
        )

    def apply(self, plan: StreamPlan, target: Target, saved: StreamState) -> int:
        """Nothing can be staged."""
        return 0

    def settle(self) -> dict[Key, int]:
        """Nothing is left to do: the files are written."""
        return {}

    def other_with_slot(self, system: str, slot: str) -> str | None:
        """Another connection that captures through the same slot of the same server, if this lake knows one."""
        for other in self._store.folders("manifests/"):
            if other == self._connection_id:
                continue
            latest = Log(self._store, other).latest()
            position: dict[str, Any] = (latest.state.position if latest else None) or {}
            if position.get("system") == system and position.get("slot") == slot:
                return other
        return None

    def clear(self, schema: str, table: str) -> int:
        """The table begins again with nothing; returns how many rows there were."""
        key = fold(schema), fold(table)
        found = self._tables.get(key)
        if found is None:
            return 0
        self._tables[key] = replace(found, rows=0, began=self._number, known=None)
        self._cleared[key] = found
        return found.rows

    # -- commit

    def commit(self, reached: ConnectionState, record: SyncRecord | None = None) -> None:
        """Write the manifest: data, state and, of a sync, its record are there from then on. Raises EltError when another job has
        committed meanwhile."""
        parts = [part for draft in self._drafts.values() if (part := self._finished(draft, reached))]
        parts += [_emptied(table, self._job_id) for table in self._cleared.values()]
        manifest = Manifest(
            kind=SYNC,
            number=self._number,
            connection_id=self._connection_id,
            connection_name=self._connection_name or (self._latest.connection_name if self._latest else ""),
            job_id=self._job_id,
            extracted_at=self._extracted_at,
            committed_at=told(datetime.now(UTC)),
            state=reached,
            tables=tuple(self._tables.values()),
            parts=tuple(parts),
            compaction=self._latest.compaction if self._latest else 0,
            record=None if record is None else _written(record),
            refused=tuple(self._refused),
        )
        self._follow(self._log.commit(manifest))
        for draft in self._drafts.values():
            self._columns[draft.plan.key] = reached.streams[draft.plan.key].columns
            for path in draft.local:
                with suppress(OSError):
                    path.unlink()
        self._drafts.clear()
        self._cleared.clear()
        self._refused.clear()

    def _finished(self, draft: Draft, reached: ConnectionState) -> Part | None:
        """The part of a stream, or None when there is nothing to say of it; its table as of now is noted."""
        state = reached.streams[draft.plan.key]
        part = draft.part
        if part is None or not part.landing:
            new = draft.replaces or draft.changes or self._table(draft.plan) is None
            part = self._part(draft.plan, draft.target, state.generation_id) if new else None
        rows = draft.table.rows + (part.rows if part else 0)
        table = replace(draft.table, rows=rows, known=self._next_known(draft, state.cursor))
        self._tables[fold(table.schema), fold(table.table)] = table
        return part

    def _next_known(self, draft: Draft, cursor: str | None) -> File | None:
        """The rows that the next sync may read again, in a file of their own."""
        plan = draft.plan
        by_cursor = plan.mode == SyncMode.INCREMENTAL_APPEND and not (plan.emitted or plan.appends)
        if not by_cursor or plan.cursor is None:
            return None
        if not draft.local and cursor == self._cursors.get(plan.key):
            return draft.table.known
        before = self._known(draft)
        rows = [*([before] if before else []), *draft.local]
        if not rows:
            return None
        to = self._scratch / f"{uuid.uuid4().hex}.parquet"
        fields = self._part(plan, draft.target, 0).fields
        field_ = next(one for one in fields if one.name == plan.cursor.name)
        kept = keep_known(self._duckdb(), field_, cursor, rows, to)
        return self._stored("landing", draft.table, to, kept, name="known") if kept else None

    def close(self) -> None:
        """Free what the session holds here."""
        if self._engine is not None:
            self._engine.close()


def fold(name: str) -> str:
    """A name as the warehouse compares it."""
    return DIALECT.fold(name)


def _emptied(table: Table, job_id: int) -> Part:
    """The part of a table whose rows were cleared."""
    meta = json.dumps({"sync_id": job_id, "changes": []})
    return Part("", table.table, table.schema, table.table, "", 0, True, False, False, 0, (), meta)


def _written(record: SyncRecord) -> dict[str, Any]:
    """The record as a manifest has it."""
    times = {"started_at": record.started_at.isoformat(), "watermark": record.watermark.isoformat()}
    return asdict(record) | times
