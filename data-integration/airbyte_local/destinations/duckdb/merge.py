"""Rows into tables.

A new table takes the batches as they come. Otherwise they are staged, then merged by key or appended. Merged: a new row is
inserted, a changed one replaced (from Postgres the later sync always wins: a snapshot holds one version per key), an
equal one left alone, so that a row read again at the cursor's boundary keeps its `_airbyte_extracted_at`. Appended: what
was delivered at the boundary before is left out.
"""

from __future__ import annotations

from airbyte_local.destinations.base import METADATA_COLUMNS, Target
from airbyte_local.destinations.duckdb.ddl import table_name
from airbyte_local.destinations.duckdb.types import arrived, literal, quoted
from airbyte_local.schema import StreamPlan

ARRIVING = "arriving"  # the registered Arrow stream
STAGED = "temp.staged"

# the row's own id, when it was read, by which sync, of which generation; bound as ($extracted_at, $meta, $generation)
METADATA_VALUES = ("uuid()::varchar", "$extracted_at::timestamptz", "$meta::json", "$generation::bigint")


def _names(plan: StreamPlan) -> list[str]:
    return [quoted(column.name) for column in plan.columns]


def _arriving(plan: StreamPlan, target: Target) -> str:
    """The rows as they come, typed; one per key where the source does not promise that already."""
    columns = ", ".join(arrived(column, target.types[column.name]) for column in plan.columns)
    query = f"select {columns} from {ARRIVING}"
    if plan.primary_key and not plan.key_is_unique:
        key = ", ".join(map(quoted, plan.primary_key))
        order = f" order by {quoted(plan.cursor.name)} desc nulls last" if plan.cursor else ""
        query += f" qualify row_number() over (partition by {key}{order}) = 1"
    return query


def _insert(plan: StreamPlan, rows: str) -> str:
    names = _names(plan)
    columns = ", ".join([*names, *METADATA_COLUMNS])
    return f"insert into {table_name(plan)} ({columns}) select {', '.join([*names, *METADATA_VALUES])} from ({rows})"


def insert(plan: StreamPlan, target: Target) -> str:
    """Everything, as it comes."""
    return _insert(plan, _arriving(plan, target))


def stage(plan: StreamPlan, target: Target) -> str:
    return f"create or replace temp table staged as {_arriving(plan, target)}"


def append(plan: StreamPlan, target: Target, cursor: str | None) -> str:
    """The staged rows that are not in the table yet, counted: of two equal rows there and three here, one is new.

    Only rows at or beyond the saved position `cursor` can come again, and those without a cursor value. Columns that are
    new in this sync are left out of the comparison: what is there has no value for them.
    """
    field = quoted(plan.cursor.name)
    new = {column.name for column in target.add}
    names = [quoted(column.name) for column in plan.columns if column.name not in new]
    numbered = f"row_number() over (partition by {', '.join(names)}) as \"#\""
    bound = literal(cursor)
    known = (
        ""
        if cursor is None
        else f" where {field} >= {bound}::{target.types[plan.cursor.name]} or {field} is null"
    )
    same = " and ".join(f"t.{name} is not distinct from s.{name}" for name in names)
    return _insert(
        plan,
        f"select * from (select *, {numbered} from {STAGED}) as s where not exists (select 1 from"
        f" (select {', '.join(names)}, {numbered} from {table_name(plan)}{known}) as t where t.\"#\" = s.\"#\" and {same})",
    )


def merge(plan: StreamPlan, target: Target) -> str:
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
        new += [f"{quoted(name)} = null" for name in target.gone]
        statement += f" when matched and ({changed}) then update set {', '.join(new)}"
    columns = ", ".join([*names, *METADATA_COLUMNS])
    rows = ", ".join([f"s.{name}" for name in names] + list(METADATA_VALUES))
    return f"{statement} when not matched then insert ({columns}) values ({rows})"
