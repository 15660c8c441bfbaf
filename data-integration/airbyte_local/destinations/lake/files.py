"""Rows of a stream into parquet files of both zones: written here first, then put into the store under their final names."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from airbyte_local.destinations.base import RAW_ID
from airbyte_local.destinations.lake.manifests import File
from airbyte_local.destinations.lake.store import Store

FILE_BYTES = 256 << 20  # of rows in memory; a file has a fraction of that
COUNTED = 12  # hexadecimal digits of a row's number, which end its id


class Ids:
    """The ids of one stream's rows: a random beginning, and the row's number. In the order of the rows, and never twice."""

    def __init__(self) -> None:
        drawn = secrets.token_hex(8)
        self._begin = f"{drawn[:8]}-{drawn[8:12]}-4{drawn[12:15]}-8{secrets.token_hex(2)[:3]}-"
        self._next = 0

    def of(self, rows: int) -> pa.Array:
        """The next ids."""
        first, self._next = self._next, self._next + rows
        return pa.array(
            [f"{self._begin}{number:0{COUNTED}x}" for number in range(first, self._next)], pa.string()
        )


def write_landing(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], ids: Ids, to: Path
) -> list[tuple[Path, int]]:
    """Write rows as they were read, with their ids; returns the files, numbered in the folder `to`, each with its rows."""
    schema = schema.append(pa.field(RAW_ID, pa.string()))
    files: list[tuple[Path, int]] = []
    writer: pq.ParquetWriter | None = None
    rows = size = 0
    try:
        for batch in batches:
            if not batch.num_rows:
                continue
            if writer is None:
                path = to / f"{len(files):05d}.parquet"
                writer, rows, size = pq.ParquetWriter(path, schema, compression="zstd"), 0, 0
            arrays = [*batch.columns, ids.of(batch.num_rows)]
            # a row group of its own: nothing of it stays in memory
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if size >= FILE_BYTES:
                writer.close()
                writer = None
                files.append((path, rows))
    finally:
        if writer is not None:
            writer.close()
            files.append((path, rows))
    return files


def stored(store: Store, path: Path, key: str, rows: int, first: str, last: str) -> File:
    """Put a file into the store; returns it as a manifest names it."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    store.put(key, path)
    return File(key, rows, path.stat().st_size, digest, first, last)
