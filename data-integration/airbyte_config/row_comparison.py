"""The rows of one stream, in the source and in raw: equal, or which keys are not.

Sums of row hashes don't depend on the order of rows, so one pass over each side tells whether all is equal. Only a stream
that differs is read again (from the same snapshot), kept on disk if need be, and matched by key.
"""

# ruff: noqa: S608 - identifiers go through `quoted`, text through `literal`; SQL for DuckDB can't bind either

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import duckdb
import pyarrow as pa
from psycopg.sql import Composable

from airbyte_config.mapped import Mapped
from airbyte_config.raw_types import exact_cast
from airbyte_config.source import Source, Table
from foundation.quoting import literal, quoted
from foundation.rows import one_row

KEYS = 5  # named per stream
REMEMBERED = 10_000  # keys that differ, for a second look


@dataclass(frozen=True)
class StreamResult:
    """One stream's comparison. Checksums are hex, None when the tables could not be compared."""

    stream: str
    source_rows: int
    raw_rows: int | None
    source_checksum: str | None = None
    raw_checksum: str | None = None
    missing: int = 0  # keys that raw does not have
    extra: int = 0  # keys that only raw has
    changed: int = 0  # keys whose row differs, or that are not as often in raw as in the source
    keys: tuple[str, ...] = ()  # the first five of all these, each with what is wrong
    reason: str = ""  # why the tables can't be compared row by row
    left_out: tuple[str, ...] = ()  # columns that are not compared, each with why
    differing: pa.Table | None = field(default=None, repr=False, compare=False)  # their keys; None: no key

    @property
    def equal(self) -> bool:
        return not self.reason and (self.source_rows, self.source_checksum) == (
            self.raw_rows,
            self.raw_checksum,
        )

    def as_dict(self) -> dict[str, Any]:
        told = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "differing"}
        return {**told, "equal": self.equal}

    def line(self) -> str:
        """`sales.customer: equal, 19,820 rows, checksum 4be1…`, or what differs."""
        if self.equal:
            without = f"; not compared: {', '.join(self.left_out)}" if self.left_out else ""
            return (
                f"{self.stream}: equal, {self.source_rows:,} rows, checksum {self.source_checksum}{without}"
            )
        if self.reason:
            return f"{self.stream}: DIFFERS: {self.reason}"
        counts = {"missing in raw": self.missing, "only in raw": self.extra, "changed": self.changed}
        said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        rows = f"{self.source_rows:,} rows in the source, {self.raw_rows:,} in raw"
        return f"{self.stream}: DIFFERS: {rows}; {said}" + (f": {'; '.join(self.keys)}" if self.keys else "")


def count(duck: duckdb.DuckDBPyConnection, table: str) -> int:
    """Rows of a table, given as SQL."""
    rows: int = one_row(duck.execute(f"select count(*) from {table}"))[0]
    return rows


class Comparison:
    """Compares `table` of the source with `raw_table` (SQL); `mapped` gives the columns and the type that both sides have.

    With `since` (a moment of the source), keys whose row the source has changed since then are left out on both sides;
    with `among`, all keys but those are.
    """

    def __init__(
        self,
        label: str,
        table: Table,
        mapped: Mapped,
        key: list[str],
        source: Source,
        duck: duckdb.DuckDBPyConnection,
        raw_table: str,
        since: str | None = None,
        among: pa.Table | None = None,
    ) -> None:
        self.label, self.table, self.mapped, self.key = label, table, mapped, key
        self.columns = columns = mapped.compared
        self.source, self.duck = source, duck
        self.since = since if key and table.dated else None
        raw_table = self._without(raw_table, among)
        names = [quoted(column) for column in columns]
        # each row twice, forwards and backwards: two independent sums of 64 bits
        hashes = f"hash({', '.join(names)}) as _h1, hash({', '.join(reversed(names))}, 'backwards') as _h2"
        typed = self._typed(columns)
        only = f" semi join _among as a on {self._same_key('s', 'a')}" if among is not None else ""
        self.source_rows = f"(select *, {hashes} from (select {typed} from _batches) as s{only})"
        self.raw_rows = f"(select {', '.join(names)}, {hashes} from {raw_table})"

    def _without(self, raw_table: str, among: pa.Table | None) -> str:
        """The raw table without the keys that are left out, as SQL; fetches from the source what changed since."""
        if among is not None:
            self.duck.register("_among", among)
            raw_table = (
                f"(select r.* from {raw_table} as r semi join _among as a on {self._same_key('r', 'a')})"
            )
        if self.since:
            with self._read(self.key, None, since=self.since) as reader:
                self.duck.register("_reader", reader)
                typed = self._typed(self.key)
                self.duck.execute(f"create or replace temp table _changed as select {typed} from _reader")
                self.duck.unregister("_reader")
            if count(self.duck, "_changed"):
                raw_table = f"(select r.* from {raw_table} as r anti join _changed as c on {self._same_key('r', 'c')})"
        return raw_table

    def _typed(self, names: Iterable[str]) -> str:
        """What raw's columns are in the source's rows, as SQL."""
        columns = [(name, self.columns[name]) for name in names]
        return ", ".join(
            f"{exact_cast(column.sql, column.type)} as {quoted(name)}" for name, column in columns
        )

    def _same_key(self, left: str, right: str) -> str:
        return _same(map(quoted, self.key), left, right)

    def _read(
        self, names: list[str], where: Composable | None, **moment: str | None
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """The source's columns that these of raw are made of."""
        columns = [self.columns[name] for name in names]
        as_text = {column.source for column in columns if column.as_text}
        return self.source.batches(
            self.table, [column.source for column in columns], as_text=as_text, where=where, **moment
        )

    def result(self) -> StreamResult:
        """Raises duckdb.Error when a value of the source does not fit its type in raw."""
        with self._batches():
            here = self._sums(self.source_rows)
        there = self._sums(self.raw_rows)
        differences = {} if here == there else self._differences()
        return StreamResult(
            self.label,
            here[0],
            there[0],
            _checksum(here),
            _checksum(there),
            left_out=self.mapped.left_out,
            **differences,
        )

    @contextmanager
    def _batches(self) -> Iterator[None]:
        """The source's rows as the relation `_batches`, to be read once."""
        with self._read(list(self.columns), self.mapped.where, until=self.since) as reader:
            self.duck.register("_batches", reader)
            try:
                yield
            finally:
                self.duck.unregister("_batches")

    def _sums(self, rows: str) -> tuple[int, int, int]:
        query = f"select count(*), coalesce(sum(_h1), 0), coalesce(sum(_h2), 0) from {rows}"
        count, low, high = one_row(self.duck.execute(query))
        return count, low, high

    def _differences(self) -> dict[str, Any]:
        """Counts and first keys of what differs. Without a key, whole rows are matched and none is named."""
        with self._batches():
            self.duck.execute(f"create or replace temp table _source as from {self.source_rows}")
        key = [quoted(column) for column in self.key or self.columns]
        either = ", ".join(f"coalesce(s.{column}, r.{column}) as {column}" for column in key)
        grouped = f"select {', '.join(key)}, count(*) as _n, sum(_h1) as _s1, sum(_h2) as _s2"
        by_key = f"group by {', '.join(key)}"
        self.duck.execute(
            f"""
            create or replace temp table _differing as
            select {either}, coalesce(s._n, 0) as _in_source, coalesce(r._n, 0) as _in_raw
            from ({grouped} from _source {by_key}) s
            full join ({grouped} from {self.raw_rows} {by_key}) r on {_same(key, 's', 'r')}
            where (s._n, s._s1, s._s2) is distinct from (r._n, r._s1, r._s2)
        """
        )
        counts = """
            select
                count(*) filter (where _in_raw = 0),
                count(*) filter (where _in_source = 0),
                count(*) filter (where _in_raw > 0 and _in_source > 0)
            from _differing
        """
        missing, extra, changed = one_row(self.duck.execute(counts))
        keys = self._first_keys() if self.key else ()
        differing = (
            self.duck.execute(
                f"select {_list(self.key)} from _differing order by {_list(self.key)} limit {REMEMBERED}"
            ).to_arrow_table()
            if self.key
            else None
        )
        self.duck.execute("drop table _source")
        self.duck.execute("drop table _differing")
        return {"missing": missing, "extra": extra, "changed": changed, "keys": keys, "differing": differing}

    def _first_keys(self) -> tuple[str, ...]:
        """Each with what is wrong; the columns that differ by name only, for their values may be personal."""
        key = [quoted(column) for column in self.key]
        order = ", ".join(f"d.{column}" for column in key)
        shown = ", ".join(f"{literal(column + '=')} || d.{quoted(column)}" for column in self.key)
        changed = ", ".join(
            f"case when s.{quoted(column)} is distinct from r.{quoted(column)} then {literal(column)} end"
            for column in self.columns
            if column not in self.key
        )
        rows = self.duck.execute(
            f"""
            with first as (from _differing d order by {order} limit {KEYS})
            select concat_ws(', ', {shown}), d._in_source, d._in_raw, concat_ws(', ', {changed or "''"})
            from first d
            left join _source s on {_same(key, 's', 'd')} and d._in_raw = d._in_source
            left join {self.raw_rows} r on {_same(key, 'r', 'd')} and d._in_raw = d._in_source
            order by {order}
        """
        ).fetchall()
        return tuple(f"{name} {_wrong(*about)}" for name, *about in rows)


def _list(names: list[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def _same(key: Iterable[str], left: str, right: str) -> str:
    return " and ".join(f"{left}.{column} is not distinct from {right}.{column}" for column in key)


def _wrong(in_source: int, in_raw: int, columns: str) -> str:
    if in_raw == 0:
        return "is missing in raw"
    if in_source == 0:
        return "is only in raw"
    return f"is in raw {in_raw} times" if in_source != in_raw else f"differs in {columns}"


def _checksum(sums: tuple[int, int, int]) -> str:
    return "".join(f"{part % 2**64:016x}" for part in sums[1:])
