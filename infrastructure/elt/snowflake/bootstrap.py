"""Run the statements, one after the other. Each may run again: what is there is left, what differs is set."""

from __future__ import annotations

from collections.abc import Callable

from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import Error

from elt.snowflake.account import reason
from elt.snowflake.statements import Statement, position
from foundation.errors import EltError


def run(
    session: SnowflakeConnection,
    given: list[Statement],
    start: str | None = None,
    report: Callable[[int, Statement], None] = lambda number, statement: None,
) -> int:
    """Run all, or from the statement at `start` ("40_grants.sql:7") on; returns how many.

    `report` gets each before it runs. Stops at the first error: EltError with its file and line, and how to go on.
    """
    first = position(given, start)
    cursor = session.cursor()
    # a role set by an earlier statement holds for those that are left, too
    roles = [one for one in given[:first] if one.text.lower().startswith("use role")][-1:]
    for number, statement in enumerate(roles + given[first:], first + 1 - len(roles)):
        report(number, statement)
        try:
            cursor.execute(statement.text)
        except Error as error:
            raise EltError(
                f"{statement.path.name}, line {statement.line}: {reason(error)}",
                f"mend it, then go on with `elt snowflake bootstrap --from {statement.place}` (or run all again)",
            ) from None
    return len(given) - first
