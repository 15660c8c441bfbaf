"""The SQLite file: its layout and upgrades, and the statements of every resource.

One connection behind one lock serves all threads: the statements are short, and SQLite has one writer anyway.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from airbyte_local.enums import ACTIVE_STATUSES
from airbyte_local.vault import Vault
from foundation.errors import EltError, Kind

VERSION = 2
Values = dict[str, Any]  # of a row, by column
Row = TypeVar("Row")
REMEDY = "`elt restore` puts a backup's in its place; or remove it, and apply the connections again"

ACTIVE = ", ".join(f"'{status}'" for status in sorted(ACTIVE_STATUSES))

SCHEMA = f"""
create table meta (name text primary key, value blob not null);
create table workspaces (
    id text primary key, name text not null, notifications text not null,
    created_at integer not null, deleted integer not null default 0
);
create table actors (
    id text primary key, kind text not null, workspace_id text not null references workspaces (id),
    name text not null, type text not null, configuration blob not null,
    created_at integer not null, deleted integer not null default 0
);
create table connections (
    id text primary key, workspace_id text not null references workspaces (id),
    source_id text not null references actors (id), destination_id text not null references actors (id),
    body text not null, created_at integer not null, deleted integer not null default 0, next_run real
);
create table jobs (
    id integer primary key autoincrement, connection_id text not null references connections (id),
    type text not null, status text not null, created_at real not null, updated_at real not null, ended_at real,
    rows integer not null default 0, bytes integer not null default 0, streams text not null default '[]',
    failure_reason text
);
create unique index one_active_job on jobs (connection_id) where status in ({ACTIVE});
create index jobs_by_connection on jobs (connection_id, id);
"""

TAGS = """
create table tags (
    id text primary key, workspace_id text not null references workspaces (id), name text not null, color text not null,
    unique (workspace_id, name)
);
create table connection_tags (
    connection_id text not null references connections (id), tag_id text not null references tags (id) on delete cascade,
    primary key (connection_id, tag_id)
);
"""

# what leads from a layout to the next one
UPGRADES = {
    1: f"""
    alter table connections add column next_run real;
    update connections set body = json_remove(body, '$.tags');
    {TAGS}
    """,
}


class Database:
    """The file, open. Raises EltError when it cannot be used."""

    def __init__(self, path: Path, vault: Vault) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._vault = vault
        if not path.exists():
            self._create(path)
        try:
            self._open(path)
            self._upgrade(path)
        except sqlite3.DatabaseError as error:
            raise EltError(f"{path} can't be used: {error}", REMEDY) from None

    def _create(self, path: Path) -> None:
        """A new store, complete or not there: an empty file is always a damaged one. Raises EltError."""
        journal = path.with_name(f"{path.name}-wal")
        if journal.exists() and journal.stat().st_size:
            raise EltError(f"{path} is lost, its journal is there ({journal.name})", REMEDY)
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)  # of a server that was killed
        draft.touch(mode=0o600)
        self._db = sqlite3.connect(draft, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(f"begin; {SCHEMA} {TAGS} pragma user_version = {VERSION}; commit;")
        self.insert("meta", name="canary", value=self._vault.seal("canary"))
        self.insert("workspaces", id=new_id(), name="Default Workspace", notifications="{}", created_at=now())
        self._db.close()
        draft.replace(path)

    def _open(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._db.row_factory = sqlite3.Row
        path.chmod(0o600)
        (found,) = self._db.execute("pragma quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        if self._version() == 0:
            found = "another program's" if path.stat().st_size else "empty"
            raise EltError(f"{path} is {found}", REMEDY)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma foreign_keys = on")

    def _version(self) -> int:
        version: int = self._db.execute("pragma user_version").fetchone()[0]
        return version

    def _upgrade(self, path: Path) -> None:
        version = self._version()
        if version > VERSION:
            raise EltError(
                f"{path} was written by a newer version (layout {version}, known {VERSION})",
                "use that version, or set another ELT_HOME",
            )
        for older in range(version, VERSION):
            self._db.executescript(f"begin; {UPGRADES[older]} pragma user_version = {older + 1}; commit;")
        canary = self.row("select value from meta where name = 'canary'")
        if canary is None:
            raise sqlite3.DatabaseError("it lacks the value that its key is tried on")
        self._vault.open(canary["value"])  # another key is found at the start, not in the midst of a request

    def close(self) -> None:
        with self.lock:
            self._db.close()

    def write(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        with self.lock:
            return self._db.execute(sql, list(values))

    def insert(self, table: str, **values: object) -> sqlite3.Cursor:
        sql = f"insert into {table} ({', '.join(values)}) values ({', '.join('?' * len(values))})"
        return self.write(sql, values.values())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def rows(self, sql: str, values: Iterable[Any] = ()) -> list[Values]:
        with self.lock:
            return [dict(row) for row in self._db.execute(sql, list(values))]

    def row(self, sql: str, values: Iterable[Any] = ()) -> Values | None:
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def page(self, table: str, where: str, values: list[Any], limit: int, offset: int) -> list[Values]:
        """The rows of a table in the order in which they were made."""
        sql = f"select * from {table} where {where} order by created_at, rowid limit ? offset ?"
        return self.rows(sql, [*values, limit, offset])


def matching(columns: dict[str, list[Any]], deleted: bool) -> tuple[str, list[Any]]:
    """A where clause: each named column in its list (an empty list filters nothing), deleted rows too or not."""
    where, values = ["true" if deleted else "not deleted"], []
    for column, items in columns.items():
        if items:
            where.append(f"{column} in ({', '.join('?' * len(items))})")
            values += items
    return " and ".join(where), values


def new_id() -> str:
    return str(uuid.uuid4())


def now() -> int:
    """In seconds since 1970."""
    return int(time.time())


def there(row: Row | None) -> Row:
    """The row that was just written. Raises EltError when another call has deleted it since."""
    if row is None:
        raise EltError("it was deleted while it was being changed", "list what there is", kind=Kind.RETRY)
    return row
