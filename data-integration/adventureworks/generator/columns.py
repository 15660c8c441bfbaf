"""Columns and tables: from numpy's whole numbers to what PostgreSQL's COPY reads.

A column is a constant, an array as long as its table, or a function `(start, stop) -> array` that makes a stretch of
it when asked. Text that is wider than the numbers behind it (identifiers, amounts, XML) is made stretch by stretch,
so that memory holds numbers.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adventureworks.generator.chance import Chance, key, mix
from adventureworks.schema import tables

STRETCH = 1 << 16
EPOCH = datetime.date(1970, 1, 1)
DAY = 86_400_000  # milliseconds
XML_HOME = "http://schemas.microsoft.com/sqlserver/2004/07/adventure-works/"  # of every XML namespace

# numeric, uuid, xml and bytea travel as PostgreSQL's text: no float, and no type that COPY would have to guess
ARROW_TYPES = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time32("s"),
    "timestamp": pa.timestamp("ms"),
}

Stretch = Callable[[int, int], pa.Array]
Column = Any  # a constant | numpy array | pyarrow array | Stretch


@dataclass(frozen=True)
class Plan:
    """What is asked for, and the calendar that follows: days are counted from 1970-01-01, as Arrow's date32 does."""

    scale: float
    seed: int
    as_of: datetime.date

    SPAN = 1126  # days between the first and the last order, as in the original
    SEASONS = (0, 365, 730)  # days after the opening on which a new catalogue with new prices begins

    @property
    def last_day(self) -> int:
        return (self.as_of - EPOCH).days

    @property
    def opening(self) -> int:
        """The day of the first order."""
        return self.last_day - self.SPAN

    @property
    def founding(self) -> int:
        """The day from which the reference data is."""
        return self.last_day - 2 * self.SPAN

    def rows(self, original: int) -> int:
        """How many rows this scale has for that many of the original's."""
        return max(1, round(original * self.scale))

    def chance(self, name: str) -> Chance:
        """The stream of this name (a table's, and where it needs more, "table.purpose")."""
        return Chance(self.seed, name)


def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of a table, columns in the catalogue's order."""
    return pa.schema(
        [(column.name, ARROW_TYPES.get(column.type, pa.string())) for column in tables()[table].columns]
    )


@dataclass(frozen=True)
class Frame:
    """One table to be: its columns by name, made in stretches of rows."""

    table: str
    rows: int
    columns: dict[str, Column] = field(repr=False)

    def reader(self) -> pa.RecordBatchReader:
        """The rows as record batches, in the catalogue's column order."""
        schema = arrow_schema(self.table)
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema))

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for start in range(0, self.rows, STRETCH):
            stop = min(start + STRETCH, self.rows)
            arrays = [
                _stretch(self.columns[name], start, stop, schema.field(name).type) for name in schema.names
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _stretch(column: Column, start: int, stop: int, kind: pa.DataType) -> pa.Array:
    if callable(column):
        made = column(start, stop)
    elif isinstance(column, np.ndarray | pa.Array | list):
        made = column[start:stop]
    else:
        return pa.repeat(pa.scalar(column, kind), stop - start)
    made = made if isinstance(made, pa.Array) else pa.array(made)
    return made if made.type == kind else made.cast(kind)


def stamped(plan: Plan, table: str, columns: dict[str, Column], rows: int | None = None) -> Frame:
    """A frame; `rowguid` is filled in, and `modifieddate` with the founding day, where they are not given."""
    names = arrow_schema(table).names
    if rows is None:
        rows = next(
            len(column) for column in columns.values() if isinstance(column, np.ndarray | pa.Array | list)
        )
    filled = dict(columns)
    if "rowguid" in names and "rowguid" not in filled:
        filled["rowguid"] = uuids(plan.seed, table)
    filled.setdefault("modifieddate", moment(plan.founding))
    if set(filled) != set(names):
        raise KeyError(f"{table}: columns {sorted(set(filled) ^ set(names))} are missing or unknown")
    return Frame(table, rows, filled)


# -- kinds of columns


def moment(day: int, milliseconds: int = 0) -> datetime.datetime:
    """One instant, for a whole column."""
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(days=int(day), milliseconds=milliseconds)


def timestamps(
    days: np.ndarray, missing: np.ndarray | None = None, milliseconds: int | np.ndarray = 0
) -> pa.Array:
    """Midnight (or a time of day) of each day; null where `missing`."""
    return pa.array(days.astype(np.int64) * DAY + milliseconds, pa.timestamp("ms"), mask=missing)


def dates(days: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32(), mask=missing).view(pa.date32())


def nullable(values: np.ndarray, missing: np.ndarray) -> pa.Array:
    """The numbers, null where `missing`."""
    return pa.array(values, mask=missing)


def amounts(units: np.ndarray, decimals: int = 4, missing: np.ndarray | None = None) -> Stretch:
    """Exact decimals as text, from whole numbers of 10**-decimals; trailing zeros dropped as the original does."""

    def stretch(start: int, stop: int) -> pa.Array:
        text = decimal_text(units[start:stop], decimals)
        text = pc.ascii_rtrim(pc.ascii_rtrim(text, characters="0"), characters=".")
        return text if missing is None else without(text, missing[start:stop])

    return stretch


def decimal_text(units: np.ndarray, decimals: int) -> pa.Array:
    """Whole numbers of 10**-decimals as text with all their decimals."""
    low = np.ascontiguousarray(units, np.int64)
    both = np.empty((len(low), 2), np.int64)  # the two halves of a decimal128, little end first
    both[:, 0], both[:, 1] = low, low >> 63
    kind = pa.decimal128(19, decimals)
    return pa.Array.from_buffers(kind, len(low), [None, pa.py_buffer(both)]).cast(pa.string())


def uuids(seed: int, table: str) -> Stretch:
    """Random (version 4) identifiers, a function of seed, table and row number."""
    salt = key(seed, f"{table}.rowguid")

    def stretch(start: int, stop: int) -> pa.Array:
        number = np.arange(start, stop, dtype=np.uint64)
        halves = np.empty((stop - start, 2), ">u8")
        halves[:, 0] = mix(number, salt) & np.uint64(0xFFFFFFFFFFFF0FFF) | np.uint64(0x4000)
        halves[:, 1] = mix(number, salt >> 64) & np.uint64(0x3FFFFFFFFFFFFFFF) | np.uint64(0x8000000000000000)
        digits = hexadecimal(halves.view(np.uint8))
        text = np.full((stop - start, 36), ord("-"), np.uint8)
        at = 0
        for left, width in ((0, 8), (9, 4), (14, 4), (19, 4), (24, 12)):
            text[:, left : left + width] = digits[:, at : at + width]
            at += width
        return fixed_text(text)

    return stretch


HEX, UPPER_HEX = (
    np.array([list(form.format(value).encode()) for value in range(256)], np.uint8)
    for form in ("{:02x}", "{:02X}")
)


def hexadecimal(octets: np.ndarray, figures: np.ndarray = HEX) -> np.ndarray:
    """A matrix of bytes as a matrix of ASCII hexadecimal digits, twice as wide."""
    return figures[octets].reshape(len(octets), -1)


def letters(numbers: np.ndarray, width: int, alphabet: str) -> np.ndarray:
    """The lowest `width` digits of each number in the alphabet's base (a power of two), as a matrix of ASCII."""
    base = len(alphabet)
    shift = np.arange(width, dtype=np.uint64) * np.uint64(base.bit_length() - 1)
    digits = (numbers[:, None] >> shift) & np.uint64(base - 1)
    return np.frombuffer(alphabet.encode(), np.uint8)[digits.astype(np.int64)]


def fixed_text(characters: np.ndarray) -> pa.Array:
    """A matrix of ASCII as strings of one width, without a copy per string."""
    rows, width = characters.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    data = np.ascontiguousarray(characters)
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def from_list(
    values: Sequence[str | None] | pa.Array, index: np.ndarray, missing: np.ndarray | None = None
) -> Stretch:
    """values[index], row by row; null where `missing`."""
    pool = values if isinstance(values, pa.Array) else pa.array(values, pa.string())

    def stretch(start: int, stop: int) -> pa.Array:
        mask = None if missing is None else missing[start:stop]
        return pool.take(pa.array(index[start:stop], mask=mask))

    return stretch


def joined(*parts: str | np.ndarray | pa.Array | Stretch, missing: np.ndarray | None = None) -> Stretch:
    """The parts (fixed text, numbers, columns) one after the other; null where `missing`."""

    def stretch(start: int, stop: int) -> pa.Array:
        pieces = [_piece(part, start, stop) for part in parts]
        text = pc.binary_join_element_wise(*pieces, "")
        return text if missing is None else without(text, missing[start:stop])

    return stretch


def _piece(part: Any, start: int, stop: int) -> pa.Array | str:
    if isinstance(part, str):
        return part
    piece = part(start, stop) if callable(part) else part[start:stop]
    piece = piece if isinstance(piece, pa.Array) else pa.array(piece)
    return piece if piece.type == pa.string() else piece.cast(pa.string())


def digits(numbers: np.ndarray, width: int) -> Stretch:
    """Whole numbers with leading zeros, `width` digits."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)

    def stretch(start: int, stop: int) -> pa.Array:
        figures = (numbers[start:stop, None] // powers) % 10
        return fixed_text((figures + ord("0")).astype(np.uint8))

    return stretch


def unless(text: Stretch, blank: np.ndarray) -> Stretch:
    """The text, empty where `blank`."""
    return lambda start, stop: pa.compute.if_else(pa.array(blank[start:stop]), "", text(start, stop))


def without(text: pa.Array, missing: np.ndarray) -> pa.Array:
    """The array, null where `missing`."""
    return pc.if_else(pa.array(missing), pa.scalar(None, text.type), text)
