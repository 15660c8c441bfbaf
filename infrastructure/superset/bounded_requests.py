"""Requests for figures that end: whatever they ask for besides SQL, and however often.

`statement_timeout` ends a statement; a request may hold many of them, and what Superset computes of their results holds the whole worker,
as all its threads share one interpreter. So a request has a few queries, a time series is filled up to so many rows, and what is not answered
in SECONDS ends with its worker process.

It runs in Superset's own environment.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any

import statement_timeout
from flask import Flask, jsonify, request

FIGURES = "/api/v1/chart/data"
QUERIES = 16  # of a request; a chart has one or two
OFFSETS = 16  # of a query: times with which it is compared, each a query of its own
FILLED_ROWS = 100_000  # as many as a query may give (SQL_MAX_ROW)
SECONDS = 100.0  # more than a statement has


def install(app: Flask) -> None:
    """Look at each request for figures."""

    @app.before_request
    def few():
        if request.path != FIGURES or not request.is_json:
            return None
        reason = too_many(request.get_json(silent=True))
        return (jsonify(message=reason), 400) if reason else None


def too_many(body: Any) -> str:
    """What a request for figures has too many of; empty: nothing."""
    queries = body.get("queries") if isinstance(body, dict) else None
    if not isinstance(queries, list):
        return ""
    if len(queries) > QUERIES:
        return f"a request has at most {QUERIES} queries, not {len(queries)}"
    for query in queries:
        offsets = query.get("time_offsets") if isinstance(query, dict) else None
        if isinstance(offsets, list) and len(offsets) > OFFSETS:
            return f"a query is compared with at most {OFFSETS} other times, not {len(offsets)}"
    return ""


def install_filling() -> None:
    """From here on Superset fills no time series with more than FILLED_ROWS rows."""
    from superset.exceptions import InvalidPostProcessingError
    from superset.utils import pandas_postprocessing

    resample = pandas_postprocessing.resample

    @functools.wraps(resample)
    def few(df, rule, *arguments, **named):
        if (rows := filled(df.index, rule)) > FILLED_ROWS:
            raise InvalidPostProcessingError(
                f"a row for each {rule} would be {rows:,} rows, of which there may be {FILLED_ROWS:,}"
            )
        return resample(df, rule, *arguments, **named)

    pandas_postprocessing.resample = few


def filled(index: Any, rule: str) -> int:
    """How many rows a time series has that is filled by a rule; 0: it is none, or the rule is none, which others say."""
    import pandas

    if not isinstance(index, pandas.DatetimeIndex) or index.empty:
        return 0
    try:
        step = pandas.Timedelta(pandas.tseries.frequencies.to_offset(rule))
    except (ValueError, TypeError):  # no rule, or one of months and the like: their steps are long
        return 0
    return int((index.max() - index.min()) // step) + 1 if step > pandas.Timedelta(0) else 0


class InTime:
    """WSGI middleware: a request that is not answered in time ends with its worker. (How long a client takes to read the answer does not count.)"""

    def __init__(
        self, app: Callable[..., Iterable[bytes]], seconds: float = SECONDS, leave: float | None = None
    ) -> None:
        self._app, self._seconds = app, seconds
        self._leave = statement_timeout.LEAVE_SECONDS if leave is None else leave

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answered = threading.Event()
        reason = f"{environ.get('PATH_INFO')} is not answered after {self._seconds:g} s"
        timer = threading.Timer(self._seconds, statement_timeout.end_worker, [answered, self._leave, reason])
        timer.daemon = True
        timer.start()
        try:
            return self._app(environ, start_response)
        finally:
            answered.set()
            timer.cancel()
