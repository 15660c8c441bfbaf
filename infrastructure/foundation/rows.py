"""The row of a query that always has one."""

from __future__ import annotations

from typing import Any, Protocol

from foundation.errors import EltError, Kind


class Result(Protocol):
    """What a database's client returns for a query (psycopg, DuckDB)."""

    def fetchone(self) -> tuple[Any, ...] | None: ...


def one_row(result: Result) -> tuple[Any, ...]:
    """The first row of a query that always has one (an aggregate, a function). Raises EltError when it has none."""
    row = result.fetchone()
    if row is None:
        raise EltError("the database returned no row where a query always has one", kind=Kind.OURS)
    return row
