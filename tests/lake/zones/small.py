"""Small syncs without a source: rows that a test makes go through the session as a job's do."""

from __future__ import annotations

from itertools import count
from typing import Any

import pyarrow as pa

from airbyte_local.batches import Batches
from airbyte_local.destinations.lake import LakeDestination
from airbyte_local.enums import SyncMode
from airbyte_local.schema import Column, ConnectionState, DataType, Kind, StreamPlan
from airbyte_local.sources.base import StreamBatch, StreamStart
from airbyte_local.states import fresh, usable
from tests.fixtures.lake import Lake, configuration

INTEGER = Column("id", "integer", DataType(Kind.INTEGER), nullable=False, as_text=False)
TEXT = Column("label", "text", DataType(Kind.TEXT), nullable=True, as_text=False)
ARROW = {
    Kind.INTEGER: pa.int32(),
    Kind.BIGINT: pa.int64(),
    Kind.DECIMAL: pa.string(),
    Kind.TEXT: pa.string(),
}


class Writer:
    """A connection `small` with one appended stream, `shop.items`."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self._jobs = lake, count(1)

    def write(
        self,
        *rows: tuple[Any, ...],
        columns: tuple[Column, ...] = (INTEGER, TEXT),
        again: bool = False,
        each: bool = False,
    ) -> None:
        """A sync that reads these rows; `again`: a refresh; `each`: with a commit for each row, as of a connector's."""
        plan = StreamPlan(
            namespace="shop",
            name="items",
            mode=SyncMode.FULL_REFRESH_APPEND,
            columns=columns,
            missing=(),
            primary_key=(),
            key_is_unique=False,
            cursor=None,
            target_schema="shop",
            target_table="items",
        )
        destination = LakeDestination(configuration(self.lake.place))
        with destination.open("small", next(self._jobs), "small") as session:
            saved = session.state().streams.get(plan.key)
            state = fresh(plan, saved) if again else usable(plan, saved)
            target = session.fitting(plan, state, again)
            session.prepare(plan, target)
            state.generation_id += 1
            state.columns = {column.name: column.source_type for column in columns}
            schema = pa.schema([pa.field(column.name, ARROW[column.type.kind]) for column in columns])
            for some in [[row] for row in rows] if each else [rows]:
                values = list(zip(*some, strict=True)) or [() for _ in columns]
                batch = pa.RecordBatch.from_arrays(
                    [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)],
                    schema=schema,
                )
                batches = Batches(
                    StreamStart(plan, schema), iter([StreamBatch(batch)]), lambda *_: None, plan
                )
                session.load(plan, target, batches, state)
                session.commit(ConnectionState({plan.key: state}))
                target = target.following(plan)
