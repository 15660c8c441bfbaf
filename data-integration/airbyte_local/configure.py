"""From a connection's stream configurations and what the source has, the plan of each stream."""

from __future__ import annotations

from typing import Any

from airbyte_local.destinations.base import Destination
from airbyte_local.enums import INCREMENTAL_MODES, NamespaceDefinition, SyncMode
from airbyte_local.schema import Column, SourceStream, StreamPlan
from airbyte_local.sources.base import Source
from elt.errors import EltError


def plans(task: dict[str, Any], source: Source, destination: Destination) -> list[StreamPlan]:
    """A plan per configured stream. Raises EltError that names the stream and what does not fit."""
    found = {(stream.namespace, stream.name): stream for stream in source.discover()}
    planned = []
    for configured in task["streams"]:
        namespace, name = (
            configured.get("namespace") or _only_namespace(found, configured["name"]),
            configured["name"],
        )
        stream = found.get((namespace, name))
        if stream is None:
            raise source.why_missing(namespace, name)
        planned.append(_plan(task, configured, stream, destination.default_schema))
    for plan in planned:
        if plan.cursor is not None:
            source.check_cursor(plan.label, plan.cursor)
    destination.check_names(planned)
    return planned


def _plan(
    task: dict[str, Any], configured: dict[str, Any], stream: SourceStream, default_schema: str
) -> StreamPlan:
    label = f"{stream.namespace}.{stream.name}"
    mode = SyncMode(configured["syncMode"])
    incremental = mode in INCREMENTAL_MODES
    key = [path[0] for path in configured.get("primaryKey") or []] or list(stream.primary_key)
    cursor_name = configured["cursorField"][0] if incremental else None
    selected = [field["fieldPath"][0] for field in configured.get("selectedFields") or []]
    for name in [*selected, *key, *([cursor_name] if cursor_name else [])]:
        _column(stream, name)
    columns = tuple(column for column in stream.columns if not selected or column.name in selected)
    names = {column.name for column in columns}
    for name in [*(key if incremental else []), *([cursor_name] if cursor_name else [])]:
        if name not in names:
            raise EltError(
                f"stream {label}: {name} is its key or cursor, but not selected", "add it to selectedFields"
            )
    if mode == SyncMode.INCREMENTAL_DEDUPED_HISTORY and not key:
        raise EltError(
            f"stream {label}: no primary key, in the source or in the connection",
            "give the stream a primaryKey, or sync it with full_refresh_overwrite",
        )
    return StreamPlan(
        namespace=stream.namespace,
        name=stream.name,
        mode=mode,
        columns=columns,
        primary_key=tuple(key) if incremental else (),
        key_is_unique=bool(stream.primary_key) and set(stream.primary_key) <= set(key),
        cursor=_column(stream, cursor_name) if cursor_name else None,
        target_schema=_target_schema(task, stream.namespace, default_schema),
        target_table=f"{task.get('prefix') or ''}{stream.name}",
    )


def _column(stream: SourceStream, name: str) -> Column:
    column = stream.column(name)
    if column is None:
        raise EltError(
            f"stream {stream.namespace}.{stream.name}: the source has no column {name} that the user may read",
            f"correct the connection; there are: {', '.join(column.name for column in stream.columns)}",
        )
    return column


def _target_schema(task: dict[str, Any], namespace: str, default: str) -> str:
    definition = NamespaceDefinition(task["namespaceDefinition"])
    if definition == NamespaceDefinition.SOURCE:
        return namespace
    if definition == NamespaceDefinition.CUSTOM_FORMAT:
        return task["namespaceFormat"].replace("${SOURCE_NAMESPACE}", namespace) or default
    return default


def _only_namespace(found: dict[tuple[str, str], SourceStream], name: str) -> str:
    """The namespace of a stream that is configured without one. Raises EltError when that is not clear."""
    namespaces = [namespace for namespace, other in found if other == name]
    if len(namespaces) != 1:
        where = f"it is in {', '.join(namespaces)}" if namespaces else "the source has no such table"
        raise EltError(f"stream {name} has no namespace, and {where}", "give the stream a namespace")
    return namespaces[0]
