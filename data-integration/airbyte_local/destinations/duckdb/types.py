"""DuckDB's type for each kind of value, and how a travelling column becomes one."""

from __future__ import annotations

from airbyte_local.destinations.base import EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from airbyte_local.schema import Column, DataType, Kind

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
    RAW_ID: "VARCHAR",
    EXTRACTED_AT: "TIMESTAMP WITH TIME ZONE",
    META: "JSON",
    GENERATION_ID: "BIGINT",
}


def column_type(type_: DataType) -> str:
    """The column's type in the table."""
    if type_.kind == Kind.DECIMAL:
        return f"DECIMAL({type_.precision},{type_.scale})"
    return TYPES[type_.kind]


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def arrived(column: Column) -> str:
    """The travelling column as an expression of its table's type."""
    name = quoted(column.name)
    if column.type.kind in (Kind.DECIMAL, Kind.JSON):
        return f"cast({name} as {column_type(column.type)}) as {name}"
    return name
