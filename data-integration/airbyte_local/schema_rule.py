"""What a connection's rule makes of streams and columns that the source has since the last sync, or has no more."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airbyte_local.configure import plans, target_schema, target_table
from airbyte_local.destinations.base import Destination
from airbyte_local.enums import RULES_OF_STREAMS, JobType, SchemaRule, SyncMode
from airbyte_local.failures import Failures
from airbyte_local.jobs.report import Report
from airbyte_local.schema import SourceStream, StreamPlan, StreamState, label
from airbyte_local.sources.base import Capture, GoneError, Reading, Source
from airbyte_local.sync_context import SyncContext
from airbyte_local.task import Task
from foundation.errors import EltError
from foundation.quoting import visible

log = logging.getLogger(__name__)


def with_streams_of_now(
    task: Task, source: Source, offered: Sequence[SourceStream], destination: Destination, report: Report
) -> Task:
    """The task as its rule follows the streams that the source offers now; the server keeps what that is.

    Raises EltError when the rule is to stop, and has the connection disabled. A refresh takes all as it is; a job of chosen streams
    changes nothing. Of a connection whose server has not looked yet nothing is new or gone.
    """
    if task.schema_rule not in RULES_OF_STREAMS:
        return task
    gone = gone_streams(task, source, offered)
    if task.schema_rule == SchemaRule.PROPAGATE_FULLY:
        task = without_streams(task, gone)
    if task.chosen:
        return task
    before = task.offered
    new = [stream for stream in offered if before is not None and stream.noted not in before]
    taken: list[dict[str, Any]] = []
    left_out: list[SourceStream] = []
    if task.schema_rule == SchemaRule.PROPAGATE_FULLY:
        taken, left_out = new_streams(task, source, offered, new, destination)
    elif task.type != JobType.REFRESH:
        changes = [f"the stream {label(*stream.key)} is new" for stream in new]
        changes += [f"the stream {label(*name_of(one))} is gone" for one in gone]
        stop(changes, report)
    # one that is gone may come back, and is not new then; one that was left out is tried again
    now = [stream.noted for stream in offered if stream not in left_out]
    now += [name for name in before or () if any(is_of(one, *name) for one in gone)]
    if now != before:
        report.offered(now, taken)
    return replace(task, streams=[*task.streams, *taken])


def gone_streams(task: Task, source: Source, offered: Sequence[SourceStream]) -> list[dict[str, Any]]:
    """The connection's streams that the source offered once and has no more; one that its user may not read any more is none."""

    def is_gone(one: dict[str, Any]) -> bool:
        known = any(is_of(one, *name) for name in task.offered or ())
        there = any(is_of(one, *stream.key) for stream in offered)
        return known and not there and isinstance(source.why_missing(*name_of(one)), GoneError)

    return [one for one in task.streams if is_gone(one)]


def without_streams(task: Task, gone: Sequence[dict[str, Any]]) -> Task:
    """The task without these streams, unless it is for one of them, or they are all that there is: then they fail by name."""
    chosen = task.chosen or ()
    left = [one for one in task.streams if one not in gone or any(is_of(it, *name_of(one)) for it in chosen)]
    if not left:
        return task
    for one in task.streams:
        if one not in left:
            log.warning(
                "%s: the source no longer has it; it is not synced, and its table stays as it is",
                label(*name_of(one)),
            )
    return replace(task, streams=left)


def new_streams(
    task: Task,
    source: Source,
    offered: Sequence[SourceStream],
    new: Sequence[SourceStream],
    destination: Destination,
) -> tuple[list[dict[str, Any]], list[SourceStream]]:
    """Of the streams that are new in the source: those to take, configured, and those that cannot be loaded.

    The table of a stream may be another one's, which stays its own.
    """
    capture = source.capture if source.reading == Reading.CAPTURE else None
    is_chosen = {stream.key: any(is_of(one, *stream.key) for one in task.streams) for stream in offered}
    tables = {stream.key: _table(task, stream, destination) for stream in offered}
    owners = {_folded(tables[stream.key], destination): stream for stream in offered if is_chosen[stream.key]}
    taken: list[dict[str, Any]] = []
    left_out: list[SourceStream] = []
    for stream in new:
        if is_chosen[stream.key]:
            continue
        mode = first_mode(stream, capture)
        namespace = {"namespace": stream.namespace} if stream.namespace else {}
        configured = {"name": stream.name, **namespace, "syncMode": mode}
        reason: str | None
        if owner := owners.get(_folded(tables[stream.key], destination)):
            reason = f"its table {label(*tables[stream.key])} would be that of {label(*owner.key)}"
        else:
            reason = refusal(replace(task, streams=[configured]), source, offered, destination)
        if reason:
            log.warning("%s: new in the source, not taken: %s", label(*stream.key), reason)
            left_out.append(stream)
            continue
        log.info("%s: new in the source, taken with %s", label(*stream.key), mode)
        owners[_folded(tables[stream.key], destination)] = stream
        taken.append(configured)
    return taken, left_out


def refusal(
    task: Task, source: Source, offered: Sequence[SourceStream], destination: Destination
) -> str | None:
    """Why the task's stream cannot be loaded, as far as that is known before."""
    failures = Failures()
    with failures.of(("", "")):
        plans(task, source, offered, destination, failures)
    return next((str(error) for error in failures.roots.values()), None)


def name_of(configured: dict[str, Any]) -> tuple[str, str]:
    """Namespace and name of a configured stream."""
    return configured.get("namespace") or "", configured["name"]


def is_of(configured: dict[str, Any], namespace: str, name: str) -> bool:
    """Whether a stream is configured so, with its namespace or without."""
    return name_of(configured) in ((namespace, name), ("", name))


def stop(changes: Sequence[str], report: Report) -> None:
    """Raises EltError when there are changes, and has the connection disabled."""
    if changes:
        report.disable()
        raise EltError(
            f"the source has changed: {'; '.join(changes)}; the connection is disabled (nonBreakingSchemaUpdatesBehavior)",
            "make it active again, then refresh it (take a stream that is gone out of it); or give it another rule",
        )


def _table(task: Task, stream: SourceStream, destination: Destination) -> tuple[str, str]:
    schema = target_schema(task, stream.namespace, destination.default_schema)
    return schema, target_table(task, stream.name)


def _folded(table: tuple[str, str], destination: Destination) -> tuple[str, str]:
    """As the destination compares it."""
    return destination.fold(table[0]), destination.fold(table[1])


def first_mode(stream: SourceStream, capture: Capture | None) -> SyncMode:
    """The mode that Airbyte gives a stream which nobody has configured: by the source's own cursor and key, else read as a whole.

    A key or cursor by which rows cannot be compared counts for nothing.
    """
    if capture is None:
        own_cursor = stream.own_cursor and stream.incremental is not False and can_compare(stream)
    else:
        own_cursor = capture.publishes(stream.key)
    if own_cursor and stream.primary_key:
        return SyncMode.INCREMENTAL_DEDUPED_HISTORY
    return SyncMode.FULL_REFRESH_OVERWRITE if stream.full_refresh else SyncMode.INCREMENTAL_APPEND


def can_compare(stream: SourceStream) -> bool:
    """Whether a connector's key is of columns, and its cursor of one with an order, or of none."""
    if len(stream.cursor_path) > 1 or any(len(path) != 1 for path in stream.key_paths):
        return False
    cursor = stream.column(stream.cursor_path[0]) if stream.cursor_path else None
    return (cursor is None or cursor.has_order) and all(
        stream.column(name) is not None for name in stream.primary_key
    )


def ruled(
    rule: SchemaRule, planned: Sequence[StreamPlan], context: SyncContext, report: Report
) -> list[StreamPlan]:
    """The plans with the columns that the rule lets through. A stream that is new here, or refreshed, has all.

    Raises EltError when the rule is to stop, and has the connection disabled.
    """
    if rule in (SchemaRule.PROPAGATE_COLUMNS, SchemaRule.PROPAGATE_FULLY):
        return list(planned)
    found, changes = [], []
    for plan in planned:
        saved = context.saved.streams.get(plan.key)
        if saved is None or saved.columns is None or context.refreshes(plan):
            found.append(plan)
            continue
        new, gone = new_columns(plan, saved), gone_columns(plan, saved)
        if new:
            log.warning("%s: new columns: %s", plan.label, ", ".join(map(visible, new)))
        changes += [f"{plan.label} has the new column {visible(name)}" for name in new]
        changes += [f"{plan.label} has no column {visible(name)} any more" for name in gone]
        found.append(without(plan, new))
    if rule == SchemaRule.DISABLE:
        stop(changes, report)
    return found


def new_columns(plan: StreamPlan, saved: StreamState) -> list[str]:
    """Columns of the source that the last sync did not have; one that has the name of a dropped one is new. Those that the
    connection selects by name are no surprise.
    """
    if plan.selects:
        return []
    identities = set((saved.identities or {}).values()) - {""}
    return [
        column.name
        for column in plan.columns
        if (column.identity not in identities if identities else column.name not in (saved.columns or ()))
    ]


def gone_columns(plan: StreamPlan, saved: StreamState) -> list[str]:
    """Columns of the last sync that the source has no more; which those are, a stream with mappers does not tell."""
    if plan.mapping is not None or plan.selects:
        return []
    return [name for name in saved.columns or () if name not in plan.offered]


def without(plan: StreamPlan, names: Sequence[str]) -> StreamPlan:
    """The plan that does not write these columns; its source need not know."""
    if not names:
        return plan
    columns = tuple(column for column in plan.columns if column.name not in names)
    if plan.mapping is not None:
        return replace(plan, columns=columns, mapping=plan.mapping.without(names))
    return replace(plan, columns=columns)
