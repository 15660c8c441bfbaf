"""Messages of PostgreSQL's plugin pgoutput, version 1, one by one: rows as they happen, each in its transaction.

Layouts: PostgreSQL's documentation, "Logical Replication Message Formats". (The batch decodes them by columns, many at once: another need.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts microseconds from here

Row = dict[str, str | None]  # a column that an update did not send again is missing


@dataclass(frozen=True)
class Begin:
    """A transaction begins. `commit`: where its commit record is in the log."""

    commit: int
    at: datetime


@dataclass(frozen=True)
class Commit:
    """It ends. `end`: where the log goes on after it."""

    commit: int
    end: int


@dataclass(frozen=True)
class Change:
    """A row that was inserted ("I"), updated ("U") or deleted ("D", then `row` has the key alone)."""

    kind: str
    table: str
    row: Row


@dataclass(frozen=True)
class Truncate:
    """Tables that were emptied."""

    tables: tuple[str, ...]


Message = Begin | Commit | Change | Truncate


class Decoder:
    """Remembers what the tables are like."""

    def __init__(self) -> None:
        self._tables: dict[int, tuple[str, list[str]]] = {}

    def decode(self, data: bytes) -> Message | None:
        """None: a message that says nothing of a row. Raises ValueError for one that is malformed."""
        reader = _Reader(data)
        match reader.letter():
            case "B":
                return Begin(reader.number("q"), reader.moment())
            case "C":
                reader.number("b")
                return Commit(reader.number("q"), reader.number("q"))
            case "R":
                self._relation(reader)
            case "I" | "U" | "D" as kind:
                return self._change(kind, reader)
            case "T":
                count, _ = reader.number("i"), reader.number("b")
                return Truncate(tuple(self._tables[reader.number("I")][0] for _ in range(count)))
        return None  # types, origins, messages of others

    def _relation(self, reader: _Reader) -> None:
        number = reader.number("I")
        table = f"{reader.text()}.{reader.text()}"
        reader.letter()
        columns = []
        for _ in range(reader.number("h")):
            reader.number("b")
            columns.append(reader.text())
            reader.number("I"), reader.number("i")
        self._tables[number] = table, columns

    def _change(self, kind: str, reader: _Reader) -> Change:
        table, columns = self._tables[reader.number("I")]
        if reader.letter() in "KO" and kind == "U":  # what the row was before: not of interest
            list(reader.values())
            reader.letter()
        row: Row = {name: value for name, (sent, value) in zip(columns, reader.values(), strict=True) if sent}
        return Change(kind, table, row)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def letter(self) -> str:
        self._at += 1
        return chr(self._data[self._at - 1])

    def number(self, kind: str) -> int:
        """By struct's letter, big-endian."""
        (found,) = struct.unpack_from(f">{kind}", self._data, self._at)
        self._at += struct.calcsize(f">{kind}")
        return int(found)

    def text(self) -> str:
        end = self._data.index(b"\0", self._at)
        found = self._data[self._at : end].decode()
        self._at = end + 1
        return found

    def moment(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.number("q"))

    def values(self) -> Iterator[tuple[bool, str | None]]:
        """Of each column whether it was sent, and its text."""
        for _ in range(self.number("h")):
            match self.letter():
                case "t":
                    size = self.number("i")
                    self._at += size
                    yield True, self._data[self._at - size : self._at].decode()
                case "n":
                    yield True, None
                case _:
                    yield False, None
