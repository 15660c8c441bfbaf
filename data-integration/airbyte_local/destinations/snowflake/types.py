"""Snowflake's type for each kind of value, and how a travelling column gets into a file for it.

| kind | Snowflake | what it cannot hold is refused by name |
|---|---|---|
| smallint, integer, bigint | NUMBER(5,0), NUMBER(10,0), NUMBER(19,0) | |
| decimal(p,s) | NUMBER(p,s) | NaN |
| real, double | FLOAT (NaN and infinities, too) | |
| boolean, text, binary | BOOLEAN, VARCHAR, BINARY | more than the 16 MB (binary: 8 MB) of a value |
| uuid | VARCHAR | |
| json | VARIANT: the value; not its blanks, order of keys, or numbers beyond 38 digits | |
| date, timestamp, timestamptz | DATE, TIMESTAMP_NTZ, TIMESTAMP_TZ (in UTC) | infinity, years before 1 and after 9999 |
| time | TIME | 24:00:00 |
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airbyte_local.destinations.base import (
    CDC_DELETED_AT,
    CDC_LSN,
    CDC_UPDATED_AT,
    EXTRACTED_AT,
    GENERATION_ID,
    META,
    RAW_ID,
)
from airbyte_local.destinations.fitting import is_numeric
from airbyte_local.failures import StreamError
from airbyte_local.schema import Column, DataType, Kind, StreamPlan
from foundation.quoting import visible

# spelled as `ddl.read_catalogue` spells them, so that the two can be compared
TYPES = {
    Kind.SMALLINT: "NUMBER(5,0)",
    Kind.INTEGER: "NUMBER(10,0)",
    Kind.BIGINT: "NUMBER(19,0)",
    Kind.REAL: "FLOAT",
    Kind.DOUBLE: "FLOAT",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TEXT: "VARCHAR",
    Kind.JSON: "VARIANT",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP_NTZ",
    Kind.TIMESTAMPTZ: "TIMESTAMP_TZ",
    Kind.UUID: "VARCHAR",
    Kind.BINARY: "BINARY",
}
TEXT, VARIANT = TYPES[Kind.TEXT], TYPES[Kind.JSON]

METADATA_TYPES = {
    RAW_ID: "VARCHAR",
    EXTRACTED_AT: "TIMESTAMP_TZ",
    META: "VARIANT",
    GENERATION_ID: "NUMBER(19,0)",
}

CDC_TYPES = {CDC_LSN: "NUMBER(19,0)", CDC_UPDATED_AT: "VARCHAR", CDC_DELETED_AT: "VARCHAR"}

MAX_DECIMAL_DIGITS = 38


def column_type(type_: DataType) -> str:
    """The column's type in the table."""
    if type_.kind == Kind.DECIMAL:
        return f"NUMBER({type_.precision},{type_.scale})"
    return TYPES[type_.kind]


def common_type(present: str, was: str | None, column: Column) -> str | None:
    """The table's type for a column whose source type has changed: it holds what is there and what arrives, exactly.

    `present` is the type in the table, `was` the source's type at the last sync. None when there is no such type.
    """
    arriving = column_type(column.type)
    if present == arriving:
        return present
    if {present, arriving} == {TYPES[Kind.DATE], TYPES[Kind.TIMESTAMP]}:
        return TYPES[Kind.TIMESTAMP]
    ours, theirs = digits(present), digits(arriving)
    if ours and theirs:
        whole, scale = max(ours[0], theirs[0]), max(ours[1], theirs[1])
        return f"NUMBER({whole + scale},{scale})" if whole + scale <= MAX_DECIMAL_DIGITS else TEXT
    # a numeric without bounds travels as text
    if (ours and is_numeric(column.source_type)) or (theirs and is_numeric(was)):
        return TEXT
    return None


def digits(type_: str) -> tuple[int, int] | None:
    """Digits before and after the point that a type of exact numbers holds."""
    found = re.fullmatch(r"NUMBER\((\d+),(\d+)\)", type_)
    return (int(found[1]) - int(found[2]), int(found[2])) if found else None


def widens_in_place(present: str, wanted: str) -> bool:
    """Whether Snowflake can alter a column from the one type to the other: more digits before the point, nothing else."""
    ours, theirs = digits(present), digits(wanted)
    return bool(ours and theirs and ours[1] == theirs[1] and ours[0] <= theirs[0])


# -- into files

ARROW = {
    Kind.SMALLINT: pa.int16(),
    Kind.INTEGER: pa.int32(),
    Kind.BIGINT: pa.int64(),
    Kind.REAL: pa.float32(),
    Kind.DOUBLE: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TEXT: pa.string(),
    Kind.JSON: pa.string(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
    Kind.UUID: pa.string(),
    Kind.BINARY: pa.binary(),
}

DAY = 86_400_000_000
_DAYS = (-719_162, 2_932_896)  # 0001-01-01, 9999-12-31
_MICROSECONDS = (_DAYS[0] * DAY, (_DAYS[1] + 1) * DAY - 1)
# the first and last value, as integers, and how wide those are
RANGES = {
    Kind.DATE: (*_DAYS, pa.int32()),
    Kind.TIMESTAMP: (*_MICROSECONDS, pa.int64()),
    Kind.TIMESTAMPTZ: (*_MICROSECONDS, pa.int64()),
    Kind.TIME: (0, DAY - 1, pa.int64()),
}


def arrow_type(column: Column, type_: str) -> pa.DataType:
    """The type of a column in the file for a table whose column is of `type_`."""
    kind = column.type.kind
    if type_ == TEXT:
        return pa.string()
    if type_ == TYPES[Kind.TIMESTAMP]:
        return ARROW[Kind.TIMESTAMP]
    if kind == Kind.DECIMAL:
        return pa.decimal128(column.type.precision, column.type.scale)
    return pa.float64() if kind == Kind.REAL else ARROW[kind]


def filed(values: pa.Array, column: Column, type_: str, plan: StreamPlan) -> pa.Array:
    """A travelling column, or one in PostgreSQL's text form, as `arrow_type` has it.

    Raises StreamError when there is a value that Snowflake's type cannot hold.
    """
    try:
        typed = _from_text(values, column) if pa.types.is_string(values.type) else _native(values)
        if column.type.kind in RANGES:
            _check_range(typed, column, plan)
        return pc.cast(typed, arrow_type(column, type_))
    except pa.ArrowInvalid as error:
        raise does_not_fit(plan, column, str(error).partition("\n")[0]) from None


def _native(values: pa.Array) -> pa.Array:
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    return _uuid_text(values) if pa.types.is_fixed_size_binary(values.type) else values


def _from_text(values: pa.Array, column: Column) -> pa.Array:
    kind = column.type.kind
    if kind == Kind.BOOLEAN:
        return pc.equal(values, "t")
    if kind == Kind.BINARY:  # \x00ff
        return pa.array(
            [None if value is None else bytes.fromhex(value[2:]) for value in values.to_pylist()], pa.binary()
        )
    if kind == Kind.TIME:  # Arrow reads no times of day
        moments = pc.binary_join_element_wise("1970-01-01", values, " ")
        return pc.cast(pc.cast(moments, pa.timestamp("us")), pa.time64("us"))
    if kind == Kind.DECIMAL:
        return pc.cast(values, pa.decimal128(column.type.precision, column.type.scale))
    return pc.cast(values, ARROW[kind])


def within_range(values: pa.Array, column: Column) -> tuple[pa.Array, pa.Array | None]:
    """The values with null for those that Snowflake's type cannot hold, and which those are (None: there is none)."""
    if column.type.kind not in RANGES:
        return values, None
    first, last, integers = RANGES[column.type.kind]
    numbers = values.view(integers)
    outside = pc.fill_null(pc.or_(pc.less(numbers, first), pc.greater(numbers, last)), False)
    if not pc.any(outside).as_py():
        return values, None
    return pc.if_else(outside, pa.scalar(None, values.type), values), outside


def _check_range(values: pa.Array, column: Column, plan: StreamPlan) -> None:
    first, last, integers = RANGES[column.type.kind]
    found = pc.min_max(values.view(integers))
    for value in (found["min"].as_py(), found["max"].as_py()):
        if value is not None and not first <= value <= last:
            raise does_not_fit(plan, column, _outside(column, value))


def _outside(column: Column, value: int) -> str:
    kind = column.type.kind
    if kind == Kind.TIME:
        return "24:00:00"
    infinity = 2**31 - 1 if kind == Kind.DATE else 2**63 - 1
    if abs(value) == infinity:
        return "infinity" if value > 0 else "-infinity"
    return "a moment before the year 1" if value < 0 else "a moment after the year 9999"


def does_not_fit(plan: StreamPlan, column: Column, found: str) -> StreamError:
    return StreamError(
        plan.key,
        f"stream {plan.label}: the column {visible(column.name)} ({column.source_type}) holds a value that Snowflake's"
        f" {column_type(column.type)} cannot: {found}",
        "correct the value in the source, or leave the column out with selectedFields",
        unfit=True,
    )


def _uuid_text(values: pa.Array) -> pa.Array:
    """Sixteen bytes each as 8-4-4-4-12 hexadecimal digits."""
    filled = pc.fill_null(values, b"\0" * 16)
    text = b"".join(filled.to_pylist()).hex().encode()
    offsets = pa.py_buffer(np.arange(len(filled) + 1, dtype=np.int32) * 32)
    whole = pa.StringArray.from_buffers(len(filled), offsets, pa.py_buffer(text))
    parts = [
        pc.utf8_slice_codeunits(whole, *ends) for ends in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    ]
    return pc.if_else(pc.is_null(values), None, pc.binary_join_element_wise(*parts, "-"))
