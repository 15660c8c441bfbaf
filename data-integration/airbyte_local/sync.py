"""One job, from beginning to end: plan, open, read, load, commit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from airbyte_local import load_by_capture, load_by_cursor, load_by_messages
from airbyte_local.configure import plans, targets
from airbyte_local.destinations import open_destination
from airbyte_local.destinations.base import SyncRecord
from airbyte_local.enums import JobType
from airbyte_local.failures import Failures, Key, StreamError
from airbyte_local.jobs.report import Report
from airbyte_local.schema import ConnectionState, label
from airbyte_local.schema_rule import ruled, with_streams_of_now
from airbyte_local.sources import BUILT_IN, open_source
from airbyte_local.sources.base import Reading, ReadRequest, StreamBatch
from airbyte_local.states import emptied, left_slot
from airbyte_local.sync_context import SyncContext
from airbyte_local.task import Task
from airbyte_local.unfit import first_unfit
from foundation.errors import EltError

log = logging.getLogger(__name__)


def run(task: Task, report: Report) -> None:
    """Do what the task says: a sync, a refresh, a clear or a reset.

    Raises EltError with the reason. Then the warehouse is as it was; only where single streams could not be loaded, the
    others are, and the error names both.
    """
    if task.type in (JobType.CLEAR, JobType.RESET):
        clear(task, report)
    else:
        sync(task, report, refresh=task.type == JobType.REFRESH)


def sync(task: Task, report: Report, refresh: bool) -> None:
    """Read every stream from its saved state on, or with `refresh` as a whole.

    A stream that turns out to be not loadable while its rows come is left out, and the sync begins again: what was written
    for it is one transaction with the others.
    """
    failures = Failures()
    while True:
        try:
            loaded = attempt(task, report, refresh, failures)
        except StreamError as error:
            if error.key in failures.roots or task.source["type"] not in BUILT_IN:
                raise  # a connector's rows are committed in parts: what it sent before is there
            failures.roots[error.key] = located(task, error) if error.unfit else error
            log.warning("%s cannot be loaded, the sync begins again without it", label(*error.key))
        else:
            return failures.end(loaded)


def attempt(task: Task, report: Report, refresh: bool, failures: Failures) -> int:
    """One sync of the streams that have not failed; returns how many were loaded. Raises StreamError when one fails now."""
    started_at = datetime.now(UTC)
    destination = open_destination(task.destination)
    with open_source(task.source) as source:
        offered = list(source.discover())
        capture = source.capture if source.reading == Reading.CAPTURE else None
        task = with_streams_of_now(task, source, offered, destination, report)
        configured = len(task.streams)
        chosen, task = choice(task, source.reading)
        planned = plans(task, source, offered, destination, failures)
        if not failures.remaining(planned):
            failures.end(0)
        with destination.open(task.connection_id, task.job_id, task.connection_name) as warehouse:
            saved = warehouse.state()
            keys = None if chosen is None else frozenset(plan.key for plan in planned if chosen(plan.key))
            context = SyncContext(source, warehouse, report, refresh, task.job_id, saved, keys)
            if not refresh or chosen is not None:
                source.check_position(context.saved.position)
            if source.reading != Reading.MESSAGES:
                context.shapes = source.shapes([plan.read for plan in failures.remaining(planned)])
            if not refresh or chosen is not None:
                planned = ruled(task.schema_rule, planned, context, report)
            for plan in failures.remaining(planned):
                with failures.of(plan.key):
                    context.fit(plan)
            context.plans = failures.remaining(planned)
            report.begin(context.plans, failures.reasons())
            if not context.plans:
                failures.end(0)
            with report.telling():
                reached, watermark = load(context)
                for key, rows in warehouse.settle().items():
                    report.written(key, rows)
            record = SyncRecord(  # of a sync that left no stream out: the connection is as fresh as this
                job_id=task.job_id,
                connection_id=task.connection_id,
                connection_name=task.connection_name,
                started_at=started_at,
                watermark=watermark,
                streams=report.streams(),
            )
            warehouse.commit(reached, record if len(context.plans) == configured else None)
        report.committed()
        if capture is not None and reached.position is not None:
            capture.advance(reached.position["captured"])
            if before := left_slot(saved.position, reached.position):
                capture.leave(before)
    return len(context.plans)


def load(context: SyncContext) -> tuple[ConnectionState, datetime]:
    """Load the streams in the way that the source is read; returns what is reached, and up to when it was read for certain."""
    source = context.source
    if source.reading == Reading.CURSOR:
        return load_by_cursor.load(context, source)
    if source.reading == Reading.CAPTURE:
        return load_by_capture.load(context, source)
    return load_by_messages.load(context, source)


def choice(task: Task, reading: Reading) -> tuple[Callable[[Key], bool] | None, Task]:
    """Whether a stream is among those that the task is for (None: all are), and the task with the streams to be planned.

    By capture all are: the log passes by all of them at once.
    """
    if not task.chosen:
        return None, task
    names = {(one.get("namespace") or "", one["name"]) for one in task.chosen}
    streams = [one for one in task.streams if (one.get("namespace") or "", one["name"]) in names]
    planned = task if reading == Reading.CAPTURE else replace(task, streams=streams)
    return lambda key: key in names or ("", key[1]) in names, planned


def located(task: Task, error: StreamError) -> StreamError:
    """The same error with column, key and form of the first such value that is in the source now."""
    try:
        destination = open_destination(task.destination)
        with open_source(task.source) as source:
            if source.reading == Reading.MESSAGES:
                return error  # a connector cannot be asked for its rows once more
            planned = plans(task, source, source.discover(), destination, Failures())
            for plan in (plan for plan in planned if plan.key == error.key):
                with source.snapshot() as (snapshot, _):
                    batches = (
                        item.batch
                        for item in snapshot.read([ReadRequest(plan.read, None)])
                        if isinstance(item, StreamBatch)
                    )
                    if where := first_unfit(plan.read, batches):
                        return StreamError(
                            error.key,
                            f"stream {plan.label}: a value does not fit its column: {where}",
                            error.remedy,
                        )
    except StreamError as found:
        return found
    except EltError as other:
        log.warning("the value was not looked for in the source: %s", other)
    return error


def clear(task: Task, report: Report) -> None:
    """Take the rows out of every stream's table and forget the streams' states. The source is not asked."""
    destination = open_destination(task.destination)
    with destination.open(task.connection_id, task.job_id, task.connection_name) as warehouse:
        saved = warehouse.state()
        chosen, task = choice(task, Reading.CURSOR)
        if chosen is not None and task.source["type"] not in BUILT_IN:
            load_by_messages.check_choice(saved)
        for key, table in targets(task, saved.streams, destination).items():
            log.info("%s: %s rows cleared", label(*key), f"{warehouse.clear(*table):,}")
            saved.streams[key] = emptied(saved.streams.get(key))
        # the source's position is that of all streams
        warehouse.commit(ConnectionState(saved.streams, saved.position if chosen else None))
    report.committed()
