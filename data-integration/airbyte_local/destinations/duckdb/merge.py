"""Rows into tables.

An empty table takes the batches as they come. Otherwise they are staged, and merged by key: a new row is inserted, a
changed one replaced (from Postgres the later sync always wins: a snapshot holds one version per key), an equal one
left alone, so that a row read again at the cursor's boundary keeps its `_airbyte_extracted_at`.
"""

from __future__ import annotations

from airbyte_local.destinations.base import METADATA_COLUMNS
from airbyte_local.destinations.duckdb.ddl import table_name
from airbyte_local.destinations.duckdb.types import arrived, quoted
from airbyte_local.schema import StreamPlan

ARRIVING = "arriving"  # the registered Arrow stream
STAGED = "temp.staged"

# the row's own id, when it was read, by which sync, of which generation; bound as ($extracted_at, $meta, $generation)
METADATA_VALUES = ("uuid()::varchar", "$extracted_at::timestamptz", "$meta::json", "$generation::bigint")


def _names(plan: StreamPlan) -> list[str]:
    return [quoted(column.name) for column in plan.columns]


def _arriving(plan: StreamPlan) -> str:
    """The rows as they come, typed; one per key where the source does not promise that already."""
    query = f"select {', '.join(arrived(column) for column in plan.columns)} from {ARRIVING}"
    if plan.primary_key and not plan.key_is_unique:
        key = ", ".join(map(quoted, plan.primary_key))
        order = f" order by {quoted(plan.cursor.name)} desc nulls last" if plan.cursor else ""
        query += f" qualify row_number() over (partition by {key}{order}) = 1"
    return query


def insert(plan: StreamPlan) -> str:
    """Everything into an empty table."""
    names = _names(plan)
    columns = ", ".join([*names, *METADATA_COLUMNS])
    return (
        f"insert into {table_name(plan)} ({columns})"
        f" select {', '.join([*names, *METADATA_VALUES])} from ({_arriving(plan)})"
    )


def stage(plan: StreamPlan) -> str:
    return f"create or replace temp table staged as {_arriving(plan)}"


def merge(plan: StreamPlan) -> str:
    """The staged rows into the table, by key."""
    nullable = {column.name for column in plan.columns if column.nullable}
    names = _names(plan)
    key = [
        f"t.{quoted(name)} {'is not distinct from' if name in nullable else '='} s.{quoted(name)}"
        for name in plan.primary_key
    ]
    values = [quoted(column.name) for column in plan.columns if column.name not in plan.primary_key]
    statement = f"merge into {table_name(plan)} as t using {STAGED} as s on {' and '.join(key)}"
    if values:
        changed = " or ".join(f"t.{name} is distinct from s.{name}" for name in values)
        metadata = zip(METADATA_COLUMNS, METADATA_VALUES, strict=True)
        new = [f"{name} = s.{name}" for name in values] + [f"{name} = {value}" for name, value in metadata]
        statement += f" when matched and ({changed}) then update set {', '.join(new)}"
    columns = ", ".join([*names, *METADATA_COLUMNS])
    rows = ", ".join([f"s.{name}" for name in names] + list(METADATA_VALUES))
    return f"{statement} when not matched then insert ({columns}) values ({rows})"
