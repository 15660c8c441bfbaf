"""Tables: what is there, what is missing, what no longer fits."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from airbyte_local.destinations.base import METADATA_COLUMNS
from airbyte_local.destinations.duckdb.types import METADATA_TYPES, column_type, quoted
from airbyte_local.schema import Column, StreamPlan
from elt.errors import EltError

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
    columns += [f"{quoted(name)} {METADATA_TYPES[name]}" for name in METADATA_COLUMNS]
    return f"create or replace table {table_name(plan)} ({', '.join(columns)})"


def add_column(plan: StreamPlan, column: Column) -> str:
    return f"alter table {table_name(plan)} add column {quoted(column.name)} {column_type(column.type)}"


def missing_columns(plan: StreamPlan, present: dict[str, str]) -> list[Column]:
    """The columns to add to a table that is there. Raises EltError when the table does not fit otherwise."""
    wanted = {column.name.casefold(): column for column in plan.columns}
    table = f"{plan.target_schema}.{plan.target_table}"
    for name, type_ in METADATA_TYPES.items():
        if present.get(name) != type_:
            raise EltError(
                f"stream {plan.label}: the table {table} has no column {name} {type_}; another program made it",
                "drop or rename that table, then sync again: the stream is read in full",
            )
    for name, type_ in present.items():
        if name in METADATA_TYPES:
            continue
        if name not in wanted:
            raise EltError(
                f"stream {plan.label}: the column {name} of {table} is no longer in the source or not selected",
                f"select it again, or drop the table {table} and sync again: the stream is read in full",
            )
        if (expected := column_type(wanted[name].type)) != type_:
            raise EltError(
                f"stream {plan.label}: the column {name} is {wanted[name].source_type} in the source now ({expected}),"
                f" but {type_} in {table}",
                f"drop the table {table} and sync again: the stream is read in full",
            )
    return [column for name, column in wanted.items() if name not in present]


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
            if names.count(name) > 1 or name in METADATA_TYPES:
                raise EltError(
                    f"stream {plan.label}: the column name {name} is used twice (upper and lower case are the same)",
                    "leave one of them out with selectedFields",
                )
