"""The registry of shapes: what each table looked like at each commit, and how that differs from the one before, column by column."""

from __future__ import annotations

from airbyte_local.destinations.base import Target
from airbyte_local.destinations.duckdb.ddl import DIALECT
from airbyte_local.destinations.lake.manifests import Change, Table
from airbyte_local.schema import StreamPlan

ADDED, DROPPED, BACK, WIDENED, REFUSED = "added", "dropped", "back", "widened", "refused"


def columns_after(plan: StreamPlan, target: Target, before: Table | None) -> dict[str, str]:
    """The columns of a stream's table when the target's changes are made: a dropped one stays."""
    if before is None or target.create:
        return {column.name: target.types[column.name] for column in plan.columns} | DIALECT.extra_types(plan)
    columns = dict(before.columns)
    names = {DIALECT.fold(name): name for name in columns}
    for name, type_ in target.retype:
        columns[names[DIALECT.fold(name)]] = type_
    return columns | dict(target.add)


def changes(
    plan: StreamPlan, target: Target, before: Table | None, source: dict[str, str] | None
) -> tuple[Change, ...]:
    """What is new since the last commit. `source`: the source's columns at the last sync, None before the first."""
    if before is None:
        return ()
    there = {DIALECT.fold(name): type_ for name, type_ in before.columns.items()}
    found = []
    for column in plan.columns:
        was, now = there.get(DIALECT.fold(column.name)), target.types[column.name]
        if was is None:
            found.append(Change(ADDED, column.name, now=now))
        elif was != now:
            found.append(Change(WIDENED, column.name, was=was, now=now))
        elif source is not None and column.name not in source:
            found.append(Change(BACK, column.name, now=now))
    read = {column.name for column in plan.columns}
    found += [Change(DROPPED, name, was=was) for name, was in (source or {}).items() if name not in read]
    return tuple(found)


def refusal(plan: StreamPlan, before: Table | None, source: dict[str, str] | None, message: str) -> Change:
    """The change that stops a stream, with its column if it is one of a column's type."""
    there = {DIALECT.fold(name): type_ for name, type_ in (before.columns if before else {}).items()}
    for column in plan.columns:
        was = there.get(DIALECT.fold(column.name))
        if was and DIALECT.common_type(was, (source or {}).get(column.name), column) is None:
            return Change(REFUSED, column.name, was, DIALECT.column_type(column.type), message)
    return Change(REFUSED, None, message=message)


def sentence(change: Change) -> str:
    """A change for people, after the name of its table."""
    words = {
        ADDED: f"the column {change.column} is new ({change.now})",
        DROPPED: f"the column {change.column} is gone from the source; it stays, empty in new rows",
        BACK: f"the column {change.column} is in the source again",
        WIDENED: f"the column {change.column} was {change.was} and is {change.now}",
    }
    return words.get(change.change, change.message or change.change)
