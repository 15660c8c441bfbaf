"""One sync, from beginning to end: plan, open, read one snapshot, load, commit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airbyte_local.batches import ReadAhead, by_stream
from airbyte_local.configure import plans
from airbyte_local.destinations import open_destination
from airbyte_local.destinations.base import SyncRecord
from airbyte_local.enums import SyncMode
from airbyte_local.jobs.report import Report
from airbyte_local.schema import StreamPlan, StreamState
from airbyte_local.sources import open_source
from airbyte_local.sources.base import ReadRequest
from elt.errors import EltError


def run(task: dict[str, Any], report: Report) -> None:
    """Do what the task says. Raises EltError with the reason; then the warehouse is as it was."""
    started_at = datetime.now(UTC)
    destination = open_destination(task["destination"])
    with open_source(task["source"]) as source:
        planned = plans(task, source, destination)
        report.begin(planned)
        with destination.open(task["jobId"]) as warehouse:
            states = warehouse.states(task["connectionId"])
            for plan in planned:
                states[plan.key] = usable(plan, states.get(plan.key))
            targets = {plan: warehouse.prepare(plan, states[plan.key]) for plan in planned}
            with source.snapshot() as (snapshot, watermark):
                report.watermark(watermark)
                requests = [
                    ReadRequest(plan, None if target.from_start else states[plan.key].cursor)
                    for plan, target in targets.items()
                ]
                with ReadAhead(snapshot.read(requests), snapshot.cancel) as items:
                    for batches in by_stream(iter(items), report.passed):
                        plan = batches.plan
                        state = states[plan.key]
                        if plan.mode == SyncMode.FULL_REFRESH_OVERWRITE:
                            state.generation_id += 1
                        written = 0
                        if not batches.is_empty:
                            written = warehouse.load(plan, targets[plan], batches, state.generation_id)
                        if plan.cursor is not None:
                            state.cursor = source.next_cursor(
                                plan.cursor, state.cursor, batches.greatest, watermark
                            )
                        report.loaded(plan, batches.rows, batches.bytes, written)
            record = SyncRecord(
                job_id=task["jobId"],
                connection_id=task["connectionId"],
                connection_name=task["connectionName"],
                started_at=started_at,
                watermark=watermark.at,
                streams=report.streams(),
            )
            warehouse.commit(record, states)
        report.committed()


def usable(plan: StreamPlan, saved: StreamState | None) -> StreamState:
    """The saved state as far as it holds for this plan: another cursor starts anew, another key cannot go on."""
    cursor_field = plan.cursor.name if plan.cursor else None
    key = list(plan.primary_key)
    if saved is None:
        return StreamState(cursor_field=cursor_field, primary_key=key)
    if saved.primary_key and key and saved.primary_key != key:
        table = f"{plan.target_schema}.{plan.target_table}"
        raise EltError(
            f"stream {plan.label}: the primary key was {', '.join(saved.primary_key)} and is now {', '.join(key)}",
            f"go back to it, or drop the table {table}, give the connection another name, and sync again",
        )
    cursor = saved.cursor if saved.cursor_field == cursor_field else None
    return StreamState(cursor, cursor_field, key, saved.generation_id)
