"""Arrow data as chunks of CSV, in the form that `database.replace_all` copies."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyarrow import csv, types

from adventureworks.schema import Table

ROWS_PER_CHUNK = 16_384


def csv_chunks(table: Table, data: pa.Table | Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The rows of `data` (columns by name, in any order) as CSV with a header, some thousand rows at a time.

    Nulls become empty unquoted fields and empty strings quoted ones, as COPY tells them apart; bytes become `\\x` hex.
    """
    batches = data.to_batches(max_chunksize=ROWS_PER_CHUNK) if isinstance(data, pa.Table) else data
    yield (",".join(f'"{name}"' for name in table.column_names) + "\n").encode()
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in batches:
        text = pa.RecordBatch.from_arrays(
            [_writable(batch[name]) for name in table.column_names], table.column_names
        )
        sink = io.BytesIO()
        csv.write_csv(text, sink, options)
        yield sink.getvalue()


def _writable(column: pa.Array) -> pa.Array:
    """The column in a type that Arrow's CSV writer knows and PostgreSQL reads."""
    if types.is_binary(column.type) or types.is_large_binary(column.type):
        return pa.array(
            [None if value is None else "\\x" + value.hex() for value in column.to_pylist()], pa.string()
        )
    if types.is_dictionary(column.type):
        return _writable(column.dictionary_decode())
    if types.is_decimal(column.type) or types.is_time(column.type):
        return column.cast(pa.string())
    return column
