"""Starts, watches and ends job processes.

The job's task (with secrets) goes through its standard input, never through arguments or the environment. That pipe stays
open as long as the server lives: when it closes, the job ends itself, so that no job outlives a killed server. The job
tells its progress and its result as JSON lines on standard output; its standard error becomes the job's log file.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import psutil

from airbyte_local.enums import OFFERED, ActorKind, ConnectionStatus, JobStatus, JobType
from airbyte_local.jobs.descendants import end_orphans
from airbyte_local.jobs.processes import JobProcess, Processes
from airbyte_local.mappers.keys import opened
from airbyte_local.places import outside
from airbyte_local.sources import secret_fields
from airbyte_local.sources.connector.process import scratch_root
from airbyte_local.store import Connection, Job, Store
from foundation.scratch import sweep

log = logging.getLogger(__name__)

TERM_SECONDS = 5.0
LOGS, LOGS_BYTES, TRIM_EVERY = 2_000, 512 << 20, 20  # of ended jobs
PAUSE_SECONDS = 0.5  # after the last job has ended: its client's next questions come first
ENDS_DELETED = "the connection's source or destination was deleted before the job began"
NO_PROCESS = "its process could not be started"
HINTS = {
    "SIGKILL": " (by hand, or for lack of memory)",
    "SIGALRM": " (no thread started: a limit of memory or processes)",
}
SERVER_STOPPED = (
    "the server was stopped while the job ran; no change is half written, and the next sync continues"
)


class JobRunner:
    """The processes of the jobs that run now."""

    def __init__(self, store: Store, home: Path) -> None:
        self._store = store
        self._logs = home / "jobs"
        self._logs.mkdir(parents=True, exist_ok=True)
        sweep_jobs()  # of a server that was killed
        self._lock = threading.Lock()
        self._processes: dict[int, JobProcess] = {}
        self._watchers: dict[int, threading.Thread] = {}
        self._ends: dict[int, tuple[JobStatus, str | None]] = {}  # what a cancel or stop has decided
        self._stopping = threading.Event()
        self._ready = Processes()

    def launch(
        self, connection: Connection, type_: JobType, chosen: list[dict[str, Any]] | None = None
    ) -> int:
        """Run a job of a connection in a process of its own, for its `chosen` streams or all of them; returns its id at once.

        Raises ActiveJobError.
        """
        job = self._store.jobs.add(connection.id, type_)
        self._start(job, connection, chosen)
        return job.id

    def prepare(self) -> None:
        """Have the engine imported for the next job, unless one runs now: it is not to be slowed down."""
        timer = threading.Timer(PAUSE_SECONDS, self._prepare)
        timer.daemon = True
        timer.start()

    def _prepare(self) -> None:
        with self._lock:
            idle = not self._watchers
        if idle:
            self._ready.prepare()

    def _start(self, job: Job, connection: Connection, chosen: list[dict[str, Any]] | None) -> None:
        job_id = job.id
        with self._lock:
            if self._stopping.is_set():
                self._store.jobs.end(job_id, JobStatus.FAILED, SERVER_STOPPED)
                return
            if self._store.jobs.active(connection.id) != job_id:  # somebody has cancelled it already
                return
            task = self._task(job, connection, chosen)
            reason = self._misplaced(task) if task else ENDS_DELETED
            if reason:
                self._store.jobs.end(job_id, JobStatus.FAILED, reason)
                return
            try:
                self._log_path(job_id).touch(mode=0o600)
                watcher = threading.Thread(
                    target=self._run, args=(job_id, json.dumps(task).encode() + b"\n"), name=f"job {job_id}"
                )
                watcher.start()
            except (OSError, RuntimeError) as error:
                self._store.jobs.end(job_id, JobStatus.FAILED, f"{NO_PROCESS}: {error}")
                return
            self._watchers[job_id] = watcher

    def cancel(self, job_id: int) -> None:
        """End an active job as cancelled and wait for its process; a job that has ended stays as it is."""
        self._end(job_id, JobStatus.CANCELLED, None)

    def stop(self) -> None:
        """End every job: the server stops."""
        with self._lock:
            self._stopping.set()
            watchers = dict(self._watchers)
            for job_id in watchers:
                self._ends.setdefault(job_id, (JobStatus.FAILED, SERVER_STOPPED))
        self._ready.close()
        for job_id, watcher in watchers.items():
            self._end(job_id, JobStatus.FAILED, SERVER_STOPPED)
            watcher.join()

    def log(self, job_id: int, offset: int = 0, *, whole_lines: bool = False) -> bytes:
        """What the job has logged so far, from byte `offset` on, with or without a line that it is just writing."""
        try:
            with self._log_path(job_id).open("rb") as file:
                file.seek(offset)
                text = file.read()
        except FileNotFoundError:
            return b""
        return text[: text.rfind(b"\n") + 1] if whole_lines else text

    def _end(self, job_id: int, status: JobStatus, reason: str | None) -> None:
        with self._lock:
            job, watcher = self._processes.get(job_id), self._watchers.get(job_id)
            if watcher is not None:
                self._ends.setdefault(job_id, (status, reason))
            if job is None or watcher is None:  # it has no process yet, or has ended
                self._store.jobs.end(job_id, status, reason)
                return
            with contextlib.suppress(psutil.NoSuchProcess):
                job.process.terminate()
        watcher.join(TERM_SECONDS)
        if watcher.is_alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                job.process.kill()
            watcher.join()

    def _log_path(self, job_id: int) -> Path:
        return self._logs / f"{job_id}.log"

    def _misplaced(self, task: dict[str, Any]) -> str | None:
        """Why the destination's file is none to write to: a link may have been put in its way since it was configured."""
        path = task["destination"]["configuration"].get("destination_path")
        reason = outside(path) if path else None
        return reason and f"destination_path {path} {reason}"

    def _task(
        self, job: Job, connection: Connection, chosen: list[dict[str, Any]] | None
    ) -> dict[str, Any] | None:
        """What the job's process needs to know; None when the source or the destination has been deleted."""
        body = connection.body
        source = self._store.actors.get(ActorKind.SOURCE, connection.source_id)
        destination = self._store.actors.get(ActorKind.DESTINATION, connection.destination_id)
        if source is None or destination is None:
            return None
        return {
            "jobId": job.id,
            "jobType": job.type,
            "logPath": str(self._log_path(job.id)),
            "connectionId": connection.id,
            "connectionName": body["name"],
            "source": {"type": source.type, "configuration": source.configuration},
            "destination": {"type": destination.type, "configuration": destination.configuration},
            "secretFields": sorted(secret_fields(source.type)),
            "streams": opened(connection.streams, self._store.unseal),
            "namespaceDefinition": body["namespaceDefinition"],
            "namespaceFormat": body["namespaceFormat"],
            "prefix": body["prefix"],
            "nonBreakingSchemaUpdatesBehavior": body["nonBreakingSchemaUpdatesBehavior"],
            OFFERED: body.get(OFFERED),
            "chosen": chosen,
        }

    def _run(self, job_id: int, task: bytes) -> None:
        """A job from its process on. That may take its time: neither the job's client nor another job waits for it."""
        try:
            job = self._ready.take()
        except Exception as error:
            with self._lock:
                decided = self._ends.get(job_id)
            if not decided:
                log.exception("job %s: %s", job_id, NO_PROCESS)
            self._last_word(job_id, *(decided or (JobStatus.FAILED, f"{NO_PROCESS}: {error}")))
        else:
            with self._lock:
                self._processes[job_id] = job
                if job_id in self._ends:  # before it has its task
                    with contextlib.suppress(psutil.NoSuchProcess):
                        job.process.kill()
            self._watch(job_id, job, task)
        with self._lock:
            self._processes.pop(job_id, None)
            self._watchers.pop(job_id, None)
            self._ends.pop(job_id, None)
        self.prepare()

    def _watch(self, job_id: int, job: JobProcess, task: bytes) -> None:
        """Follow one process from its task to its end."""
        result: tuple[JobStatus, str | None] | None = None
        try:
            job.given.write(task)
            job.given.flush()
            self._store.jobs.set_running(job_id)
            for line in job.said:
                result = self._heard(job_id, json.loads(line)) or result
        except Exception:  # whatever it is, the job must not stay `running`
            log.exception("job %s: lost its process's words", job_id)
        job.said.close()
        end_group(job.process.pid)
        while end_orphans():  # what they have left in turn is adopted, too
            log.warning("job %s had left processes behind: they were ended", job_id)
        code = int(job.process.wait() or 0)
        with contextlib.suppress(OSError):  # a task that it did not take
            job.given.close()
        sweep_jobs()
        with self._lock:
            decided = self._ends.pop(job_id, None)
        # a job that had committed before the cancel reached it has succeeded
        if result is not None and result[0] == JobStatus.SUCCEEDED:
            decided = None
        status, reason = decided or result or (JobStatus.FAILED, death(code))
        self._last_word(job_id, status, reason)
        if job_id % TRIM_EVERY == 0:
            trim(self._logs)

    def _heard(self, job_id: int, event: dict[str, Any]) -> tuple[JobStatus, str | None] | None:
        """Store a progress event; return a result event."""
        if event["event"] == "result":
            return JobStatus(event["status"]), event.get("reason")
        if event["event"] in ("configuration", "disable", "offered"):
            self._change(job_id, event)
            return None
        try:
            self._store.jobs.progress(job_id, event["rows"], event["bytes"], event["streams"])
        except sqlite3.Error:  # a full disk, say: the sync itself may still succeed
            log.exception("job %s: its progress cannot be stored", job_id)
        return None

    def _change(self, job_id: int, event: dict[str, Any]) -> None:
        """What a job changes of its connection, unless somebody has deleted that meanwhile."""
        job = self._store.jobs.get(job_id)
        connection = self._store.connections.get(job.connection_id) if job else None
        if connection is None:
            log.warning("job %s: its connection was deleted while it ran", job_id)
        elif event["event"] == "configuration":
            self._keep(connection, event["configuration"])
        elif event["event"] == "disable":
            self._disable(connection)
        else:
            self._take(connection, event["offered"], event["streams"])

    def _keep(self, connection: Connection, configuration: dict[str, Any]) -> None:
        """A connector's new configuration into the store: the next job starts with it."""
        source = self._store.actors.get(ActorKind.SOURCE, connection.source_id)
        if source is None:
            return
        complete = {"sourceType": source.type} | configuration
        self._store.actors.update(ActorKind.SOURCE, source.id, source.name, complete)

    def _disable(self, connection: Connection) -> None:
        """The connection runs no more jobs until somebody makes it active again."""
        body = connection.body | {"status": ConnectionStatus.INACTIVE}
        self._store.connections.update(connection.id, body, None, None)

    def _take(self, connection: Connection, offered: list[list[str]], new: list[dict[str, Any]]) -> None:
        """New streams become the connection's; a job that began again tells them again."""
        there = {(one.get("namespace"), one["name"]) for one in connection.streams}
        more = [one for one in new if (one.get("namespace"), one["name"]) not in there]
        body = connection.body | {OFFERED: offered, "configurations": {"streams": connection.streams + more}}
        self._store.connections.update(connection.id, body, None, connection.next_run)

    def _last_word(self, job_id: int, status: JobStatus, reason: str | None) -> None:
        """Store the end of a job; with the disk full, try until there is room (a job must not stay `running`)."""
        while True:
            try:
                self._store.jobs.end(job_id, status, reason)
            except sqlite3.OperationalError:
                log.exception("job %s ended as %s, which cannot be stored yet", job_id, status)
                if self._stopping.wait(1):
                    return
            else:
                return


def sweep_jobs() -> None:
    """Remove the files of jobs that were killed: rows on their way, and configurations with their secrets."""
    sweep("job")
    sweep("connector", scratch_root())


def trim(folder: Path) -> None:
    """Keep the newest logs: not more than LOGS, nor than LOGS_BYTES."""
    size = 0
    names = sorted(
        (path for path in folder.glob("*.log") if path.stem.isdigit()), key=lambda path: -int(path.stem)
    )
    for number, path in enumerate(names):
        with contextlib.suppress(OSError):
            size += path.stat().st_size
            if number >= LOGS or size > LOGS_BYTES:
                path.unlink()


def end_group(job: int) -> None:
    """Wait for the end of a job, then end what it has started and left: a connector, when the job was killed.

    The job is not reaped before that, so that its id, which is its group's, is not another's yet.
    """
    os.waitid(os.P_PID, job, os.WEXITED | os.WNOWAIT)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(job, signal.SIGKILL)


def death(code: int) -> str:
    """Why a job that gave no result ended, from its exit code."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = HINTS.get(name, "")
        return f"the job's process was ended by {name}{hint}; the warehouse holds all of the sync or nothing of it"
    return f"the job's process ended with code {code} and no result: see its log"
