"""Results as the connector reads them."""

from __future__ import annotations

import json
import re
from collections import OrderedDict

import fakesnow.server as server  # not "from fakesnow", where a function has this name
import pyarrow as pa
from fakesnow import arrow


class Types(dict):
    """Snowflake's names for DuckDB's types. One that fakesnow does not know would be an error."""

    def get(self, key: str, default: str | None = None) -> str:
        if known := super().get(key):
            return known
        if re.fullmatch(r"U?[A-Z]*INT(EGER)?", key):
            return "fixed"
        return {"FLOAT": "real", "TIMESTAMP_S": "timestamp_ntz", "TIMESTAMP_MS": "timestamp_ntz"}.get(
            key, "text"
        )


def timestamps(ts: pa.ChunkedArray, _original=arrow.timestamp_to_sf_struct) -> pa.StructArray:
    """fakesnow forgets which timestamps are NULL: the client would see 1970-01-01."""
    struct = _original(ts)
    children = [struct.field(i) for i in range(struct.type.num_fields)]
    return pa.StructArray.from_arrays(children, fields=list(struct.type), mask=ts.combine_chunks().is_null())


def to_sf(table: pa.Table, info: list, _original=server.to_sf) -> pa.Table:
    """What the connector does not read: short and unsigned integers, short floats, nested values, two batches."""

    def column(col: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
        if pa.types.is_integer(col.type):
            return col.cast(pa.int64())
        if pa.types.is_float32(col.type):
            return col.cast(pa.float64())
        if pa.types.is_nested(col.type) or pa.types.is_interval(col.type):
            return pa.array(
                [None if v is None else json.dumps(v, default=str) for v in col.to_pylist()], pa.string()
            )
        return col

    table = pa.Table.from_arrays([column(c) for c in table.columns], names=table.column_names)
    return _original(table.combine_chunks(), info)


class ResultsCache(OrderedDict):
    """fakesnow keeps the result of every statement, for RESULT_SCAN, for ever."""

    def __setitem__(self, key: str, value: tuple) -> None:
        super().__setitem__(key, value)
        while len(self) > 50:
            self.popitem(last=False)
