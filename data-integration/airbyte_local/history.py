"""Every change of the log as a row of its own (`incremental_append` under change data capture).

A stream that is read so lands as one that is appended, with the three columns of capture among its own: a destination has
nothing to do for it but to insert. Rows of the first load are as of the snapshot. A deleted row has its key and
`_ab_cdc_deleted_at`; the last row of a key by `_ab_cdc_lsn` is what the source has. A stream that is read as a whole again, and is empty
then, gets a deleted row without a key: it stands for all rows of before.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_local.destinations.base import CDC_COLUMNS, CDC_DELETED_AT, CDC_LSN, CDC_UPDATED_AT, Moment
from airbyte_local.failures import StreamError
from airbyte_local.schema import Column, DataType, Kind, StreamPlan
from airbyte_local.sources.base import Apply, ChangeBatch, StreamBatch, Truncated
from foundation.errors import EltError
from foundation.quoting import quoted

log = logging.getLogger(__name__)

FIXED, DELETE = 5, 1
OWN = (
    Column(CDC_LSN, "bigint", DataType(Kind.BIGINT), nullable=True, as_text=False),
    Column(CDC_UPDATED_AT, "text", DataType(Kind.TEXT), nullable=True, as_text=False),
    Column(CDC_DELETED_AT, "text", DataType(Kind.TEXT), nullable=True, as_text=False),
)
OWN_FIELDS = [
    pa.field(CDC_LSN, pa.int64()),
    pa.field(CDC_UPDATED_AT, pa.string()),
    pa.field(CDC_DELETED_AT, pa.string()),
]


def appended(plan: StreamPlan) -> StreamPlan:
    """The captured stream as it lands. Raises EltError for a row filter: what it leaves out later has no row to say so."""
    if plan.rows:
        raise EltError(
            f"stream {plan.label}: its rows are filtered, and each of its changes is to be a row",
            "sync it with incremental_deduped_history, or without a row filter",
        )
    if taken := sorted({column.name for column in plan.columns} & set(CDC_COLUMNS)):
        raise EltError(
            f"stream {plan.label}: it has a column {taken[0]} of its own", "leave it out with selectedFields"
        )
    return replace(
        plan, columns=(*plan.columns, *OWN), primary_key=(), captured=False, appends=True, source=plan.read
    )


def in_snapshot(batch: pa.RecordBatch, moment: Moment) -> pa.RecordBatch:
    """Rows of a snapshot, with its position and time."""
    values = (moment.lsn, moment.at, None)
    more = [
        pa.repeat(pa.scalar(value, field.type), batch.num_rows)
        for value, field in zip(values, OWN_FIELDS, strict=True)
    ]
    return pa.RecordBatch.from_arrays([*batch.columns, *more], schema=with_own(batch.schema))


def emptied(schema: pa.Schema, moment: Moment) -> pa.RecordBatch:
    """The one row, without a key, of a snapshot that has none: what there was is deleted. `schema`: with the columns of capture."""
    values = {CDC_LSN: moment.lsn, CDC_UPDATED_AT: moment.at, CDC_DELETED_AT: moment.at}
    return pa.RecordBatch.from_arrays(
        [pa.array([values.get(field.name)], field.type) for field in schema], schema=schema
    )


def with_own(schema: pa.Schema) -> pa.Schema:
    return pa.schema([*schema, *OWN_FIELDS])


class Changes:
    """A stream's changes, on disk until all are there."""

    def __init__(self, plan: StreamPlan, folder: Path) -> None:
        self.plan = replace(plan, logged=True)
        names = [column.name for column in plan.columns[: -len(OWN)]]
        self.schema = with_own(pa.schema([pa.field(name, pa.string()) for name in names]))
        self._path = folder / f"{id(self)}.arrow"
        self._file = pa.ipc.new_file(str(self._path), self.schema)

    def take(self, item: ChangeBatch | Truncated | Apply) -> None:
        """Raises StreamError when an update does not tell all of its row: no other row has for certain what it left as it was."""
        if isinstance(item, ChangeBatch):
            self._add(item)
        elif isinstance(item, Truncated):
            log.warning("%s: it was truncated, which is no change of a row", self.plan.label)

    def _add(self, change: ChangeBatch) -> None:
        batch, plan = change.batch, self.plan
        if batch.column("unchanged").null_count < batch.num_rows:
            table = f"{quoted(plan.namespace)}.{quoted(plan.name)}"
            raise StreamError(
                plan.key,
                f"stream {plan.label}: an update does not tell its large values, and each change is to be a whole row",
                f"run as its owner: alter table {table} replica identity full; then refresh the stream",
            )
        deleted = pc.if_else(
            pc.equal(batch.column("op"), DELETE), batch.column("at"), pa.scalar(None, pa.string())
        )
        values = batch.columns[-len(plan.columns) + len(OWN) :]
        rows = [*values, batch.column("lsn"), batch.column("at"), deleted]
        self._file.write_batch(pa.RecordBatch.from_arrays(rows, schema=self.schema))

    def batches(self) -> Iterator[StreamBatch]:
        """All of them, in their order."""
        self._file.close()
        with pa.OSFile(str(self._path)) as file, pa.ipc.open_file(file) as reader:
            for index in range(reader.num_record_batches):
                yield StreamBatch(reader.get_batch(index))
