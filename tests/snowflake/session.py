"""Sessions: what one remembers, and what ends with it."""

from __future__ import annotations

import itertools
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import duckdb
from fakesnow.conn import FakeSnowflakeConnection

from tests.snowflake.cursor import LOCK, Cursor
from tests.snowflake.objects import Place
from tests.snowflake.statements import quoted

# What was asked, oldest first: for tests that lean on the order of statements.
STATEMENTS: list[dict[str, Any]] = []
numbers = itertools.count(1)
transactions = itertools.count(1_700_000_000_000_000_000)

# the query tag that came with the statement itself, which goes before the session's
STATEMENT_TAG: ContextVar[str | None] = ContextVar("statement_tag", default=None)


class Connection(FakeSnowflakeConnection):
    """fakesnow's connection, with the state of a session that fakesnow does not keep."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.number = next(numbers)
        self.in_transaction = False  # after BEGIN; fakesnow only follows AUTOCOMMIT = FALSE
        self.transaction: dict[str, str] = {}  # the last one, as SHOW TRANSACTIONS has it
        self.parameters: dict[str, str] = {}
        self.temporary: dict[Place, str] = {}  # object -> kind
        with LOCK:
            super().__init__(*args, **kwargs)

    def note(self, sql: str) -> None:
        """Write a statement down, before it runs."""
        STATEMENTS.append(
            {
                "session": self.number,
                "in_transaction": self.in_transaction,
                "query_tag": STATEMENT_TAG.get() or self.parameters.get("QUERY_TAG", ""),
                "sql": sql,
            }
        )

    def begin(self, name: str | None) -> None:
        """Give the transaction that begins now its number and name."""
        number = str(next(transactions))
        self.transaction = {
            "id": number,
            "user": "ci",
            "session": str(self.number),
            "name": (name or number).upper(),
            "started_on": datetime.now(UTC).isoformat(),
            "state": "running",
            "scope": "0",
        }

    def abort(self) -> None:
        """End the transaction from outside: what the session asks next is in none."""
        self._duck_conn.rollback()
        self.in_transaction = self._in_transaction = False

    def cursor(self, cursor_class: type | None = None) -> Cursor:
        """A cursor; whatever class is asked for, it is ours."""
        return Cursor(conn=self, duck_conn=self._duck_conn)

    def close(self, retry: bool = True) -> None:
        """Roll back, and drop what is temporary."""
        with LOCK:
            with suppress(duckdb.Error):
                self._duck_conn.rollback()
            for place, kind in self.temporary.items():
                with suppress(duckdb.Error):
                    self._duck_conn.execute(f"DROP {kind} IF EXISTS {quoted(place)}")
            super().close(retry)


class Sessions(dict[str, Connection]):
    """fakesnow's sessions by token; one that is taken out is closed."""

    def __delitem__(self, token: str) -> None:
        self.pop(token).close()
