"""Reading by cursor: every stream in one exported snapshot, from its saved position on."""

from __future__ import annotations

from datetime import datetime

from airbyte_local.batches import ReadAhead, by_stream
from airbyte_local.schema import ConnectionState
from airbyte_local.sources.base import CursorSource, ReadRequest
from airbyte_local.sync_context import SyncContext


def load(context: SyncContext, source: CursorSource) -> tuple[ConnectionState, datetime]:
    """Load the streams; returns what is reached, and the moment up to which the source was read for certain."""
    for plan in context.plans:
        context.prepare(plan)
    with source.snapshot() as (snapshot, watermark):
        context.report.watermark(watermark)
        requests = [
            ReadRequest(
                plan.read, None if context.tables[plan.key].from_start else context.states[plan.key].cursor
            )
            for plan in context.warehouse.order(context.plans)
        ]
        with ReadAhead(snapshot.read(requests), snapshot.cancel) as items:
            for batches in by_stream(iter(items), context.report.passed, context.plans):
                plan = batches.plan
                state = context.begin(plan)
                written = 0
                if not batches.is_empty:
                    written = context.warehouse.load(plan, context.tables[plan.key], batches, state)
                if plan.read.cursor is not None:
                    state.cursor = source.next_cursor(
                        plan.read.cursor, state.cursor, batches.greatest, watermark
                    )
                context.report.loaded(plan, batches.rows, batches.bytes, written)
    loaded = {plan.key: context.states[plan.key] for plan in context.plans}
    return ConnectionState(context.saved.streams | loaded, source.position), watermark.at
