"""Rows of one stream that wait until they may be committed: text at first, typed on disk when they get too many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from airbyte_local.sources.connector.rows import Typed

PARSE_BYTES = 4 << 20  # of text, made typed at once


class UncommittedRows:
    """Rows in their order. `add` takes lines of JSON; `to_disk` makes them typed rows there; `take` hands all of another over."""

    def __init__(self, typed: Typed, folder: Path) -> None:
        self._typed, self._folder = typed, folder
        self._files: list[Path] = []
        self._lines: list[bytes] = []
        self.size = 0  # of the text
        self.rows = 0

    def add(self, lines: bytes, rows: int) -> None:
        self._lines.append(lines)
        self.size += len(lines)
        self.rows += rows

    def take(self, other: UncommittedRows) -> None:
        """The other one's rows come after these, and are gone there."""
        if self._lines and other._files:
            self.to_disk()
        self._files += other._files
        self._lines += other._lines
        self.size, self.rows = self.size + other.size, self.rows + other.rows
        other.clear(keep=True)

    def to_disk(self) -> None:
        """Typed rows on disk instead of text in memory."""
        if not self._lines:
            return
        path = self._folder / f"{id(self)}-{len(self._files)}-{self.rows}.arrow"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, self._typed.schema, options=options) as writer,
        ):
            for table in self._tables():
                writer.write_table(table)
        self._files.append(path)
        self._lines, self.size = [], 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All of it, typed."""
        for path in self._files:
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                for index in range(reader.num_record_batches):
                    yield reader.get_batch(index)
        for table in self._tables():
            yield from table.to_batches()

    def _tables(self) -> Iterator[pa.Table]:
        parts: list[bytes] = []
        size = 0
        for lines in self._lines:
            parts.append(lines)
            size += len(lines)
            if size >= PARSE_BYTES:
                yield self._typed.table(b"".join(parts))
                parts, size = [], 0
        if parts:
            yield self._typed.table(b"".join(parts))

    def clear(self, keep: bool = False) -> None:
        """Forget the rows; `keep`: their files are another's now."""
        for path in [] if keep else self._files:
            path.unlink(missing_ok=True)
        self._files, self._lines, self.size, self.rows = [], [], 0, 0
