"""Starts the jobs of cron schedules while the server runs.

The store has the moment at which each connection is due. So a moment that was missed, because the server was down or the
machine asleep, is made up for once: the next moment is reckoned from now, not from the missed one. A moment at which a job
of the connection still runs is passed over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from airbyte_local.cron import parse
from airbyte_local.enums import ConnectionStatus, JobType
from airbyte_local.store import ActiveJobError, Connection, Store

log = logging.getLogger(__name__)

LONGEST_SECONDS = 30.0  # between two looks at the clock, which may be set meanwhile


def next_run(body: dict[str, Any]) -> float | None:
    """When a connection (its body) runs next by its schedule, from now, in seconds since 1970; None: never."""
    if body["status"] != ConnectionStatus.ACTIVE or body["schedule"]["scheduleType"] != "cron":
        return None
    moment = parse(body["schedule"]["cronExpression"]).after(datetime.now(UTC))
    return moment.timestamp() if moment else None


class Scheduler:
    """A thread that sleeps until the next moment, or until one has changed."""

    def __init__(self, store: Store, launch: Callable[[Connection, JobType], int]) -> None:
        self._store, self._launch = store, launch
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def changed(self) -> None:
        """A connection has another schedule: look again."""
        self._wake.set()

    def stop(self) -> None:
        """Start no job any more."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._start_due()
                pause = self._pause()
            except Exception:  # a full disk, say: the next look may succeed
                log.exception("the schedules could not be looked at")
                pause = LONGEST_SECONDS
            self._wake.wait(pause)
            self._wake.clear()

    def _pause(self) -> float:
        at = self._store.connections.next_run()
        return LONGEST_SECONDS if at is None else min(max(at - time.time(), 0.0), LONGEST_SECONDS)

    def _start_due(self) -> None:
        for connection in self._store.connections.due(time.time()):
            # first, so that whatever happens then, this moment is not tried again and again
            self._store.connections.set_next_run(connection.id, next_run(connection.body))
            if connection.body["status"] != ConnectionStatus.ACTIVE:
                continue
            try:
                self._launch(connection, JobType.SYNC)
            except ActiveJobError as error:
                log.info("%s is due, but %s", connection.body["name"], error)
