"""The value that no column of its type holds: which column, which key, and what it looks like."""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb
import pyarrow as pa

from airbyte_local.destinations.duckdb.types import column_type
from airbyte_local.failures import row_of
from airbyte_local.schema import Kind, StreamPlan
from foundation.quoting import quoted, visible

BY_TEXT = frozenset({Kind.DECIMAL, Kind.JSON})  # the others travel as what they are
SHOWN = 40  # characters
NOT_PERSONAL = re.compile(r"[+-]?(nan|infinity)", re.IGNORECASE)


def first_unfit(plan: StreamPlan, batches: Iterable[pa.RecordBatch]) -> str | None:
    """`string "NaN" to DECIMAL(12,4): column price of the row with id=7`, or None."""
    columns = [column for column in plan.columns if column.type.kind in BY_TEXT]
    key = [f"{quoted(name)}::varchar" for name in plan.primary_key]
    with duckdb.connect() as connection:
        for batch in batches:
            connection.register("batch", batch)
            for column in columns:
                name, type_ = quoted(column.name), column_type(column.type)
                found = connection.execute(
                    f"select {', '.join([f'{name}::varchar', *key])} from batch"
                    f" where {name} is not null and try_cast({name} as {type_}) is null limit 1"
                ).fetchone()
                if found:
                    return f"{looks(found[0])} to {type_}: column {visible(column.name)} of {row_of(plan, found[1:])}"
            connection.unregister("batch")
    return None


def looks(value: str) -> str:
    """A value without what may be personal: letters as a, digits as 9."""
    if NOT_PERSONAL.fullmatch(value):
        return f'string "{value}"'
    form = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "a", value[:SHOWN]))
    return f'a string like "{form}{"…" if len(value) > SHOWN else ""}"'
