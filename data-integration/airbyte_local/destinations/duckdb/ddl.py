"""Tables: what is there, and the statements that make and alter them."""

from __future__ import annotations

import duckdb

from airbyte_local.destinations.base import Target
from airbyte_local.destinations.duckdb.types import CDC_TYPES, METADATA_TYPES, column_type, common_type
from airbyte_local.destinations.fitting import Dialect
from airbyte_local.schema import StreamPlan
from foundation.quoting import quoted

DIALECT = Dialect(str.casefold, column_type, common_type, METADATA_TYPES, CDC_TYPES)

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


def table_name(plan: StreamPlan) -> str:
    return f"{quoted(plan.target_schema)}.{quoted(plan.target_table)}"


def create_schema(name: str) -> str:
    return f"create schema if not exists {quoted(name)}"


def create_table(plan: StreamPlan, table: str) -> str:
    """A table with the source's columns, then the four of Airbyte."""
    columns = [f"{quoted(column.name)} {column_type(column.type)}" for column in plan.columns]
    columns += [f"{quoted(name)} {type_}" for name, type_ in DIALECT.extra_types(plan).items()]
    return f"create or replace table {table} ({', '.join(columns)})"


def alterations(target: Target, table: str) -> list[str]:
    """The statements that make a table fit which is there."""
    added = [f"alter table {table} add column {quoted(name)} {type_}" for name, type_ in target.add]
    return added + [
        f"alter table {table} alter column {quoted(name)} set data type {type_}"
        for name, type_ in target.retype
    ]
