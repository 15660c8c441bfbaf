"""Changes that wait to be applied, a few of each of many streams: outside of DuckDB's tables, whose columns would cost more.

They lie in memory, and in one narrow table, which DuckDB puts on disk, when there are more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import duckdb
import pyarrow as pa

from airbyte_local.failures import Key

FEW_ROWS, FEW_BYTES = 2_048, 1 << 20  # of one stream: beyond, a table of its own costs no more
ROOM_BYTES = 32 << 20

TABLE = "temp.waiting"


class Waiting:
    """Batches of changes by stream, in their order."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._batches: dict[Key, list[pa.RecordBatch]] = defaultdict(list)
        self._stored: dict[Key, pa.Schema] = {}
        self._rows: dict[Key, int] = defaultdict(int)
        self._bytes: dict[Key, int] = defaultdict(int)
        self._held = 0

    def add(self, key: Key, batch: pa.RecordBatch) -> bool:
        """Keep a batch; returns whether the stream's are still few."""
        self._batches[key].append(batch)
        self._rows[key] += batch.num_rows
        self._bytes[key] += batch.nbytes
        self._held += batch.nbytes
        few = self._rows[key] <= FEW_ROWS and self._bytes[key] <= FEW_BYTES
        if few and self._held > ROOM_BYTES:
            self._store()
        return few

    def take(self, key: Key) -> Iterator[pa.RecordBatch]:
        """The stream's batches, which wait no longer."""
        if schema := self._stored.pop(key, None):
            query = f"delete from {TABLE} where namespace = $1 and name = $2 returning number, batch"
            for _, stored in sorted(self._connection.execute(query, list(key)).fetchall()):
                yield pa.ipc.read_record_batch(pa.py_buffer(stored), schema)
        batches = self._batches.pop(key, [])
        self._held -= sum(batch.nbytes for batch in batches)
        self._rows.pop(key, None)
        self._bytes.pop(key, None)
        yield from batches

    def drop(self, key: Key) -> None:
        """Forget what waits of a stream."""
        for _ in self.take(key):
            pass

    def _store(self) -> None:
        self._connection.execute(
            "create temp table if not exists waiting (namespace varchar, name varchar, number bigint, batch blob)"
        )
        for key, batches in self._batches.items():
            for batch in batches:
                self._stored[key] = batch.schema
                row = [*key, batch.serialize().to_pybytes()]
                self._connection.execute(
                    f"insert into {TABLE} select $1, $2, coalesce(max(number), 0) + 1, $3 from {TABLE}", row
                )
        self._batches.clear()
        self._held = 0
