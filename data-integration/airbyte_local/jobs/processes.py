"""The processes that jobs run in, and the one that waits for the next job with everything imported.

Importing the engine's libraries costs more than a sync that has nothing to do. So one spare process is kept, waiting for
a task on standard input. It ends with the server, because its standard input does; one that has died, or whose code was
changed on disk meanwhile, is replaced.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import airbyte_local
import foundation
from airbyte_local.pipes import pipe_of

log = logging.getLogger(__name__)

# glibc keeps freed blocks for later, the larger the blocks the more of them: batches of columns are to go back at once
ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "131072"}

CODE = [Path(folder) for package in (airbyte_local, foundation) for folder in package.__path__]


class Processes:
    """Hands out processes that wait for a task. One at a time is kept ready."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spare: subprocess.Popen[bytes] | None = None
        self._code: int | None = None  # what the spare has imported
        self._closed = False

    def take(self) -> subprocess.Popen[bytes]:
        """The spare, however far it has come with its imports, or a new process. Raises OSError."""
        with self._lock:
            spare, self._spare = self._spare, None
            if spare is not None and self._usable(spare):
                return spare
            if spare is not None:
                dismiss(spare)
            return spawn()

    def _usable(self, spare: subprocess.Popen[bytes]) -> bool:
        try:
            return spare.poll() is None and self._code == fingerprint()
        except OSError:
            return False

    def keep_spare(self) -> None:
        """Start a spare if there is none that lives. A failure is only logged: jobs can do without."""
        with self._lock:
            if self._closed or (self._spare is not None and self._spare.poll() is None):
                return
            if self._spare is not None:
                dismiss(self._spare)
            self._spare = None
            try:
                self._code = fingerprint()
                self._spare = spawn()
            except OSError:
                log.exception("no spare process could be started")

    def close(self) -> None:
        """End the spare; none is started any more."""
        with self._lock:
            self._closed = True
            if self._spare is not None:
                dismiss(self._spare)
                self._spare = None


def spawn() -> subprocess.Popen[bytes]:
    """A new process that waits for its task. Until it has one, what it says goes to the server's log."""
    return subprocess.Popen(
        [sys.executable, "-m", "airbyte_local.job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ALLOCATION | os.environ,
        start_new_session=True,  # a terminal's Ctrl-C reaches the server, which ends its jobs in order
    )


def dismiss(process: subprocess.Popen[bytes]) -> None:
    """End a process that has had no task."""
    process.kill()
    for pipe in pipes(process):
        pipe.close()
    process.wait()


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and standard output of a process that was started with pipes for both."""
    return pipe_of(process.stdin), pipe_of(process.stdout)


def fingerprint() -> int:
    """Changes with any file of the code. Raises OSError while files come and go."""
    files = [path for folder in CODE for path in folder.rglob("*.py")]
    return hash(tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files)))
