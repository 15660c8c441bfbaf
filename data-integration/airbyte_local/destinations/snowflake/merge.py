"""Rows from a stage table into their table, by the same rules as in DuckDB.

A stage table has the columns C0, C1 … of the plan. Statements that are part of a transaction write no DDL: each reads the
stage table through a query of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from airbyte_local.destinations.base import (
    CDC_DELETED_AT,
    CDC_LSN,
    CDC_UPDATED_AT,
    META,
    METADATA_COLUMNS,
    Moment,
    Target,
    free_name,
)
from airbyte_local.destinations.snowflake.quoting import literal, named
from airbyte_local.destinations.snowflake.types import TEXT, VARIANT, filed, within_range
from airbyte_local.schema import Kind, StreamPlan
from airbyte_local.sources.base import CHANGES

# the two columns that a connector's rows have besides, in the stage table and in what is read from it
EMITTED_COLUMNS = ("S", "M")
EMITTED_CHANGES = named(CHANGES)


@dataclass(frozen=True)
class Stamp:
    """What a sync writes in addition to a row's own values: when, by which job, of which generation; captured rows: as of when."""

    extracted_at: datetime
    job_id: int
    generation: int
    moment: Moment | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """Airbyte's four columns, as expressions."""
        at = self.extracted_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f +00:00")
        values = (
            "uuid_string()",
            f"cast({literal(at)} as timestamp_tz)",
            f"parse_json({literal(self._meta('[]'))})",
            str(self.generation),
        )
        return dict(zip(map(named, METADATA_COLUMNS), values, strict=True))

    def _meta(self, changes: str) -> str:
        return f'{{"sync_id": {self.job_id}, "changes": {changes}}}'

    @property
    def emitted(self) -> dict[str, str]:
        """The meta of a connector's row, with its own list of changes."""
        before, after = self._meta("\n").split("\n")
        changes = f"coalesce({EMITTED_CHANGES}, '[]')"
        return {named(META): f"parse_json({literal(before)} || {changes} || {literal(after)})"}

    @property
    def captured(self) -> Moment:
        """As of when captured rows are. Raises LookupError for the stamp of other rows."""
        if self.moment is None:
            raise LookupError("these rows are not captured")
        return self.moment

    @property
    def snapshot(self) -> dict[str, str]:
        """The three of capture, of a row that was read in a snapshot."""
        values = (str(self.captured.lsn), literal(self.captured.at), "null")
        return dict(zip(map(named, (CDC_LSN, CDC_UPDATED_AT, CDC_DELETED_AT)), values, strict=True))

    def extra_values(self, plan: StreamPlan) -> dict[str, str]:
        """What is written into the columns besides the source's, when rows are loaded as a whole."""
        own = self.emitted if plan.emitted else {}
        return (self.snapshot if plan.captured else {}) | self.metadata | own


def names(plan: StreamPlan) -> list[str]:
    return [named(column.name) for column in plan.columns]


def value_names(plan: StreamPlan) -> list[str]:
    """The names of the columns outside the key."""
    return [named(column.name) for column in plan.columns if column.name not in plan.primary_key]


def stage_value(index: int, type_: str, alias: str = "") -> str:
    """A column of a stage table as a value of the table's type."""
    name = f"{alias}{named(f'C{index}')}"
    return f"parse_json({name})" if type_ == VARIANT else name


def stage_types(plan: StreamPlan, target: Target) -> dict[str, str]:
    """The stage table's columns."""
    types = {f"C{index}": target.types[column.name] for index, column in enumerate(plan.columns)}
    return types | (dict(zip(EMITTED_COLUMNS, ("NUMBER(19,0)", TEXT), strict=True)) if plan.emitted else {})


def filed_rows(batch: pa.RecordBatch, plan: StreamPlan, target: Target) -> pa.RecordBatch:
    """Rows as they go into a file. Raises EltError when a value does not fit.

    Of a connector's rows it is null then, and said in the row's changes, unless rows are compared by it.
    """
    names, arrays = list(stage_types(plan, target)), []
    more = list(batch.columns[len(plan.columns) :])  # of a connector's: its number, its changes
    for values, column in zip(batch.columns, plan.columns, strict=False):
        if more and column is not plan.cursor and column.name not in plan.primary_key:
            values, outside = within_range(values, column)
            if outside is not None:
                more[-1] = _with_loss(more[-1], outside, column.name)
        arrays.append(filed(values, column, target.types[column.name], plan))
    return pa.record_batch([*arrays, *more], names)


def _with_loss(changes: pa.Array, nulled: pa.Array, name: str) -> pa.Array:
    """The lists of changes with one more in each row that is `nulled`."""
    change = {"field": name, "change": "NULLED", "reason": "DESTINATION_FIELD_SIZE_LIMITATION"}
    lists = [
        (
            json.dumps([*json.loads(text or "[]"), change], separators=(",", ":"), ensure_ascii=False)
            if null
            else text
        )
        for text, null in zip(changes.to_pylist(), nulled.to_pylist(), strict=True)
    ]
    return pa.array(lists, pa.string())


def _staged(plan: StreamPlan, target: Target, stage: str) -> str:
    """The staged rows, typed; one per key where the source does not promise that already."""
    columns = [
        f"{stage_value(index, target.types[column.name])} as {named(column.name)}"
        for index, column in enumerate(plan.columns)
    ]
    sequence, changes = map(named, EMITTED_COLUMNS)
    if plan.emitted:
        columns.append(f"{changes} as {EMITTED_CHANGES}")
    query = f"select {', '.join(columns)} from {stage}"
    if plan.primary_key and not plan.key_is_unique:
        numbers = {
            column.name: comparable(stage_value(index, target.types[column.name]), target.types[column.name])
            for index, column in enumerate(plan.columns)
        }
        key = ", ".join(numbers[name] for name in plan.primary_key)
        order = [f"{numbers[plan.cursor.name]} desc nulls last"] if plan.cursor else []
        order += [f"{sequence} desc"] if plan.emitted else []
        query += f" qualify row_number() over (partition by {key} order by {', '.join(order) or key}) = 1"
    return query


def _insert(plan: StreamPlan, table: str, rows: str, stamp: Stamp) -> str:
    extra = stamp.extra_values(plan)
    columns, values = ", ".join([*names(plan), *extra]), ", ".join([*names(plan), *extra.values()])
    return f"insert into {table} ({columns}) select {values} from ({rows})"


def insert(plan: StreamPlan, target: Target, table: str, stage: str, stamp: Stamp) -> str:
    """Everything, as it comes."""
    return _insert(plan, table, _staged(plan, target, stage), stamp)


def append(plan: StreamPlan, target: Target, table: str, stage: str, stamp: Stamp, cursor: str | None) -> str:
    """The staged rows that are not in the table yet, counted: of two equal rows there and three here, one is new.

    Only rows at or beyond the saved position `cursor` can come again, and those without a cursor value. Columns that are
    new in this sync are left out of the comparison: what is there has no value for them.
    """
    field = named(plan.own_cursor.name)
    new = {name for name, _ in target.add}
    compared = {
        named(column.name): comparable(named(column.name), target.types[column.name])
        for column in plan.columns
        if column.name not in new
    }
    number = named(free_name(plan, "#"))
    numbered = f"row_number() over (partition by {', '.join(compared.values())} order by 1) as {number}"
    known = "" if cursor is None else f" where {field} >= {_cursor(plan, target, cursor)} or {field} is null"
    same = " and ".join(
        f"{comparable(f't.{name}', kind)} is not distinct from {comparable(f's.{name}', kind)}"
        for name, kind in ((named(column.name), target.types[column.name]) for column in plan.columns)
        if name in compared
    )
    return _insert(
        plan,
        table,
        f"select s.* from (select *, {numbered} from ({_staged(plan, target, stage)})) as s"
        f" left join (select {', '.join(compared)}, {numbered} from {table}{known}) as t on t.{number} = s.{number} and {same}"
        f" where t.{number} is null",
        stamp,
    )


def _cursor(plan: StreamPlan, target: Target, cursor: str) -> str:
    if plan.own_cursor.type.kind == Kind.TIMESTAMPTZ:
        cursor = f"{cursor.removesuffix('+00')} +00:00"
    return f"cast({literal(cursor)} as {target.types[plan.own_cursor.name]})"


def comparable(name: str, type_: str) -> str:
    """A value as something that has an order and an equality: VARIANT as its JSON."""
    return f"to_json({name})" if type_ == VARIANT else name


def merge(plan: StreamPlan, target: Target, table: str, stage: str, stamp: Stamp) -> str:
    """The staged rows into the table, by key."""
    extra = stamp.extra_values(plan)
    values = value_names(plan)
    statement = f"merge into {table} as t using ({_staged(plan, target, stage)}) as s on {same_key(plan)}"
    kinds = {named(column.name): target.types[column.name] for column in plan.columns}
    changed = [
        f"{comparable(f't.{name}', kinds[name])} is distinct from {comparable(f's.{name}', kinds[name])}"
        for name in values
    ]
    if plan.captured or CDC_DELETED_AT.upper() in target.gone:  # a deleted row whose key has come back
        changed.append(f"t.{named(CDC_DELETED_AT)} is not null")
    if changed or target.rewrite:
        new = {name: f"s.{name}" for name in values} | extra | dict.fromkeys(map(named, target.gone), "null")
        condition = "" if target.rewrite else f" and ({' or '.join(changed)})"
        if plan.emitted and plan.cursor:
            cursor = named(plan.cursor.name)
            condition += f" and (t.{cursor} is null or s.{cursor} >= t.{cursor})"
        statement += f" when matched{condition} then update set {assignments(new)}"
    columns = ", ".join([*names(plan), *extra])
    rows = ", ".join([f"s.{name}" for name in names(plan)] + list(extra.values()))
    return f"{statement} when not matched then insert ({columns}) values ({rows})"


def sweep(plan: StreamPlan, target: Target, table: str, stage: str, stamp: Stamp) -> str:
    """After a whole table was merged: what was not in it is deleted in the source."""
    keys = ", ".join(map(named, plan.primary_key))
    known = ", ".join(f"t.{named(name)}" for name in plan.primary_key)
    mark = named(free_name(plan, "#"))
    missing = (
        f"select {known} from {table} as t left join (select {keys}, 1 as {mark} from ({_staged(plan, target, stage)})) as s"
        f" on {same_key(plan)} where s.{mark} is null and t.{named(CDC_DELETED_AT)} is null"
    )
    return (
        f"merge into {table} as t using ({missing}) as s on {same_key(plan)}"
        f" when matched then update set {assignments(deleted(plan, target, stamp))}"
    )


def delete_all(plan: StreamPlan, target: Target, table: str, stamp: Stamp) -> str:
    """Every row of a captured table is deleted in the source: its key stays."""
    return f"update {table} set {assignments(deleted(plan, target, stamp))} where {named(CDC_DELETED_AT)} is null"


def deleted(plan: StreamPlan, target: Target, stamp: Stamp) -> dict[str, str]:
    """What a row holds whose source row is gone."""
    cleared = dict.fromkeys((*value_names(plan), *map(named, target.gone)), "null")
    return cleared | stamp.snapshot | {named(CDC_DELETED_AT): literal(stamp.captured.at)} | stamp.metadata


def assignments(values: dict[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def same_key(plan: StreamPlan) -> str:
    """The condition that a row t of the table and a row s are of one key."""
    nullable = {column.name for column in plan.columns if column.nullable}
    return " and ".join(
        f"t.{named(name)} {'is not distinct from' if name in nullable else '='} s.{named(name)}"
        for name in plan.primary_key
    )
