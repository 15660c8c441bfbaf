"""From a connection's stream configurations and what the source has, the plan of each stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airbyte_local.destinations.base import Destination
from airbyte_local.enums import INCREMENTAL_MODES, NamespaceDefinition, SyncMode
from airbyte_local.failures import Failures
from airbyte_local.history import appended
from airbyte_local.mappers.mapping import mapped
from airbyte_local.schema import Column, SourceStream, StreamPlan
from airbyte_local.schema import label as label_of
from airbyte_local.sources.base import OWN_NAMES, Reading, Source
from airbyte_local.task import Task
from foundation.errors import EltError
from foundation.quoting import is_name, visible


def plans(
    task: Task,
    source: Source,
    offered: Iterable[SourceStream],
    destination: Destination,
    failures: Failures,
) -> list[StreamPlan]:
    """A plan per configured stream that can be read; what does not fit goes to `failures`, by stream. `offered`: by the source.

    Raises EltError when two streams would share a table, or a stream without namespace is not clear.
    """
    found = {(stream.namespace, stream.name): stream for stream in offered}
    planned = []
    for configured in task.streams:
        key = (
            configured.get("namespace") or _only_namespace(found, configured["name"], source),
            configured["name"],
        )
        with failures.of(key):
            stream = found.get(key)
            if stream is None:
                raise source.why_missing(*key)
            plan = _plan(task, configured, stream, destination.default_schema, source.reading)
            if plan.cursor is not None:
                source.check_cursor(plan.label, plan.cursor)
            plan = mapped(plan, configured.get("mappers") or ())
            if plan.emitted:
                _check_called(plan.label, plan.columns, "correct the mapper that makes it")
            append = plan.captured and plan.mode == SyncMode.INCREMENTAL_APPEND
            planned.append(appended(plan) if append else plan)
    if source.reading != Reading.MESSAGES:
        source.check_streams([plan.read for plan in failures.remaining(planned)], failures)
    for plan in failures.remaining(planned):
        with failures.of(plan.key):
            destination.check_names([plan])
    destination.check_names(failures.remaining(planned))
    return planned


def targets(
    task: Task, known: Iterable[tuple[str, str]], destination: Destination
) -> dict[tuple[str, str], tuple[str, str]]:
    """The table (schema, name) of each configured stream, by (namespace, name), without asking the source.

    A stream that is configured without a namespace is looked for among the `known` ones.
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for configured in task.streams:
        name = configured["name"]
        namespaces = (
            [configured["namespace"]]
            if configured.get("namespace")
            else [namespace for namespace, other in known if other == name]
        )
        for namespace in namespaces:
            schema = target_schema(task, namespace, destination.default_schema)
            found[namespace, name] = schema, target_table(task, name)
    return found


def _plan(
    task: Task,
    configured: dict[str, Any],
    stream: SourceStream,
    default_schema: str,
    reading: Reading,
) -> StreamPlan:
    label = label_of(stream.namespace, stream.name)
    table = target_schema(task, stream.namespace, default_schema), target_table(task, stream.name)
    for name in table:
        if not is_name(name):
            raise EltError(
                f"stream {label}: no schema or table can be called {visible(name)}",
                "leave the stream out, and report it to the connector's maintainer",
            )
    captures, emitted = reading == Reading.CAPTURE, reading == Reading.MESSAGES
    mode = SyncMode(configured["syncMode"])
    deduped = mode == SyncMode.INCREMENTAL_DEDUPED_HISTORY or (captures and mode in INCREMENTAL_MODES)
    key = _key(label, configured, stream)
    cursor_name, cursor = None, None
    if mode in INCREMENTAL_MODES and not captures:
        cursor_name = _cursor_name(label, configured, stream, mode, emitted)
    cursor_path: tuple[str, ...] = (cursor_name,) if cursor_name else ()
    if emitted and cursor_name is not None and cursor_name == ".".join(stream.cursor_path):
        cursor_path = stream.cursor_path
    if cursor_name is not None and len(cursor_path) == 1:
        cursor = _column(stream, cursor_name)
    if deduped and emitted:
        _check_order(label, stream, cursor, cursor_path)
    if cursor is None:
        cursor_name = None
    selected = [field["fieldPath"][0] for field in configured.get("selectedFields") or []]
    columns = tuple(column for column in stream.columns if not selected or column.name in selected)
    if emitted:
        _check_called(label, columns)
    if not emitted or deduped:
        for name in key:
            if emitted and name in stream.primary_key and stream.column(name) is None:
                raise EltError(
                    f"stream {label}: the connector names {visible(name)} as its key, and declares no such field",
                    "sync it with full_refresh_overwrite or incremental_append, and report it to the connector's maintainer",
                )
            _column(stream, name)
    for name in [*(key if deduped else []), *([cursor_name] if cursor_name else [])]:
        if name not in {column.name for column in columns}:
            raise EltError(
                f"stream {label}: {name} is its key or cursor, but not selected", "add it to selectedFields"
            )
    if deduped and not key:
        raise EltError(
            f"stream {label}: no primary key, in the source or in the connection",
            "give the stream a primaryKey, or sync it with full_refresh_overwrite",
        )
    return StreamPlan(
        namespace=stream.namespace,
        name=stream.name,
        mode=mode,
        columns=columns,
        cursor_path=cursor_path,
        offered=tuple(column.name for column in stream.columns),
        missing=tuple(name for name in selected if stream.column(name) is None),
        primary_key=tuple(key) if deduped else (),
        key_is_unique=not emitted and bool(stream.primary_key) and set(stream.primary_key) <= set(key),
        cursor=cursor,
        target_schema=table[0],
        target_table=table[1],
        references=stream.references,
        selects=bool(selected),
        captured=captures and deduped,
        emitted=emitted,
    )


def _key(label: str, configured: dict[str, Any], stream: SourceStream) -> list[str]:
    """The names of the columns of a stream's key. Raises EltError when the connection names another key than the source."""
    given = [path[0] for path in configured.get("primaryKey") or []]
    if given and stream.primary_key and stream.key_is_declared and set(given) != set(stream.primary_key):
        raise EltError(
            f"stream {label}: its key is {', '.join(map(visible, stream.primary_key))} in the source, and the connection names"
            f" {', '.join(map(visible, given))}",
            "leave primaryKey out, or name the same columns",
        )
    return given or list(stream.primary_key)


def _check_called(label: str, columns: Iterable[Column], remedy: str = "") -> None:
    """Raises EltError when no column can have the name of a field."""
    fine = {column.name: _can_be_called(column.name) for column in columns}
    for name in [name for name, is_fine in fine.items() if not is_fine]:
        called = f"named {visible(name)}" if name else 'without a name ("")'
        others = ", ".join(visible(name) for name, is_fine in fine.items() if is_fine)
        raise EltError(
            f"stream {label}: it has a field {called}, and no column can be called so",
            remedy
            or (f"choose the others with selectedFields: {others}" if others else "leave the stream out"),
        )


def _can_be_called(name: str) -> bool:
    """Whether a column can have the name, and it is not one of our own."""
    return is_name(name) and name.casefold() not in OWN_NAMES


def _check_order(
    label: str, stream: SourceStream, cursor: Column | None, cursor_path: tuple[str, ...]
) -> None:
    """Raises EltError when a connector's rows cannot be deduplicated: its key or cursor is no column, or has no order."""
    remedy = "sync it with full_refresh_overwrite or incremental_append"
    nested = [path for path in (*stream.key_paths, cursor_path) if len(path) > 1]
    if nested:
        raise EltError(
            f"stream {label}: its key or cursor {'.'.join(nested[0])} is within an object, and rows are only compared by fields of"
            " the first level",
            remedy,
        )
    if cursor is not None and not cursor.has_order:
        raise EltError(
            f"stream {label}: its cursor {visible(cursor.name)} is declared as {cursor.source_type}; its values have no order",
            remedy if stream.own_cursor else f"give it another cursorField, or {remedy}",
        )


def _cursor_name(
    label: str, configured: dict[str, Any], stream: SourceStream, mode: SyncMode, emitted: bool
) -> str | None:
    """The cursor of an incremental stream; None when the connector has one that is no field. Raises EltError."""
    if emitted and not stream.incremental:
        raise EltError(
            f"stream {label}: the connector cannot read it incrementally", "give it a full_refresh sync mode"
        )
    given = [] if stream.own_cursor else configured.get("cursorField")
    found = given or stream.cursors
    if not found and not stream.own_cursor:  # or the source was read otherwise when the connection was made
        raise EltError(
            f"stream {label}: {mode} needs a cursorField when the source is read by cursor", "add one"
        )
    return found[0] if found and (given or stream.cursor_path[1:] or stream.column(found[0])) else None


def _column(stream: SourceStream, name: str) -> Column:
    column = stream.column(name)
    if column is None:
        raise EltError(
            f"stream {label_of(stream.namespace, stream.name)}: the source has no column {visible(name)} that the user may read",
            f"correct the connection; there are: {', '.join(visible(column.name) for column in stream.columns)}",
        )
    return column


def target_table(task: Task, name: str) -> str:
    """The name of a stream's table in the destination."""
    return f"{task.prefix}{name}"


def target_schema(task: Task, namespace: str, default: str) -> str:
    """The schema of a stream's table in the destination."""
    if task.namespace_definition == NamespaceDefinition.SOURCE:
        return namespace or default
    if task.namespace_definition == NamespaceDefinition.CUSTOM_FORMAT and task.namespace_format:
        return task.namespace_format.replace("${SOURCE_NAMESPACE}", namespace) or default
    return default


def _only_namespace(found: dict[tuple[str, str], SourceStream], name: str, source: Source) -> str:
    """The namespace of a stream that is configured without one. Raises EltError when that is not clear."""
    namespaces = [namespace for namespace, other in found if other == name]
    if source.reading == Reading.MESSAGES and (not namespaces or "" in namespaces):
        return ""  # most connectors have none, and where one has some, a stream may be without
    if len(namespaces) != 1:
        where = f"it is in {', '.join(namespaces)}" if namespaces else "the source has no such table"
        raise EltError(f"stream {name} has no namespace, and {where}", "give the stream a namespace")
    return namespaces[0]
