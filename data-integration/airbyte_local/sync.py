"""One job, from beginning to end: plan, open, read one snapshot, load, commit."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airbyte_local.batches import ReadAhead, by_stream
from airbyte_local.configure import plans, targets
from airbyte_local.destinations import open_destination
from airbyte_local.destinations.base import SyncRecord, Target
from airbyte_local.enums import FULL_REFRESH_MODES, JobType
from airbyte_local.failures import Failures, Key
from airbyte_local.jobs.report import Report
from airbyte_local.schema import ConnectionState, StreamState
from airbyte_local.sources import open_source
from airbyte_local.sources.base import ReadRequest
from airbyte_local.states import emptied, fresh, usable

log = logging.getLogger(__name__)


def run(task: dict[str, Any], report: Report) -> None:
    """Do what the task says: `jobType` sync (the default), refresh, clear or reset.

    Raises EltError with the reason. Then the warehouse is as it was; only where single streams could not be loaded, the
    others are, and the error names both.
    """
    job_type = JobType(task.get("jobType", JobType.SYNC))
    if job_type in (JobType.CLEAR, JobType.RESET):
        clear(task, report)
    else:
        sync(task, report, refresh=job_type == JobType.REFRESH)


def sync(task: dict[str, Any], report: Report, refresh: bool) -> None:
    """Read every stream from its saved position, or with `refresh` all of it into tables made anew."""
    started_at = datetime.now(UTC)
    destination = open_destination(task["destination"])
    failures = Failures()
    with open_source(task["source"]) as source:
        planned = plans(task, source, destination, failures)
        if not failures.remaining(planned):
            failures.end(0)
        with destination.open(task["jobId"]) as warehouse:
            saved = warehouse.state(task["connectionId"])
            if not refresh:
                source.check_position(saved.position)
            states: dict[Key, StreamState] = {}
            tables: dict[Key, Target] = {}
            for plan in failures.remaining(planned):
                with failures.of(plan.key):
                    before = saved.streams.get(plan.key)
                    states[plan.key] = fresh(plan, before) if refresh else usable(plan, before)
                    tables[plan.key] = warehouse.fitting(plan, states[plan.key], anew=refresh)
            loading = failures.remaining(planned)
            report.begin(loading, failures.reasons())
            if not loading:
                failures.end(0)
            for plan in loading:
                warehouse.prepare(plan, tables[plan.key])
            with report.telling(), source.snapshot() as (snapshot, watermark):
                report.watermark(watermark)
                requests = [
                    ReadRequest(plan, None if tables[plan.key].from_start else states[plan.key].cursor)
                    for plan in loading
                ]
                with ReadAhead(snapshot.read(requests), snapshot.cancel) as items:
                    for batches in by_stream(iter(items), report.passed):
                        plan = batches.plan
                        state = states[plan.key]
                        if refresh or plan.mode in FULL_REFRESH_MODES:
                            state.generation_id += 1
                        written = 0
                        if not batches.is_empty:
                            written = warehouse.load(plan, tables[plan.key], batches, state)
                        if plan.cursor is not None:
                            state.cursor = source.next_cursor(
                                plan.cursor, state.cursor, batches.greatest, watermark
                            )
                        state.columns = {column.name: column.source_type for column in plan.columns}
                        report.loaded(plan, batches.rows, batches.bytes, written)
            record = SyncRecord(
                job_id=task["jobId"],
                connection_id=task["connectionId"],
                connection_name=task["connectionName"],
                started_at=started_at,
                watermark=watermark.at,
                streams=report.streams(),
            )
            loaded = {plan.key: states[plan.key] for plan in loading}
            state = ConnectionState(saved.streams | loaded, source.position)
            warehouse.commit(task["connectionId"], state, record)
        report.committed()
    failures.end(len(loading))


def clear(task: dict[str, Any], report: Report) -> None:
    """Take the rows out of every stream's table and forget where the streams stood. The source is not asked."""
    destination = open_destination(task["destination"])
    with destination.open(task["jobId"]) as warehouse:
        saved = warehouse.state(task["connectionId"])
        for key, table in targets(task, saved.streams, destination).items():
            log.info("%s: %s rows cleared", ".".join(key), f"{warehouse.clear(*table):,}")
            saved.streams[key] = emptied(saved.streams.get(key))
        warehouse.commit(task["connectionId"], ConnectionState(saved.streams))
    report.committed()
