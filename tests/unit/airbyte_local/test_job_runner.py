"""Jobs whose connection, source or destination is deleted, which are cancelled, or whose server stops, at that very moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import uvicorn

from airbyte_local.__main__ import serve
from airbyte_local.enums import ActorKind, JobStatus, JobType
from airbyte_local.jobs import processes
from airbyte_local.jobs.runner import SERVER_STOPPED, JobRunner
from airbyte_local.store import Connection, Job, Store
from tests.fixtures.source import free_port
from tests.fixtures.waiting import wait_until

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


def test_neither_a_client_nor_a_cancel_waits_for_a_process(
    store: Store, connection: Connection, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, spawn = threading.Event(), processes.spawn

    def late() -> processes.JobProcess:
        ready.wait(5)
        return spawn()

    monkeypatch.setattr(processes, "spawn", late)
    key = runner.launch(connection, JobType.SYNC)
    assert store.jobs.get(key).status == JobStatus.PENDING
    runner.cancel(key)
    assert store.jobs.get(key).status == JobStatus.CANCELLED
    ready.set()
    assert ended(runner, store, key) == JobStatus.CANCELLED
    assert (runner._processes, runner._watchers, runner._ends) == ({}, {}, {})


def test_a_job_that_is_cancelled_before_it_starts_never_starts(
    store: Store, connection: Connection, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = store.jobs.add

    def add_and_cancel(connection_id: str, type_: JobType) -> Job:
        job = add(connection_id, type_)
        runner.cancel(job.id)
        return job

    monkeypatch.setattr(store.jobs, "add", add_and_cancel)
    assert ended(runner, store, runner.launch(connection, JobType.SYNC)) == JobStatus.CANCELLED


def test_a_job_whose_process_cannot_be_started_fails(
    store: Store, connection: Connection, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spawn() -> processes.JobProcess:
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(processes, "spawn", spawn)
    key = runner.launch(connection, JobType.SYNC)
    assert ended(runner, store, key) == JobStatus.FAILED
    assert store.jobs.get(key).failure_reason == "its process could not be started: too many processes"


def test_a_stop_does_not_wait_for_a_silent_template(
    store: Store, connection: Connection, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 5)
    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(processes, "FORKS", True)
    monkeypatch.setattr(processes, "_python", lambda module, **streams: psutil.Popen(silent, **streams))
    runner._ready.prepare()
    launching = threading.Thread(target=runner.launch, args=(connection, JobType.SYNC))
    launching.start()
    wait_until(runner._ready._lock.locked)
    runner.stop()
    launching.join()
    (job,) = store.jobs.page({}, {}, ("id", False), 10, 0)
    assert (job.status, job.failure_reason) == (JobStatus.FAILED, SERVER_STOPPED)
    assert job.ended_at - job.created_at < processes.START_SECONDS


def test_a_second_interrupt_ends_the_jobs_before_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[JobRunner] = []

    def stop(runner: JobRunner) -> None:
        runner._store.jobs.page({}, {}, ("id", False), 1, 0)  # it is open still
        ended.append(runner)

    def interrupted(*_: object, **__: object) -> None:
        """As uvicorn does on the second one: without an end of the application."""
        sys.exit(0)

    monkeypatch.setattr(uvicorn.Server, "run", interrupted)
    monkeypatch.setattr(JobRunner, "stop", stop)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # the server adds to it
    with pytest.raises(SystemExit):
        serve("127.0.0.1", free_port(), tmp_path / "home")
    assert len(ended) == 1
