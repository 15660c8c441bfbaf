"""Queries of DuckDB that end: the engine has no statement time-out of its own, but a connection can be interrupted.

A query that takes longer than SECONDS ends with "INTERRUPT Error: Interrupted!", whoever sent it: a chart, a filter, an ad-hoc
expression. Other threads of the worker go on. One expression of a row is not interrupted (`list_reduce` over millions, say): where a
query has not ended DEAF_SECONDS later, its worker process ends, and gunicorn starts another.
"""

import functools
import logging
import os
import signal
import threading

import duckdb_engine

log = logging.getLogger(__name__)

SECONDS = 45.0  # below Superset's own wait for a chart, so that the reason is seen
DEAF_SECONDS = 20.0  # after the interrupt
LEAVE_SECONDS = 12.0  # for the worker's other requests: gunicorn's graceful_timeout, and a little


def install(seconds: float = SECONDS, deaf: float = DEAF_SECONDS, leave: float = LEAVE_SECONDS) -> None:
    """From here on every statement of the engine has so many seconds."""
    execute = duckdb_engine.CursorWrapper.execute

    @functools.wraps(execute)
    def in_time(cursor, *arguments, **named):
        # the cursor passes on what it does not have itself: this is the connection's
        ended = threading.Event()
        timer = threading.Timer(seconds, _end, [cursor, ended, deaf, leave])
        timer.daemon = True
        timer.start()
        try:
            return execute(cursor, *arguments, **named)
        finally:
            ended.set()
            timer.cancel()

    duckdb_engine.CursorWrapper.execute = in_time


def _end(cursor, ended: threading.Event, deaf: float, leave: float) -> None:
    """Interrupt a query; where it does not hear that, end this process: no thread of it can be ended."""
    cursor.interrupt()
    if ended.wait(deaf):
        return
    end_worker(ended, leave, f"a query goes on {deaf:g} s after its interrupt")


def end_worker(ended: threading.Event, leave: float, reason: str) -> None:
    """End this process for a thread that does not end, which nothing else can; `leave`: seconds for the requests of the others."""
    log.error("%s: this worker ends, another takes its place", reason)
    os.kill(
        os.getpid(), signal.SIGTERM
    )  # gunicorn's worker takes no more requests and ends those that it has
    ended.wait(leave)
    os._exit(1)
