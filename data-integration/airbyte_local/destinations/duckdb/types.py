"""DuckDB's type for each kind of value, and how a travelling column becomes one."""

from __future__ import annotations

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
from airbyte_local.schema import Column, DataType, Kind
from foundation.digits import INTEGER_DIGITS, digits
from foundation.quoting import quoted

# spelled as DuckDB's catalogue spells them, so that the two can be compared
TYPES = {
    Kind.SMALLINT: "SMALLINT",
    Kind.INTEGER: "INTEGER",
    Kind.BIGINT: "BIGINT",
    Kind.REAL: "FLOAT",
    Kind.DOUBLE: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.TEXT: "VARCHAR",
    Kind.JSON: "JSON",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE",
    Kind.UUID: "UUID",
    Kind.BINARY: "BLOB",
}

METADATA_TYPES = {
    RAW_ID: "UUID",
    EXTRACTED_AT: "TIMESTAMP WITH TIME ZONE",
    META: "JSON",
    GENERATION_ID: "BIGINT",
}

CDC_TYPES = {CDC_LSN: "BIGINT", CDC_UPDATED_AT: "VARCHAR", CDC_DELETED_AT: "VARCHAR"}


def column_type(type_: DataType) -> str:
    """The column's type in the table."""
    if type_.kind == Kind.DECIMAL:
        return f"DECIMAL({type_.precision},{type_.scale})"
    return TYPES[type_.kind]


WIDER = (("FLOAT", "DOUBLE"), ("DATE", "TIMESTAMP"))
MAX_DECIMAL_DIGITS = 38
FAST_DIGITS = 18


def common_type(present: str, was: str | None, column: Column) -> str | None:
    """The table's type for a column whose source type has changed: it holds what is there and what arrives, exactly.

    `present` is the type in the table, `was` the source's type at the last sync. None when there is no such type.
    Numbers become wider, decimals that outgrow 38 digits become text; nothing else becomes text, since whoever reads the
    column counts on its type.
    """
    arriving = column_type(column.type)
    if present == arriving:
        return present
    for narrow, wide in WIDER:
        if {present, arriving} == {narrow, wide}:
            return wide
    if {present, arriving} <= INTEGER_DIGITS.keys():
        return max(present, arriving, key=INTEGER_DIGITS.__getitem__)
    ours, theirs = digits(present), digits(arriving)
    if ours and theirs:
        both = ours.with_room_for(theirs)
        precision = sum(both)
        return f"DECIMAL({precision},{both.scale})" if precision <= MAX_DECIMAL_DIGITS else TYPES[Kind.TEXT]
    # a numeric without bounds travels as text
    if (ours and is_numeric(column.source_type)) or (theirs and is_numeric(was)):
        return TYPES[Kind.TEXT]
    return None


def from_text(name: str, type_: str) -> str:
    """A value in PostgreSQL's own form as an expression of the table's type."""
    if type_ == TYPES[Kind.TEXT]:
        return name
    if type_ == TYPES[Kind.BINARY]:
        return f"unhex(substr({name}, 3))"
    if type_ in BEFORE_CHRIST:  # "0044-03-15 12:00:00 BC" is "0044-03-15 (BC) 12:00:00" here
        name = f"regexp_replace({name}, '^(\\S+)(.*) BC$', '\\1 (BC)\\2')"
    return cast(name, type_)


def cast(name: str, type_: str) -> str:
    """A text as a type. DuckDB reads decimals of up to 18 digits 200 times faster than larger ones: most values are."""
    held = digits(type_)
    if held is not None and type_ not in INTEGER_DIGITS and sum(held) > FAST_DIGITS >= held.scale:
        return f"coalesce(cast(try_cast({name} as decimal({FAST_DIGITS},{held.scale})) as {type_}), cast({name} as {type_}))"
    return f"cast({name} as {type_})"


BEFORE_CHRIST = frozenset(TYPES[kind] for kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ))


def arrived(column: Column, type_: str) -> str:
    """The travelling column as an expression of the table's type."""
    name = quoted(column.name)
    if column.type.kind == Kind.REAL and type_ == TYPES[Kind.DOUBLE]:  # its digits, not those of its bits
        return f"{cast(f'cast({name} as varchar)', type_)} as {name}"
    if column.type.kind in (Kind.DECIMAL, Kind.JSON) or type_ != column_type(column.type):
        return f"{cast(name, type_)} as {name}"
    return name
