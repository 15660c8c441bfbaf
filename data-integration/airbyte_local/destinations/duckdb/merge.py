"""Rows into tables; `table` is the one to write, `target` what it is made of.

A new table takes the batches as they come. Otherwise they are staged, then merged by key or appended. Merged: a new row is
written, a changed one in place of the old (from Postgres the later sync always wins: a snapshot holds one version per key), an
equal one left alone, so that a row read again at the cursor's boundary keeps its `_airbyte_extracted_at`. Appended: what
was delivered at the boundary before is left out.
"""

from __future__ import annotations

from airbyte_local.destinations.base import (
    CDC_DELETED_AT,
    CDC_LSN,
    CDC_UPDATED_AT,
    META,
    METADATA_COLUMNS,
    Target,
    free_name,
)
from airbyte_local.destinations.duckdb.types import arrived, from_text
from airbyte_local.schema import StreamPlan
from airbyte_local.sources.base import CHANGES, SEQUENCE
from foundation.quoting import literal, quoted

ARRIVING = "arriving"  # the registered Arrow stream
STAGED = "temp.staged"

# the row's own id, when it was read, by which sync, of which generation; bound as ($extracted_at, $meta, $generation)
METADATA_VALUES = ("uuid()", "$extracted_at::timestamptz", "$meta::json", "$generation::bigint")
METADATA = dict(zip(METADATA_COLUMNS, METADATA_VALUES, strict=True))
# of an emitted row; its list of changes completes the meta of all
EMITTED = {
    META: f"case when {quoted(CHANGES)} is null then $meta::json"
    f" else json_merge_patch($meta::json, json_object('changes', {quoted(CHANGES)}::json)) end"
}
# of a row in a snapshot; bound as ($lsn, $at)
SNAPSHOT = {CDC_LSN: "$lsn::bigint", CDC_UPDATED_AT: "$at::varchar", CDC_DELETED_AT: "null"}
# of one that is deleted, of which only the key stays; bound in the same way
DELETED = SNAPSHOT | {CDC_DELETED_AT: "$at::varchar"} | METADATA


def extra_values(plan: StreamPlan) -> dict[str, str]:
    """What is written into the columns besides the source's, when rows are loaded as a whole."""
    return (SNAPSHOT if plan.captured else {}) | METADATA | (EMITTED if plan.emitted else {})


def _names(plan: StreamPlan) -> list[str]:
    return [quoted(column.name) for column in plan.columns]


def _arriving(plan: StreamPlan, target: Target) -> str:
    """The rows as they come, typed; one per key where the source does not promise that already."""
    columns = [
        (
            f"{from_text(quoted(column.name), target.types[column.name])} as {quoted(column.name)}"
            if plan.logged
            else arrived(column, target.types[column.name])
        )
        for column in plan.columns
    ]
    order = [f"{quoted(plan.cursor.name)} desc nulls last"] if plan.cursor else []
    if plan.emitted:
        columns.append(quoted(CHANGES))
        order.append(f"{quoted(SEQUENCE)} desc")
    query = f"select {', '.join(columns)} from {ARRIVING}"
    if plan.primary_key and not plan.key_is_unique:
        key = ", ".join(map(quoted, plan.primary_key))
        by = f" order by {', '.join(order)}" if order else ""
        query += f" qualify row_number() over (partition by {key}{by}) = 1"
    return query


def _insert(plan: StreamPlan, table: str, rows: str) -> str:
    names = _names(plan)
    extra = extra_values(plan)
    columns, values = ", ".join([*names, *extra]), ", ".join([*names, *extra.values()])
    return f"insert into {table} ({columns}) select {values} from ({rows})"


def insert(plan: StreamPlan, target: Target, table: str) -> str:
    """Everything, as it comes."""
    return _insert(plan, table, _arriving(plan, target))


def stage(plan: StreamPlan, target: Target) -> str:
    return f"create or replace temp table staged as {_arriving(plan, target)}"


def append(plan: StreamPlan, target: Target, table: str, cursor: str | None) -> str:
    """The staged rows that are not in the table yet, counted: of two equal rows there and three here, one is new.

    Only rows at or beyond the saved position `cursor` can come again, and those without a cursor value. Columns that are
    new in this sync are left out of the comparison: what is there has no value for them.
    """
    field = quoted(plan.own_cursor.name)
    new = {name for name, _ in target.add}
    names = [quoted(column.name) for column in plan.columns if column.name not in new]
    number = quoted(free_name(plan, "#"))
    numbered = f"row_number() over (partition by {', '.join(names)}) as {number}"
    known = (
        ""
        if cursor is None
        else f" where {field} >= {literal(cursor)}::{target.types[plan.own_cursor.name]} or {field} is null"
    )
    same = " and ".join(f"t.{name} is not distinct from s.{name}" for name in names)
    return _insert(
        plan,
        table,
        f"select * from (select *, {numbered} from {STAGED}) as s where not exists (select 1 from"
        f" (select {', '.join(names)}, {numbered} from {table}{known}) as t where t.{number} = s.{number} and {same})",
    )


def drop_unneeded(plan: StreamPlan, target: Target, table: str) -> list[str]:
    """The staged rows that change nothing leave the stage."""
    return [] if target.rewrite and not _newer(plan) else [_drop_unneeded(plan, target, table)]


def write(plan: StreamPlan, table: str) -> str:
    """The staged rows into the table, when what has their keys is not in it."""
    return _insert(plan, table, f"from {STAGED}")


def remove(plan: StreamPlan, table: str, rows: str) -> str:
    """Take out what has the key of one of the rows, to be written again: an update in place would have every part of a
    column rewritten that one row of it is in."""
    return f"delete from {table} as t using {rows} as s where {same_key(plan)}"


def keep(plan: StreamPlan, old: str, new: str, *without: str) -> str:
    """The rows of one table into another, but for the keys that are in the relations `without`."""
    others = [f"not exists (select 1 from {rows} as s where {same_key(plan)})" for rows in without]
    where = f" where {' and '.join(others)}" if others else ""
    return f"insert into {new} by name select t.* from {old} as t{where}"


def _drop_unneeded(plan: StreamPlan, target: Target, table: str) -> str:
    changed = [f"t.{name} is distinct from s.{name}" for name in value_names(plan)]
    if plan.captured or CDC_DELETED_AT in target.gone:  # a deleted row whose key has come back
        changed.append(f"t.{CDC_DELETED_AT} is not null")
    conditions = [f"({' or '.join(changed) or 'false'})"] if not target.rewrite else []
    needed = " and ".join(conditions + _newer(plan))
    old = table
    if (
        plan.cursor and not target.rewrite
    ):  # most rows have another cursor value: all columns are read of the others alone
        cursor = quoted(plan.cursor.name)
        clear = " and ".join([f"t.{cursor} is distinct from s.{cursor}", *_newer(plan)])
        close = f"select t.rowid from {old} as t join {STAGED} as s on {same_key(plan)} and not coalesce({clear}, false)"
        old = f"(select t.* from {old} as t semi join ({close}) as c on t.rowid = c.rowid)"
    return (
        f"delete from {STAGED} as s using {old} as t where {same_key(plan)} and not coalesce({needed}, false)"
    )


def _newer(plan: StreamPlan) -> list[str]:
    """The condition that a row s is not older than t: a connector may send an older one again, Postgres does not."""
    if not (plan.emitted and plan.cursor):
        return []
    cursor = quoted(plan.cursor.name)
    return [f"(t.{cursor} is null or s.{cursor} >= t.{cursor})"]


def absent(plan: StreamPlan) -> str:
    """The condition that a row t of a whole table is not in the source any more."""
    return f"not exists (select 1 from {STAGED} as s where {same_key(plan)})"


def delete_all(plan: StreamPlan, target: Target, table: str) -> str:
    """Every row of a captured table is deleted in the source: its key stays. Bound as ($lsn, $at) and the metadata."""
    cleared = dict.fromkeys((*value_names(plan), *map(quoted, target.gone)), "null")
    return f"update {table} as t set {assignments(cleared | DELETED)} where {CDC_DELETED_AT} is null"


def deleted(plan: StreamPlan, old: str, new: str) -> str:
    """The same rows, as they are then, of one table into another."""
    row = {quoted(name): f"t.{quoted(name)}" for name in plan.primary_key} | DELETED
    return (
        f"insert into {new} ({', '.join(row)}) select {', '.join(row.values())} from {old} as t"
        f" where {CDC_DELETED_AT} is null"
    )


def assignments(values: dict[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def same_key(plan: StreamPlan) -> str:
    """The condition that a row t of the table and a row s are of one key."""
    nullable = {column.name for column in plan.columns if column.nullable}
    return " and ".join(
        f"t.{quoted(name)} {'is not distinct from' if name in nullable else '='} s.{quoted(name)}"
        for name in plan.primary_key
    )


def value_names(plan: StreamPlan) -> list[str]:
    """The quoted names of the columns outside the key."""
    return [quoted(column.name) for column in plan.columns if column.name not in plan.primary_key]
