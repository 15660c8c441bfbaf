"""Reading by cursor: every stream in one exported snapshot, from its saved position on."""

from __future__ import annotations

from datetime import datetime

from airbyte_local.batches import ReadAhead, by_stream
from airbyte_local.schema import ConnectionState
from airbyte_local.sources.base import CursorSource, ReadRequest
from airbyte_local.work import Work


def load(work: Work, source: CursorSource) -> tuple[ConnectionState, datetime]:
    """Load the streams; returns what is reached, and the moment up to which the source was read for certain."""
    for plan in work.plans:
        work.prepare(plan)
    with source.snapshot() as (snapshot, watermark):
        work.report.watermark(watermark)
        requests = [
            ReadRequest(plan.read, None if work.tables[plan.key].from_start else work.states[plan.key].cursor)
            for plan in work.warehouse.order(work.plans)
        ]
        with ReadAhead(snapshot.read(requests), snapshot.cancel) as items:
            for batches in by_stream(iter(items), work.report.passed, work.plans):
                plan = batches.plan
                state = work.begin(plan)
                written = 0
                if not batches.is_empty:
                    written = work.warehouse.load(plan, work.tables[plan.key], batches, state)
                if plan.read.cursor is not None:
                    state.cursor = source.next_cursor(
                        plan.read.cursor, state.cursor, batches.greatest, watermark
                    )
                work.report.loaded(plan, batches.rows, batches.bytes, written)
    loaded = {plan.key: work.states[plan.key] for plan in work.plans}
    return ConnectionState(work.saved.streams | loaded, source.position), watermark.at
