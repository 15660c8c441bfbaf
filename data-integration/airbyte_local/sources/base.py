"""The seam between the sync and a source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airbyte_local.schema import Column, SourceStream, StreamPlan, StreamState
from foundation.errors import EltError

if TYPE_CHECKING:
    import pyarrow as pa

    from airbyte_local.failures import Failures, Key
    from airbyte_local.sources.connector.messages import Messages
    from airbyte_local.sources.connector.process import Process


class GoneError(EltError):
    """The source has no such stream, and not only for this user."""


@dataclass(frozen=True)
class ReadRequest:
    """Read this stream, from this cursor value on (None: all of it)."""

    plan: StreamPlan
    cursor: str | None


@dataclass(frozen=True)
class StreamStart:
    """The next batches are this stream's, and have this schema."""

    plan: StreamPlan
    schema: pa.Schema


@dataclass(frozen=True)
class StreamBatch:
    """Rows. Columns are the plan's, in its order; decimals and JSON travel as text, infinite moments as the greatest
    integer of their type and its negative. Of an emitted stream two more follow: SEQUENCE and CHANGES."""

    batch: pa.RecordBatch


SEQUENCE = (
    "#sequence"  # an integer that grows with every row of the sync: the later of two rows has the greater one
)
CHANGES = (
    "#changes"  # what `_airbyte_meta.changes` is to hold, a JSON list as text; null: nothing was changed
)


ODD = "#odd"  # of a row whose values need more than their plain reading
OWN_NAMES = frozenset({SEQUENCE, CHANGES, ODD})


@dataclass(frozen=True)
class ChangeBatch:
    """Changes of a stream in their order, a row each: `pgoutput.change_schema` says of what columns."""

    plan: StreamPlan
    batch: pa.RecordBatch


@dataclass(frozen=True)
class Truncated:
    """Every row of the stream went, at this position and time; what came before of its changes does not matter."""

    plan: StreamPlan
    lsn: int
    at: str


@dataclass(frozen=True)
class Apply:
    """The stream's changes so far have to be in its table before the next ones are looked at."""

    plan: StreamPlan


class Watermark(Protocol):
    """How far this sync may claim to have read, and what holds it back."""

    at: datetime
    prepared: str | None


class Snapshot(Protocol):
    """One moment of the source."""

    def read(self, requests: Iterable[ReadRequest]) -> Iterator[StreamStart | StreamBatch]: ...

    def cancel(self) -> None: ...


class Changes(Protocol):
    """What happened to some streams between two positions."""

    def read(self) -> Iterator[ChangeBatch | Truncated | Apply]: ...

    def cancel(self) -> None: ...


class Capture(Protocol):
    """Change data capture from an open source. Positions are integers that only grow."""

    slot: str

    def publishes(self, key: Key) -> bool:
        """Whether a table's changes come through the publication."""
        ...

    def ready(self, since: int | None) -> None: ...

    def end(self) -> tuple[int, datetime]: ...

    def snapshot(self) -> AbstractContextManager[tuple[Snapshot, int, datetime]]: ...

    def changes(self, plans: Iterable[StreamPlan], since: int, until: int) -> Changes: ...

    def leave(self, slot: str) -> None: ...

    def advance(self, position: int) -> None: ...


class Reading(StrEnum):
    """The ways to read a source, each a module of the sync."""

    CURSOR = "by cursor"
    CAPTURE = "by capture"
    MESSAGES = "by messages"


class AnySource(Protocol):
    """What every open source has, however it is read."""

    def discover(self) -> Iterable[SourceStream]: ...

    def why_missing(self, namespace: str, name: str) -> EltError: ...

    def check_position(self, saved: dict[str, Any] | None) -> None: ...

    def check_cursor(self, label: str, column: Column) -> None: ...


class Database(AnySource, Protocol):
    """What is read in snapshots. `position`: the server, and how far its log is."""

    position: dict[str, Any]

    def check_streams(self, plans: Iterable[StreamPlan], failures: Failures) -> None:
        """Streams that would not be read whole and right go to `failures`."""
        ...

    def shapes(self, plans: Iterable[StreamPlan]) -> dict[Key, dict[str, Any]]:
        """What each stream is made of, beyond its rows: a part of its state."""
        ...

    def reshaped(self, plan: StreamPlan, saved: dict[str, Any] | None, now: dict[str, Any]) -> str | None:
        """Why the stream has to be read as a whole because it is made of something else than before; None if it need not be."""
        ...

    def snapshot(self) -> AbstractContextManager[tuple[Snapshot, Any]]:
        """A snapshot of now, and its watermark."""
        ...


class CursorSource(Database, Protocol):
    """A database that is read by cursor."""

    reading: Literal[Reading.CURSOR]

    def next_cursor(
        self, column: Column, saved: str | None, greatest: int | None, watermark: Any
    ) -> str | None: ...


class CaptureSource(Database, Protocol):
    """A database whose log is read, too."""

    reading: Literal[Reading.CAPTURE]

    @property
    def capture(self) -> Capture: ...


class MessageSource(AnySource, Protocol):
    """A connector: it says itself what streams it has, and their states."""

    reading: Literal[Reading.MESSAGES]
    label: str

    def messages(
        self,
        plans: Iterable[StreamPlan],
        states: dict[Key, StreamState],
        position: dict[str, Any] | None,
        job_id: int,
        refresh: bool = False,
    ) -> AbstractContextManager[tuple[Process, Messages]]: ...


Source = CursorSource | CaptureSource | MessageSource
