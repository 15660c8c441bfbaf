"""What differs between a file and what Airbyte holds: pure functions on what Airbyte sent."""

from __future__ import annotations

from typing import Any

from airbyte_config.definitions import Actor, ConnectionFile, Stream

CAPTURED_CURSOR = "_ab_cdc_lsn"  # what Airbyte answers for a stream whose source captures changes


def actor_differences(actor: Actor, present: dict[str, Any]) -> list[str]:
    """Dotted paths of the fields that the file names and Airbyte holds otherwise; secrets aside (they come masked)."""
    meant = _leaves(actor.values)
    held = _leaves(present)
    return [path for path, value in meant.items() if path not in actor.secrets and held.get(path) != value]


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted path → value; a list is one value."""
    if not isinstance(value, dict):
        return {path: value}
    found: dict[str, Any] = {}
    for key, child in value.items():
        found |= _leaves(child, f"{path}.{key}" if path else key)
    return found


def connection_differences(file: ConnectionFile, present: dict[str, Any]) -> list[str]:
    """Names of the fields, and of the streams with what is about them, that Airbyte holds otherwise."""
    schedule = present.get("schedule") or {}
    pairs = {
        "status": (file.status.value, present.get("status")),
        "schedule.scheduleType": (file.schedule.schedule_type.value, schedule.get("scheduleType")),
        "schedule.cronExpression": (
            _with_zone(file.schedule.cron_expression),
            _with_zone(schedule.get("cronExpression")),
        ),
        "namespaceDefinition": (file.namespace_definition.value, present.get("namespaceDefinition")),
        "namespaceFormat": (file.namespace_format or "", present.get("namespaceFormat") or ""),
        "prefix": (file.prefix, present.get("prefix") or ""),
        "nonBreakingSchemaUpdatesBehavior": (
            file.non_breaking_schema_updates_behavior.value,
            present.get("nonBreakingSchemaUpdatesBehavior"),
        ),
    }
    streams = (present.get("configurations") or {}).get("streams") or []
    changed = [name for name, (meant, held) in pairs.items() if meant != held]
    return changed + stream_differences(file.streams, streams)


def _with_zone(expression: str | None) -> str:
    """A cron expression as Airbyte answers it: with its time zone, which is UTC where none was given."""
    fields = (expression or "").split()
    zoned = len(fields) > 6 and fields[-1][0].isalpha()
    return " ".join(fields if zoned or not fields else [*fields, "UTC"])


def stream_differences(meant: list[Stream], held: list[dict[str, Any]]) -> list[str]:
    """`+sales.customer` (to be added), `-sales.store` (to be removed), `sales.customer.primaryKey` (to be changed)."""
    ours = {stream.label: _stream(stream) for stream in meant}
    theirs = {f"{stream.get('namespace') or ''}.{stream['name']}": _held_stream(stream) for stream in held}
    added = [f"+{label}" for label in ours if label not in theirs]
    removed = [f"-{label}" for label in theirs if label not in ours]
    changed = [
        f"{label}.{field}"
        for label, fields in ours.items()
        if label in theirs
        for field, value in fields.items()
        if theirs[label][field] != value
    ]
    return added + removed + changed


def _stream(stream: Stream) -> dict[str, Any]:
    # order means nothing in a key or a selection, and Airbyte need not keep it
    return {
        "syncMode": stream.sync_mode.value if stream.sync_mode else None,
        "cursorField": [stream.cursor_field] if stream.cursor_field else [],
        "primaryKey": sorted([column] for column in stream.primary_key),
        "selectedFields": sorted([column] for column in stream.selected_fields),
    }


def _held_stream(stream: dict[str, Any]) -> dict[str, Any]:
    selected = [field.get("fieldPath") or [] for field in stream.get("selectedFields") or []]
    cursor = stream.get("cursorField") or []
    if cursor[:1] == [CAPTURED_CURSOR]:
        cursor = []  # the source's own, which a file does not name
    return {
        "syncMode": stream.get("syncMode"),
        "cursorField": cursor,
        "primaryKey": sorted(stream.get("primaryKey") or []),
        "selectedFields": sorted(selected),
    }
