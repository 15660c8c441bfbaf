"""What a connection's rule makes of streams and columns that the source has since the last sync, or has no more."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from airbyte_local.configure import target_schema, target_table
from airbyte_local.destinations.base import Destination
from airbyte_local.enums import SchemaRule, SyncMode
from airbyte_local.jobs.report import Report
from airbyte_local.schema import WITHOUT_ORDER, SourceStream, StreamPlan, StreamState, label
from airbyte_local.sources.base import Capture
from airbyte_local.task import Task
from airbyte_local.work import Work
from foundation.errors import EltError
from foundation.quoting import visible

log = logging.getLogger(__name__)


def with_new_streams(
    task: Task,
    offered: Sequence[SourceStream],
    destination: Destination,
    capture: Capture | None,
    report: Report,
) -> Task:
    """The task with the streams that the source did not offer before, where the rule takes them; the server keeps them.

    What was offered before and not chosen stays out; so does a stream whose table another one has. Of a connection whose server has
    not looked yet nothing is new.
    """
    if task.schema_rule != SchemaRule.PROPAGATE_FULLY or task.chosen:
        return task
    before, now = task.offered, [[stream.namespace, stream.name] for stream in offered]
    chosen = {(one.get("namespace") or "", one["name"]) for one in task.streams}
    is_chosen = {stream.key: bool({stream.key, ("", stream.name)} & chosen) for stream in offered}
    tables = {stream.key: _table(task, stream, destination) for stream in offered}
    owners = {_folded(tables[stream.key], destination): stream for stream in offered if is_chosen[stream.key]}
    new = []
    for stream in offered:
        if before is None or [stream.namespace, stream.name] in before or is_chosen[stream.key]:
            continue
        owner = owners.setdefault(_folded(tables[stream.key], destination), stream)
        if owner is not stream:
            names = [label(*name) for name in (stream.key, tables[stream.key], owner.key)]
            log.warning("%s: new in the source, not taken: its table %s would be that of %s", *names)
            continue
        mode = first_mode(stream, capture)
        log.info("%s: new in the source, taken with %s", label(*stream.key), mode)
        namespace = {"namespace": stream.namespace} if stream.namespace else {}
        new.append({"name": stream.name, **namespace, "syncMode": mode})
    if now != before:
        report.offered(now, new)
    return replace(task, streams=[*task.streams, *new])


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
    has_order = cursor is None or cursor.type.kind not in WITHOUT_ORDER
    return has_order and all(stream.column(name) is not None for name in stream.primary_key)


def ruled(rule: SchemaRule, plans: Sequence[StreamPlan], work: Work, report: Report) -> list[StreamPlan]:
    """The plans with the columns that the rule lets through. A stream that is new here, or refreshed, has all.

    Raises EltError when the rule is to stop, and has the connection disabled.
    """
    if rule in (SchemaRule.PROPAGATE_COLUMNS, SchemaRule.PROPAGATE_FULLY):
        return list(plans)
    found, changes = [], []
    for plan in plans:
        saved = work.saved.streams.get(plan.key)
        if saved is None or saved.columns is None or work.refreshes(plan):
            found.append(plan)
            continue
        new, gone = new_columns(plan, saved), gone_columns(plan, saved)
        if new:
            log.warning("%s: new columns: %s", plan.label, ", ".join(map(visible, new)))
        changes += [f"{plan.label} has the new column {visible(name)}" for name in new]
        changes += [f"{plan.label} has no column {visible(name)} any more" for name in gone]
        found.append(without(plan, new))
    if rule == SchemaRule.DISABLE and changes:
        report.disable()
        raise EltError(
            f"the source has changed: {'; '.join(changes)}; the connection is disabled (nonBreakingSchemaUpdatesBehavior)",
            "make it active again, then refresh it; or give it another rule",
        )
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
