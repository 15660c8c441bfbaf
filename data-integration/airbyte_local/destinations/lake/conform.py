"""From landing to processed: the rows that were read, as the warehouse's tables have them. Everything that this depends on is in
the manifest and in its landing files, so that a replay makes the same rows, ids included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from airbyte_local.destinations.base import EXTRACTED_AT, GENERATION_ID, META, RAW_ID
from airbyte_local.destinations.duckdb import memory
from airbyte_local.destinations.duckdb.types import arrived, from_text
from airbyte_local.destinations.lake.manifests import Field, Part
from airbyte_local.schema import Column, DataType, Kind
from airbyte_local.sources.base import CHANGES
from foundation.quoting import literal, quoted
from foundation.rows import one_row

# what other programs read as well: no type that only DuckDB has
LAKE_TYPES = {"UUID": "VARCHAR", "JSON": "VARCHAR", "SMALLINT": "INTEGER"}
OPTIONS = "(format parquet, compression zstd)"


def engine(scratch: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, in UTC, with a limit: what exceeds it goes to the folder. It loads no extension by itself."""
    config: dict[str, Any] = {
        "memory_limit": f"{memory.megabytes()}MB",
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(config=config)
    connection.execute("set TimeZone = 'UTC'")
    return connection


def lake_type(type_: str) -> str:
    """The type in parquet of a column of the warehouse."""
    return LAKE_TYPES.get(type_, type_)


def read(paths: Iterable[Path], *, by_name: bool = False) -> str:
    """Local parquet files as a relation; `by_name`: a column that a file lacks is null there."""
    listed = ", ".join(literal(str(path)) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false{', union_by_name = true' if by_name else ''})"


def column_of(field: Field) -> Column:
    """The column as the source handed it over."""
    type_ = DataType(Kind(field.kind), field.precision, field.scale)
    return Column(field.name, field.source_type, type_, nullable=True, as_text=False)


def conform(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    extracted_at: str,
    landing: Sequence[Path],
    known: Path | None,
    to: Path,
) -> int:
    """Write a processed file from landing files of a part; returns its rows. `known`: rows that are in the table already and may
    have been read again. Raises duckdb.ConversionException for a value that does not fit its column.
    """
    query = _typed(part, extracted_at, landing)
    if known is not None:
        query = _without_known(connection, part, query, known)
    done = connection.execute(f"copy ({query}) to {literal(str(to))} {OPTIONS}")
    rows: int = one_row(done)[0]
    return rows


def _typed(part: Part, extracted_at: str, landing: Sequence[Path]) -> str:
    values = []
    for field in part.fields:
        name, type_ = quoted(field.name), lake_type(field.type)
        value = from_text(name, field.type) if part.logged else _value(column_of(field), field.type)
        values.append(f"({value})::{type_} as {name}")
    meta = f"{literal(part.meta)}::varchar"
    if part.emitted:
        changes = quoted(CHANGES)
        meta = (
            f"case when {changes} is null then {meta}"
            f" else json_merge_patch({literal(part.meta)}::json, json_object('changes', {changes}::json))::varchar end"
        )
    values += [
        f"{RAW_ID}",
        f"{literal(extracted_at)}::timestamptz as {EXTRACTED_AT}",
        f"{meta} as {META}",
        f"{part.generation}::bigint as {GENERATION_ID}",
    ]
    return f"select {', '.join(values)} from {read(landing)}"


def _value(column: Column, type_: str) -> str:
    """The travelling column as an expression, without a name."""
    return arrived(column, type_).removesuffix(f" as {quoted(column.name)}")


def _without_known(connection: duckdb.DuckDBPyConnection, part: Part, query: str, known: Path) -> str:
    """The rows that are not in the table yet: of two equal ones there and three here, one is new. Columns that the known rows do not
    have are left out of the comparison."""
    there = {name for name, *_ in connection.execute(f"describe from {read([known])}").fetchall()}
    names = [quoted(field.name) for field in part.fields if field.name in there]
    partition = ", ".join(names)
    number = f"row_number() over (partition by {partition} order by {RAW_ID})"
    known_number = f"row_number() over (partition by {partition})"
    same = " and ".join(f"t.{name} is not distinct from s.{name}" for name in names)
    return (
        f'select s.* exclude ("#") from (select *, {number} as "#" from ({query})) as s'
        f' where not exists (select 1 from (select {partition}, {known_number} as "#" from {read([known])}) as t'
        f' where t."#" = s."#" and {same}) order by {RAW_ID}'
    )


def keep_known(
    connection: duckdb.DuckDBPyConnection,
    field: Field,
    cursor: str | None,
    rows: Sequence[Path],
    to: Path,
) -> int:
    """Write the rows that a sync from this cursor value on reads again: those at or beyond it, and those without a value."""
    name = quoted(field.name)
    where = "" if cursor is None else f" where {name} >= {literal(cursor)}::{field.type} or {name} is null"
    done = connection.execute(
        f"copy (from {read(rows, by_name=True)}{where}) to {literal(str(to))} {OPTIONS}"
    )
    kept: int = one_row(done)[0]
    return kept


def file_types(columns: dict[str, str]) -> dict[str, str]:
    """A table's columns as its files in the lake have them."""
    return {name: lake_type(type_) for name, type_ in columns.items()}
