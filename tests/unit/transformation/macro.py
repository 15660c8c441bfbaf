"""The project's macros without dbt: an expression as a model writes it, in DuckDB's SQL or Snowflake's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import duckdb
from jinja2 import Environment

from transformation.project import PROJECT

ENVIRONMENT = Environment(extensions=["jinja2.ext.do"])  # noqa: S701 — SQL, not HTML
FILES = ("keys", "numbers", "staging", "time", "totesys")


@cache
def macros(dialect: str) -> dict[str, Any]:
    """Every macro by its name, and what they call of dbt's."""
    found: dict[str, Any] = {}

    def dispatch(name: str) -> Callable[..., Any]:
        return found.get(f"{dialect}__{name}") or found[f"default__{name}"]

    dbt = {
        "return": lambda value: value,
        "adapter": SimpleNamespace(dispatch=dispatch),
        "dbt": SimpleNamespace(
            dateadd=lambda part, count, date: f"date_add({date}, interval ({count}) {part})",
            datediff=lambda first, last, part: f"date_diff('{part}', {first}, {last})",
            date_trunc=lambda part, date: f"date_trunc('{part}', {date})",
        ),
    }
    text = "".join((PROJECT / "macros" / f"{name}.sql").read_text() for name in FILES)
    found |= vars(ENVIRONMENT.from_string(text).make_module(dbt))
    return found


def render(expression: str, dialect: str = "duckdb") -> str:
    """The SQL of an expression that calls macros. Raises KeyError for a macro that the dialect lacks."""
    return ENVIRONMENT.from_string(expression).render(macros(dialect)).strip()


def answers(expression: str, columns: str, rows: list[tuple], dialect: str = "duckdb") -> Iterator[Any]:
    """What DuckDB makes of the expression in each row; `columns` are names with types ("a decimal(18, 4), b int")."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"create table given (number int, {columns})")
        texts = [
            [None if value is None else str(value) for value in column] for column in zip(*rows, strict=True)
        ]
        unnested = ", ".join("unnest(?::varchar[])" for _ in texts)
        connection.execute(f"insert into given select unnest(range({len(rows)})), {unnested}", texts)
        for (value,) in connection.execute(
            f"select {render(expression, dialect)} from given order by number"
        ).fetchall():
            yield value
