"""Compaction and retention by rule: many small files become few, and what nobody needs goes.

A compaction is a commit like a sync: a manifest that names all files of each table up to some number. What it replaces stays for
LAKE_UNUSED_HOURS, so that a reader which has begun can end.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import duckdb

from airbyte_local.destinations.base import EXTRACTED_AT, RAW_ID
from airbyte_local.destinations.lake.conform import OPTIONS, engine, file_types, read
from airbyte_local.destinations.lake.files import stored
from airbyte_local.destinations.lake.manifests import (
    COMPACTION,
    File,
    Log,
    Manifest,
    Merged,
    Table,
    TableKey,
    moment_of,
    told,
)
from airbyte_local.destinations.lake.shapes import WIDENED
from airbyte_local.destinations.lake.store import Store
from foundation.quoting import literal, quoted
from foundation.rows import one_row
from foundation.scratch import scratch
from foundation.settings import Settings
from lake.load import fetch
from lake.reading import unread

COMMITS = 500  # after so many a reader has one manifest to read in their place
SMALL_BYTES = 16 << 20  # a file that is merged with others
FULL_BYTES = 64 << 20  # of the files that are merged into one
THREADS = 16


@dataclass(frozen=True)
class Compacted:
    """What a compaction has done to a connection: commits that it stands for (0: the rule asked for none), files before and after,
    and the files that were deleted by zone."""

    connection: str
    commits: int = 0
    before: int = 0
    after: int = 0
    deleted: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Live:
    """The files of a table that hold its rows, in their order, and the commit with which it began. `widened`: some have a column in
    a narrower type than the table."""

    table: Table
    began: int
    files: tuple[File, ...]
    widened: bool = False

    def is_due(self, least: int) -> bool:
        """Whether it has so many small files, or some with other types than it."""
        return bool(self.files) and (
            self.widened or sum(file.bytes < SMALL_BYTES for file in self.files) >= least
        )


def live(log: Log) -> tuple[Manifest | None, dict[TableKey, Live]]:
    """The newest manifest, and the files of each table as of it."""
    new = unread(log)
    if new.latest is None:
        return None, {}
    found = {table.key: Live(table, table.began, ()) for table in new.latest.tables}
    for commit in new.commits:
        for step in commit.steps:
            one = found[step.key]
            files = step.files if step.begins else (*one.files, *step.files)
            found[step.key] = replace(one, files=files, widened=one.widened and not step.begins)
        for part in commit.manifest.parts:
            if any(change.change == WIDENED for change in part.changes):
                found[part.table_key] = replace(found[part.table_key], widened=True)
    return new.latest, found


def compact(store: Store, log: Log, name: str, config: Settings, *, whole: bool = False) -> Compacted:
    """Merge the small files of each table that has LAKE_COMPACT_FILES of them; `whole`: of every table that has two. After COMMITS a
    compaction is due in any case.

    Readers go on meanwhile; a sync that commits meanwhile is kept. Raises EltError when another compaction was faster.
    """
    latest, tables = live(log)
    least = 2 if whole else config.lake_compact_files
    if latest is None:
        return Compacted(name)
    if latest.number - latest.compaction < COMMITS and not any(one.is_due(least) for one in tables.values()):
        return Compacted(name)
    before = sum(len(one.files) for one in tables.values())
    merged = []
    with scratch("lake-compact") as folder, engine(folder) as duck:
        for key, one in tables.items():
            due = one.is_due(least)
            files = _merge(store, duck, log.connection_id, one, folder) if due else one.files
            merged.append(Merged(*key, one.began, tuple(files)))
    manifest = Manifest(
        kind=COMPACTION,
        number=latest.number + 1,
        connection_id=latest.connection_id,
        connection_name=latest.connection_name,
        job_id=0,
        extracted_at=latest.extracted_at,
        committed_at=told(datetime.now(UTC)),
        state=latest.state,
        tables=latest.tables,
        merged=tuple(merged),
        compaction=latest.number + 1,
        through=latest.number,
        record=latest.record,
    )
    log.commit(manifest)
    return Compacted(name, latest.number, before, sum(len(one.files) for one in merged))


def _merge(
    store: Store, duck: duckdb.DuckDBPyConnection, connection_id: str, one: Live, folder: Path
) -> Iterable[File]:
    """The table's files, each run of small ones as one."""
    for run in _runs(one.files):
        whole = len(run) == 1 and not one.widened
        yield run[0] if whole else _as_one(store, duck, connection_id, one.table, run, folder)


def _runs(files: Sequence[File]) -> Iterable[list[File]]:
    """Neighbours that are small, up to FULL_BYTES together; every other file alone."""
    run: list[File] = []
    for file in files:
        small = file.bytes < SMALL_BYTES
        if run and (not small or sum(each.bytes for each in run) + file.bytes > FULL_BYTES):
            yield run
            run = []
        if small:
            run.append(file)
        else:
            yield [file]
    if run:
        yield run


def _as_one(
    store: Store,
    duck: duckdb.DuckDBPyConnection,
    connection_id: str,
    table: Table,
    run: Sequence[File],
    folder: Path,
) -> File:
    local = fetch(store, run, folder)
    files = read([local[file.key] for file in run], by_name=True)
    there = {name for name, *_ in duck.execute(f"describe from {files}").fetchall()}
    columns = [
        f"{quoted(name) if name in there else 'null'}::{type_} as {quoted(name)}"
        for name, type_ in file_types(table.columns).items()
    ]
    to = folder / "merged.parquet"
    query = f"select {', '.join(columns)} from {files} order by {EXTRACTED_AT}, {RAW_ID}"
    rows: int = one_row(duck.execute(f"copy ({query}) to {literal(str(to))} {OPTIONS}"))[0]
    for path in local.values():
        path.unlink(missing_ok=True)
    first, last = min(file.first for file in run), max(file.last for file in run)
    key = f"{_zone('processed', connection_id)}{_table(table)}/compacted_to={last}/{uuid.uuid4().hex}.parquet"
    return stored(store, to, key, rows, first, last)


def _zone(zone: str, connection_id: str) -> str:
    return f"{zone}/{quote(connection_id, safe='')}/"


def _table(table: Table) -> str:
    return f"{quote(table.schema, safe='')}.{quote(table.table, safe='')}"


def retain(
    store: Store, log: Log, config: Settings, *, now: datetime | None = None, published: int | None = None
) -> dict[str, int]:
    """Delete what the rules let go; returns the objects by zone.

    Processed files that the newest compaction replaced, and files that no manifest names (of a job that was killed), go
    LAKE_UNUSED_HOURS after they were written; landing, with its manifests, LAKE_LANDING_DAYS after its commit, if a compaction
    stands for it; manifests that have nothing to replay like unused files. `published`: the compaction with which the Iceberg tables agree; files of a later one stay for them.
    """
    now = now or datetime.now(UTC)
    latest, tables = live(log)
    if latest is None:
        return {}
    through = log.read(latest.compaction).through if latest.compaction else 0
    if published is not None and published < latest.compaction:
        through = 0
    with ThreadPoolExecutor(THREADS) as pool:
        manifests = list(pool.map(log.read, list(log.numbers())))
    old = now - timedelta(hours=config.lake_unused_hours)
    past = now - timedelta(days=config.lake_landing_days) if config.lake_landing_days else None
    ended = [one for one in manifests if one.number <= through and _is_over(one, old, past)]
    store.delete(log.key(one.number) for one in ended)
    kept = [one for one in manifests if one not in ended]
    needed = {file.key for one in tables.values() for file in one.files}
    needed |= {file.key for one in latest.tables for file in ([one.known] if one.known else [])}
    for one in kept:
        needed |= {file.key for part in one.parts for file in part.landing}
        needed |= {part.known.key for part in one.parts if part.known}
        if one.number > through:
            needed |= {file.key for part in one.parts for file in part.processed}
        if published is not None and published <= one.number:
            needed |= {file.key for merged in one.merged for file in merged.files}
    deleted = {"manifests": len(ended)}
    for zone in ("landing", "processed"):
        gone = [
            found.key
            for found in store.objects(_zone(zone, log.connection_id))
            if found.key not in needed and found.modified < old
        ]
        store.delete(gone)
        deleted[zone] = len(gone)
    return {zone: count for zone, count in deleted.items() if count}


def _is_over(one: Manifest, old: datetime, past: datetime | None) -> bool:
    """Whether a manifest that a compaction stands for goes: its landing may (`past`), or it has none and tells no change (`old`)."""
    at = moment_of(one.committed_at)
    return (past is not None and at < past) or (at < old and not one.parts and not one.refused)
