"""Records as typed columns: many lines of JSON in one statement of a DuckDB that lives in memory.

A value that does not fit its field's type is null, and says so in the row's list of changes, as Airbyte's destinations do:
numbers may come as text, a number that is whole may be an integer; everything fits text.
"""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pyarrow as pa

from airbyte_local.schema import Column, Kind, StreamPlan
from airbyte_local.sources.base import CHANGES, SEQUENCE
from foundation.errors import EltError
from foundation.quoting import literal, quoted

LINES = "lines"  # the registered Arrow table
AS_JSON = frozenset({Kind.JSON, Kind.BOOLEAN})  # whose form in JSON tells whether they fit
NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
ZONE = r"([+-][0-9]{2}(:?[0-9]{2})?|Z)$"


def parser() -> duckdb.DuckDBPyConnection:
    """What reads JSON, for all streams of a job."""
    connection = duckdb.connect(config={"memory_limit": "256MB", "autoload_known_extensions": "false"})
    connection.execute("set TimeZone = 'UTC'")
    return connection


class Typed:
    """Makes one stream's records typed, and numbers them."""

    def __init__(self, plan: StreamPlan, connector: str, connection: duckdb.DuckDBPyConnection) -> None:
        self._plan, self._connector, self._connection = plan, connector, connection
        self._next = 0
        self._query = query(plan)
        self.schema = self._parsed(b"").schema

    def table(self, lines: bytes) -> pa.Table:
        """The records of these lines. Raises EltError that names the first one which is not JSON."""
        try:
            table = self._parsed(lines)
        except (duckdb.Error, pa.ArrowInvalid) as error:
            raise self._broken(lines, error) from None
        self._next += table.num_rows
        return table

    def _parsed(self, lines: bytes) -> pa.Table:
        texts = split(lines)
        numbers = pa.array(np.arange(self._next, self._next + len(texts)))
        self._connection.register(LINES, pa.table({"line": texts, SEQUENCE: numbers}))
        try:
            return self._connection.execute(self._query).to_arrow_table()
        finally:
            self._connection.unregister(LINES)

    def _broken(self, lines: bytes, error: Exception) -> EltError:
        reason, text = str(error).partition("\n")[0], ""
        for line in lines.splitlines():
            try:
                json.loads(line)
            except ValueError as wrong:
                reason, text = str(wrong), f": {line[:100].decode(errors='replace')} …"
                break
        return EltError(
            f"{self._connector}, stream {self._plan.label}: a record is not valid JSON ({reason}){text}",
            "report it to the connector's maintainer; what was committed before stays",
        )


def split(lines: bytes) -> pa.Array:
    """Lines as an array of texts, without copying them."""
    data = np.frombuffer(lines, np.uint8)
    offsets = np.concatenate(([0], np.flatnonzero(data == ord("\n")) + 1)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(lines)]
    texts = pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)
    texts.validate(full=True)  # that it is UTF-8
    return texts


def query(plan: StreamPlan) -> str:
    """From `lines` to the plan's columns, the number of the row and its changes."""
    fields = {column.name: "JSON" if column.type.kind in AS_JSON else "VARCHAR" for column in plan.columns}
    record = {"data": fields, "meta": "JSON"} if fields else {"meta": "JSON"}
    shape = literal(json.dumps({"record": record}))
    each = list(enumerate(plan.columns))
    raw = [f"m.record.data.{quoted(column.name)} as v{i}" for i, column in each]
    typed = [f"{value(column, f'v{i}')} as t{i}" for i, column in each]
    columns = [f"t{i} as {quoted(column.name)}" for i, column in each]
    told = "case when json_array_length(meta, '$.changes') > 0 then trim(meta -> '$.changes', '[]') end"
    said = [told, *filter(None, (changed(column, f"v{i}", f"t{i}") for i, column in each))]
    changes = f"'[' || nullif(concat_ws(',', {', '.join(said)}), '') || ']' as {quoted(CHANGES)}"
    number = quoted(SEQUENCE)
    return (
        f"with messages as (select from_json(line, {shape}) as m, {number} from {LINES}),"
        f" fields as (select {', '.join([*raw, 'm.record.meta as meta', number])} from messages),"
        f" typed as (select {', '.join(['*', *typed])} from fields)"
        f" select {', '.join([*columns, number, changes])} from typed"
    )


def value(column: Column, v: str) -> str:
    """The value as its type, null where it does not fit; `v`: as text, of AS_JSON as JSON."""
    kind = column.type.kind
    if kind == Kind.JSON:
        opening = {"object": "{", "array": "["}.get(column.source_type)
        return (
            f"case when starts_with({v}, '{opening}') then {v}::varchar end" if opening else f"{v}::varchar"
        )
    if kind == Kind.BOOLEAN:
        return f"case {v}::varchar when 'true' then true when 'false' then false end"
    if kind == Kind.BIGINT:
        fraction = f"try_cast({v} as decimal(38,18))"
        whole = f"case when {fraction} = trunc({fraction}) then try_cast({fraction} as bigint) end"
        return f"case when regexp_matches({v}, '[.eE]') then {whole} else try_cast({v} as bigint) end"
    if kind == Kind.DOUBLE:
        return finite(f"try_cast({v} as double)")
    if kind == Kind.DATE:
        return f"case when not contains({v}, ':') then {finite(f'try_cast({moment(v)} as date)')} end"
    if kind == Kind.TIMESTAMP:
        local = f"case when contains({v}, ':') then regexp_replace({v}, '{ZONE}', '') else {v} end"
        return finite(f"try_cast({moment(local)} as timestamp)")
    if kind == Kind.TIMESTAMPTZ:
        return finite(f"try_cast({moment(v)} as timestamptz)")
    if kind == Kind.TIME:
        return f"try_cast({v} as time)"
    return v


def finite(expression: str) -> str:
    return f"case when isfinite({expression}) then {expression} end"


def moment(v: str) -> str:
    """A date or time as DuckDB reads it: years before Christ have their mark elsewhere there."""
    return f"case when ends_with({v}, ' BC') then regexp_replace({v}, '^([0-9-]+)[T ]?(.*) BC$', '\\1 (BC) \\2') else {v} end"


def changed(column: Column, v: str, t: str) -> str | None:
    """What is said of a value that did not fit, as JSON; None for a type that everything fits."""
    kind = column.type.kind
    if kind == Kind.TEXT or (kind == Kind.JSON and column.source_type not in ("object", "array")):
        return None
    reason = "'DESTINATION_TYPECAST_ERROR'"
    if kind in (Kind.BIGINT, Kind.DOUBLE):
        whole = r"[+-]?[0-9]+" if kind == Kind.BIGINT else NUMBER
        reason = f"case when regexp_full_match({v}, '{whole}') then 'DESTINATION_FIELD_SIZE_LIMITATION' else {reason} end"
    told = f"json_object('field', {literal(column.name)}, 'change', 'NULLED', 'reason', {reason})"
    return f"case when {v} is not null and {t} is null then {told} end"
