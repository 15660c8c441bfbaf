"""Change data capture: what happened to each stream since the saved position, and new streams as a whole.

All streams end at one position. When a stream has to be read as a whole, a snapshot with its position gives the end; the
changes of the others are read up to there. So nothing is read twice, and nothing is left out between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from airbyte_local.batches import Batches, ReadAhead, by_stream
from airbyte_local.destinations.base import Moment
from airbyte_local.enums import FULL_REFRESH_MODES
from airbyte_local.history import Changes
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
from airbyte_local.sync_context import SyncContext
from foundation.errors import EltError
from foundation.scratch import scratch


def load(context: SyncContext, source: CaptureSource) -> tuple[ConnectionState, datetime]:
    """Load the streams; returns what is reached, and when that was."""
    capture = source.capture
    since = position_of(context.saved.position, capture.slot) if go_on(context) else None
    refuse_shared_slot(context, source)
    capture.ready(since)
    for plan in context.plans:
        context.prepare(plan)
    whole = [
        plan for plan in context.plans if since is None or has_to_be_whole(context, plan)
    ]  # a refresh of all has no `since`
    others = [plan for plan in context.plans if plan not in whole]
    if whole:
        with capture.snapshot() as (snapshot, end, at):
            context.report.captured(end, at)
            load_whole(context, snapshot, whole, Moment(end, at.isoformat().replace("+00:00", "Z")))
    else:
        end, at = capture.end()
        context.report.captured(end, at)
    if others and since is not None:
        load_changes(context, capture, others, since, end)
    # a stream that was not loaded now has missed changes: it is read as a whole when it is loaded again
    missed = {key: replace(state, captured=False) for key, state in context.saved.streams.items()}
    loaded = {plan.key: context.states[plan.key] for plan in context.plans}
    return (
        ConnectionState(missed | loaded, source.position | {"slot": capture.slot, "captured": end}),
        at,
    )


def go_on(context: SyncContext) -> bool:
    """Whether the saved position counts. Raises EltError for a sync of some streams: the log passes by all of them at once."""
    if context.chosen is None:
        return not context.refresh
    if not context.refresh:
        raise EltError(
            "a source that is read by change data capture syncs all its streams together",
            "sync without a choice; a refresh can be one of some streams",
        )
    return True


def has_to_be_whole(context: SyncContext, plan: StreamPlan) -> bool:
    """Whether changes alone would not do: the stream is new here, its table lacks something, or its mode wants all of it."""
    saved = context.saved.streams.get(plan.key)
    return (
        context.refreshes(plan)
        or saved is None
        or not saved.captured
        or context.tables[plan.key].from_start
        or plan.mode in FULL_REFRESH_MODES
    )


def refuse_shared_slot(context: SyncContext, source: CaptureSource) -> None:
    """Raises EltError when another connection captures through the same slot: each would miss what the other takes."""
    slot = source.capture.slot
    other = context.warehouse.other_with_slot(source.position["system"], slot)
    if other is not None:
        raise EltError(
            f"the replication slot {slot} belongs to the connection {other}",
            "give this connection's source a replication_slot of its own",
        )


def load_whole(context: SyncContext, snapshot: Snapshot, plans: Sequence[StreamPlan], moment: Moment) -> None:
    """Streams as they are in the snapshot; rows that are in the table and not there are deleted ones.

    Where each change is a row, they are a generation of their own: a key that is in an earlier one alone is deleted. One without rows has
    a row that says so.
    """
    requests = [ReadRequest(plan.read, None) for plan in context.warehouse.order(plans)]
    with ReadAhead(snapshot.read(requests), snapshot.cancel) as items:
        for batches in by_stream(iter(items), context.report.passed, plans, moment):
            plan = batches.plan
            batches.tells_emptied = batches.is_empty and context.reads_again(plan)
            state = context.begin(plan, whole=True)
            written = context.warehouse.load(plan, context.tables[plan.key], batches, state, moment)
            context.report.loaded(plan, batches.rows, batches.bytes, written)


def load_changes(
    context: SyncContext, capture: Capture, plans: Sequence[StreamPlan], since: int, until: int
) -> None:
    """The changes of streams, staged as they come, then applied table by table; or kept, then appended."""
    rows = {plan.key: 0 for plan in plans}
    bytes_, written = dict(rows), dict(rows)
    states = {plan.key: context.begin(plan) for plan in plans}

    def apply(plan: StreamPlan) -> None:
        written[plan.key] += context.warehouse.apply(plan, context.tables[plan.key], states[plan.key])

    messages = capture.changes([plan.read for plan in plans], since, until)
    with scratch("job-changes") as folder:
        histories = {plan.key: Changes(plan, folder) for plan in plans if plan.appends}
        with ReadAhead(messages.read(), messages.cancel) as items:
            for item in landing(items, plans):
                key = item.plan.key
                if isinstance(item, ChangeBatch):
                    rows[key] += item.batch.num_rows
                    bytes_[key] += item.batch.nbytes
                    context.report.passed(item.plan, rows[key], bytes_[key])
                if key in histories:
                    histories[key].take(item)
                elif isinstance(item, Apply):
                    apply(item.plan)
                else:
                    context.warehouse.stage(item)
        for plan in context.warehouse.order(plans):
            if plan.key not in histories:
                apply(plan)
            elif rows[plan.key]:
                history = histories[plan.key]
                start = StreamStart(history.plan, history.schema)
                batches = Batches(start, history.batches(), lambda *_: None, history.plan)
                target = context.tables[plan.key]
                written[plan.key] = context.warehouse.load(history.plan, target, batches, states[plan.key])
            context.report.loaded(plan, rows[plan.key], bytes_[plan.key], written[plan.key])
