"""The seam between the sync and a destination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from airbyte_local.schema import ConnectionState, StreamPlan, StreamState

if TYPE_CHECKING:
    from airbyte_local.batches import Batches
    from airbyte_local.sources.base import ChangeBatch, Truncated

RAW_ID = "_airbyte_raw_id"
EXTRACTED_AT = "_airbyte_extracted_at"
META = "_airbyte_meta"
GENERATION_ID = "_airbyte_generation_id"
METADATA_COLUMNS = (RAW_ID, EXTRACTED_AT, META, GENERATION_ID)

CDC_LSN = "_ab_cdc_lsn"
CDC_UPDATED_AT = "_ab_cdc_updated_at"
CDC_DELETED_AT = "_ab_cdc_deleted_at"
CDC_COLUMNS = (CDC_LSN, CDC_UPDATED_AT, CDC_DELETED_AT)  # of a captured stream, before the others

INTERNAL_SCHEMA = "airbyte_internal"


def free_name(plan: StreamPlan, name: str) -> str:
    """A name for a column of ours that none of the source's has: this one, or a longer one."""
    taken = {column.name.casefold() for column in plan.columns}
    while name.casefold() in taken:
        name += "#"
    return name


class Write(StrEnum):
    """How a stream's rows get into its table. Merged rows of an emitted stream replace one only if their cursor is not less
    (a missing one is the least): the connector sends them in any order, and may send some again.
    """

    INSERT = "insert"  # as they come
    MERGE = "merge"  # by primary key
    APPEND = "append"  # what is not there yet at the saved position


@dataclass(frozen=True)
class Target:
    """The table of a stream, and what is to be done to it.

    `create`: a new one is made. `add`, `retype`: columns to add, and those that become wider, with their new types. `types`: the
    table's type of each of the plan's columns, afterwards. `gone`: columns of the table that the plan does not have;
    rows written now have null there. `from_start`: the saved position does not count, because the table was not there,
    or has rows that lack a column's values. `rewrite`: equal rows are written again, too.
    """

    create: bool
    write: Write
    from_start: bool
    types: dict[str, str]
    add: tuple[tuple[str, str], ...] = ()
    retype: tuple[tuple[str, str], ...] = ()
    gone: tuple[str, ...] = ()
    rewrite: bool = False

    def following(self, plan: StreamPlan) -> Target:
        """The same table, when rows of this sync are in it already."""
        write = Write.MERGE if plan.primary_key else Write.INSERT
        return replace(self, create=False, write=write, add=(), retype=())


@dataclass(frozen=True)
class Moment:
    """When captured rows are as of: the position in the source's log, and the time in ISO 8601."""

    lsn: int
    at: str


@dataclass(frozen=True)
class SyncRecord:
    """A sync of every stream of its connection as the warehouse remembers it, committed with its data."""

    job_id: int
    connection_id: str
    connection_name: str
    started_at: datetime
    watermark: datetime
    streams: list[dict[str, Any]] = field(default_factory=list)


class Session(Protocol):
    """A warehouse that is open for one connection, in a transaction; what is not committed is as if it had never been.

    `commit` begins the next transaction: a connector's rows are committed with each of its states that is saved, and only
    the last commit has a record. A stream may be loaded many times, then; its table is prepared before its first load, and
    directly after opening or a commit, since preparing may commit by itself.
    """

    def state(self) -> ConnectionState:
        """The saved state of the connection and its streams; to be called first."""
        ...

    def fitting(self, plan: StreamPlan, state: StreamState, refresh: bool) -> Target: ...

    def order(self, plans: Iterable[StreamPlan]) -> list[StreamPlan]:
        """The fitted streams in the order in which it is best to load them."""
        ...

    def prepare(self, plan: StreamPlan, target: Target) -> None: ...

    def load(
        self,
        plan: StreamPlan,
        target: Target,
        batches: Batches,
        state: StreamState,
        moment: Moment | None = None,
    ) -> int: ...

    def stage(self, change: ChangeBatch | Truncated) -> None: ...

    def apply(self, plan: StreamPlan, target: Target, state: StreamState) -> int: ...

    def settle(self) -> dict[tuple[str, str], int]:
        """Bring into the tables what `load` and `apply` have only staged; returns the rows written by stream, in addition
        to those that the two returned. Once everything is loaded, before each `commit`."""
        ...

    def other_with_slot(self, system: str, slot: str) -> str | None: ...

    def clear(self, schema: str, table: str) -> int: ...

    def commit(self, state: ConnectionState, record: SyncRecord | None = None) -> None: ...


class Destination(Protocol):
    """A configured destination."""

    default_schema: str

    def fold(self, name: str) -> str: ...

    def check_names(self, plans: Sequence[StreamPlan]) -> None: ...

    def open(
        self, connection_id: str, job_id: int, connection_name: str = ""
    ) -> AbstractContextManager[Session]: ...
