"""Queries of DuckDB that end: the engine has no statement time-out of its own, but a connection can be interrupted.

A query that takes longer than SECONDS ends with "INTERRUPT Error: Interrupted!", whoever sent it: a chart, a filter, an ad-hoc
expression. Other threads of the worker go on.
"""

import functools
import threading

import duckdb_engine

SECONDS = 45.0  # below Superset's own wait for a chart, so that the reason is seen


def install(seconds: float = SECONDS) -> None:
    """From here on every statement of the engine has so many seconds."""
    execute = duckdb_engine.CursorWrapper.execute

    @functools.wraps(execute)
    def in_time(cursor, *arguments, **named):
        # the cursor passes on what it does not have itself: this is the connection's
        timer = threading.Timer(seconds, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            return execute(cursor, *arguments, **named)
        finally:
            timer.cancel()

    duckdb_engine.CursorWrapper.execute = in_time
