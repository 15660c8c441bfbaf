"""Captured changes into tables: staged as text in their order, then the last of each key merged.

A column of an update that the source did not send again, because it is large and was not touched, keeps its value: the one
that an earlier staged change of the key gave, else the table's. Deleted rows stay with their key and `_ab_cdc_deleted_at`.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from airbyte_local.destinations.base import CDC_DELETED_AT, CDC_LSN, CDC_UPDATED_AT, Target, free_name
from airbyte_local.destinations.duckdb.merge import METADATA, same_key, value_names
from airbyte_local.destinations.duckdb.types import from_text
from airbyte_local.schema import StreamPlan
from foundation.quoting import quoted

STAGE_TYPES = {"int64": "BIGINT", "int8": "TINYINT", "string": "VARCHAR"}
RESOLVED = "temp.resolved"


def fixed(plan: StreamPlan) -> list[str]:
    """The quoted names of a resolved change's kind, position and time, which are no names of the source's columns."""
    return [quoted(free_name(plan, name)) for name in ("#op", "#lsn", "#at")]


def create_stage(stage: str, schema: pa.Schema) -> str:
    """The stream's staging table, in the shape of its batches."""
    columns = [f"{quoted(field.name)} {STAGE_TYPES[str(field.type)]}" for field in schema]
    return f"create temp table if not exists {stage} ({', '.join(columns)})"


def resolve(plan: StreamPlan, target: Target, table: str, stage: str, unchanged: Iterable[int]) -> str:
    """The last change of each key, typed. `unchanged`: the columns, by number, that some change left as they were."""
    numbers = {column.name: index for index, column in enumerate(plan.columns)}
    keys = [f"c{numbers[name]}" for name in plan.primary_key]
    kept = set(unchanged)
    columns = []
    for index, column in enumerate(plan.columns):
        type_ = target.types[column.name]
        value = from_text(f"l.c{index}", type_)
        if index in kept:
            known = from_text(f"n.v{index}", type_)
            value = (
                f"case when substr(l.unchanged, {index + 1}, 1) <> '1' or l.unchanged is null then {value}"
                f" when n.h{index} then {known} else t.{quoted(column.name)} end"
            )
        columns.append(f"{value} as {quoted(column.name)}")
    last = f"select * from temp.{stage} qualify row_number() over (partition by {', '.join(keys)} order by seq desc) = 1"
    op, lsn, at = fixed(plan)
    query = f"create or replace temp table resolved as select l.op as {op}, l.lsn as {lsn}, l.at as {at}, {', '.join(columns)} from ({last}) as l"
    if kept:
        given = {
            index: f"op = 0 and coalesce(substr(unchanged, {index + 1}, 1), '0') <> '1'" for index in kept
        }
        news = ", ".join(
            f"arg_max_null(c{index}, seq) filter (where {one}) as v{index}, count(*) filter (where {one}) > 0 as h{index}"
            for index, one in given.items()
        )
        query += f" left join (select {', '.join(keys)}, {news} from temp.{stage} group by {', '.join(keys)}) as n using ({', '.join(keys)})"
        old_key = " and ".join(
            f"t.{quoted(name)} = {from_text(f'coalesce(l.k{place}, l.{key})', target.types[name])}"
            for place, (name, key) in enumerate(zip(plan.primary_key, keys, strict=True))
        )
        query += f" left join {table} as t on {old_key}"
    return query


def drop_unknown(plan: StreamPlan, table: str) -> str:
    """Deletes of rows that never arrived are no change."""
    unknown = f"not exists (select 1 from {table} as t where {same_key(plan)})"
    return f"delete from {RESOLVED} as s where s.{fixed(plan)[0]} = 1 and {unknown}"


def write(plan: StreamPlan, table: str) -> str:
    """The resolved changes into the table, when what has their keys is not in it."""
    op, lsn, at = fixed(plan)
    keys = {quoted(name): f"s.{quoted(name)}" for name in plan.primary_key}
    values = {name: f"case when s.{op} = 0 then s.{name} end" for name in value_names(plan)}
    stamps = {
        CDC_LSN: f"s.{lsn}",
        CDC_UPDATED_AT: f"s.{at}",
        CDC_DELETED_AT: f"case when s.{op} = 1 then s.{at} end",
    }
    row = keys | values | stamps | METADATA
    return f"insert into {table} ({', '.join(row)}) select {', '.join(row.values())} from {RESOLVED} as s"
