"""Rows on their way into a stage table: parquet files of bounded size, put into an internal stage, copied by Snowflake."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from airbyte_local.destinations.snowflake.account import Link
from airbyte_local.destinations.snowflake.quoting import literal
from foundation.errors import EltError

FILE_BYTES = 64 << 20  # compressed, as Snowflake likes them; the disk holds one or two at a time

# what the files are, whatever the defaults are
FORMAT = "type = parquet use_logical_type = true binary_as_text = false"


class Upload:
    """One stage table's rows. `place` is a path in an internal stage, which only this table's files have."""

    def __init__(self, link: Link, folder: Path, table: str, place: str, stream: str) -> None:
        self.table = table
        self._link, self._folder, self._place, self._stream = link, folder, place, stream
        self._writer: pq.ParquetWriter | None = None
        self._files = 0
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Write rows to the present file; one that is large enough goes on its way."""
        try:
            if self._writer is None:
                self._path = self._folder / f"{Path(self._place).name}_{self._files}.parquet"
                self._file = self._path.open("wb")
                self._writer = pq.ParquetWriter(self._file, batch.schema)
                self._files += 1
            self._writer.write_batch(batch)
        except OSError as error:
            raise EltError(
                f"stream {self._stream}: no file can be written to {self._folder}: {error.strerror or error}",
                "free space there, or set TMPDIR to a folder that has some, then sync again",
            ) from None
        self.rows += batch.num_rows
        if self._file.tell() >= FILE_BYTES:
            self._put(self._writer)

    def _put(self, writer: pq.ParquetWriter) -> None:
        writer.close()
        self._file.close()
        self._writer = None
        put = f"put {literal(self._path.as_uri())} @{self._place} auto_compress = false overwrite = true"
        self._link.safely(put, stream=self._stream)
        self._path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Everything into the table. Snowflake remembers which files it has copied, so that none counts twice."""
        with self._link.at(f"stream {self._stream}"):
            self._finish()

    def _finish(self) -> None:
        if self._writer is not None:
            self._put(self._writer)
        if not self._files:
            return
        copied = self._link.safely(
            f"copy into {self.table} from @{self._place}/ file_format = ({FORMAT})"
            " match_by_column_name = case_insensitive on_error = abort_statement",
            stream=self._stream,
        )
        names = [column.name.lower() for column in copied.description]
        loaded = (
            sum(int(row[names.index("rows_loaded")] or 0) for row in copied) if "rows_loaded" in names else 0
        )
        if loaded != self.rows:  # also after a repetition, which has nothing left to copy
            ((loaded,),) = self._link.rows(f"select count(*) from {self.table}")
        if loaded != self.rows:
            raise EltError(
                f"stream {self._stream}: {self.rows:,} rows were sent and {loaded:,} arrived in the stage table",
                "sync again; if it happens again, report it with the job's log",
            )
        self._files, self.rows = 0, 0
