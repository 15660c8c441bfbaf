"""One command of a connector: its process, what it writes, and why it ended.

Standard output is read in large blocks of whole lines. A full pipe makes the connector wait, too; only its own
silence counts against it. Its configuration lies in a file that only this user may read, in a folder that goes with the
command; a folder that a killed process left is removed by the next one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from airbyte_local import exact
from airbyte_local.masking import SECRET_FIELDS, redacted, secret_values
from airbyte_local.pipes import pipe_of
from airbyte_local.sources.connector.environment import bare_environ, program
from airbyte_local.sources.connector.registry import Connector
from airbyte_local.sources.connector.values import kept
from foundation.errors import EltError
from foundation.scratch import scratch
from foundation.settings import settings

log = logging.getLogger(__name__)

RUNNING: set[Process] = set()  # of this process
PIPE_BYTES = 1 << 20
LONGEST_LINE = 64 << 20  # Airbyte's own limit for a record is 20 MB
LONGEST_WORDS, MARGIN = 1 << 20, 16 << 10  # of a line of standard error; a secret is shorter than the margin
GATHER_SECONDS = 0.05  # a connector that writes line by line is not read line by line
TICK_SECONDS = 0.5
TERM_SECONDS = 3.0


class Process:
    """A running command. `own_group`: its children are ended with it; a job's are ended with the job (jobs/runner.py)."""

    def __init__(
        self, connector: Connector, command: str, files: dict[str, Any] | None = None, *, own_group: bool
    ) -> None:
        self.connector, self.command = connector, command
        configuration = (files or {}).get("config", {})
        self._secrets = (
            secret_values(configuration, SECRET_FIELDS | connector.secret_fields) if configuration else set()
        )
        self.last_words = ""  # on standard error
        self.rest = b""  # what it wrote after its last line's end
        self._files = files or {}
        self._own_group = own_group
        self._patience = connector.silence_seconds or settings().airbyte_connector_silence_seconds

    def __enter__(self) -> Process:
        start = program(self.connector)
        self._open = ExitStack()
        self.scratch = self._open.enter_context(scratch("connector", scratch_root()))
        arguments = [self.command]
        for name, content in self._files.items():
            path = self.scratch / f"{name}.json"
            path.write_text(exact.written(content))
            arguments += [f"--{name}", str(path)]
        environ = bare_environ() | {"TMPDIR": str(self.scratch), "PYTHONUNBUFFERED": "1"}
        try:
            self._process = subprocess.Popen(
                [*start, *arguments],
                cwd=self.connector.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0 if self._own_group else None,
            )
        except OSError as error:
            self._open.close()
            raise EltError(f"{self.connector.label} cannot be started: {error}", "see its folder") from None
        RUNNING.add(self)
        self._output = pipe_of(self._process.stdout)
        enlarge(self._output.fileno())
        self._listener = threading.Thread(target=self._listen, name="connector's errors", daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        RUNNING.discard(self)
        self._listener.join(TERM_SECONDS)
        self._output.close()
        self._open.close()

    def end(self) -> None:
        """End the process, and with a group of its own its children."""
        process = self._process
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TERM_SECONDS)
        if self._own_group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        if process.poll() is None:
            process.kill()
            process.wait()

    def blocks(self) -> Iterator[bytes]:
        """Whole lines, many at a time; an empty block now and then while the connector is silent.

        Raises EltError when it is silent for too long.
        """
        output = self._output.fileno()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        parts: list[bytes] = []  # of a line that is not complete yet
        waiting = 0
        heard = time.monotonic()
        while True:
            if not poll.poll(TICK_SECONDS * 1000):
                if (
                    self._process.poll() is not None
                ):  # all that it wrote is read; a process that it left keeps the pipe open
                    break
                if time.monotonic() - heard > self._patience:
                    raise EltError(
                        f"{self.connector.label} has written nothing for {self._patience:g} s ({self.command}); it was ended",
                        "see what it waits for in the log, or raise AIRBYTE_CONNECTOR_SILENCE_SECONDS",
                    )
                yield b""
                continue
            data = os.read(output, PIPE_BYTES)
            heard = time.monotonic()
            if not data:
                break
            cut = data.rfind(b"\n") + 1
            if cut:
                yield b"".join((*parts, data[:cut]))
                parts, waiting = [], 0
            if cut < len(data):
                parts.append(data[cut:])
                waiting += len(data) - cut
                if waiting > LONGEST_LINE:
                    raise EltError(
                        f"{self.connector.label} wrote a line of more than {LONGEST_LINE >> 20} MB",
                        "leave the stream with such records out of the connection",
                    )
            if len(data) < PIPE_BYTES // 4:
                time.sleep(GATHER_SECONDS)
            heard = time.monotonic()  # the time that our side took is not its silence
        self.rest = b"".join(parts)

    def clean(self, text: str) -> str:
        """What the connector said, without the secrets of its configuration, and with nothing that cannot be written down."""
        return redacted(kept(text)[0], self._secrets)

    def exit_code(self) -> int:
        """Wait for the end, once standard output has ended."""
        try:
            return self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            raise EltError(
                f"{self.connector.label} closed its output and does not end ({self.command}); it was ended",
                "see the log",
            ) from None

    def _listen(self) -> None:
        """Copy its standard error to the log."""
        with pipe_of(self._process.stderr) as stream:
            for line in words(stream):
                if text := self.clean(line.decode(errors="replace").rstrip()):
                    self.last_words = text
                    log.info("%s: %s", self.connector.type, text)


def words(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of a connector's standard error; of one that is longer than LONGEST_WORDS its beginning, without what may be half a secret."""
    whole = True
    while piece := stream.readline(LONGEST_WORDS):
        complete = piece.endswith(b"\n") or len(piece) < LONGEST_WORDS
        if whole:
            yield piece if complete else piece[:-MARGIN] + "… (a line without end)\n".encode()
        whole = complete


def end_all() -> None:
    """End every command that still runs: this process is about to stop."""
    for process in list(RUNNING):
        process.end()


def enlarge(pipe: int) -> None:
    """Let a pipe hold more, where the system can: fewer, larger reads."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def scratch_root() -> Path:
    """Where connectors find their configurations, with their secrets."""
    return settings().home / "connectors" / "scratch"


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"it ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = " (by hand, or for lack of memory)" if name == "SIGKILL" else ""
    return f"it was ended by {name}{hint}"
