"""`python -m airbyte_local.jobs.template`: imports the engine once and forks a process for each job (Linux).

The server asks through the socket on standard input: a byte, with the job's standard input and standard output. The new
process has the server as its parent, leads a session of its own, and says its id as the first line of its output. The
template has one thread, so that a fork copies a process at rest; it ends with the server, because the socket does.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
import traceback
from typing import NoReturn

import duckdb
from setproctitle import setproctitle

from airbyte_local import job
from airbyte_local.jobs.descendants import JOB
from airbyte_local.jobs.processes import ASK

TITLE = "airbyte_local, with the engine imported, forks for each job"  # not a job: JOB is not in it


def main() -> None:
    """Fork whenever the server asks, until it has gone."""
    setproctitle(TITLE)
    job.import_engine()
    duckdb.default_connection().close()  # its module has opened one, with a thread
    gc.freeze()  # a job's collector need not touch, and so copy, what all share
    server = socket.socket(fileno=job.STDIN)
    while True:
        asked, descriptors, _, _ = socket.recv_fds(server, len(ASK), 2)
        if not asked:
            return
        between = os.fork()
        if not between:
            _leave(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(between, 0)


def _leave(descriptors: list[int]) -> NoReturn:
    """Fork a job and end: the server, which adopts orphans, becomes its parent."""
    try:
        between = os.getpid()
        if os.fork():
            os._exit(0)
        setproctitle(f"{JOB} waits for a task")  # before it leaves the session: nobody takes it for an orphan
        os.setsid()
        while os.getppid() == between:
            time.sleep(0.0005)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the server says what has ended it
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.write(job.STDOUT, f"{os.getpid()}\n".encode())
        job.main()
    except Exception:  # noqa: BLE001 - the server's log has it
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
