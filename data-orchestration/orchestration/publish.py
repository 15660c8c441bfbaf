"""Publishing: the marts that were built and tested become what analysts see, all at once.

On DuckDB: the tables of schema `marts` are copied into a version of their own, `serving/vN/adventureworks.duckdb`, and
the link `serving/current` is switched to it in one step. A reader that has the old file open finishes on it. A process
that is killed at any point leaves the old version or the new one, and a draft that the next publish clears away.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from elt.errors import EltError
from elt.lease import lease
from elt.settings import Settings

SCHEMA = "marts"
KEPT = 3  # versions that stay, the one shown among them
RECORD = "published.json"


@dataclass(frozen=True)
class Version:
    """One published version: its number, who published it when, and rows by table."""

    number: int
    run: str
    published_at: str  # UTC, ISO 8601
    seconds: float
    tables: dict[str, int]
    current: bool = False

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


def publish(settings: Settings, run: str, wait_seconds: float = 600.0) -> Version:
    """Publish the marts of the configured target; `run` says on whose behalf ("scheduled__…", "elt publish").

    Raises EltError when there is nothing to publish, the target has no publisher, the disk is full, or another writer
    keeps the warehouse for `wait_seconds`. Whatever goes wrong, the last version is still shown.
    """
    try:
        publisher = PUBLISHERS[settings.dbt_target]
    except KeyError:
        raise EltError(
            f"publishing is not built yet for the dbt target {settings.dbt_target}",
            f"set DBT_TARGET to one of: {', '.join(PUBLISHERS)}",
        ) from None
    return publisher(settings, run, wait_seconds)


def versions(settings: Settings) -> list[Version]:
    """The versions that are kept, oldest first; the one that analysts see is marked `current`."""
    serving = settings.serving_path.parent.parent
    shown = _target(serving / "current")
    found = []
    for _, folder in _numbered(serving):
        try:
            record = json.loads((folder / RECORD).read_text())
        except (OSError, ValueError):
            continue  # being removed at this moment
        found.append(Version(**record, current=folder.name == shown))
    return found


def publish_duckdb(settings: Settings, run: str, wait_seconds: float) -> Version:
    """Copy schema `marts` into the next version and switch to it. See `publish`."""
    warehouse = settings.warehouse_path
    if not warehouse.exists():
        raise EltError(f"there is no warehouse at {warehouse}", "run a sync and `elt build` first")
    serving = settings.serving_path.parent.parent
    serving.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with lease(warehouse, f"publish ({run})", wait_seconds):
        for leftover in serving.glob(".draft-*"):  # of a publish that was killed: no other runs now
            _remove(leftover)
        draft = serving / f".draft-{os.getpid()}"
        try:
            draft.mkdir()
            tables = _copy(warehouse, draft / settings.serving_path.name)
            number = max((number for number, _ in _numbered(serving)), default=0) + 1
            version = Version(
                number=number,
                run=run,
                published_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                seconds=round(time.monotonic() - started, 2),
                tables=tables,
                current=True,
            )
            record = {name: value for name, value in asdict(version).items() if name != "current"}
            (draft / RECORD).write_text(json.dumps(record, indent=1) + "\n")
            _switch(serving, draft, f"v{number}")
        except (duckdb.Error, OSError) as error:
            raise EltError(
                f"publishing failed, the last version is still shown: {str(error).splitlines()[0]}",
                f"check the space and the permissions of {serving}, then publish again",
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        for _, folder in _numbered(serving)[:-KEPT]:
            _remove(folder)
    return version


def _copy(warehouse: Path, file: Path) -> dict[str, int]:
    """Every table of the marts, with its comments, into a new database file; returns rows by table."""
    with duckdb.connect(file) as connection:
        connection.execute("set memory_limit = '2GB'")
        connection.execute(f"attach {_literal(str(warehouse))} as warehouse (read_only)")
        tables = connection.execute(
            "select table_name, comment from duckdb_tables()"
            " where database_name = 'warehouse' and schema_name = $1 order by table_name",
            [SCHEMA],
        ).fetchall()
        if not tables:
            raise EltError(f"the warehouse has no tables in schema {SCHEMA}", "run `elt build` first")
        connection.execute("begin")  # one transaction: each of its own would be written to disk apart
        connection.execute(f"create schema {_name(SCHEMA)}")
        rows: dict[str, int] = {}
        for table, comment in tables:
            qualified = f"{_name(SCHEMA)}.{_name(table)}"
            copied = connection.execute(f"create table {qualified} as from warehouse.{qualified}").fetchone()
            rows[table] = copied[0] if copied else 0
            if comment:
                connection.execute(f"comment on table {qualified} is {_literal(comment)}")
        for table, column, comment in connection.execute(
            "select table_name, column_name, comment from duckdb_columns()"
            " where database_name = 'warehouse' and schema_name = $1 and comment is not null",
            [SCHEMA],
        ).fetchall():
            if table in rows:
                connection.execute(
                    f"comment on column {_name(SCHEMA)}.{_name(table)}.{_name(column)} is {_literal(comment)}"
                )
        connection.execute("commit")
        connection.execute("detach warehouse")
        connection.execute("checkpoint")
    return rows


def _switch(serving: Path, draft: Path, name: str) -> None:
    """Make the draft durable, give it its name, and point `current` to it; each step is atomic."""
    for path in (*draft.iterdir(), draft):
        _sync(path)
    draft.rename(serving / name)
    link = serving / ".current.new"
    link.unlink(missing_ok=True)
    link.symlink_to(name, target_is_directory=True)
    link.replace(serving / "current")
    _sync(serving)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    """Out of sight first, so that a kill in mid-way leaves no half version behind."""
    doomed = folder.with_name(f".draft-removed-{folder.name.lstrip('.')}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _numbered(serving: Path) -> list[tuple[int, Path]]:
    """The folders `v1`, `v2`, … by number."""
    if not serving.exists():
        return []
    return sorted(
        (int(match[1]), folder)
        for folder in serving.iterdir()
        if (match := re.fullmatch(r"v(\d+)", folder.name)) and folder.is_dir()
    )


def _target(link: Path) -> str | None:
    try:
        return link.readlink().name
    except OSError:
        return None


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


PUBLISHERS: dict[str, Callable[[Settings, str, float], Version]] = {"duckdb": publish_duckdb}
