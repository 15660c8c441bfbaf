"""Configuration and job history in one SQLite file; what is secret in it is encrypted.

One connection behind one lock serves all threads: the statements are short, and SQLite has one writer anyway.
That a connection has at most one job at a time is a unique index, not a check that two requests could both pass.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airbyte_local.enums import ACTIVE_STATUSES, ENDED_STATUSES, ActorKind, JobStatus, JobType
from airbyte_local.vault import Vault
from foundation.errors import EltError, Kind

VERSION = 2
REMEDY = "`elt restore` puts a backup's in its place; or remove it, and apply the connections again"

_ACTIVE = ", ".join(f"'{status}'" for status in sorted(ACTIVE_STATUSES))

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
create unique index one_active_job on jobs (connection_id) where status in ({_ACTIVE});
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


class ActiveJobError(Exception):
    """The connection has a job already."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        super().__init__(f"job {job_id} of this connection is still active")


class TakenError(Exception):
    """The workspace has a tag of that name."""


class Store:
    """What the server knows. Rows come and go as dictionaries; a missing row is None."""

    def __init__(self, path: Path, vault: Vault) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.RLock()
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
        self._write("insert into meta values ('canary', ?)", [self._vault.seal("canary")])
        self.add_workspace("Default Workspace", {})
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
        canary = self._row("select value from meta where name = 'canary'")
        if canary is None:
            raise sqlite3.DatabaseError("it lacks the value that its key is tried on")
        self._vault.open(canary["value"])  # another key is found at the start, not in the midst of a request

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _write(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        with self._lock:
            return self._db.execute(sql, list(values))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def _rows(self, sql: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._db.execute(sql, list(values))]

    def _row(self, sql: str, values: Iterable[Any] = ()) -> dict[str, Any] | None:
        rows = self._rows(sql, values)
        return rows[0] if rows else None

    # workspaces

    def add_workspace(self, name: str, notifications: dict[str, Any]) -> dict[str, Any]:
        key = str(uuid.uuid4())
        values = [key, name, json.dumps(notifications), int(time.time())]
        self._write(
            "insert into workspaces (id, name, notifications, created_at) values (?, ?, ?, ?)", values
        )
        return _there(self.workspace(key))

    def workspace(self, key: str) -> dict[str, Any] | None:
        row = self._row("select * from workspaces where id = ? and not deleted", [key])
        return _with_json(row, "notifications") if row else None

    def workspaces(self, ids: list[str], deleted: bool, limit: int, offset: int) -> list[dict[str, Any]]:
        where, values = _filter({"id": ids}, deleted)
        rows = self._page("workspaces", where, values, limit, offset)
        return [_with_json(row, "notifications") for row in rows]

    def update_workspace(self, key: str, name: str, notifications: dict[str, Any]) -> dict[str, Any]:
        self._write(
            "update workspaces set name = ?, notifications = ? where id = ?",
            [name, json.dumps(notifications), key],
        )
        return _there(self.workspace(key))

    def delete_workspace(self, key: str) -> None:
        self._write("update workspaces set deleted = 1 where id = ?", [key])

    # sources and destinations

    def add_actor(
        self, kind: ActorKind, workspace_id: str, name: str, type_: str, configuration: dict[str, Any]
    ) -> dict[str, Any]:
        key = str(uuid.uuid4())
        self._write(
            "insert into actors (id, kind, workspace_id, name, type, configuration, created_at)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            [key, kind, workspace_id, name, type_, self._vault.seal(configuration), int(time.time())],
        )
        return _there(self.actor(kind, key))

    def actor(self, kind: ActorKind, key: str) -> dict[str, Any] | None:
        """With its configuration in clear: for the job and for comparison, never for an answer."""
        row = self._row("select * from actors where id = ? and kind = ? and not deleted", [key, kind])
        return self._opened(row) if row else None

    def actors(
        self, kind: ActorKind, workspace_ids: list[str], deleted: bool, limit: int, offset: int
    ) -> list[dict[str, Any]]:
        where, values = _filter({"kind": [kind], "workspace_id": workspace_ids}, deleted)
        return [self._opened(row) for row in self._page("actors", where, values, limit, offset)]

    def update_actor(
        self, kind: ActorKind, key: str, name: str, configuration: dict[str, Any]
    ) -> dict[str, Any]:
        self._write(
            "update actors set name = ?, configuration = ? where id = ?",
            [name, self._vault.seal(configuration), key],
        )
        return _there(self.actor(kind, key))

    def delete_actor(self, key: str) -> None:
        """Its connections go with it, as in Airbyte."""
        with self._transaction():
            self._write("update actors set deleted = 1 where id = ?", [key])
            self._write(
                "update connections set deleted = 1 where source_id = ? or destination_id = ?", [key, key]
            )

    def _opened(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"configuration": self._vault.open(row["configuration"])}

    def seal(self, text: str) -> str:
        """A secret within a connection, as it is kept."""
        return self._vault.seal(text).decode()

    def unseal(self, sealed: str) -> str:
        text: str = self._vault.open(sealed.encode())
        return text

    # connections

    def add_connection(
        self,
        workspace_id: str,
        source_id: str,
        destination_id: str,
        body: dict[str, Any],
        tag_ids: Iterable[str] = (),
        next_run: float | None = None,
    ) -> dict[str, Any]:
        key = str(uuid.uuid4())
        with self._transaction():
            self._write(
                "insert into connections (id, workspace_id, source_id, destination_id, body, created_at, next_run)"
                " values (?, ?, ?, ?, ?, ?, ?)",
                [key, workspace_id, source_id, destination_id, json.dumps(body), int(time.time()), next_run],
            )
            self._tag(key, tag_ids)
        return _there(self.connection(key))

    def connection(self, key: str) -> dict[str, Any] | None:
        """With its tags, as rows."""
        found = self._rows("select * from connections where id = ? and not deleted", [key])
        return self._with_tags(found)[0] if found else None

    def connections(
        self, workspace_ids: list[str], tag_ids: list[str], deleted: bool, limit: int, offset: int
    ) -> list[dict[str, Any]]:
        """With their tags; `tag_ids` filters to those that have any of them."""
        where, values = _filter({"workspace_id": workspace_ids}, deleted)
        if tag_ids:
            some, more = _filter({"tag_id": tag_ids}, deleted=True)
            where += f" and id in (select connection_id from connection_tags where {some})"
            values += more
        return self._with_tags(self._page("connections", where, values, limit, offset))

    def connections_of(self, actor_id: str) -> list[str]:
        """The ids of the connections that use a source or destination."""
        sql = "select id from connections where (source_id = ? or destination_id = ?) and not deleted"
        return [row["id"] for row in self._rows(sql, [actor_id, actor_id])]

    def update_connection(
        self, key: str, body: dict[str, Any], tag_ids: Iterable[str] | None, next_run: float | None
    ) -> dict[str, Any]:
        """`tag_ids` None leaves the tags as they are."""
        with self._transaction():
            self._write(
                "update connections set body = ?, next_run = ? where id = ?",
                [json.dumps(body), next_run, key],
            )
            if tag_ids is not None:
                self._write("delete from connection_tags where connection_id = ?", [key])
                self._tag(key, tag_ids)
        return _there(self.connection(key))

    def delete_connection(self, key: str) -> None:
        self._write("update connections set deleted = 1 where id = ?", [key])

    def due(self, moment: float) -> list[dict[str, Any]]:
        """Connections whose next run is not later than this."""
        sql = "select * from connections where next_run <= ? and not deleted order by next_run"
        return [_with_json(row, "body") for row in self._rows(sql, [moment])]

    def next_run(self) -> float | None:
        """When the next scheduled job is due."""
        (row,) = self._rows("select min(next_run) as at from connections where not deleted")
        at: float | None = row["at"]
        return at

    def set_next_run(self, key: str, moment: float | None) -> None:
        self._write("update connections set next_run = ? where id = ?", [moment, key])

    def _tag(self, key: str, tag_ids: Iterable[str]) -> None:
        for tag_id in tag_ids:
            self._write("insert or ignore into connection_tags values (?, ?)", [key, tag_id])

    def _with_tags(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not rows:
            return []
        tags: dict[str, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
        where, values = _filter({"connection_id": list(tags)}, deleted=True)
        for tag in self._rows(
            "select connection_id, tags.* from connection_tags join tags on tags.id = tag_id"
            f" where {where} order by tags.name",
            values,
        ):
            tags[tag.pop("connection_id")].append(tag)
        return [_with_json(row, "body") | {"tags": tags[row["id"]]} for row in rows]

    # tags

    def add_tag(self, workspace_id: str, name: str, color: str) -> dict[str, Any]:
        """Raises TakenError."""
        key = str(uuid.uuid4())
        try:
            self._write("insert into tags values (?, ?, ?, ?)", [key, workspace_id, name, color])
        except sqlite3.IntegrityError:
            raise TakenError from None
        return _there(self.tag(key))

    def tag(self, key: str) -> dict[str, Any] | None:
        return self._row("select * from tags where id = ?", [key])

    def tags(self, workspace_ids: list[str]) -> list[dict[str, Any]]:
        where, values = _filter({"workspace_id": workspace_ids}, deleted=True)
        return self._rows(f"select * from tags where {where} order by name", values)

    def update_tag(self, key: str, name: str, color: str) -> dict[str, Any]:
        """Raises TakenError."""
        try:
            self._write("update tags set name = ?, color = ? where id = ?", [name, color, key])
        except sqlite3.IntegrityError:
            raise TakenError from None
        return _there(self.tag(key))

    def delete_tag(self, key: str) -> None:
        """Connections lose it."""
        self._write("delete from tags where id = ?", [key])

    # jobs

    def add_job(self, connection_id: str, type_: JobType) -> dict[str, Any]:
        """A pending job. Raises ActiveJobError when the connection has one that has not ended."""
        now = time.time()
        with self._lock:
            try:
                cursor = self._write(
                    "insert into jobs (connection_id, type, status, created_at, updated_at) values (?, ?, ?, ?, ?)",
                    [connection_id, type_, JobStatus.PENDING, now, now],
                )
            except sqlite3.IntegrityError:
                active = self.active_job(connection_id)
                if active is None:
                    raise
                raise ActiveJobError(active) from None
            return _there(self.job(cursor.lastrowid or 0))

    def active_job(self, connection_id: str) -> int | None:
        sql = f"select id from jobs where connection_id = ? and status in ({_ACTIVE})"
        row = self._row(sql, [connection_id])
        return row["id"] if row else None

    def job(self, key: int) -> dict[str, Any] | None:
        row = self._row("select * from jobs where id = ?", [key])
        return _with_json(row, "streams") if row else None

    def jobs(
        self,
        filters: dict[str, list[Any]],
        spans: dict[str, tuple[float | None, float | None]],
        order_by: tuple[str, bool],
        limit: int,
        offset: int,
    ) -> list[dict[str, Any]]:
        """Jobs by column values and time spans, ordered by `(column, descending)`, the id deciding ties."""
        where, values = _filter({f"jobs.{name}": items for name, items in filters.items()}, deleted=True)
        for column, (start, end) in spans.items():
            where += "".join(
                f" and jobs.{column} {sign} ?" for sign, at in ((">=", start), ("<=", end)) if at is not None
            )
            values += [at for at in (start, end) if at is not None]
        column, descending = order_by
        direction = "desc" if descending else "asc"
        sql = (
            f"select jobs.* from jobs where {where}"
            f" order by jobs.{column} {direction}, jobs.id {direction} limit ? offset ?"
        )
        return [_with_json(row, "streams") for row in self._rows(sql, [*values, limit, offset])]

    def connection_ids(self, workspace_ids: list[str]) -> list[str]:
        """Every connection of these workspaces, deleted ones too: their history stays to be read."""
        where, values = _filter({"workspace_id": workspace_ids}, deleted=True)
        return [row["id"] for row in self._rows(f"select id from connections where {where}", values)]

    def progress(self, key: int, rows: int, bytes_: int, streams: list[dict[str, Any]]) -> None:
        """The counters of a job that runs, per stream too."""
        self._write(
            "update jobs set rows = ?, bytes = ?, streams = ?, updated_at = ? where id = ?",
            [rows, bytes_, json.dumps(streams), time.time(), key],
        )

    def set_running(self, key: int) -> None:
        self._write(
            "update jobs set status = ?, updated_at = ? where id = ? and status = ?",
            [JobStatus.RUNNING, time.time(), key, JobStatus.PENDING],
        )

    def end_job(self, key: int, status: JobStatus, reason: str | None = None) -> None:
        """The last word on a job; a job that has ended stays as it ended."""
        if status not in ENDED_STATUSES:
            raise ValueError(f"{status} does not end a job")
        now = time.time()
        self._write(
            f"update jobs set status = ?, failure_reason = ?, updated_at = ?, ended_at = ?"
            f" where id = ? and status in ({_ACTIVE})",
            [status, reason, now, now, key],
        )

    def end_orphans(self, reason: str) -> int:
        """Jobs that a stopped server left active; returns how many."""
        now = time.time()
        sql = (
            "update jobs set status = ?, failure_reason = ?, updated_at = ?, ended_at = ?"
            f" where status in ({_ACTIVE})"
        )
        return self._write(sql, [JobStatus.FAILED, reason, now, now]).rowcount

    def _page(
        self, table: str, where: str, values: list[Any], limit: int, offset: int
    ) -> list[dict[str, Any]]:
        sql = f"select * from {table} where {where} order by created_at, rowid limit ? offset ?"
        return self._rows(sql, [*values, limit, offset])


def _filter(columns: dict[str, list[Any]], deleted: bool) -> tuple[str, list[Any]]:
    """A where clause: each named column in its list (an empty list filters nothing)."""
    where, values = ["true" if deleted else "not deleted"], []
    for column, items in columns.items():
        if items:
            where.append(f"{column} in ({', '.join('?' * len(items))})")
            values += items
    return " and ".join(where), values


def _with_json(row: dict[str, Any], column: str) -> dict[str, Any]:
    return row | {column: json.loads(row[column])}


def _there(row: dict[str, Any] | None) -> dict[str, Any]:
    """The row that was just written. Raises EltError when another call has deleted it since."""
    if row is None:
        raise EltError("it was deleted while it was being changed", "list what there is", kind=Kind.RETRY)
    return row
