"""From the lake's processed zone into the warehouse: every version of a row, once. `load` is what a DAG's task calls."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from airbyte_local.destinations.lake.conform import conform, engine
from airbyte_local.destinations.lake.manifests import SYNC, File, Log, Manifest, Part, Table, moment_of
from airbyte_local.destinations.lake.store import Store
from foundation.errors import EltError
from foundation.scratch import scratch
from foundation.settings import Settings
from foundation.settings import settings as current_settings
from lake.place import store as store_of
from lake.reading import Commit, Unread, logs, unread
from lake.warehouse import Reached, Warehouse, opened, reached

THREADS = 8


@dataclass(frozen=True)
class Loaded:
    """What a load has done: commits and rows by table (`schema.table`) that are new in the warehouse, and how far it is now."""

    connection: str
    commits: int
    through: int
    seconds: float
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def load(
    connection: str | None = None, config: Settings | None = None, *, again: bool = False
) -> list[Loaded]:
    """Load what the lake has of a connection (of all, without one) and the warehouse has not; a second call adds nothing.

    One table per stream, one row per version, typed as a sync into the warehouse types them. Rows, and which commits they are from,
    become visible in one transaction, under the warehouse's lease. `again`: all of it into new tables, which replace those that
    are there. Raises EltError: no such connection, the store or the warehouse can't be reached, a file is damaged; then the
    warehouse is as it was.
    """
    config = config or current_settings()
    store = store_of(config)
    return [_load(store, log, name, config, again) for name, log in logs(store, connection).items()]


def _load(store: Store, log: Log, name: str, config: Settings, again: bool) -> Loaded:
    started = time.monotonic()
    since = Reached() if again else reached(config.warehouse_path, log.connection_id)
    new = _new(store, log, name, since)
    if new.latest is None or not new.commits:
        return Loaded(name, 0, since.number, time.monotonic() - started)
    with scratch("lake-load") as folder:
        local = fetch(store, new.files, folder)
        with opened(config, f"elt lake load {name}") as warehouse:
            if again:
                warehouse.forget(log.connection_id)
            at = warehouse.reached(log.connection_id)
            if at != since:  # somebody else has loaded meanwhile
                new = _new(store, log, name, at)
                local |= fetch(store, new.files, folder)
            tables = new.tables
            for table in tables.values():  # one that began again may have other types
                warehouse.align(table, anew=again or table.began > at.number)
            rows: Counter[str] = Counter()
            for commit in new.commits:
                added = _apply(warehouse, commit, tables, local)
                warehouse.note(commit.manifest, commit.digest, _number(commit.manifest), sum(added.values()))
                rows += added
            through = max((_number(commit.manifest) for commit in new.commits), default=at.number)
            warehouse.commit()
    return Loaded(name, len(new.commits), through, time.monotonic() - started, dict(rows))


def _new(store: Store, log: Log, name: str, since: Reached) -> Unread:
    """What a warehouse has not that is so far. Raises EltError when it is so far with another lake: by their numbers alone, commits of this
    one would be taken for those that it has."""
    new = unread(log, since.number, since.extracted_at)
    if log.has_another(new.latest, since.number, since.extracted_at):
        raise EltError(
            f"the warehouse has loaded {name} up to commit {since.number} of another lake: {store.place.label} is an older copy, or a new"
            " one",
            "restore the lake as it was; or replace the tables by what this one has, without the versions that only they have: elt lake"
            f" load {name} --again",
        )
    return new


def _number(manifest: Manifest) -> int:
    """Up to which commit a warehouse is that has loaded this one."""
    return manifest.number if manifest.kind == SYNC else manifest.through


def _apply(
    warehouse: Warehouse, commit: Commit, tables: dict[tuple[str, str], Table], local: dict[str, Path]
) -> Counter[str]:
    added: Counter[str] = Counter()
    for step in commit.steps:
        if step.is_over(tables[step.key]):
            continue
        if step.begins:
            warehouse.empty(step.key)
        if step.files:
            first = min(file.first for file in step.files)
            paths = [local[file.key] for file in step.files]
            added[".".join(step.key)] += warehouse.insert(tables[step.key], paths, first, step.after)
    return added


def fetch(store: Store, files: Iterable[File], folder: Path) -> dict[str, Path]:
    """Files of the lake here, by key, their content checked. Raises EltError that names a damaged one."""
    here = {file.key: folder / f"{file.sha256}.parquet" for file in files}
    wanted = {file.key: file for file in files if not here[file.key].exists()}
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(
            lambda file: store.download(file.key, here[file.key], file.sha256), wanted.values()
        ):
            pass
    return here


def replay(connection: str, config: Settings | None = None) -> Loaded:
    """Make a connection's tables in the warehouse again from what was read: from the landing zone alone, commit by commit.

    The rows are the same as before, ids included. The new tables replace the old ones in one transaction. Raises EltError when
    landing does not reach back to the beginning of a table, or as `load` does.
    """
    config = config or current_settings()
    started = time.monotonic()
    store = store_of(config)
    ((name, log),) = logs(store, connection).items()
    latest = log.latest()
    if latest is None:
        raise EltError(f"nothing of the connection {connection} is in the lake", "sync it first")
    manifests = list(_history(log, latest))
    rows: Counter[str] = Counter()
    with (
        scratch("lake-replay") as folder,
        engine(folder) as duck,
        opened(config, f"elt lake replay {name}") as warehouse,
    ):
        warehouse.forget(log.connection_id)
        tables = {table.key: table for table in latest.tables}
        for table in tables.values():
            warehouse.align(table, anew=True)
        for manifest, digest in manifests:
            added: Counter[str] = Counter()
            for part in manifest.parts:
                table = tables[part.table_key]
                if manifest.number < table.began:
                    continue
                if part.landing:
                    paths = _conformed(store, duck, part, manifest, folder)
                    if paths:
                        rows_of = warehouse.insert(table, paths, manifest.extracted_at, None)
                        added[".".join(part.table_key)] += rows_of
                    for path in paths:
                        path.unlink()
            warehouse.note(manifest, digest, manifest.number, sum(added.values()))
            rows += added
        for table in tables.values():
            if (found := rows[".".join(table.key)]) != table.rows:
                raise EltError(
                    f"landing has {found:,} of the {table.rows:,} rows of {table.schema}.{table.table}: it does not reach back to its"
                    " beginning",
                    f"load from the processed zone instead: elt lake load {name} --again",
                )
        warehouse.commit()
    return Loaded(name, len(manifests), latest.number, time.monotonic() - started, dict(rows))


def _history(log: Log, latest: Manifest) -> Iterable[tuple[Manifest, str]]:
    """The syncs from the earliest beginning of a table on, as far as they are there."""
    begin = min((table.began for table in latest.tables), default=latest.number)
    for number in sorted(log.numbers()):
        if not begin <= number <= latest.number:
            continue
        manifest, digest = log.read_with_digest(number)
        if manifest.kind == SYNC:
            yield manifest, digest


def _conformed(
    store: Store, duck: duckdb.DuckDBPyConnection, part: Part, manifest: Manifest, folder: Path
) -> list[Path]:
    """A part's processed files, made again here from its landing files."""
    local = fetch(store, part.landing, folder)
    known = [fetch(store, [part.known], folder)[part.known.key]] if part.known else []
    landing = [local[file.key] for file in part.landing]
    groups = [landing] if known else [[one] for one in landing]
    made = []
    moment = moment_of(manifest.extracted_at).isoformat()
    for group in groups:
        # a name of its own: DuckDB may keep what a file of the same name had a moment ago
        to = folder / f"{uuid.uuid4().hex}.parquet"
        if conform(duck, part, moment, group, next(iter(known), None), to):
            made.append(to)
    for path in (*landing, *known):
        path.unlink(missing_ok=True)
    return made
