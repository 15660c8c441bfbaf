"""Change data capture: what happened to each stream since the saved position, and new streams as a whole.

All streams end at one position. When a stream has to be read as a whole, a snapshot with its position gives the end; the
changes of the others are read up to there. So nothing is read twice, and nothing is left out between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from airbyte_local.batches import Batches, ReadAhead, by_stream
from airbyte_local.destinations.base import Moment
from airbyte_local.enums import FULL_REFRESH_MODES
from airbyte_local.history import Changes, scratch
from airbyte_local.mappers.mapping import landing
from airbyte_local.schema import ConnectionState, StreamPlan
from airbyte_local.sources.base import (
    Apply,
    Capture,
    CaptureSource,
    ChangeBatch,
    ReadRequest,
    Snapshot,
    StreamStart,
)
from airbyte_local.states import position_of
from airbyte_local.work import Work
from foundation.errors import EltError


def load(work: Work, source: CaptureSource) -> tuple[ConnectionState, datetime]:
    """Load the streams; returns what is reached, and when that was."""
    capture = source.capture
    since = position_of(work.saved.position, capture.slot) if go_on(work) else None
    refuse_shared_slot(work, source)
    capture.ready(since)
    for plan in work.plans:
        work.prepare(plan)
    whole = [
        plan for plan in work.plans if since is None or has_to_be_whole(work, plan)
    ]  # a refresh of all has no `since`
    others = [plan for plan in work.plans if plan not in whole]
    if whole:
        with capture.snapshot() as (snapshot, end, at):
            work.report.captured(end, at)
            load_whole(work, snapshot, whole, Moment(end, at.isoformat().replace("+00:00", "Z")))
    else:
        end, at = capture.end()
        work.report.captured(end, at)
    if others and since is not None:
        load_changes(work, capture, others, since, end)
    # a stream that was not loaded now has missed changes: it is read as a whole when it is loaded again
    missed = {key: replace(state, captured=False) for key, state in work.saved.streams.items()}
    loaded = {plan.key: work.states[plan.key] for plan in work.plans}
    return (
        ConnectionState(missed | loaded, source.position | {"slot": capture.slot, "captured": end}),
        at,
    )


def go_on(work: Work) -> bool:
    """Whether the saved position counts. Raises EltError for a sync of some streams: the log passes by all of them at once."""
    if work.chosen is None:
        return not work.refresh
    if not work.refresh:
        raise EltError(
            "a source that is read by change data capture syncs all its streams together",
            "sync without a choice; a refresh can be one of some streams",
        )
    return True


def has_to_be_whole(work: Work, plan: StreamPlan) -> bool:
    """Whether changes alone would not do: the stream is new here, its table lacks something, or its mode wants all of it."""
    saved = work.saved.streams.get(plan.key)
    return (
        work.refreshes(plan)
        or saved is None
        or not saved.captured
        or work.tables[plan.key].from_start
        or plan.mode in FULL_REFRESH_MODES
    )


def refuse_shared_slot(work: Work, source: CaptureSource) -> None:
    """Raises EltError when another connection captures through the same slot: each would miss what the other takes."""
    slot = source.capture.slot
    other = work.warehouse.other_with_slot(source.position["system"], slot)
    if other is not None:
        raise EltError(
            f"the replication slot {slot} belongs to the connection {other}",
            "give this connection's source a replication_slot of its own",
        )


def load_whole(work: Work, snapshot: Snapshot, plans: Sequence[StreamPlan], moment: Moment) -> None:
    """Streams as they are in the snapshot; rows that are in the table and not there are deleted ones."""
    requests = [ReadRequest(plan.read, None) for plan in work.warehouse.order(plans)]
    with ReadAhead(snapshot.read(requests), snapshot.cancel) as items:
        for batches in by_stream(iter(items), work.report.passed, plans, moment):
            plan = batches.plan
            state = work.begin(plan)
            written = work.warehouse.load(plan, work.tables[plan.key], batches, state, moment)
            work.report.loaded(plan, batches.rows, batches.bytes, written)


def load_changes(work: Work, capture: Capture, plans: Sequence[StreamPlan], since: int, until: int) -> None:
    """The changes of streams, staged as they come, then applied table by table; or kept, then appended."""
    rows = {plan.key: 0 for plan in plans}
    bytes_, written = dict(rows), dict(rows)
    states = {plan.key: work.begin(plan) for plan in plans}

    def apply(plan: StreamPlan) -> None:
        written[plan.key] += work.warehouse.apply(plan, work.tables[plan.key], states[plan.key])

    messages = capture.changes([plan.read for plan in plans], since, until)
    with scratch() as folder:
        histories = {plan.key: Changes(plan, Path(folder)) for plan in plans if plan.appends}
        with ReadAhead(messages.read(), messages.cancel) as items:
            for item in landing(items, plans):
                key = item.plan.key
                if isinstance(item, ChangeBatch):
                    rows[key] += item.batch.num_rows
                    bytes_[key] += item.batch.nbytes
                    work.report.passed(item.plan, rows[key], bytes_[key])
                if key in histories:
                    histories[key].take(item)
                elif isinstance(item, Apply):
                    apply(item.plan)
                else:
                    work.warehouse.stage(item)
        for plan in work.warehouse.order(plans):
            if plan.key not in histories:
                apply(plan)
            elif rows[plan.key]:
                history = histories[plan.key]
                start = StreamStart(history.plan, history.schema)
                batches = Batches(start, history.batches(), lambda *_: None, history.plan)
                target = work.tables[plan.key]
                written[plan.key] = work.warehouse.load(history.plan, target, batches, states[plan.key])
            work.report.loaded(plan, rows[plan.key], bytes_[plan.key], written[plan.key])
