"""Decoding pgoutput, version 1: from the slot's messages to columns of text, a batch per stream.

Layouts: PostgreSQL's documentation, "Logical Replication Message Formats". Values come as text, in the server's own form.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from airbyte_local.schema import StreamPlan
from airbyte_local.sources.base import Apply, ChangeBatch, Truncated
from airbyte_local.states import REFRESH
from elt.errors import EltError

BATCH_ROWS = 20_000
BATCH_BYTES = 16 << 20
MOVES = 50_000  # keys of moved rows that are remembered at a time

UPSERT, DELETE = 0, 1
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here

_BEGIN = struct.Struct(">xqqi")
_INT32 = struct.Struct(">i")
_INT16 = struct.Struct(">h")

UNCHANGED = object()  # a large value that the update did not touch; the server does not send it again

Value = bytes | None | object
Row = list[Value]


@dataclass
class Relation:
    """A table as the server last described it, and the rows of it that wait for their batch.

    `positions`: where each of the plan's columns is in a row of the server's. `fault`: why its rows would not be whole.
    """

    plan: StreamPlan
    positions: list[int]
    key: list[int]
    schema: pa.Schema
    fault: str | None = None
    rows: list[tuple] = field(default_factory=list)
    bytes: int = 0
    moved: set[tuple] = field(default_factory=set)  # keys of the moves that wait to be applied
    waiting: bool = False  # rows other than moves wait to be applied

    def batch(self) -> ChangeBatch | None:
        """The waiting rows, handed over."""
        if not self.rows:
            return None
        columns = [
            pa.array(values, field.type)
            for values, field in zip(zip(*self.rows, strict=True), self.schema, strict=True)
        ]
        self.rows, self.bytes = [], 0
        return ChangeBatch(self.plan, pa.record_batch(columns, self.schema))


def table_of(plan: StreamPlan) -> int:
    """The table's number in the server: its name may have been another's for a while."""
    return int(plan.columns[0].identity.partition(".")[0])


def fault(plan: StreamPlan, names: list[str], identity: set[str]) -> str | None:
    """Why rows of a table with these columns, of which deletes tell `identity`, cannot be applied."""
    lacking = [column.name for column in plan.columns if column.name not in names]
    if lacking:
        return (
            f"it was changed without the column {', '.join(lacking)}, which was dropped or had another name"
        )
    if not identity.issuperset(plan.primary_key):
        return f"it was changed while deletes did not tell its key ({', '.join(plan.primary_key)})"
    return None


def change_schema(plan: StreamPlan) -> pa.Schema:
    """seq, op, lsn, at, unchanged (a 1 for each column to be left as it is, or null), k0… (the key that the row had before,
    where its old values are needed), c0… (the plan's columns as text)."""
    fixed = [
        ("seq", pa.int64()), ("op", pa.int8()), ("lsn", pa.int64()), ("at", pa.string()), ("unchanged", pa.string()),
    ]  # fmt: skip
    keys = [(f"k{index}", pa.string()) for index in range(len(plan.primary_key))]
    return pa.schema([*fixed, *keys, *((f"c{index}", pa.string()) for index in range(len(plan.columns)))])


class Decoder:
    """Turns messages into batches of changes, for the streams of `plans`; others are passed over.

    Only transactions that begin to commit at `since` or later and before `until` count.
    """

    def __init__(self, plans: Iterable[StreamPlan], since: int, until: int) -> None:
        self._plans = {table_of(plan): plan for plan in plans}
        self._since, self._until = since, until
        self._relations: dict[int, Relation | None] = {}
        self._seq = 0
        self._counts = False
        self._at = ""
        self.transactions = self.changes = 0

    def decode(self, messages: Iterable[tuple[int, bytes]]) -> Iterator[ChangeBatch | Truncated | Apply]:
        """Messages as (position, bytes). Yields batches as they fill; the last ones come from `finish`."""
        handlers = {73: self._insert, 85: self._update, 68: self._delete, 84: self._truncate}
        for lsn, message in messages:
            kind = message[0]
            if kind == 66:  # begin
                commit, at, _ = _BEGIN.unpack_from(message)
                self._counts = self._since <= commit < self._until
                self.transactions += self._counts
                self._at = (EPOCH + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")
            elif kind == 82:  # relation
                yield from self._relation(message)
            elif self._counts and kind in handlers:
                yield from handlers[kind](lsn, message)

    def _relation_of(self, message: bytes) -> Relation | None:
        """The table of a row; None where it is of no stream. Raises EltError when its rows would not be whole."""
        relation = self._relations[_INT32.unpack_from(message, 1)[0]]
        if relation is not None and relation.fault:
            raise EltError(f"stream {relation.plan.label}: {relation.fault}", f"sync again, or {REFRESH}")
        return relation

    def finish(self) -> Iterator[ChangeBatch]:
        """What waits."""
        for relation in self._relations.values():
            if relation is not None and (batch := relation.batch()):
                yield batch

    def _relation(self, message: bytes) -> Iterator[ChangeBatch]:
        oid = _INT32.unpack_from(message, 1)[0]
        before = self._relations.get(oid)
        if before is not None and (batch := before.batch()):
            yield batch
        plan = self._plans.get(oid)
        if plan is None:
            self._relations[oid] = None
            return
        _, _, rest = message[5:].split(b"\0", 2)
        (count,) = _INT16.unpack_from(rest, 1)
        names, identity, at = [], set(), 3
        for _ in range(count):
            end = rest.index(b"\0", at + 1)
            names.append(rest[at + 1 : end].decode())
            if rest[at] & 1:
                identity.add(names[-1])
            at = end + 9
        relation = Relation(plan, [], [], change_schema(plan), fault=fault(plan, names, identity))
        if relation.fault is None:
            relation.positions = [names.index(column.name) for column in plan.columns]
            relation.key = [names.index(column) for column in plan.primary_key]
        if before is not None:
            relation.moved, relation.waiting = before.moved, before.waiting
        self._relations[oid] = relation

    def _insert(self, lsn: int, message: bytes) -> Iterator[ChangeBatch | Apply]:
        relation = self._relation_of(message)
        if relation is not None:
            row, _ = _tuple(message, 6)
            yield from self._add(relation, lsn, UPSERT, row)

    def _delete(self, lsn: int, message: bytes) -> Iterator[ChangeBatch | Apply]:
        relation = self._relation_of(message)
        if relation is not None:
            row, _ = _tuple(message, 6)
            yield from self._add(relation, lsn, DELETE, row)

    def _update(self, lsn: int, message: bytes) -> Iterator[ChangeBatch | Apply]:
        relation = self._relation_of(message)
        if relation is None:
            return
        if message[5] == 78:  # the new row alone: the key is what it was
            row, _ = _tuple(message, 6)
            yield from self._add(relation, lsn, UPSERT, row)
            return
        old, at = _tuple(message, 6)
        row, _ = _tuple(message, at + 1)
        if message[5] == 79:  # the whole old row
            row = [old[index] if value is UNCHANGED else value for index, value in enumerate(row)]
        if all(old[index] == row[index] for index in relation.key):
            yield from self._add(relation, lsn, UPSERT, row)
        elif UNCHANGED in row:
            yield from self._move(relation, lsn, old, row)
        else:
            yield from self._add(relation, lsn, DELETE, old)
            yield from self._add(relation, lsn, UPSERT, row)

    def _move(self, relation: Relation, lsn: int, old: Row, row: Row) -> Iterator[ChangeBatch | Apply]:
        """A row under another key that keeps large values: they are taken from the table, which must be as it was then."""
        keys = {tuple(old[index] for index in relation.key), tuple(row[index] for index in relation.key)}
        if relation.waiting or keys & relation.moved or len(relation.moved) > MOVES:
            yield from self._apply(relation)
        self._put(relation, lsn, DELETE, old)
        self._put(relation, lsn, UPSERT, row, [old[index] for index in relation.key])
        relation.moved |= keys

    def _add(self, relation: Relation, lsn: int, op: int, row: Row) -> Iterator[ChangeBatch | Apply]:
        if relation.moved:
            yield from self._apply(relation)
        self._put(relation, lsn, op, row)
        relation.waiting = True
        if len(relation.rows) >= BATCH_ROWS or relation.bytes >= BATCH_BYTES:
            yield relation.batch()

    def _apply(self, relation: Relation) -> Iterator[ChangeBatch | Apply]:
        if batch := relation.batch():
            yield batch
        yield Apply(relation.plan)
        relation.moved, relation.waiting = set(), False

    def _put(
        self, relation: Relation, lsn: int, op: int, row: Row, old_key: list[Value] | None = None
    ) -> None:
        values = [row[index] for index in relation.positions]
        unchanged = None
        if op == UPSERT and UNCHANGED in values:
            unchanged = "".join("1" if value is UNCHANGED else "0" for value in values)
            values = [None if value is UNCHANGED else value for value in values]
        self._seq += 1
        self.changes += 1
        relation.bytes += 100 + sum(map(len, filter(None, values)))
        relation.rows.append(
            (self._seq, op, lsn, self._at, unchanged, *(old_key or [None] * len(relation.key)), *values)
        )

    def _truncate(self, lsn: int, message: bytes) -> Iterator[Truncated]:
        (count,) = _INT32.unpack_from(message, 1)
        for oid in struct.unpack_from(f">{count}i", message, 6):
            relation = self._relations[oid]
            if relation is not None:
                relation.rows, relation.bytes, relation.moved, relation.waiting = [], 0, set(), False
                self.changes += 1
                yield Truncated(relation.plan, lsn, self._at)


def _tuple(message: bytes, at: int) -> tuple[Row, int]:
    """A row (None: null), and where it ends."""
    (count,) = _INT16.unpack_from(message, at)
    at += 2
    row: Row = []
    for _ in range(count):
        kind = message[at]
        at += 1
        if kind == 116:  # text
            end = at + 4 + _INT32.unpack_from(message, at)[0]
            row.append(message[at + 4 : end])
            at = end
        else:
            row.append(None if kind == 110 else UNCHANGED)
    return row, at
