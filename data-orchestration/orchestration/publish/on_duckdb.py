"""Publishing on DuckDB: a file for each version, and a link that is switched.

The tables of schema `marts` (and of another company's marts) are copied into a version of their own, `serving/vN/adventureworks.duckdb`, and the link
`serving/current` is switched to it in one step. A reader that has the old file open finishes on it. A process that is killed
at any point leaves the old version or the new one, and a draft that the next publish clears away.

To copy or build takes the warehouse's lease, for minutes; to switch the link takes the lock of the switch, for
milliseconds. A rollback only switches, so it waits for nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from foundation import lease
from foundation.disk import flush
from foundation.errors import EltError
from foundation.quoting import literal, quoted
from foundation.rows import one_row
from foundation.settings import Settings
from foundation.state import read_state
from foundation.warehouse import NEW_FILE, is_there
from orchestration.publish.version import (
    Hold,
    Version,
    not_kept,
    now,
    rolled_back,
    superseded,
    unless_held,
)
from transformation.changed_inputs import TABLE as BUILT_FROM
from transformation.marts import COMPANIES, MARTS

SCHEMAS = (MARTS, *COMPANIES)  # what is published
BUILT = ("intermediate", *SCHEMAS, "marts_restricted")  # schemas of what a build makes from raw and snapshots
RECORD = "published.json"
HELD = "held.json"
COPIERS = 2  # threads that copy the marts
VOID = "void"  # a note: versions up to this number were built from histories that a restore has taken back
BUILD_ENVIRONMENT: dict[str, str] = {}  # the marts of the warehouse are not what analysts read
FAILED = "publishing failed, the last version is still shown"
BUILDING = (
    "building"  # a note: the marts of the warehouse are not (yet, or no longer) the version that is shown
)


def prepare(settings: Settings, run: str, wait_seconds: float) -> str:
    """Reserve the warehouse; if the last build was not published, put the published marts in its place."""
    warehouse, serving = _warehouse(settings), _serving(settings)
    with lease.lease(warehouse, f"prepare ({run})", wait_seconds, run):
        lease.reserve(warehouse, run)
        note, done = serving / BUILDING, "the marts are as published"
        if _is_void(serving):
            with duckdb.connect(warehouse) as duck:
                drop_built(duck)
            done = "a restore has made void what is published: the marts are built from nothing"
        elif not settings.serving_path.exists():
            done = "nothing is published yet: the marts are built on what is there"
        elif note.exists():
            done = f"the last build ({note.read_text()}) is not what is shown: put back"
        # before anything is put back: a rollback that comes from now on writes its own, and this run will not publish
        with _switch(serving):
            note.write_text(run)
            shown = settings.serving_path.resolve()
        if done.endswith("put back"):
            try:
                done += f" {_restore(warehouse, shown)} published marts"
            except duckdb.Error as error:
                raise EltError(
                    f"the published marts can't be put back: {str(error).splitlines()[0]}",
                    f"check {shown} and the space on its disk",
                ) from error
    return done


@contextlib.contextmanager
def _switch(serving: Path) -> Iterator[None]:
    """The lock of the switch: to decide which version is shown takes it, and for no longer than that."""
    serving.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(serving / ".switch.lock", timeout=10):
            yield
    except Timeout:
        raise EltError(
            f"another process has held {serving / '.switch.lock'} for 10 s",
            "try again; end that process if it hangs",
        ) from None


def void(settings: Settings) -> None:
    """Analysts go on seeing what is published, but no run builds upon it: its histories are being replaced by older ones.

    The caller also calls `drop_built`; the note comes first, so that one who is killed in between has lost nothing.
    """
    serving = _serving(settings)
    serving.mkdir(parents=True, exist_ok=True)
    draft = serving / f".{VOID}"
    draft.write_text(str(max((number for number, _ in _numbered(serving)), default=0)))
    draft.replace(serving / VOID)


def drop_built(duck: duckdb.DuckDBPyConnection) -> None:
    """Drop every table that dbt has built in an open warehouse, but the snapshots."""
    tables = duck.execute(
        "select schema_name, table_name from duckdb_tables()"
        " where database_name = current_database() and list_contains(?, schema_name)",
        [list(BUILT)],
    ).fetchall()
    for schema, table in tables:
        duck.execute(f"drop table {quoted(schema)}.{quoted(table)}")


def _is_void(serving: Path) -> bool:
    shown = _target(serving / "current")
    try:
        return shown is not None and int(shown.lstrip("v")) <= int((serving / VOID).read_text())
    except FileNotFoundError:
        return False
    except ValueError:
        raise EltError(f"{serving / VOID} is damaged", "remove it, or restore again") from None


def give_back(settings: Settings, run: str) -> None:
    """End the reservation."""
    lease.give_back(settings.warehouse_path, run)


def renew(settings: Settings, run: str) -> bool:
    """Keep the reservation alive."""
    return lease.renew(settings.warehouse_path, run)


def versions(settings: Settings) -> list[Version]:
    """List the kept versions, oldest first. Raises EltError when the record of one is damaged."""
    serving = _serving(settings)
    shown = _target(serving / "current")
    found = []
    for number, folder in _numbered(serving):
        current = folder.name == shown
        remedy = "publish again with `elt run`" if current else f"remove the folder {folder}"
        with contextlib.suppress(FileNotFoundError):  # being removed at this moment
            found.append(
                read_state(folder / RECORD, partial(_version, number=number, current=current), remedy)
            )
    return found


def _version(record: dict[str, Any], number: int, current: bool) -> Version:
    """Raises ValueError or TypeError: a field too many, too few or of another type, or another version's record."""
    text = json.dumps(asdict(Version(**record, current=current)))
    version = TypeAdapter(Version).validate_json(text, strict=True)
    if version.number != number:
        raise ValueError(f"the record of version {version.number}")
    return version


def publish(settings: Settings, run: str, wait_seconds: float, prepared: str | None) -> Version:
    """Copy schema `marts` into the next version and switch to it. See `orchestration.publish.publish`."""
    warehouse, serving = _warehouse(settings), _serving(settings)
    started = time.monotonic()
    with lease.lease(warehouse, f"publish ({run})", wait_seconds, prepared):
        try:
            is_there(warehouse)
        except EltError as error:
            raise EltError(f"{FAILED}: {error.message}", error.remedy) from None
        if prepared and not lease.renew(warehouse, prepared):
            raise EltError(
                "another writer had the warehouse since the marts were tested; the last version is still shown",
                "the next run builds and tests them again",
            )
        _unless_rolled_back(settings, prepared)  # while the lease was waited for
        draft = serving / f".draft-{os.getpid()}"
        try:
            _remove_drafts(serving)
            draft.mkdir(parents=True)
            tables = _copy(warehouse, draft / settings.serving_path.name)
            number = max((number for number, _ in _numbered(serving)), default=0) + 1
            version = Version(
                number=number,
                run=run,
                published_at=now(),
                seconds=round(time.monotonic() - started, 2),
                tables=tables,
                current=True,
            )
            record = {name: value for name, value in asdict(version).items() if name != "current"}
            (draft / RECORD).write_text(json.dumps(record, indent=1) + "\n")
            for path in (*draft.iterdir(), draft):
                flush(path)
            with _switch(serving):
                _unless_rolled_back(settings, prepared)  # while the marts were copied
                draft.rename(serving / f"v{number}")
                _show(serving, f"v{number}")
                (serving / BUILDING).unlink(missing_ok=True)
                for folder in _superseded(settings):
                    _remove(folder)
        except (duckdb.Error, OSError) as error:
            raise EltError(
                f"{FAILED}: {str(error).splitlines()[0]}",
                f"check the space and the permissions of {serving}, then publish again",
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            with contextlib.suppress(OSError):
                serving.rmdir()  # made for nothing; with anything in it, it stays
    if prepared:
        lease.give_back(warehouse, prepared)
    return version


def leave(settings: Settings, prepared: str) -> Version | None:
    """See `orchestration.publish.leave`."""
    serving = _serving(settings)
    with _switch(serving):
        shown = next((version for version in versions(settings) if version.current), None)
        if shown:
            _unless_rolled_back(settings, prepared)
            (serving / BUILDING).unlink(missing_ok=True)
    if shown:
        lease.give_back(settings.warehouse_path, prepared)
    return shown


def _unless_rolled_back(settings: Settings, prepared: str | None) -> None:
    """Raises HeldError while a rollback holds a version, EltError when one came and went since the run `prepared` began."""
    unless_held(held(settings))
    note = _serving(settings) / BUILDING
    if prepared and note.exists() and note.read_text() != prepared:
        raise rolled_back()


def _superseded(settings: Settings) -> list[Path]:
    """The folders of the versions that need not stay; never the one that is shown."""
    serving = _serving(settings)
    shown, dated = _target(serving / "current"), []
    folders = dict(_numbered(serving))
    for number, folder in folders.items():
        try:
            moment = str(json.loads((folder / RECORD).read_text())["published_at"])
        except (OSError, ValueError, KeyError, TypeError):  # damaged: its folder tells, too
            moment = datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat()
        dated.append((number, moment))
    return [folders[number] for number in superseded(settings, dated) if folders[number].name != shown]


def held(settings: Settings) -> Hold | None:
    """See `orchestration.publish.held`."""
    try:
        remedy = "`elt publish --rollback N` holds a version, `elt publish --resume` none"
        return read_state(
            _serving(settings) / HELD, lambda hold: Hold(int(hold["number"]), str(hold["since"])), remedy
        )
    except FileNotFoundError:
        return None


def rollback(settings: Settings, number: int, wait_seconds: float) -> Version:
    """Hold, then switch, even if another has the warehouse: a publish looks for the hold before it switches. See `orchestration.publish.rollback`."""
    serving = _serving(settings)
    with _switch(serving):
        kept = [each for each, _ in _numbered(serving)]
        if number not in kept:  # a publish has removed it meanwhile
            raise not_kept(number, kept)
        draft = serving / f".{HELD}"
        draft.write_text(json.dumps(asdict(Hold(number, now()))))
        draft.replace(serving / HELD)
        (serving / BUILDING).write_text(f"before a rollback at {now()}")
        _show(serving, f"v{number}")
        return next(version for version in versions(settings) if version.current)


def resume(settings: Settings) -> None:
    """See `orchestration.publish.resume`."""
    (_serving(settings) / HELD).unlink(missing_ok=True)


def replace_versions(
    settings: Settings, wanted: Callable[[Path], bool], change: Callable[[Path, str], None]
) -> Iterator[str]:
    """Replace each kept version whose file is `wanted` by a copy that `change(file, version)` has changed in place; yields
    the version's name when that is done.

    An old version keeps its number; the one that analysts see gets a new one, as they may have its file open. The caller
    holds the warehouse's lease.
    """
    serving = _serving(settings)
    _remove_drafts(serving)
    for old, folder in _numbered(serving):
        if not wanted(folder / settings.serving_path.name):
            continue
        draft = serving / f".draft-{os.getpid()}"
        shutil.copytree(folder, draft)
        change(draft / settings.serving_path.name, folder.name)
        with _switch(serving):
            number, is_shown = old, _target(serving / "current") == folder.name
            if is_shown:
                number = max(number for number, _ in _numbered(serving)) + 1
                record = json.loads((draft / RECORD).read_text()) | {"number": number}
                (draft / RECORD).write_text(json.dumps(record, indent=1) + "\n")
            for path in (*draft.iterdir(), draft):
                flush(path)
            if not is_shown:
                _remove(folder)
            draft.rename(serving / f"v{number}")
            if is_shown:
                _show(serving, f"v{number}")
                if (hold := held(settings)) and hold.number == old:
                    (serving / HELD).write_text(json.dumps(asdict(Hold(number, hold.since))))
                _remove(folder)
        yield folder.name


def tidy(settings: Settings) -> int:
    """See `orchestration.publish.tidy`."""
    if not settings.warehouse_path.exists():
        return 0
    with lease.lease(settings.warehouse_path, "maintenance", 600):
        return _remove_drafts(_serving(settings))


def _remove_drafts(serving: Path) -> int:
    """Of publishes that were killed; for who holds the lease: no other runs now."""
    drafts = list(serving.glob(".draft-*"))
    for leftover in drafts:
        _remove(leftover)
    return len(drafts)


def _warehouse(settings: Settings) -> Path:
    if not settings.warehouse_path.exists():
        raise EltError(
            f"there is no warehouse at {settings.warehouse_path}", "run a sync and `elt build` first"
        )
    return settings.warehouse_path


def _serving(settings: Settings) -> Path:
    """The folder of the versions; a writer makes it."""
    return settings.serving_path.parent.parent


def _tables(duck: duckdb.DuckDBPyConnection, database: str) -> list[tuple[str, str, str | None]]:
    """Schema, name and comment of each table in the marts of an attached database, the largest first."""
    return duck.execute(
        "select schema_name, table_name, comment from duckdb_tables()"
        " where database_name = ? and list_contains(?, schema_name) order by estimated_size * column_count desc",
        [database, list(SCHEMAS)],
    ).fetchall()


def _copy(warehouse: Path, file: Path) -> dict[str, int]:
    """Every table of the marts, with its comments, into a new database file; returns rows by table (with its schema, where
    that is another company's).
    """
    with duckdb.connect(file, config=NEW_FILE) as duck:
        duck.execute("set memory_limit = '2GB'")
        duck.execute(f"attach {literal(str(warehouse))} as warehouse (read_only)")
        tables = _tables(duck, "warehouse")
        if not any(schema == MARTS for schema, _, _ in tables):
            raise EltError(f"the warehouse has no tables in schema {MARTS}", "run `elt build` first")
        for schema in dict.fromkeys(schema for schema, _, _ in tables):
            duck.execute(f"create schema {quoted(schema)}")
        # DuckDB copies a table of one row group in one thread: so two tables at a time, the largest first
        shares = [tables[first::COPIERS] for first in range(COPIERS)]
        with ThreadPoolExecutor(COPIERS) as pool:
            rows = dict(chain.from_iterable(pool.map(partial(_copied, duck), shares)))
        duck.execute("begin")
        for schema, table, column, comment in duck.execute(
            "select schema_name, table_name, column_name, comment from duckdb_columns()"
            " where database_name = 'warehouse' and list_contains($1, schema_name) and comment is not null",
            [list(SCHEMAS)],
        ).fetchall():
            if _named(schema, table) in rows:
                duck.execute(
                    f"comment on column {quoted(schema)}.{quoted(table)}.{quoted(column)} is {literal(comment)}"
                )
        duck.execute("commit")
        duck.execute("detach warehouse")
        duck.execute("checkpoint")
    return dict(sorted(rows.items()))


def _copied(
    duck: duckdb.DuckDBPyConnection, tables: list[tuple[str, str, str | None]]
) -> list[tuple[str, int]]:
    """Copy these tables of the attached warehouse, with their comments; rows of each, but of what the marts were built from."""
    rows = []
    with duck.cursor() as own:
        own.execute("begin")  # one transaction: each of its own would be written to disk apart
        for schema, table, comment in tables:
            qualified = f"{quoted(schema)}.{quoted(table)}"
            (copied,) = one_row(own.execute(f"create table {qualified} as from warehouse.{qualified}"))
            if table != BUILT_FROM:
                rows.append((_named(schema, table), copied))
            if comment:
                own.execute(f"comment on table {qualified} is {literal(comment)}")
        own.execute("commit")
    return rows


def _named(schema: str, table: str) -> str:
    return table if schema == MARTS else f"{schema}.{table}"


def _restore(warehouse: Path, published: Path) -> int:
    """Make the marts of the warehouse those of the published file, in one transaction; how many they are."""
    with duckdb.connect(warehouse) as duck:
        duck.execute("set memory_limit = '2GB'")
        duck.execute(f"attach {literal(str(published))} as published (read_only)")
        here = {(schema, table) for schema, table, _ in _tables(duck, warehouse.stem)}
        shown = [(schema, table) for schema, table, _ in _tables(duck, "published")]
        duck.execute("begin")
        for schema, table in here - set(shown):
            duck.execute(f"drop table {quoted(schema)}.{quoted(table)}")
        for schema, table in shown:
            qualified = f"{quoted(schema)}.{quoted(table)}"
            duck.execute(f"create schema if not exists {quoted(schema)}")
            duck.execute(f"create or replace table {qualified} as from published.{qualified}")
        duck.execute("commit")
    return len([table for _, table in shown if table != BUILT_FROM])


def _show(serving: Path, name: str) -> None:
    """Point `current` to a version, in one step."""
    link = serving / ".current.new"
    link.unlink(missing_ok=True)
    link.symlink_to(name, target_is_directory=True)
    link.replace(serving / "current")
    flush(serving)


def _remove(folder: Path) -> None:
    """Out of sight first, so that a kill in mid-way leaves no half version behind."""
    doomed = folder.with_name(f".draft-removed-{folder.name.lstrip('.')}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _numbered(serving: Path) -> list[tuple[int, Path]]:
    """The folders `v1`, `v2`, … by number."""
    return sorted(
        (int(match[1]), folder)
        for folder in (serving.iterdir() if serving.is_dir() else ())
        if (match := re.fullmatch(r"v(\d+)", folder.name)) and folder.is_dir()
    )


def _target(link: Path) -> str | None:
    try:
        return link.readlink().name
    except OSError:
        return None
