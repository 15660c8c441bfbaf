"""Tables: what is there, what is missing, what no longer fits."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from airbyte_local.destinations.base import METADATA_COLUMNS, RAW_ID, Target, Write
from airbyte_local.destinations.duckdb.types import (
    CDC_TYPES,
    METADATA_TYPES,
    column_type,
    common_type,
)
from airbyte_local.enums import SyncMode
from airbyte_local.schema import StreamPlan, StreamState
from airbyte_local.states import REFRESH
from elt.errors import EltError
from elt.quoting import quoted

Catalogue = dict[tuple[str, str], dict[str, str]]


def read_catalogue(connection: duckdb.DuckDBPyConnection) -> Catalogue:
    """Column types of every table, by (schema, table); names folded, as DuckDB compares them."""
    rows = connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns()"
        " where database_name = current_database() and not internal"
    ).fetchall()
    found: Catalogue = {}
    for schema, table, column, type_ in rows:
        found.setdefault((schema.casefold(), table.casefold()), {})[column.casefold()] = type_
    return found


def key_of(plan: StreamPlan) -> tuple[str, str]:
    """A plan's key in the catalogue."""
    return plan.target_schema.casefold(), plan.target_table.casefold()


def table_name(plan: StreamPlan) -> str:
    return f"{quoted(plan.target_schema)}.{quoted(plan.target_table)}"


def create_schema(name: str) -> str:
    return f"create schema if not exists {quoted(name)}"


def create_table(plan: StreamPlan) -> str:
    """The table with the source's columns, then the four of Airbyte."""
    columns = [f"{quoted(column.name)} {column_type(column.type)}" for column in plan.columns]
    columns += [f"{quoted(name)} {type_}" for name, type_ in extra_types(plan).items()]
    return f"create or replace table {table_name(plan)} ({', '.join(columns)})"


def alterations(plan: StreamPlan, target: Target) -> list[str]:
    """The statements that make a table fit which is there."""
    table = table_name(plan)
    added = [f"alter table {table} add column {quoted(name)} {type_}" for name, type_ in target.add]
    return added + [
        f"alter table {table} alter column {quoted(name)} set data type {type_}"
        for name, type_ in target.retype
    ]


def extra_types(plan: StreamPlan) -> dict[str, str]:
    """The columns that the table has besides the source's, with their types."""
    return (CDC_TYPES if plan.captured else {}) | METADATA_TYPES


def fitting(plan: StreamPlan, present: dict[str, str] | None, state: StreamState, anew: bool) -> Target:
    """What is to be done to the stream's table, whose columns are `present` (None: there is none, or it is empty).

    Raises EltError when the table does not fit: made by another program, or a column has another kind of values now.
    """
    if present is not None and not is_ours(present):
        raise EltError(
            f"stream {plan.label}: the table {plan.target_schema}.{plan.target_table} has not the columns"
            f" {', '.join(METADATA_COLUMNS)}; another program made it",
            "drop or rename that table, then sync again: the stream is read in full",
        )
    for name in plan.missing:
        if present is None or name.casefold() not in present:
            raise EltError(
                f"stream {plan.label}: the source has no column {name} that the user may read",
                f"correct the connection; there are: {', '.join(column.name for column in plan.columns)}",
            )
    if (
        present is None
        or plan.mode == SyncMode.FULL_REFRESH_OVERWRITE
        or (anew and not _keeps(plan, present, state))
    ):
        types = {column.name: column_type(column.type) for column in plan.columns}
        return Target(create=True, write=Write.INSERT, from_start=True, types=types)
    types = _types(plan, present, state)
    extra = extra_types(plan)
    wanted = {name.casefold(): (name, type_) for name, type_ in (types | extra).items()}
    retype = tuple(pair for folded, pair in wanted.items() if present.get(folded, pair[1]) != pair[1])
    add = tuple(pair for folded, pair in wanted.items() if folded not in present)
    # old rows lack the values of a column that is new, was away or took another's name, and may have another form since a
    # change of type
    source_types = {column.name: column.source_type for column in plan.columns}
    identities = {column.name: column.identity for column in plan.columns}
    stale = not source_types.items() <= (state.columns or source_types).items()
    stale = stale or not identities.items() <= (state.identities or identities).items()
    stale = stale or any(name != RAW_ID for name, _ in (*add, *retype))
    return Target(
        create=False,
        write=WRITES[plan.mode],
        from_start=anew or (stale and plan.mode == SyncMode.INCREMENTAL_DEDUPED_HISTORY),
        types=types,
        add=add,
        retype=retype,
        gone=tuple(name for name in present if name not in wanted),
        rewrite=anew,
    )


def _keeps(plan: StreamPlan, present: dict[str, str], state: StreamState) -> bool:
    """Whether a refresh goes into the table that is there, because deleted rows are remembered in it."""
    if not (plan.captured and CDC_TYPES.items() <= present.items()):
        return False
    try:
        _types(plan, present, state)
    except EltError:
        return False
    return True


WRITES = {
    SyncMode.FULL_REFRESH_APPEND: Write.INSERT,
    SyncMode.INCREMENTAL_APPEND: Write.APPEND,
    SyncMode.INCREMENTAL_DEDUPED_HISTORY: Write.MERGE,
}


def is_ours(present: dict[str, str]) -> bool:
    """Whether a table has Airbyte's metadata columns (the row's id was text in older versions)."""
    return METADATA_TYPES.items() <= {**present, RAW_ID: METADATA_TYPES[RAW_ID]}.items() and RAW_ID in present


def _types(plan: StreamPlan, present: dict[str, str], state: StreamState) -> dict[str, str]:
    """The type of each of the plan's columns in the table. Raises EltError when old and new values have none in common."""
    types = {}
    for column in plan.columns:
        found = present.get(column.name.casefold())
        was = (state.columns or {}).get(column.name)
        type_ = column_type(column.type) if found is None else common_type(found, was, column)
        if type_ is None:
            raise EltError(
                f"stream {plan.label}: the column {column.name} is {column.source_type} in the source now"
                f" ({column_type(column.type)}), but {found} in {plan.target_schema}.{plan.target_table}",
                f"undo that change, or {REFRESH}",
            )
        types[column.name] = type_
    return types


def check_names(plans: Iterable[StreamPlan]) -> None:
    """Raises EltError when two streams or columns would be one in DuckDB, which does not mind upper and lower case."""
    targets: dict[tuple[str, str], StreamPlan] = {}
    for plan in plans:
        other = targets.setdefault(key_of(plan), plan)
        if other is not plan:
            raise EltError(
                f"the streams {other.label} and {plan.label} would share the table {plan.target_schema}.{plan.target_table}",
                "give the connection a namespaceFormat with ${SOURCE_NAMESPACE}, or leave one of them out",
            )
        names = [column.name.casefold() for column in plan.columns]
        for name in names:
            if names.count(name) > 1 or name in extra_types(plan):
                raise EltError(
                    f"stream {plan.label}: the column name {name} is used twice (upper and lower case are the same)",
                    "leave one of them out with selectedFields",
                )
