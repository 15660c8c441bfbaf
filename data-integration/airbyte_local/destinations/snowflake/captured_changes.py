"""Captured changes into tables: staged in their order, then the last of each key merged.

The stage table has SEQ, OP, LSN, CHANGED_AT, UNCHANGED, K0 … (the key before the change, where it matters) and C0 …, typed. A column
of an update that the source did not send again keeps its value: the one that an earlier staged change of the key gave, else
the table's. Deleted rows stay with their key and `_ab_cdc_deleted_at`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from airbyte_local.destinations.base import CDC_DELETED_AT, CDC_LSN, CDC_UPDATED_AT, Target, free_name
from airbyte_local.destinations.snowflake.merge import (
    Stamp,
    assignments,
    same_key,
    stage_value,
    value_names,
)
from airbyte_local.destinations.snowflake.quoting import named
from airbyte_local.destinations.snowflake.types import arrow_type, filed
from airbyte_local.schema import Column, StreamPlan
from airbyte_local.sources.base import Truncated

FIXED = {
    "SEQ": "NUMBER(19,0)",
    "OP": "NUMBER(5,0)",
    "LSN": "NUMBER(19,0)",
    "CHANGED_AT": "VARCHAR",
    "UNCHANGED": "VARCHAR",
}


def fixed(plan: StreamPlan) -> list[str]:
    """The quoted names of a resolved change's kind, position and time, which are no names of the source's columns."""
    return [named(free_name(plan, name)) for name in ("#op", "#lsn", "#at")]


@dataclass
class Pending:
    """What waits to be applied of a stream: changes after `since` up to `until`, or a truncation before them."""

    since: int = -1
    until: int = -1
    unchanged: set[int] = field(
        default_factory=set
    )  # the columns, by number, that some change left as they were
    truncated: Truncated | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """These changes wait, too."""
        self.until = batch.column("seq")[-1].as_py()
        for flags in batch.column("unchanged").unique().drop_null().to_pylist():
            self.unchanged.update(index for index, flag in enumerate(flags) if flag == "1")

    def truncate(self, truncated: Truncated) -> None:
        """The changes that waited do not matter any more: the table was emptied after them."""
        self.since, self.unchanged, self.truncated = self.until, set(), truncated

    @property
    def is_empty(self) -> bool:
        """Whether no change waits."""
        return self.until <= self.since


def columns(plan: StreamPlan) -> list[Column]:
    """The columns of the stage table behind the fixed ones: the old key's, then all."""
    by_name = {column.name: column for column in plan.columns}
    return [by_name[name] for name in plan.primary_key] + list(plan.columns)


def column_names(plan: StreamPlan) -> list[str]:
    keys = [f"K{index}" for index in range(len(plan.primary_key))]
    return keys + [f"C{index}" for index in range(len(plan.columns))]


def stage_types(plan: StreamPlan, target: Target) -> dict[str, str]:
    """The stage table's columns."""
    types = [target.types[column.name] for column in columns(plan)]
    return FIXED | dict(zip(column_names(plan), types, strict=True))


def filed_changes(batch: pa.RecordBatch, plan: StreamPlan, target: Target) -> pa.RecordBatch:
    """The changes, in text, as they go into a file. Raises EltError when a value does not fit."""
    fixed = len(FIXED)
    arrays = list(batch.columns[:fixed])
    fields = [pa.field(name, array.type) for name, array in zip(FIXED, arrays, strict=True)]
    for column, name, values in zip(columns(plan), column_names(plan), batch.columns[fixed:], strict=True):
        type_ = target.types[column.name]
        arrays.append(filed(values, column, type_, plan))
        fields.append(pa.field(name, arrow_type(column, type_)))
    return pa.record_batch(arrays, pa.schema(fields))


def _given(index: int) -> str:
    """That a change gave the column a value."""
    return f"OP = 0 and coalesce(substr(UNCHANGED, {index + 1}, 1), '0') <> '1'"


def _resolved(plan: StreamPlan, target: Target, table: str, stage: str, pending: Pending) -> str:
    """The last change of each key among those that wait, with every value."""
    numbers = {column.name: index for index, column in enumerate(plan.columns)}
    keys = [f"C{numbers[name]}" for name in plan.primary_key]
    kept = sorted(pending.unchanged)
    partition = f"partition by {', '.join(keys)}"
    given = "".join(
        f", max(iff({_given(index)}, SEQ, null)) over ({partition}) as H{index}" for index in kept
    )
    last = (
        f"select *{given} from {stage} where SEQ > {pending.since} and SEQ <= {pending.until}"
        f" qualify row_number() over ({partition} order by SEQ desc) = 1"
    )
    values, joins = [], ""
    for index, column in enumerate(plan.columns):
        type_ = target.types[column.name]
        value = stage_value(index, type_, "l.")
        if index in pending.unchanged:
            value = (
                f"case when coalesce(substr(l.UNCHANGED, {index + 1}, 1), '0') <> '1' then {value}"
                f" when l.H{index} is not null then {stage_value(index, type_, f'n{index}.')}"
                f" else t.{named(column.name)} end"
            )
            joins += f" left join {stage} as n{index} on n{index}.SEQ = l.H{index}"
        values.append(f"{value} as {named(column.name)}")
    if kept:
        old_key = " and ".join(
            f"t.{named(name)} = coalesce(l.K{place}, l.{key})"
            for place, (name, key) in enumerate(zip(plan.primary_key, keys, strict=True))
        )
        joins += f" left join {table} as t on {old_key}"
    op, lsn, at = fixed(plan)
    return f"select l.OP as {op}, l.LSN as {lsn}, l.CHANGED_AT as {at}, {', '.join(values)} from ({last}) as l{joins}"


def merge(plan: StreamPlan, target: Target, table: str, stage: str, pending: Pending, stamp: Stamp) -> str:
    """The changes that wait into the table."""
    op, lsn, at = fixed(plan)
    values, gone = value_names(plan), [named(name) for name in target.gone]
    stamps = {named(CDC_LSN): f"s.{lsn}", named(CDC_UPDATED_AT): f"s.{at}"} | stamp.metadata
    deleted_at = named(CDC_DELETED_AT)
    written = (
        {name: f"s.{name}" for name in values} | dict.fromkeys(gone, "null") | {deleted_at: "null"} | stamps
    )
    deleted = dict.fromkeys((*values, *gone), "null") | {deleted_at: f"s.{at}"} | stamps
    keys = {named(name): f"s.{named(name)}" for name in plan.primary_key}
    inserted = keys | {name: value for name, value in written.items() if name not in gone}
    return (
        f"merge into {table} as t using ({_resolved(plan, target, table, stage, pending)}) as s on {same_key(plan)}"
        f" when matched and s.{op} = 1 then update set {assignments(deleted)}"
        f" when matched then update set {assignments(written)}"
        f" when not matched and s.{op} = 0 then insert ({', '.join(inserted)}) values ({', '.join(inserted.values())})"
    )
