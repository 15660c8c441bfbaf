"""The SQLite store: one active job a connection, ends that stay, nothing secret in clear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from airbyte_local.enums import ActorKind, JobStatus, JobType
from airbyte_local.store import ActiveJobError, Store
from airbyte_local.vault import Vault


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "airbyte.sqlite", Vault(Fernet.generate_key().decode()))
    yield opened
    opened.close()


@pytest.fixture
def connection(store: Store) -> dict[str, Any]:
    workspace = store.workspaces([], False, 10, 0)[0]["id"]
    source = store.add_actor(ActorKind.SOURCE, workspace, "s", "postgres", {"password": "hush hush"})
    destination = store.add_actor(ActorKind.DESTINATION, workspace, "d", "duckdb", {})
    return store.add_connection(workspace, source["id"], destination["id"], {"name": "c"})


def test_a_new_store_has_a_workspace(store: Store) -> None:
    assert [row["name"] for row in store.workspaces([], False, 10, 0)] == ["Default Workspace"]


def test_a_connection_has_one_active_job(store: Store, connection: dict[str, Any]) -> None:
    job = store.add_job(connection["id"], JobType.SYNC)
    with pytest.raises(ActiveJobError) as error:
        store.add_job(connection["id"], JobType.SYNC)
    assert error.value.job_id == job["id"]
    store.set_running(job["id"])
    store.end_job(job["id"], JobStatus.SUCCEEDED)
    assert store.add_job(connection["id"], JobType.SYNC)["id"] == job["id"] + 1


def test_a_job_ends_once(store: Store, connection: dict[str, Any]) -> None:
    job = store.add_job(connection["id"], JobType.SYNC)
    store.end_job(job["id"], JobStatus.CANCELLED)
    store.end_job(job["id"], JobStatus.FAILED, "too late")
    store.set_running(job["id"])
    assert store.job(job["id"])["status"] == JobStatus.CANCELLED
    with pytest.raises(ValueError, match="does not end a job"):
        store.end_job(job["id"], JobStatus.RUNNING)


def test_orphans_of_a_stopped_server_are_failed(store: Store, connection: dict[str, Any]) -> None:
    job = store.add_job(connection["id"], JobType.SYNC)
    assert store.end_orphans("the server was stopped") == 1
    assert store.end_orphans("again") == 0
    assert store.job(job["id"])["failure_reason"] == "the server was stopped"


def test_the_file_holds_no_secret_and_only_its_owner_may_read_it(
    store: Store, connection: dict[str, Any], tmp_path: Path
) -> None:
    store.close()
    files = list(tmp_path.iterdir())
    assert not any(b"hush" in path.read_bytes() for path in files)
    assert (tmp_path / "airbyte.sqlite").stat().st_mode & 0o077 == 0
