"""Reading a connector: what it says, as it says it, committed with its states.

Rows of an incremental stream wait until a state follows them. Rows and state are committed together: at once if there is
time, and never so often that commits take more than a share of it; states that come faster share a commit. When the
connector dies, all that its last states cover is committed, and the next sync goes on from there. A stream that is read as
a whole takes its table's place when it is complete, with one commit; until then the table stays as it was.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airbyte_local.batches import Batches, ReadAhead
from airbyte_local.destinations.base import Target
from airbyte_local.enums import INCREMENTAL_MODES
from airbyte_local.failures import Key
from airbyte_local.schema import ConnectionState, StreamPlan, StreamState
from airbyte_local.sources.base import MessageSource, StreamBatch, StreamStart
from airbyte_local.sources.connector.messages import Control, Item, Rows, State, Status
from airbyte_local.sources.connector.rows import Typed, parser
from airbyte_local.sync_context import SyncContext
from airbyte_local.uncommitted_rows import UncommittedRows
from foundation.errors import EltError

log = logging.getLogger(__name__)

COMMIT_SHARE = 0.1  # of the time, at most, goes into commits while the connector sends
HELD_BYTES = 48 << 20  # of records as text, in all streams together


def load(context: SyncContext, source: MessageSource) -> tuple[ConnectionState, datetime]:
    """Load the streams; returns what is reached, and when reading began. Raises EltError when the connector fails; what it
    had vouched for is committed then.
    """
    began = datetime.now(UTC)
    if context.chosen is not None:
        check_choice(context.saved)
    states = {plan.key: context.begin(plan) for plan in context.plans}
    for plan in context.plans:
        if context.tables[plan.key].from_start:
            states[plan.key].blob = None
    position = None if context.refresh else context.saved.position
    with (
        source.messages(
            [plan.read for plan in context.plans], states, position, context.job_id, context.refresh
        ) as (
            process,
            messages,
        ),
        closing(Loading(context, source.label, process.scratch, position)) as loading,
    ):
        with ReadAhead(messages.blocks(), process.end) as blocks:
            try:
                for items in blocks:
                    for item in items:
                        loading.take(item)
                    loading.commit_if_due()
                loading.complete()
            except EltError as error:
                loading.stop(error)
                raise
        return loading.reached(), began


def check_choice(saved: ConnectionState) -> None:
    """Raises EltError when some streams of a connector cannot be read, or cleared, without the others."""
    kind = (saved.position or {}).get("type")
    if kind is not None:
        raise EltError(
            f"the connector keeps one state for all its streams ({kind}), so some of them cannot be chosen",
            "do it for the whole connection",
        )


def is_global(position: dict[str, Any] | None) -> bool:
    return (position or {}).get("type") == "GLOBAL"


@dataclass
class Stream:
    """A stream on its way. `fresh`: rows that no state covers yet. `held`: those to be committed with the next commit."""

    plan: StreamPlan
    state: StreamState
    target: Target
    whole: bool
    typed: Typed
    fresh: UncommittedRows
    held: UncommittedRows
    blob: Any = None  # its last state that covers what is held
    latest: Any = None  # its last state
    prepared: bool = False
    complete: bool = False
    incomplete: bool = False  # the connector says that it could not complete it
    loaded: bool = False  # complete, and committed
    rows: int = 0
    since: int = 0  # rows that came after its last state
    bytes: int = 0
    written: int = 0

    @property
    def is_incremental(self) -> bool:
        """Whether its state is kept, although a refresh reads it as a whole."""
        return self.plan.mode in INCREMENTAL_MODES

    @property
    def has_news(self) -> bool:
        """Whether there is something to commit: rows, a state, or that it is complete without any."""
        return self.held.rows > 0 or self.blob is not self.state.blob or (self.complete and not self.prepared)

    def batches(self) -> Batches:
        rows = map(StreamBatch, self.held.batches())
        return Batches(StreamStart(self.plan.read, self.typed.schema), rows, lambda *_: None, self.plan)

    def close(self) -> None:
        self.fresh.clear()
        self.held.clear()


class Loading:
    """From messages to commits."""

    def __init__(
        self, context: SyncContext, label: str, scratch: Path, position: dict[str, Any] | None
    ) -> None:
        self._label = label  # of the connector, for people
        self._context, self._warehouse, self._report = context, context.warehouse, context.report
        self._position = position
        self._parser = parser()
        self._streams: dict[Key, Stream] = {}
        for plan in context.plans:
            typed = Typed(plan.read, label, self._parser)
            self._streams[plan.key] = Stream(
                plan,
                context.states[plan.key],
                context.tables[plan.key],
                whole=context.refresh or plan.mode not in INCREMENTAL_MODES,
                typed=typed,
                fresh=UncommittedRows(typed, scratch),
                held=UncommittedRows(typed, scratch),
                blob=context.states[plan.key].blob,
                latest=context.states[plan.key].blob,
            )
        self._due = 0.0  # when the next commit may be
        self._covered = False  # there is something to commit
        self._committing = False
        self._held_bytes = 0

    def take(self, item: Item) -> None:
        """One message, or a run of records."""
        if isinstance(item, Rows):
            self._add(self._streams[item.key], item)
        elif isinstance(item, State):
            self._cover(item)
        elif isinstance(item, Status) and item.key in self._streams:
            stream = self._streams[item.key]
            if item.status == "COMPLETE":
                self._finish(stream)
            stream.incomplete = item.status == "INCOMPLETE"
        elif isinstance(item, Control):
            self._report.configuration(item.configuration)

    def commit_if_due(self) -> None:
        if self._covered and time.monotonic() >= self._due:
            self.commit()

    def complete(self) -> None:
        """The connector has ended well. Raises EltError when it could not complete some stream all the same."""
        for stream in self._streams.values():
            if not stream.complete and not stream.incomplete:
                self._finish(stream)
        if self._covered:  # a state may come after everything is complete
            self.commit()
        if broken := [stream.plan.label for stream in self._streams.values() if stream.incomplete]:
            raise EltError(
                f"{self._label}: stream {', '.join(broken)}: the connector could not complete it",
                "see the job's log",
            )

    def stop(self, error: EltError) -> None:
        """The connector has failed: keep what its states cover."""
        if not self._committing:  # else it was the commit that failed
            with suppress(EltError):  # the first error is the one to tell
                self.commit()
        for stream in self._streams.values():
            if not stream.loaded:
                self._report.failed(stream.plan, stream.rows, stream.bytes, stream.written, str(error))

    def close(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._parser.close()

    def reached(self) -> ConnectionState:
        """The state of the connection after the last commit."""
        begun = {key: stream.state for key, stream in self._streams.items() if stream.prepared}
        refreshed = all(
            stream.complete for stream in self._streams.values() if stream.whole and stream.is_incremental
        )
        position = self._position if refreshed else self._context.saved.position
        saved = self._context.saved.streams
        if is_global(position) and position != self._context.saved.position:
            # the shared state has passed by the streams that were not read: they have missed changes, and begin again
            saved = {
                key: state if key in self._streams else replace(state, blob=None)
                for key, state in saved.items()
            }
        return ConnectionState(saved | begun, position)

    def commit(self) -> None:
        """Bring what is covered into the tables, with the states."""
        started, self._committing = time.monotonic(), True
        ready = [stream for stream in self._streams.values() if stream.has_news]
        for stream in ready:  # before anything is loaded into any
            if not stream.prepared:
                self._context.prepare(stream.plan)
                stream.prepared = True
        for stream in ready:
            if stream.held.rows:
                stream.written += self._warehouse.load(
                    stream.plan, stream.target, stream.batches(), stream.state
                )
                stream.target = stream.target.following(stream.plan)
                stream.held.clear()
            stream.state.blob = stream.blob
        for key, rows in self._warehouse.settle().items():
            self._streams[key].written += rows
        for stream in ready:
            self._report.wrote(stream.plan, stream.rows, stream.bytes, stream.written)
        self._warehouse.commit(self.reached())
        self._covered = self._committing = False
        now = time.monotonic()
        self._due = now + (now - started) * (1 / COMMIT_SHARE - 1)

    def _add(self, stream: Stream, run: Rows) -> None:
        if stream.complete:
            raise EltError(
                f"{self._label}: it sent records of {stream.plan.label} after it had said that the"
                " stream is complete",
                "report it to the connector's maintainer",
            )
        stream.fresh.add(run.lines, run.count)
        stream.rows += run.count
        stream.since += run.count
        stream.bytes += len(run.lines)
        self._report.passed(stream.plan, stream.rows, stream.bytes)
        self._held_bytes += len(run.lines)
        if self._held_bytes > HELD_BYTES:
            self._make_room()

    def _make_room(self) -> None:
        """Commit what may be; what may not yet goes to disk."""
        if any(stream.held.rows for stream in self._streams.values()):
            self.commit()
        for stream in self._streams.values():
            stream.fresh.to_disk()
        self._held_bytes = 0

    def _cover(self, state: State) -> None:
        """The rows so far belong to this state."""
        whole = state.position is not None
        self._compare(state)
        self._covered = True
        self._position = state.position  # the newest state counts, whatever form the one before had
        for key in self._streams if whole else state.blobs:
            stream = self._streams.get(key)
            if stream is None or not stream.is_incremental:
                continue
            stream.latest = state.blobs.get(key)
            if stream.complete or not stream.whole:
                stream.held.take(stream.fresh)
                stream.blob = stream.latest

    def _compare(self, state: State) -> None:
        """Raises EltError when other than the connector's own number of records came with a state."""
        keys = (
            self._streams.keys() if state.position is not None else state.blobs.keys() & self._streams.keys()
        )
        streams = [self._streams[key] for key in keys]
        arrived = sum(stream.since for stream in streams)
        for stream in streams:
            stream.since = 0
        if streams and state.records is not None and state.records != arrived:
            labels = ", ".join(stream.plan.label for stream in streams)
            raise EltError(
                f"{self._label}: stream {labels}: it says that it sent {state.records:g} records before"
                f" its state, and {arrived} came",
                "sync again; if that is no help, report it to the connector's maintainer",
            )

    def _finish(self, stream: Stream) -> None:
        """The stream is complete: all its rows count, also those after its last state."""
        stream.held.take(stream.fresh)
        stream.blob = stream.latest
        stream.complete = True
        self.commit()
        stream.loaded = True
        self._report.loaded(stream.plan, stream.rows, stream.bytes, stream.written)
