"""Airflow's LocalExecutor with workers on demand: one for each task that waits, none where nothing has run for a while.

LocalExecutor starts as many workers as may ever run at a time, and keeps them. On one machine they are idle for most of the day. So is the
process by which OpenLineage tells of runs: its listener makes another one when there is something to tell.

The scheduler looks for work twice a second. It does so here, where the end of a task wakes it, and hardly sleeps elsewhere
(`scheduler_idle_sleep_time`): the next task begins at once.
"""

from __future__ import annotations

import time

from airflow.executors.local_executor import LocalExecutor
from airflow.providers.openlineage.plugins.listener import get_openlineage_listener

IDLE_SECONDS = 30.0
LOOK_SECONDS = 0.45  # what the scheduler waits for a task's end, of the half second from one look to the next


class OnDemandExecutor(LocalExecutor):
    """As many workers as tasks, up to the parallelism; after IDLE_SECONDS without a task they end."""

    _busy_at = 0.0

    def sync(self) -> None:
        """Called at each turn of the scheduler's loop."""
        super().sync()
        if self.result_queue._reader.poll(LOOK_SECONDS):
            super().sync()
        if self.running or self.queued_tasks or not self.activity_queue.empty():
            self._busy_at = time.monotonic()
        elif time.monotonic() - self._busy_at > IDLE_SECONDS:
            for _ in self.workers:
                self.activity_queue.put(None)  # a worker that takes it ends; `_check_workers` takes note
            get_openlineage_listener().before_stopping(
                self
            )  # ends its process, if there is one, not the listener
            self._busy_at = time.monotonic()

    def _spawn_workers_with_gc_freeze(self, spawn_number: int) -> None:
        """Start workers for the tasks that wait, `spawn_number` at most.

        Without the freeze of the original: to undo it would also release what supervisord has frozen for all its forks.
        """
        with self._unread_messages:
            waiting = self._unread_messages.value
        for _ in range(min(spawn_number, waiting)):
            self._busy_at = time.monotonic()
            self._spawn_worker()
