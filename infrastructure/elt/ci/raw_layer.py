"""A raw layer without a sync: generated data at a small scale, in tables as a sync by change data capture leaves them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import yaml

from adventureworks.generator import generate
from adventureworks.schema import Column, tables
from foundation.quoting import quoted
from foundation.warehouse import NEW_FILE

CONNECTION = Path("data-integration") / "connections" / "connections" / "adventureworks.yaml"
TEXT = re.compile(r"numeric$|char|varchar|text|xml")  # a numeric without precision travels as text
AS_OF = date(2025, 6, 30)  # fixed: two builds see the same rows
EXTRACTED_AT = "2025-07-01 00:00:00+00"
METADATA = {
    "_airbyte_raw_id": ("varchar", "cast(uuid() as varchar)"),
    "_airbyte_extracted_at": ("timestamptz", f"timestamptz '{EXTRACTED_AT}'"),
    "_airbyte_meta": ("json", "null"),
    "_airbyte_generation_id": ("bigint", "0"),
    "_ab_cdc_lsn": ("bigint", "0"),
    "_ab_cdc_updated_at": ("varchar", f"'{EXTRACTED_AT}'"),
    "_ab_cdc_deleted_at": ("varchar", "null"),
}

Streams = dict[str, list[str]]


def streams(root: Path) -> Streams:
    """Columns of each stream, by "schema.table", that the connection of a clone (at `root`) selects."""
    declared = yaml.safe_load((root / CONNECTION).read_text())["streams"]
    selected = {f"{each['namespace']}.{each['name']}": each.get("selectedFields") for each in declared}
    return {
        name: fields or list(tables()[name].column_names)
        for name, fields in selected.items()
        if name in tables()
    }


def land(warehouse: Path, wanted: Streams, scale: float) -> list[str]:
    """Make the tables of the streams that are not in the warehouse yet, or with other columns; which those were."""
    with duckdb.connect(warehouse, config=NEW_FILE) as connection:
        connection.execute("set timezone = 'UTC'")
        missing = [name for name, columns in wanted.items() if not _landed(connection, name, columns)]
        generated = generate(scale=scale, seed=42, as_of=AS_OF) if missing else {}
        for name in missing:
            _land(connection, name, wanted[name], generated[name].read_all())
    return missing


def _landed(connection: duckdb.DuckDBPyConnection, name: str, columns: list[str]) -> bool:
    schema, table = name.split(".")
    found = connection.execute(
        "select column_name from duckdb_columns() where schema_name = ? and table_name = ?",
        [f"adventureworks_{schema}", table],
    ).fetchall()
    return {column for (column,) in found} == {*columns, *METADATA}


def _land(connection: duckdb.DuckDBPyConnection, name: str, columns: list[str], rows: pa.Table) -> None:
    schema, table = name.split(".")
    declared = {column.name: column for column in tables()[name].columns}
    values = [f"{_value(declared[column])} as {quoted(column)}" for column in columns]
    values += [f"cast({value} as {kind}) as {column}" for column, (kind, value) in METADATA.items()]
    connection.execute(f"create schema if not exists {quoted(f'adventureworks_{schema}')}")
    connection.register("generated", rows)
    place = f"{quoted(f'adventureworks_{schema}')}.{quoted(table)}"
    made = f"create or replace table {place} as select {', '.join(values)} from generated"  # noqa: S608 - quoted names
    connection.execute(made)
    connection.unregister("generated")


def _value(column: Column) -> str:
    """The generator's value in the type in which it lands."""
    name = quoted(column.name)
    if column.type == "bytea":
        return f"from_hex({name}[3:])"
    if column.type.startswith("numeric("):
        return f"cast({name} as {column.type.replace('numeric', 'decimal')})"
    return f"cast({name} as {'varchar' if TEXT.match(column.type) else column.type})"
