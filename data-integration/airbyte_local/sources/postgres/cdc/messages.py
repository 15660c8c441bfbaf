"""A batch of a slot's messages, looked at all at once: a step per column of a table, not per row.

Layouts: PostgreSQL's documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

BEGIN, RELATION, TRUNCATE, INSERT, UPDATE, DELETE = b"BRTIUD"
NEW, OLD = b"NO"  # which row comes first in a message
TEXT, NULL, UNCHANGED = b"tnu"  # the kinds of a value

_TABLE, _MARK, _COLUMNS, _VALUES = 1, 5, 6, 8  # where things are in a message about a row


@dataclass(frozen=True)
class Values:
    """A column of some rows: the kind of each value, and where its text begins and ends in the batch's bytes."""

    kind: np.ndarray
    begin: np.ndarray
    end: np.ndarray


class Messages:
    """Messages with their positions in the log (`lsn`), their first bytes (`kinds`) and where they start."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        lsn, messages = batch.columns
        _, offsets, self._data = messages.buffers()
        offsets = np.frombuffer(offsets, np.int32)[messages.offset :][: len(messages) + 1].astype(np.int64)
        self.lsn, self._start, self._end = lsn.to_numpy(), offsets[:-1], offsets[1:]
        self._bytes = np.frombuffer(self._data, np.uint8)
        self.kinds = self._bytes[self._start]

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, row: int) -> bytes:
        return self._bytes[self._start[row] : self._end[row]].tobytes()

    def integers(self, rows: np.ndarray, at: int, type_: str) -> np.ndarray:
        """The numbers (of a big-endian numpy type) at byte `at` of each of these messages."""
        return self._numbers(self._start[rows] + at, type_)

    def tables(self, rows: np.ndarray) -> np.ndarray:
        """The number of the table that each of these rows is of."""
        return self.integers(rows, _TABLE, ">u4")

    def marks(self, rows: np.ndarray) -> np.ndarray:
        """The first part of each of these messages: NEW, OLD or the old key."""
        found: np.ndarray = self._bytes[self._start[rows] + _MARK]
        return found

    def columns(self, rows: np.ndarray, count: int) -> Iterator[Values]:
        """The first row of each of these messages, column by column. Raises ValueError when one has not `count` columns."""
        if (self.integers(rows, _COLUMNS, ">i2") != count).any():
            raise ValueError(f"a row has not the {count} columns of its table")
        at = self._start[rows] + _VALUES
        for _ in range(count):
            kind = self._bytes[at]
            is_text = kind == TEXT
            begin = at + np.where(is_text, 5, 1)
            at = begin + np.where(is_text, self._numbers(at + 1, ">i4"), 0)
            yield Values(kind, begin, at)

    def text(self, values: Values) -> pa.StringArray:
        """A column's values as text; null where there is none. Raises pa.ArrowInvalid for what is not UTF-8.

        Values and what lies between them, in turn, are one array over the batch's bytes: every other one is taken.
        """
        bounds = np.empty(2 * len(values.kind), np.int32)
        bounds[0::2], bounds[1::2] = values.begin, values.end
        spans = pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), self._data])
        wanted = pa.array(np.arange(0, len(bounds), 2), mask=values.kind != TEXT)
        return spans.take(wanted).cast(pa.string())

    def _numbers(self, at: np.ndarray, type_: str) -> np.ndarray:
        """Numbers at these places; one too near the end to be there is of no use to the caller, and may be anything."""
        last = len(self._bytes) - np.dtype(type_).itemsize
        view = np.ndarray((last + 1,), type_, self._data, strides=(1,))
        found: np.ndarray = view[np.minimum(at, last)].astype(type_[1:])
        return found
