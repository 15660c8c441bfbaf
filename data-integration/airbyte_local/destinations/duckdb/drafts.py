"""Tables that are written whole under a name of their own, and take their stream's name when the sync is committed.

DuckDB holds, for every column of a table with uncommitted rows, as much memory as 2,048 values need (34 KB of a text), and
that never goes to disk, and as much again in a temporary one that was dropped. Committing rows into a table that has rows takes
a block of 256 KB more for each of its columns, of all of them at once, and goes to disk only after that. So a
sync of very many columns writes new tables, unless they are large: nobody looks at a draft, which may therefore be
committed at once, and a checkpoint frees what it held. Names change in the transaction that commits the sync: before that
the warehouse is as it was, and a draft that a killed job has left is dropped by the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import duckdb

from airbyte_local.destinations.duckdb.ddl import table_name
from airbyte_local.failures import Key
from airbyte_local.schema import StreamPlan
from foundation.quoting import quoted
from foundation.rows import one_row

log = logging.getLogger(__name__)

PREFIX = "_airbyte_next_"
HELD_BYTES = 192 << 10  # by a text that was staged, resolved and written, twice where two threads write
BLOCK_BYTES = 256 << 10
SMALL_ROWS = 10_000  # what is copied without a second thought

SIZES = (
    "select schema_name, table_name, estimated_size, index_count > 0 from duckdb_tables()"
    " where database_name = current_database()"
)
HELD = "select sum(memory_usage_bytes) from duckdb_memory() where tag = 'IN_MEMORY_TABLE'"


class Drafts:
    """The drafts of one session, whose DuckDB may use `memory` bytes."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, memory: int) -> None:
        self._connection, self._memory = connection, memory
        # columns: of all streams, of those that are written in place, and of the widest
        self._planned = self._in_place = self._widest = 0
        self._sizes: dict[tuple[str, str], tuple[int, bool]] | None = None
        self._wanted: dict[Key, bool] = {}
        self._names: dict[Key, tuple[StreamPlan, str]] = {}
        self._made = 0
        self.alone = True  # nothing but drafts was written in the open transaction

    def drop_left(self, tables: Iterable[tuple[str, str]]) -> None:
        """Drop the drafts among these tables, which a job that was killed has left."""
        for schema, name in tables:
            if name.startswith(PREFIX):
                self._connection.execute(f"drop table {quoted(schema)}.{quoted(name)}")

    def plan(self, plan: StreamPlan, columns: int) -> None:
        """The stream's table, of so many columns, may be written in this sync."""
        self._planned += columns
        self._widest = max(self._widest, columns)

    def _fit(self, columns: int) -> bool:
        """Whether so many columns, written in place, leave half of the memory for everything else."""
        return columns * HELD_BYTES + self._widest * BLOCK_BYTES <= self._memory // 2

    @property
    def needed(self) -> bool:
        """Whether the streams have too many columns for all of them to be written in place."""
        return not self._fit(self._planned)

    def size(self, plan: StreamPlan) -> int:
        """The rows of the stream's table, deleted ones included."""
        return self._size(plan)[0]

    def _size(self, plan: StreamPlan) -> tuple[int, bool]:
        if self._sizes is None:
            rows = self._connection.execute(SIZES).fetchall()
            self._sizes = {(schema.casefold(), name.casefold()): (size, indexed) for schema, name, size, indexed in rows}  # fmt: skip
        return self._sizes.get((plan.target_schema.casefold(), plan.target_table.casefold()), (0, False))

    def wants(self, plan: StreamPlan, columns: int) -> bool:
        """Whether the stream is written in a draft. Large tables are not, as long as there is memory for their commit."""
        if plan.key not in self._wanted:
            rows, indexed = self._size(plan)
            room = self._fit(self._in_place + columns)
            in_place = not self.needed or indexed or (rows > SMALL_ROWS and room)
            self._in_place += columns if in_place else 0
            self._wanted[plan.key] = not in_place
        return self._wanted[plan.key]

    def current(self, plan: StreamPlan) -> str | None:
        """The stream's draft, if there is one."""
        return self._names[plan.key][1] if plan.key in self._names else None

    def name(self, plan: StreamPlan) -> str:
        """The name of a new draft, yet to be made."""
        self._made += 1
        return f"{quoted(plan.target_schema)}.{quoted(f'{PREFIX}{self._made}')}"

    def put(self, plan: StreamPlan, name: str) -> None:
        """This is the stream's draft from here on."""
        if before := self.current(plan):
            self._connection.execute(f"drop table {before}")
        self._names[plan.key] = plan, name

    def relieve(self) -> None:
        """Commit the drafts, if nothing else would be committed with them and they hold much memory."""
        if not (self._names and self.alone and self.needed):
            return
        if one_row(self._connection.execute(HELD))[0] > self._memory // 4:
            log.info("%s tables written as drafts so far", len(self._names))
            self._connection.execute("commit; checkpoint; begin")

    def take_place(self) -> None:
        """Each draft is its stream's table now."""
        for plan, name in self._names.values():
            self._connection.execute(f"drop table if exists {table_name(plan)}")
            self._connection.execute(f"alter table {name} rename to {quoted(plan.target_table)}")
        self._names, self._wanted, self._sizes = {}, {}, None
        self._in_place = 0

    def abandon(self) -> None:
        """Drop what was not committed as a part of the sync."""
        if self._names:
            self._connection.execute("rollback")
            for _, name in self._names.values():
                self._connection.execute(f"drop table if exists {name}")
