"""What a job tells: lines in its log for people, events on standard output for the server."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

from airbyte_local.enums import JobStatus
from airbyte_local.schema import StreamPlan
from airbyte_local.sources.base import Watermark

log = logging.getLogger(__name__)

TELL_SECONDS = 0.5  # progress to the server
LOG_SECONDS = 5.0  # progress of one stream in the log


class Report:
    """Counts rows and bytes by stream. `events` is the file descriptor that the server reads."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._streams: dict[tuple[str, str], dict[str, Any]] = {}
        self._started = time.monotonic()
        self._told = self._logged = self._stream_started = self._started

    def begin(self, plans: Iterable[StreamPlan]) -> None:
        """Name the streams before the first row comes."""
        for plan in plans:
            self._streams[plan.key] = {
                "streamNamespace": plan.namespace,
                "streamName": plan.name,
                "rowsSynced": 0,
                "bytesSynced": 0,
                "rowsWritten": 0,
            }
        log.info("%d streams", len(self._streams))

    def watermark(self, watermark: Watermark) -> None:
        log.info("cursors are saved up to %s", watermark.at.isoformat())
        if watermark.prepared:
            log.warning(
                "prepared transactions (%s) keep the cursors where they are: commit or roll them back",
                watermark.prepared,
            )
        self._stream_started = self._logged = time.monotonic()

    def passed(self, plan: StreamPlan, rows: int, bytes_: int) -> None:
        """A batch went by; the figures are the stream's so far."""
        self._streams[plan.key] |= {"rowsSynced": rows, "bytesSynced": bytes_}
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._tell_progress()
        if now - self._logged >= LOG_SECONDS:
            self._logged = now
            log.info("%s: %s rows read so far, %s", plan.label, f"{rows:,}", self._rate(rows))

    def loaded(self, plan: StreamPlan, rows: int, bytes_: int, written: int) -> None:
        """A stream is complete."""
        self._streams[plan.key] |= {"rowsSynced": rows, "bytesSynced": bytes_, "rowsWritten": written}
        log.info(
            "%s: %s rows read, %s written, %s", plan.label, f"{rows:,}", f"{written:,}", self._rate(rows)
        )
        self._stream_started = self._logged = time.monotonic()
        if self._stream_started - self._told >= TELL_SECONDS:
            self._tell_progress()

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

    def _sum(self, name: str) -> int:
        return sum(stream[name] for stream in self._streams.values())

    def _tell_progress(self) -> None:
        self._told = time.monotonic()
        rows, bytes_ = self._sum("rowsSynced"), self._sum("bytesSynced")
        self._tell({"event": "progress", "rows": rows, "bytes": bytes_, "streams": self.streams()})

    def _tell(self, event: dict[str, Any]) -> None:
        os.write(self._events, json.dumps(event).encode() + b"\n")


class Redacted(logging.Formatter):
    """Times in UTC; no secret of the job's configuration in any line, tracebacks included."""

    converter = time.gmtime

    def __init__(self, secrets: set[str]) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record), self._secrets)


def redacted(text: str, secrets: set[str]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "******")
    return text


def log_to_stderr(secrets: set[str]) -> None:
    """Everything the job logs goes to its log file, which is its standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacted(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
