"""The seam between the sync and a destination: what Snowflake will have to offer, too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from airbyte_local.schema import StreamPlan, StreamState

if TYPE_CHECKING:
    from airbyte_local.batches import Batches

RAW_ID = "_airbyte_raw_id"
EXTRACTED_AT = "_airbyte_extracted_at"
META = "_airbyte_meta"
GENERATION_ID = "_airbyte_generation_id"
METADATA_COLUMNS = (RAW_ID, EXTRACTED_AT, META, GENERATION_ID)

INTERNAL_SCHEMA = "airbyte_internal"


@dataclass(frozen=True)
class Target:
    """The table of a stream, ready to be written.

    `empty`: rows can be put in as they come. `from_start`: the saved position does not count, because the table was
    not there, or has a column that older rows lack.
    """

    empty: bool
    from_start: bool


@dataclass(frozen=True)
class SyncRecord:
    """A sync as the warehouse remembers it, committed with its data."""

    job_id: int
    connection_id: str
    connection_name: str
    started_at: datetime
    watermark: datetime
    streams: list[dict[str, Any]] = field(default_factory=list)


class Session(Protocol):
    """An open warehouse in one transaction; what is not committed is as if it had never been."""

    def states(self, connection_id: str) -> dict[tuple[str, str], StreamState]: ...

    def prepare(self, plan: StreamPlan, state: StreamState) -> Target: ...

    def load(self, plan: StreamPlan, target: Target, batches: Batches, generation_id: int) -> int: ...

    def commit(self, record: SyncRecord, states: dict[tuple[str, str], StreamState]) -> None: ...


class Destination(Protocol):
    """A configured destination."""

    default_schema: str

    def check_names(self, plans: Sequence[StreamPlan]) -> None: ...

    def open(self, job_id: int) -> AbstractContextManager[Session]: ...
