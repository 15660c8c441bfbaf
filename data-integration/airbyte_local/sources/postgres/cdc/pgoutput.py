"""Decoding pgoutput, version 1: from the slot's messages to columns of text, a batch per stream.

Layouts: PostgreSQL's documentation, "Logical Replication Message Formats". Values come as text, in the server's own form.
Rows are decoded a batch at a time (`messages.py`); where an update tells the old row, too, one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from airbyte_local.failures import StreamError
from airbyte_local.schema import StreamPlan
from airbyte_local.sources.base import Apply, ChangeBatch, Truncated
from airbyte_local.sources.postgres.cdc import messages as protocol
from airbyte_local.sources.postgres.cdc.messages import Messages
from airbyte_local.sources.postgres.shape import table_of
from airbyte_local.states import REFRESH

MOVES = 50_000  # keys of moved rows that are remembered at a time

UPSERT, DELETE = 0, 1
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here

_UINT32 = struct.Struct(">I")
_INT32 = struct.Struct(">i")
_INT16 = struct.Struct(">h")

UNCHANGED = object()  # a large value that the update did not touch; the server does not send it again

Value = bytes | None | object
Row = list[Value]
Places = TypeVar("Places", int, np.ndarray)  # of one message, or of many
Stamp = tuple[int, int, str]  # a change's number, position in the log, and moment


@dataclass
class Relation:
    """A table as the server last described it, and the rows of it that wait for their batch.

    `width`: its columns. `positions`: where each of the plan's columns is among them. `fault`: why its rows would not be whole.
    """

    plan: StreamPlan
    width: int
    positions: list[int]
    key: list[int]
    schema: pa.Schema
    fault: str | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    moved: set[tuple[Any, ...]] = field(default_factory=set)  # keys of the moves that wait to be applied
    waiting: bool = False  # rows other than moves wait to be applied

    def batch(self) -> ChangeBatch | None:
        """The waiting rows, handed over."""
        if not self.rows:
            return None
        columns = [
            pa.array(values, field.type)
            for values, field in zip(zip(*self.rows, strict=True), self.schema, strict=True)
        ]
        self.rows = []
        return ChangeBatch(self.plan, pa.record_batch(columns, self.schema))


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


@dataclass(frozen=True)
class Transactions:
    """Which transaction each message of a batch is of; whether it counts, and when it was committed."""

    of: np.ndarray
    counts: np.ndarray
    at: list[str]

    def moments(self, rows: np.ndarray) -> pa.Array:
        """When each of these messages was committed."""
        return pa.array(self.at, pa.string()).take(pa.array(self.of[rows]))


class Decoder:
    """Turns messages into batches of changes, for the streams of `plans`; others are passed over.

    Only transactions that begin to commit at `since` or later and before `until` count.
    """

    def __init__(self, plans: Iterable[StreamPlan], since: int, until: int) -> None:
        self._plans = {table_of(plan): plan for plan in plans}
        self._since, self._until = since, until
        self._relations: dict[int, Relation | None] = {}
        self._passed = 0  # messages of earlier batches
        self._counts, self._at = False, ""  # of the transaction that the next batch goes on with
        self.transactions = self.changes = 0

    def decode(self, batches: Iterable[pa.RecordBatch]) -> Iterator[ChangeBatch | Truncated | Apply]:
        """Batches of messages as (position, bytes) → the changes in their order. Raises StreamError."""
        for batch in batches:
            if batch.num_rows:
                messages = Messages(batch)
                yield from self._batch(messages, self._transactions(messages))
                self._passed += len(messages)

    def _transactions(self, messages: Messages) -> Transactions:
        begins = np.flatnonzero(messages.kinds == protocol.BEGIN)
        commits, moments = (messages.integers(begins, at, ">i8") for at in (1, 9))
        counts = np.concatenate([[self._counts], (self._since <= commits) & (commits < self._until)])
        at = [self._at, *map(moment, moments.tolist())]
        self.transactions += int(counts[1:].sum())
        self._counts, self._at = bool(counts[-1]), at[-1]
        of = np.searchsorted(begins, np.arange(len(messages)), side="right")
        return Transactions(of, counts[of], at)

    def _batch(
        self, messages: Messages, transactions: Transactions
    ) -> Iterator[ChangeBatch | Truncated | Apply]:
        """The rows between messages that change what rows mean."""
        first = 0
        for row in np.flatnonzero(np.isin(messages.kinds, (protocol.RELATION, protocol.TRUNCATE))).tolist():
            yield from self._rows(messages, transactions, first, row)
            if messages.kinds[row] == protocol.RELATION:
                self._relation(messages[row])
            elif transactions.counts[row]:
                at = transactions.at[transactions.of[row]]
                yield from self._truncate(int(messages.lsn[row]), at, messages[row])
            first = row + 1
        yield from self._rows(messages, transactions, first, len(messages))

    def _rows(
        self, messages: Messages, transactions: Transactions, first: int, last: int
    ) -> Iterator[ChangeBatch | Apply]:
        is_row = np.isin(messages.kinds[first:last], (protocol.INSERT, protocol.UPDATE, protocol.DELETE))
        rows = first + np.flatnonzero(is_row & transactions.counts[first:last])
        tables = messages.tables(rows)
        for table in np.unique(tables).tolist():
            relation = self._relation_of(table)
            if relation is None:
                continue
            mine = rows[tables == table]
            self.changes += len(mine)
            tells_old = (messages.kinds[mine] == protocol.UPDATE) & (messages.marks(mine) != protocol.NEW)
            if tells_old.any():
                yield from self._one_by_one(relation, messages, transactions, mine)
            else:
                if relation.moved:
                    yield from self._apply(relation)
                relation.waiting = True
                yield self._all_at_once(relation, messages, transactions, mine)

    def _relation_of(self, table: int) -> Relation | None:
        """The table of a row; None where it is of no stream. Raises StreamError when its rows would not be whole."""
        relation = self._relations[table]
        if relation is not None and relation.fault:
            raise StreamError(
                relation.plan.key,
                f"stream {relation.plan.label}: {relation.fault}",
                f"sync again, or {REFRESH}",
            )
        return relation

    def _all_at_once(
        self, relation: Relation, messages: Messages, transactions: Transactions, rows: np.ndarray
    ) -> ChangeBatch:
        """Rows of one table, each with a single tuple."""
        columns = list(messages.columns(rows, relation.width))
        values = [columns[position] for position in relation.positions]
        no_key = pa.nulls(len(rows), pa.string())
        try:
            texts = [messages.text(value) for value in values]
        except pa.ArrowInvalid as error:
            raise not_text(relation.plan) from error
        if any(texts[relation.positions.index(place)].null_count for place in relation.key):
            raise untold_key(relation.plan)
        arrays = [
            pa.array(self._number(rows)),
            pa.array((messages.kinds[rows] == protocol.DELETE).astype(np.int8)),
            pa.array(messages.lsn[rows]),
            transactions.moments(rows),
            unchanged(values),
            *(no_key for _ in relation.key),
            *texts,
        ]
        return ChangeBatch(relation.plan, pa.record_batch(arrays, relation.schema))

    def _number(self, row: Places) -> Places:
        """A change's place in the order of all; a message may be two changes."""
        return 2 * (self._passed + row)

    def _one_by_one(
        self, relation: Relation, messages: Messages, transactions: Transactions, rows: np.ndarray
    ) -> Iterator[ChangeBatch | Apply]:
        """Rows of one table, of which some come with their old values."""
        for index in rows.tolist():
            stamp = self._number(index), int(messages.lsn[index]), transactions.at[transactions.of[index]]
            message = messages[index]
            row, at = _tuple(message, 6)
            if message[0] == protocol.DELETE:
                yield from self._add(relation, stamp, DELETE, row)
            elif message[0] == protocol.INSERT or message[5] == protocol.NEW:
                yield from self._add(relation, stamp, UPSERT, row)
            else:
                yield from self._update(
                    relation, stamp, row, _tuple(message, at + 1)[0], message[5] == protocol.OLD
                )
        if batch := relation.batch():
            yield batch

    def _update(
        self, relation: Relation, stamp: Stamp, old: Row, row: Row, is_whole: bool
    ) -> Iterator[ChangeBatch | Apply]:
        """An update that tells the old row, as a whole or its key."""
        if is_whole:
            row = [old[index] if value is UNCHANGED else value for index, value in enumerate(row)]
        if all(old[index] == row[index] for index in relation.key):
            yield from self._add(relation, stamp, UPSERT, row)
        elif UNCHANGED in row:
            yield from self._move(relation, stamp, old, row)
        else:
            yield from self._add(relation, stamp, DELETE, old)
            yield from self._add(relation, after(stamp), UPSERT, row)

    def _move(self, relation: Relation, stamp: Stamp, old: Row, row: Row) -> Iterator[ChangeBatch | Apply]:
        """A row under another key that keeps large values: they are taken from the table, which must be as it was then."""
        keys = {tuple(old[index] for index in relation.key), tuple(row[index] for index in relation.key)}
        if relation.waiting or keys & relation.moved or len(relation.moved) > MOVES:
            yield from self._apply(relation)
        self._put(relation, stamp, DELETE, old)
        self._put(relation, after(stamp), UPSERT, row, [old[index] for index in relation.key])
        relation.moved |= keys

    def _add(self, relation: Relation, stamp: Stamp, op: int, row: Row) -> Iterator[ChangeBatch | Apply]:
        if relation.moved:
            yield from self._apply(relation)
        self._put(relation, stamp, op, row)
        relation.waiting = True

    def _apply(self, relation: Relation) -> Iterator[ChangeBatch | Apply]:
        if batch := relation.batch():
            yield batch
        yield Apply(relation.plan)
        relation.moved, relation.waiting = set(), False

    def _put(
        self, relation: Relation, stamp: Stamp, op: int, row: Row, old_key: list[Value] | None = None
    ) -> None:
        number, lsn, at = stamp
        if any(row[index] is None for index in relation.key):
            raise untold_key(relation.plan)
        values = [row[index] for index in relation.positions]
        left = None
        if op == UPSERT and UNCHANGED in values:
            left = "".join("1" if value is UNCHANGED else "0" for value in values)
            values = [None if value is UNCHANGED else value for value in values]
        relation.rows.append((number, op, lsn, at, left, *(old_key or [None] * len(relation.key)), *values))

    def _relation(self, message: bytes) -> None:
        (table,) = _UINT32.unpack_from(message, 1)
        before, plan = self._relations.get(table), self._plans.get(table)
        if plan is None:
            self._relations[table] = None
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
        relation = Relation(plan, count, [], [], change_schema(plan), fault=fault(plan, names, identity))
        if relation.fault is None:
            relation.positions = [names.index(column.name) for column in plan.columns]
            relation.key = [names.index(column) for column in plan.primary_key]
        if before is not None:
            relation.moved, relation.waiting = before.moved, before.waiting
        self._relations[table] = relation

    def _truncate(self, lsn: int, at: str, message: bytes) -> Iterator[Truncated]:
        (count,) = _INT32.unpack_from(message, 1)
        for table in struct.unpack_from(f">{count}I", message, 6):
            relation = self._relations[table]
            if relation is not None:
                relation.moved, relation.waiting = set(), False
                self.changes += 1
                yield Truncated(relation.plan, lsn, at)


def after(stamp: Stamp) -> Stamp:
    """The second change of the same message."""
    number, lsn, at = stamp
    return number + 1, lsn, at


def moment(microseconds: int) -> str:
    """PostgreSQL's time stamp in ISO 8601."""
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")


def unchanged(values: list[protocol.Values]) -> pa.Array:
    """Of each row a 1 for each column to be left as it is; null where there is none."""
    flags = np.column_stack([value.kind == protocol.UNCHANGED for value in values])
    texts: list[str | None] = [None] * len(flags)
    for row in np.flatnonzero(flags.any(axis=1)).tolist():
        texts[row] = (flags[row] + np.uint8(ord("0"))).tobytes().decode()
    return pa.array(texts, pa.string())


def untold_key(plan: StreamPlan) -> StreamError:
    return StreamError(
        plan.key,
        f"stream {plan.label}: {fault(plan, [column.name for column in plan.columns], set())}",
        f"sync again, or {REFRESH}",
    )


def not_text(plan: StreamPlan) -> StreamError:
    return StreamError(
        plan.key,
        f"stream {plan.label}: a value is not valid UTF-8; the database's encoding lets any bytes pass (SQL_ASCII)",
        "correct the value in the source, or leave its column out with selectedFields",
    )


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
