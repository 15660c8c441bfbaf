"""`elt sql "…"`: one read-only statement against the warehouse, or against the published marts."""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import click
import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from foundation.errors import EltError
from foundation.settings import settings
from foundation.warehouse import LOCKED_DOWN, first_line, open_read_only

BATCH = 10_000  # rows held at once for --csv and --json
SHOWN = 1_000  # rows of a table that a person reads


@click.command()
@click.argument("query")
@click.option("--serving", is_flag=True, help="Ask the published marts instead of the warehouse.")
@click.option("--csv", "form", flag_value="csv", help="All rows as CSV, with a header.")
@click.option("--json", "form", flag_value="json", help="All rows as a JSON list; decimals as exact strings.")
def sql(query: str, serving: bool, form: str | None) -> None:
    """Ask the warehouse one QUERY, read-only (“-” reads it from standard input).

    Nothing can be changed, and no file but the warehouse can be read.
    """
    text = sys.stdin.read() if query == "-" else query
    path = settings().serving_path if serving else settings().warehouse_path
    with open_read_only(path, "elt sql", leased=not serving, config=LOCKED_DOWN) as connection:
        try:
            statement = _only_statement(connection, text)
            result = connection.execute(statement)
            {"csv": _print_csv, "json": _print_json}.get(form or "", _print_table)(result)
        except duckdb.Error as error:
            raise EltError(f"SQL: {explained(error)}", "correct the query") from None


def explained(error: duckdb.Error) -> str:
    """Put DuckDB's message on one line: the error, its suggestion, and the position in the statement."""
    said, _, place = str(error).partition("\n\nLINE ")
    words = " ".join(said.split()) or first_line(error)
    if not (found := re.match(r"(\d+): (.*)\n( *)\^", place)):
        return words
    number, text, blanks = found.groups()
    at = len(blanks) - len(f"LINE {number}: ")
    if text.startswith("..."):  # of a long line DuckDB shows a part
        return f"{words} (line {number}, at: {text[at:].removesuffix('...')[:30]})"
    return f"{words} (line {number}, column {at + 1})"


def _only_statement(connection: duckdb.DuckDBPyConnection, text: str) -> duckdb.Statement:
    statements = connection.extract_statements(text)
    if len(statements) != 1:
        raise EltError(f"{len(statements)} statements were given", "give exactly one")
    return statements[0]


def _columns(result: duckdb.DuckDBPyConnection) -> list[str]:
    return [column[0] for column in result.description or []]


def _batches(result: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    while rows := result.fetchmany(BATCH):
        yield rows


def _print_csv(result: duckdb.DuckDBPyConnection) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(_columns(result))
    for rows in _batches(result):
        out.writerows([["" if value is None else _text(value) for value in row] for row in rows])


def _print_json(result: duckdb.DuckDBPyConnection) -> None:
    columns = _columns(result)
    separator = "["
    for rows in _batches(result):
        for row in rows:
            named = {name: _json_value(value) for name, value in zip(columns, row, strict=True)}
            sys.stdout.write(f"{separator}\n  {json.dumps(named, default=_text, ensure_ascii=False)}")
            separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def _print_table(result: duckdb.DuckDBPyConnection) -> None:
    columns = _columns(result)
    rows = result.fetchmany(SHOWN)
    more = result.fetchone() is not None
    cells = [["NULL" if value is None else _text(value) for value in row] for row in rows]
    numeric = [
        all(row[i] is None or isinstance(row[i], int | float | Decimal) for row in rows)
        for i in range(len(columns))
    ]
    if sys.stdout.isatty():
        table = Table(caption=f"{len(rows):,} rows", caption_justify="left")
        for name, right in zip(columns, numeric, strict=True):
            table.add_column(escape(name), justify="right" if right else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(escape, row))
        Console().print(table)
    else:
        _print_plain(columns, cells, numeric)
    if more:
        click.echo(f"elt: only the first {SHOWN:,} rows are shown; --csv and --json give all", err=True)


def _print_plain(columns: list[str], cells: list[list[str]], numeric: list[bool]) -> None:
    lines = [columns, *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def _text(value: Any) -> str:
    """A value as SQL people write it; decimals with all their digits."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _json_value(value: Any) -> Any:
    return _text(value) if isinstance(value, float) and not math.isfinite(value) else value
