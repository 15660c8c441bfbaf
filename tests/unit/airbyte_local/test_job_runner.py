"""Jobs whose connection, source or destination is deleted at that very moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from airbyte_local.enums import ActorKind, JobStatus, JobType
from airbyte_local.jobs import processes
from airbyte_local.jobs.runner import JobRunner
from airbyte_local.store import Connection, Store

DISABLES = """
import sys
sys.stdin.readline()
print('{"event": "disable"}', flush=True)
print('{"event": "result", "status": "succeeded"}', flush=True)
"""
BODY = {
    "name": "c",
    "status": "active",
    "configurations": {"streams": []},
    "namespaceDefinition": "source",
    "namespaceFormat": None,
    "prefix": "",
    "nonBreakingSchemaUpdatesBehavior": "ignore",
}


@pytest.fixture
def connection(store: Store) -> Connection:
    workspace = store.workspaces.page([], False, 10, 0)[0].id
    source = store.actors.add(ActorKind.SOURCE, workspace, "s", "postgres", {})
    destination = store.actors.add(ActorKind.DESTINATION, workspace, "d", "duckdb", {})
    return store.connections.add(workspace, source.id, destination.id, BODY)


@pytest.fixture
def runner(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobRunner]:
    play(monkeypatch, DISABLES)
    made = JobRunner(store, tmp_path)
    yield made
    made.stop()


def play(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Have jobs be this program."""

    def spawn() -> processes.JobProcess:
        process = psutil.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        return processes.JobProcess(process, process.stdin, process.stdout)

    monkeypatch.setattr(processes, "spawn", spawn)


def ended(runner: JobRunner, store: Store, key: int) -> JobStatus:
    """The job's status once nobody watches it any more."""
    watcher = runner._watchers.get(key)
    if watcher is not None:
        watcher.join(30)
    return store.jobs.get(key).status


def test_a_job_of_a_deleted_source_fails_at_once(
    store: Store, connection: Connection, runner: JobRunner
) -> None:
    store.actors.delete(connection.source_id)
    job = store.jobs.get(runner.launch(connection, JobType.SYNC))
    assert (job.status, job.failure_reason) == (
        JobStatus.FAILED,
        "the connection's source or destination was deleted before the job began",
    )


def test_a_job_ends_though_its_connection_is_deleted(
    store: Store, connection: Connection, runner: JobRunner
) -> None:
    store.connections.delete(connection.id)
    key = runner.launch(connection, JobType.SYNC)
    assert ended(runner, store, key) == JobStatus.SUCCEEDED


def test_a_job_ends_whatever_it_has_said(
    store: Store, connection: Connection, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, DISABLES.replace('"disable"', '"configuration", "configuration": 5'))
    assert ended(runner, store, runner.launch(connection, JobType.SYNC)) == JobStatus.FAILED
