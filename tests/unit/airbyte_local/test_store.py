"""The SQLite store: one active job a connection, ends that stay, nothing secret in clear."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from airbyte_local.enums import ActorKind, JobStatus, JobType
from airbyte_local.store import ActiveJobError, Connection, Store, TakenError
from airbyte_local.vault import Vault
from foundation.errors import EltError


@pytest.fixture
def connection(store: Store) -> Connection:
    workspace = store.workspaces.page([], False, 10, 0)[0].id
    source = store.actors.add(ActorKind.SOURCE, workspace, "s", "postgres", {"password": "hush hush"})
    destination = store.actors.add(ActorKind.DESTINATION, workspace, "d", "duckdb", {})
    return store.connections.add(workspace, source.id, destination.id, {"name": "c"})


def test_a_new_store_has_a_workspace(store: Store) -> None:
    assert [row.name for row in store.workspaces.page([], False, 10, 0)] == ["Default Workspace"]


def test_a_connection_has_one_active_job(store: Store, connection: Connection) -> None:
    job = store.jobs.add(connection.id, JobType.SYNC)
    with pytest.raises(ActiveJobError) as error:
        store.jobs.add(connection.id, JobType.SYNC)
    assert error.value.job_id == job.id
    store.jobs.set_running(job.id)
    store.jobs.end(job.id, JobStatus.SUCCEEDED)
    assert store.jobs.add(connection.id, JobType.SYNC).id == job.id + 1


def test_a_job_ends_once(store: Store, connection: Connection) -> None:
    job = store.jobs.add(connection.id, JobType.SYNC)
    store.jobs.end(job.id, JobStatus.CANCELLED)
    store.jobs.end(job.id, JobStatus.FAILED, "too late")
    store.jobs.set_running(job.id)
    assert store.jobs.get(job.id).status == JobStatus.CANCELLED
    with pytest.raises(ValueError, match="does not end a job"):
        store.jobs.end(job.id, JobStatus.RUNNING)


def test_orphans_of_a_stopped_server_are_failed(store: Store, connection: Connection) -> None:
    job = store.jobs.add(connection.id, JobType.SYNC)
    assert store.jobs.end_orphans("the server was stopped") == 1
    assert store.jobs.end_orphans("again") == 0
    assert store.jobs.get(job.id).failure_reason == "the server was stopped"


def test_the_file_holds_no_secret_and_only_its_owner_may_read_it(
    store: Store, connection: Connection, tmp_path: Path
) -> None:
    store.close()
    files = list(tmp_path.iterdir())
    assert not any(b"hush" in path.read_bytes() for path in files)
    assert (tmp_path / "airbyte.sqlite").stat().st_mode & 0o077 == 0


# what a server of layout 1 had written: its tables, a source, a destination, a connection, a job that has ended
LAYOUT_1 = """
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
    body text not null, created_at integer not null, deleted integer not null default 0
);
create table jobs (
    id integer primary key autoincrement, connection_id text not null references connections (id),
    type text not null, status text not null, created_at real not null, updated_at real not null, ended_at real,
    rows integer not null default 0, bytes integer not null default 0, streams text not null default '[]',
    failure_reason text
);
create unique index one_active_job on jobs (connection_id) where status in ('incomplete', 'pending', 'running');
create index jobs_by_connection on jobs (connection_id, id);
insert into workspaces values ('w', 'Default Workspace', '{}', 1, 0);
insert into jobs values (7, 'c', 'sync', 'succeeded', 1, 2, 2, 10, 100, '[]', null);
pragma user_version = 1;
"""


def test_a_store_of_the_first_layout_is_upgraded(tmp_path: Path) -> None:
    vault = Vault(Fernet.generate_key().decode())
    body = {"name": "c", "schedule": {"scheduleType": "manual"}, "tags": []}
    with sqlite3.connect(tmp_path / "airbyte.sqlite") as old:
        old.execute("pragma foreign_keys = off")
        old.executescript(LAYOUT_1)
        old.execute("insert into meta values ('canary', ?)", [vault.seal("canary")])
        for kind, key in (("source", "s"), ("destination", "d")):
            old.execute(
                "insert into actors values (?, ?, 'w', 'n', 't', ?, 1, 0)",
                [key, kind, vault.seal({"password": key})],
            )
        old.execute("insert into connections values ('c', 'w', 's', 'd', ?, 1, 0)", [json.dumps(body)])
    old.close()
    for _ in range(2):  # the second time there is nothing to upgrade
        store = Store(tmp_path / "airbyte.sqlite", vault)
        connection = store.connections.get("c")
        assert connection.body == {"name": "c", "schedule": {"scheduleType": "manual"}}
        assert (connection.tags, connection.next_run) == ((), None)
        assert store.actors.get(ActorKind.SOURCE, "s").configuration == {"password": "s"}
        assert store.jobs.get(7).rows == 10
        assert store.jobs.add("c", JobType.REFRESH).id > 7
        store.jobs.end(store.jobs.active("c"), JobStatus.FAILED)
        store.tags.add("w", f"tag of {store.jobs.get(8).id + len(store.tags.of([]))}", "ff0000")
        store.close()
    fresh = Store(tmp_path / "fresh.sqlite", vault)
    fresh.close()
    assert layout(tmp_path / "airbyte.sqlite") == layout(tmp_path / "fresh.sqlite")


def layout(path: Path) -> set[str]:
    """Every table and index with its columns."""
    database = sqlite3.connect(path)
    names = [
        row[0] for row in database.execute("select name from sqlite_schema where name not like 'sqlite_%'")
    ]
    columns = {
        f"{name}.{row[1]} {row[2]}"
        for name in names
        for row in database.execute(f"pragma table_xinfo({name})")
    }
    database.close()
    return columns | set(names)


def test_tags_hang_on_connections_until_they_are_deleted(store: Store, connection: Connection) -> None:
    workspace = connection.workspace_id
    tags = [store.tags.add(workspace, name, "ff0000").id for name in ("b", "a")]
    with pytest.raises(TakenError):
        store.tags.add(workspace, "a", "00ff00")
    with pytest.raises(TakenError):
        store.tags.update(tags[0], "a", "00ff00")
    store.connections.update(connection.id, connection.body, tags, None)
    assert [tag.name for tag in store.connections.get(connection.id).tags] == ["a", "b"]
    store.connections.update(connection.id, connection.body, None, None)
    assert len(store.connections.get(connection.id).tags) == 2
    assert [row.id for row in store.connections.page([], tags, False, 10, 0)] == [connection.id]
    store.tags.delete(tags[0])
    assert [tag.name for tag in store.connections.page([], [], False, 10, 0)[0].tags] == ["a"]
    assert store.connections.page([], [tags[0]], False, 10, 0) == []


def test_a_transaction_that_fails_leaves_nothing(store: Store, connection: Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.connections.update(connection.id, {"name": "new"}, ["no such tag"], None)
    assert store.connections.get(connection.id).body == {"name": "c"}
    assert store.jobs.add(connection.id, JobType.SYNC).id == 1  # and the store works on


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (
            lambda path: path.write_bytes(b"no database, but a text" * 100),
            "can't be used: file is not a database",
        ),
        (damaged, "can't be used"),
        (lambda path: path.write_bytes(path.read_bytes()[:6000]), "can't be used"),
        (
            lambda path: (path.unlink(), sqlite3.connect(path).executescript("create table other (id)"))[0],
            "is another program's",
        ),
        (lambda path: path.rename(path.with_name("airbyte.sqlite-wal")), "is lost, its journal is there"),
    ],
)
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_store_that_is_damaged_or_foreign_is_never_taken_for_a_new_one(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    path, vault = tmp_path / "airbyte.sqlite", Vault(Fernet.generate_key().decode())
    Store(path, vault).close()
    Store(path, vault).close()
    spoil(path)
    left = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(EltError, match=said) as refused:
        Store(path, vault)
    assert "elt restore" in str(refused.value)
    assert {file: file.read_bytes() for file in tmp_path.iterdir() if file in left} == left
