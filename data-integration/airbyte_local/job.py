"""`python -m airbyte_local.job`: one job, started by the server.

The process imports the engine first and then waits: the task comes as a line of JSON on standard input, which stays open.
Its end means that the server is gone, and the job ends at once. Nothing is lost by that: what a job has not committed, the
next one does again.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

from setproctitle import setproctitle

from airbyte_local.enums import JobStatus
from airbyte_local.jobs.descendants import adopt_orphans
from airbyte_local.jobs.report import Capped, Report, log_to_stderr
from airbyte_local.masking import SECRET_FIELDS, redacted, secret_values
from airbyte_local.task import Task
from foundation.errors import EltError

log = logging.getLogger(__name__)

STDIN, STDOUT, STDERR = 0, 1, 2
SERVER_GONE = 70
THREADS_SECONDS = 20  # for Arrow's threads to start

# what a job imports sooner or later, the libraries' own lazy parts included
ENGINE = (
    "airbyte_local.sync",
    "airbyte_local.sources.postgres.snapshot",
    "airbyte_local.sources.connector.source",
    "airbyte_local.destinations.duckdb",
    "adbc_driver_postgresql.dbapi",
    "pyarrow.dataset",
)


def import_engine() -> None:
    """Take the time for imports before there is a task. Of a broken installation the job gives the reason."""
    with contextlib.suppress(Exception):
        for name in ENGINE:
            importlib.import_module(name)


def start_threads() -> None:
    """Have Arrow start the threads by which DuckDB reads rows, before there is a task.

    pyarrow 26 waits for ever for a thread that can't be started, for lack of memory or of processes: SIGALRM ends a job that
    waits here, and no later scan needs another thread.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    # a stream's rows are read by one, and what a connector's rows are made of meanwhile by another
    pa.set_io_thread_count(2)
    nothing = pa.schema([("nothing", pa.int64())]).empty_table()

    def made_by_a_scan() -> Iterator[pa.RecordBatch]:
        yield from ds.Scanner.from_batches(nothing.to_reader()).to_table().to_batches()

    signal.alarm(THREADS_SECONDS)
    ds.Scanner.from_batches(pa.RecordBatchReader.from_batches(nothing.schema, made_by_a_scan())).to_table()
    signal.alarm(0)


def read_task() -> Task:
    """The first line of standard input. Read without a buffer: the rest is the watcher's."""
    text = b""
    while not text.endswith(b"\n"):
        part = os.read(STDIN, 1 << 16)
        if not part:
            sys.exit(SERVER_GONE)
        text += part
    return Task.of(json.loads(text))


def end_with_server() -> None:
    """Wait for the end of standard input, then end the process, whatever it does."""
    while os.read(STDIN, 1):
        pass
    with contextlib.suppress(OSError):
        if os.getpgid(0) == os.getpid():  # what this job has started ends with it
            os.killpg(0, signal.SIGKILL)
    os._exit(SERVER_GONE)


def log_to(path: str) -> None:
    """From here on standard error is the job's log file."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(file, STDERR)
    os.close(file)


def tell_gap(written: Capped | None) -> None:
    """Say how much is not in the log."""
    if written and written.left_out:
        log.warning("%s lines are not in this log: it was full", f"{written.left_out:,}")


def main() -> NoReturn:
    adopt_orphans()  # what a connector has started and left stays below this process
    setproctitle("airbyte_local.job waits for a task")
    import_engine()
    start_threads()
    task = read_task()
    setproctitle(f"airbyte_local.job {task.job_id}: {task.type} of {task.connection_name}")
    threading.Thread(target=end_with_server, daemon=True).start()
    secrets = secret_values([task.source, task.destination], SECRET_FIELDS | task.secret_fields)
    secrets |= secret_values(task.streams, {"key"})
    report = Report(STDOUT, secrets)
    written = None
    try:
        log_to(task.log_path)
        written = log_to_stderr(secrets)
        log.info("job %s: %s of connection %s", task.job_id, task.type, task.connection_name)
        from airbyte_local.sync import run

        run(task, report)
    except EltError as error:
        reason = redacted(str(error), secrets)
        log.error("failed: %s", reason)
    except Exception as error:
        log.exception("failed")
        reason = redacted(f"unexpected {type(error).__name__}: {error}", secrets)
    else:
        tell_gap(written)
        report.ended(JobStatus.SUCCEEDED)
        os._exit(
            0
        )  # everything is committed and closed; taking the libraries down would only keep the client waiting
    tell_gap(written)
    report.ended(JobStatus.FAILED, reason)
    os._exit(1)


if __name__ == "__main__":
    main()
