"""Tables: what is there, and the statements that make and alter them. Each commits at once, so all run before the transaction."""

from __future__ import annotations

from airbyte_local.destinations.base import Target
from airbyte_local.destinations.fitting import Dialect
from airbyte_local.destinations.snowflake.account import Link
from airbyte_local.destinations.snowflake.quoting import named
from airbyte_local.destinations.snowflake.types import (
    CDC_TYPES,
    METADATA_TYPES,
    TEXT,
    VARIANT,
    column_type,
    common_type,
    widens_in_place,
)
from airbyte_local.schema import StreamPlan

DIALECT = Dialect(str.upper, column_type, common_type, METADATA_TYPES, CDC_TYPES)

COLUMNS = """
select table_name, column_name, data_type, numeric_precision, numeric_scale from information_schema.columns
where table_schema = %s order by table_name, ordinal_position
"""


def read_catalogue(link: Link, schema: str) -> dict[str, dict[str, str]]:
    """Column types of every table of a schema, in the order of the columns."""
    found: dict[str, dict[str, str]] = {}
    for table, column, type_, precision, scale in link.rows(COLUMNS, [schema]):
        if type_ == "NUMBER":
            type_ = f"NUMBER({precision},{scale})"
        found.setdefault(table, {})[column] = TEXT if type_ == "TEXT" else type_
    return found


def schemas(link: Link, prefix: str) -> list[str]:
    """The names of the schemas that begin so."""
    query = "select SCHEMA_NAME from INFORMATION_SCHEMA.SCHEMATA where startswith(SCHEMA_NAME, %s)"
    return [name for (name,) in link.rows(query, [prefix])]


def table_name(plan: StreamPlan) -> str:
    return named(plan.target_schema, plan.target_table)


def create_schema(name: str) -> str:
    return f"create schema if not exists {named(name)}"


def shape(plan: StreamPlan) -> dict[str, str]:
    """The columns of a table made for the stream: the source's, then the others."""
    types = {column.name.upper(): column_type(column.type) for column in plan.columns}
    return types | {name.upper(): type_ for name, type_ in DIALECT.extra_types(plan).items()}


def create_table(table: str, types: dict[str, str], retention_days: int) -> str:
    """A table, which Time Travel keeps for so many days."""
    columns = ", ".join(f"{named(name)} {type_}" for name, type_ in types.items())
    return f"create table if not exists {table} ({columns}) data_retention_time_in_days = {retention_days}"


def create_stage_table(table: str, types: dict[str, str]) -> str:
    """A table that rows are copied into on their way: JSON as text there."""
    columns = ", ".join(
        f"{named(name)} {TEXT if type_ == VARIANT else type_}" for name, type_ in types.items()
    )
    return f"create or replace transient table {table} ({columns})"


def alterations(plan: StreamPlan, target: Target) -> list[str]:
    """The statements that make a table fit which is there, where it can stay. Each may be repeated."""
    table = table_name(plan)
    added = [
        f"alter table {table} add column if not exists {named(name)} {type_}" for name, type_ in target.add
    ]
    return added + [
        f"alter table {table} alter column {named(name)} set data type {type_}"
        for name, type_ in target.retype
    ]


def can_stay(present: dict[str, str], target: Target) -> bool:
    """Whether the table can be altered where it is; otherwise its rows have to move into another one."""
    return all(widens_in_place(present[name.upper()], type_) for name, type_ in target.retype)


def altered(present: dict[str, str], target: Target) -> dict[str, str]:
    """The columns of a table after all alterations."""
    changed = {name.upper(): type_ for name, type_ in (*target.retype, *target.add)}
    return present | changed


def move_rows(table: str, present: dict[str, str], successor: str, types: dict[str, str]) -> str:
    """The rows of a table into one with wider columns."""
    names = ", ".join(map(named, present))
    values = ", ".join(
        f"cast({named(name)} as {types[name]})" if types[name] != type_ else named(name)
        for name, type_ in present.items()
    )
    return f"insert into {successor} ({names}) select {values} from {table}"


def replace_with(table: str, successor: str) -> str:
    """The table becomes what its successor is, in one step that may be repeated."""
    return f"create or replace table {table} clone {successor} copy grants"
