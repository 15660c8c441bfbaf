"""The processes that jobs run in.

Importing the engine's libraries costs more than a sync that has nothing to do. So one process, the template, imports them
once and forks for each job. One that has died, or whose code was changed on disk meanwhile, is replaced. One that no job has asked for
some minutes ends, and gives its memory back. Where there is no template, a job's process is started and imports them itself.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

import airbyte_local
import foundation
from airbyte_local.pipes import pipe_of

log = logging.getLogger(__name__)

# glibc keeps freed blocks for later, the larger the blocks the more of them: batches of columns are to go back at once
ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "131072"}
# threads that libraries would start when they are imported
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}

CODE = [Path(folder) for package in (airbyte_local, foundation) for folder in package.__path__]
FORKS = sys.platform == "linux"  # there alone the server adopts what the template has forked
ASK = b"?"  # the template for a process
START_SECONDS = 20.0  # for a template that is still at its imports
IDLE_SECONDS = 120.0  # a template outlives the last job so long


@dataclass(frozen=True)
class JobProcess:
    """A process that waits for its task: its standard input and standard output are `given` and `said`."""

    process: psutil.Process
    given: IO[bytes]
    said: IO[bytes]


class Template:
    """A process that forks for each job, of the code as it is on disk."""

    def __init__(self) -> None:
        """Start it; it imports while others go on. Raises OSError."""
        self._code = fingerprint()
        self._socket, theirs = socket.socketpair()
        with theirs:
            try:
                # a terminal's Ctrl-C reaches the server; still of its session, it is no orphan (descendants.py)
                self._process = _python("airbyte_local.jobs.template", stdin=theirs.fileno(), process_group=0)
            except OSError:
                self._socket.close()
                raise

    def usable(self) -> bool:
        """Whether it lives and has imported today's code."""
        try:
            return self._process.poll() is None and self._code == fingerprint()
        except OSError:
            return False

    def fork(self) -> JobProcess:
        """A new process with everything imported. Raises OSError when the template does not answer."""
        task, given = os.pipe()
        said, word = os.pipe()
        job = os.fdopen(given, "wb"), os.fdopen(said, "rb")
        try:
            try:
                socket.send_fds(self._socket, [ASK], [task, word])
            finally:
                os.close(task)
                os.close(word)
            ready, _, _ = select.select([said], [], [], START_SECONDS)
            number = job[1].readline() if ready else b""
            if not number:
                raise OSError("the template of the jobs' processes does not answer")
            return JobProcess(psutil.Process(int(number)), *job)
        except (OSError, psutil.Error) as error:
            for pipe in job:
                pipe.close()
            raise OSError(str(error)) from error

    def kill(self) -> None:
        """Who waits for its answer hears that there is none; the jobs that it has forked go on."""
        with suppress(psutil.NoSuchProcess):
            self._process.kill()

    def end(self) -> None:
        """Kill it and wait for its end, and for that of processes by which it was just forking."""
        self.kill()
        self._process.wait()
        with suppress(ChildProcessError):  # adopted, they are of its group still
            while os.waitpid(-self._process.pid, os.WNOHANG)[0]:
                pass
        self._socket.close()


class Processes:
    """Hands out processes that wait for a task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._template: Template | None = None
        self._rest: threading.Timer | None = None
        self._closed = False

    def take(self) -> JobProcess:
        """A process for a job: a fork of the template if there is one, else started. Raises OSError."""
        with self._lock:
            self._end_when_idle()
            if not self._closed and self._template and self._template.usable():
                try:
                    return self._template.fork()
                except OSError:
                    if not self._closed:
                        log.exception("the next job's process is started, not forked")
            self._forget()
            if self._closed:
                raise OSError("the server stops")
            return spawn()

    def prepare(self) -> None:
        """Start a template if there is none of today's code. A failure is only logged: jobs can do without."""
        with self._lock:
            if self._closed or not FORKS:
                return
            if not (self._template and self._template.usable()):
                self._forget()
                try:
                    self._template = Template()
                except OSError:
                    log.exception("no template of the jobs' processes could be started")
                    return
            self._end_when_idle()

    def close(self) -> None:
        """End the template, though somebody waits for its answer; no process is started any more."""
        self._closed = True
        template = self._template
        if template:
            template.kill()
        with self._lock:
            self._forget()

    def _end_when_idle(self) -> None:
        """Give the template its time from now on."""
        if self._rest:
            self._rest.cancel()
        self._rest = threading.Timer(IDLE_SECONDS, self._end_idle)
        self._rest.daemon = True
        with suppress(RuntimeError):  # no thread is to be had: it stays
            self._rest.start()

    def _end_idle(self) -> None:
        with self._lock:
            if self._rest is threading.current_thread():  # nobody has asked while this waited for the lock
                self._forget()

    def _forget(self) -> None:
        template, self._template = self._template, None
        if template:
            template.end()


def spawn() -> JobProcess:
    """A new process, which imports the engine itself. Raises OSError."""
    process = _python(
        "airbyte_local.job",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C reaches the server, which ends its jobs in order
    )
    return JobProcess(process, pipe_of(process.stdin), pipe_of(process.stdout))


def _python(
    module: str,
    stdin: int,
    stdout: int | None = None,
    process_group: int | None = None,
    start_new_session: bool = False,
) -> psutil.Popen:
    """A module as a process. What it says before it has a task goes to the server's log."""
    return psutil.Popen(
        [sys.executable, "-m", module],
        stdin=stdin,
        stdout=stdout,
        process_group=process_group,
        start_new_session=start_new_session,
        env=ALLOCATION | ONE_THREAD | os.environ,
    )


def fingerprint() -> int:
    """Changes with any file of the code. Raises OSError while files come and go."""
    files = [path for folder in CODE for path in folder.rglob("*.py")]
    return hash(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files)))
