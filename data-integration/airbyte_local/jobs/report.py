"""What a job tells: lines in its log for people, events on standard output for the server."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TextIO

from airbyte_local.enums import JobStatus
from airbyte_local.masking import redacted
from airbyte_local.schema import StreamPlan, label
from airbyte_local.sources.base import Watermark

log = logging.getLogger(__name__)

TELL_SECONDS = 0.1  # progress to the server; a job that waits has sent its own before
LOG_SECONDS = 5.0  # progress of one stream in the log
LOG_BYTES = 16 << 20
OWN_LOGGERS = frozenset(
    {__name__, "airbyte_local.job", "__main__"}
)  # what they say is no more than a line now and then


class Report:
    """Counts rows and bytes by stream. `events` is the file descriptor that the server reads; no reason tells a secret."""

    def __init__(self, events: int, secrets: Set[str] = frozenset()) -> None:
        self._events, self._secrets = events, secrets
        self._streams: dict[tuple[str, str], dict[str, Any]] = {}
        self._started = time.monotonic()
        self._logged = self._stream_started = self._started
        self._told = ""
        self._telling = threading.Lock()

    def begin(self, plans: Iterable[StreamPlan], failed: dict[tuple[str, str], str]) -> None:
        """Name the streams before the first row comes, those that are not loaded with their reason."""
        for plan in plans:
            self._streams[plan.key] = figures(plan.key, "pending")
        for key, reason in failed.items():
            self._streams[key] = figures(key, "failed") | {"reason": redacted(reason, self._secrets)}
            log.error("%s is not loaded: %s", label(*key), reason)
        log.info("%d streams", len(self._streams) - len(failed))
        self._tell_progress()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tell the progress now and then, also while a stream waits."""
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(TELL_SECONDS):
                self._tell_progress()

        teller = threading.Thread(target=tell, name="progress", daemon=True)
        teller.start()
        try:
            yield
        finally:
            ended.set()
            teller.join()
            self._tell_progress()

    def watermark(self, watermark: Watermark) -> None:
        log.info("cursors are saved up to %s", watermark.at.isoformat())
        if watermark.prepared:
            log.warning(
                "prepared transactions (%s) keep the cursors where they are: commit or roll them back",
                watermark.prepared,
            )
        self._stream_started = self._logged = time.monotonic()

    def captured(self, position: int, at: datetime) -> None:
        log.info(
            "all streams end at position %X/%X (%s)", position >> 32, position & 0xFFFFFFFF, at.isoformat()
        )
        self._stream_started = self._logged = time.monotonic()

    def passed(self, plan: StreamPlan, rows: int, bytes_: int) -> None:
        """A batch went by; the figures are the stream's so far."""
        self._figure(plan, rows, bytes_, status="running")
        now = time.monotonic()
        if now - self._logged >= LOG_SECONDS:
            self._logged = now
            log.info("%s: %s rows read so far, %s", plan.label, f"{rows:,}", self._rate(rows))

    def loaded(self, plan: StreamPlan, rows: int, bytes_: int, written: int) -> None:
        """A stream is complete."""
        self._figure(plan, rows, bytes_, rowsWritten=written, status="complete")
        log.info(
            "%s: %s rows read, %s written, %s", plan.label, f"{rows:,}", f"{written:,}", self._rate(rows)
        )
        self._stream_started = self._logged = time.monotonic()

    def written(self, key: tuple[str, str], rows: int) -> None:
        """Rows of a stream got into its table only now, after all were read."""
        stream = self._streams[key]
        self._streams[key] = {**stream, "rowsWritten": stream["rowsWritten"] + rows}
        log.info("%s: %s rows written", label(*key), f"{rows:,}")

    def wrote(self, plan: StreamPlan, rows: int, bytes_: int, written: int) -> None:
        """Some of a stream's rows are committed, while more may come."""
        self._figure(plan, rows, bytes_, rowsWritten=written)

    def failed(self, plan: StreamPlan, rows: int, bytes_: int, written: int, reason: str) -> None:
        """A stream broke off; what was written of it stays."""
        self._figure(
            plan, rows, bytes_, rowsWritten=written, status="failed", reason=redacted(reason, self._secrets)
        )

    def disable(self) -> None:
        """The connection is to run no more jobs: the server sees to that."""
        self._tell({"event": "disable"})

    def offered(self, keys: list[list[str]], new: list[dict[str, Any]]) -> None:
        """What the source offers now, and the streams that are to be the connection's from now on: the server keeps both."""
        self._tell({"event": "offered", "offered": keys, "streams": new})

    def configuration(self, configuration: dict[str, Any]) -> None:
        """The connector wants this configuration to be kept: the server does that."""
        log.info("the connector has changed its configuration")
        self._tell({"event": "configuration", "configuration": configuration})

    def committed(self) -> None:
        rows, written = self._sum("rowsSynced"), self._sum("rowsWritten")
        seconds = time.monotonic() - self._started
        log.info("committed: %s rows read, %s written, %.2f s", f"{rows:,}", f"{written:,}", seconds)
        self._tell_progress()

    def streams(self) -> list[dict[str, Any]]:
        """The figures of every stream."""
        return list(self._streams.values())

    def ended(self, status: JobStatus, reason: str | None = None) -> None:
        """The result: the last that the server hears."""
        self._tell({"event": "result", "status": status, "reason": reason})

    def _rate(self, rows: int) -> str:
        seconds = time.monotonic() - self._stream_started
        return f"{seconds:.2f} s, {rows / max(seconds, 1e-3):,.0f} rows/s"

    def _figure(self, plan: StreamPlan, rows: int, bytes_: int, **more: Any) -> None:
        """A stream's figures so far, in a new dictionary: another thread may be telling the old one."""
        seconds = round(time.monotonic() - self._stream_started, 3)
        read = {"rowsSynced": rows, "bytesSynced": bytes_, "seconds": seconds}
        self._streams[plan.key] = {**self._streams[plan.key], **read, **more}

    def _sum(self, name: str) -> int:
        return sum(stream[name] for stream in self._streams.values())

    def _tell_progress(self) -> None:
        rows, bytes_ = self._sum("rowsSynced"), self._sum("bytesSynced")
        self._tell({"event": "progress", "rows": rows, "bytes": bytes_, "streams": self.streams()})

    def _tell(self, event: dict[str, Any]) -> None:
        """Write a line, unless it says what the last one said. What has no encoding (half a surrogate pair) is `?`."""
        line = json.dumps(event, ensure_ascii=False)
        with self._telling:
            if line != self._told:
                os.write(self._events, line.encode(errors="replace") + b"\n")
                self._told = line


def figures(key: tuple[str, str], status: str) -> dict[str, Any]:
    """A stream's figures before its first row; `status` is pending, running, complete or failed."""
    namespace, name = key
    return {
        "streamNamespace": namespace,
        "streamName": name,
        "rowsSynced": 0,
        "bytesSynced": 0,
        "rowsWritten": 0,
        "status": status,
    }


class Redacted(logging.Formatter):
    """Times in UTC; no secret of the job's configuration in any line, tracebacks included."""

    converter = staticmethod(time.gmtime)

    def __init__(self, secrets: Set[str]) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record), self._secrets)


class Capped(logging.StreamHandler[TextIO]):
    """A log of bounded size. When it is full, only warnings are kept, up to a tenth more, and what the job says of itself.

    A connector that never stops logging fills no disk. `left_out` counts the lines that are not in the log.
    """

    def __init__(self, stream: TextIO, most: int = LOG_BYTES) -> None:
        super().__init__(stream)
        self._most, self._size, self.left_out = most, 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        allowed = self._most if record.levelno < logging.WARNING else self._most * 1.1
        return record.name in OWN_LOGGERS or self._size < allowed or self._leave_out()

    def _leave_out(self) -> bool:
        if not self.left_out:
            self.stream.write(
                f"… the log has reached {self._most:,} bytes: from here on lines are left out\n"
            )
            self.flush()
        self.left_out += 1
        return False

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        self._size += len(text.encode(errors="replace")) + 1
        return text


def log_to_stderr(secrets: Set[str]) -> Capped:
    """Everything the job logs goes to its log file, which is its standard error."""
    handler = Capped(sys.stderr)
    handler.setFormatter(Redacted(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    return handler
