"""What differs between a file and what Airbyte holds: pure functions on what Airbyte sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airbyte_config.definitions import (
    APPENDING,
    DEDUPLICATED,
    INCREMENTAL,
    Actor,
    ConnectionFile,
    Stream,
    label_of,
    path_of,
)

SECRET = "(secret)"  # noqa: S105 - what is shown in the place of one
SOURCE_DEFINED = ("cursorField", "primaryKey")  # not in a file: the source's own, which Airbyte then answers
CAPTURED_CURSOR = "_ab_cdc_lsn"  # what Airbyte answers for a stream whose source captures changes


class Sign(StrEnum):
    """As in a diff: what the file adds, changes, takes away."""

    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"


@dataclass(frozen=True)
class Difference:
    """One field (or a whole stream) that Airbyte holds otherwise than the file says. Values are never secret ones."""

    sign: Sign
    path: str  # "port", "sales.store.syncMode", "sales.store"
    held: Any = None
    meant: Any = None
    stream: bool = False  # the whole of it

    @property
    def short(self) -> str:
        """`port`; of a whole stream `+sales.store`."""
        return f"{self.sign}{self.path}" if self.stream else self.path

    def line(self) -> str:
        """`~ port: 5432 → 5433`"""
        if self.sign is Sign.REMOVE:
            return f"{self.sign} {self.path}"
        if self.sign is Sign.ADD:
            return f"{self.sign} {self.path}: {shown(self.meant)}"
        if self.held == self.meant == SECRET:
            return f"{self.sign} {self.path}: {SECRET}"
        if _columns(self.held) and _columns(self.meant):
            return f"{self.sign} {self.path}: {_listed(self.held, self.meant)}"
        return f"{self.sign} {self.path}: {shown(self.held)} → {shown(self.meant)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"sign": self.sign.value, "path": self.path, "held": self.held, "meant": self.meant}


def shown(value: Any) -> str:
    """A value on one line."""
    if value is None or value in ("", []):
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _columns(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 2 and all(isinstance(item, list) for item in value)


def _listed(held: list[list[str]], meant: list[list[str]]) -> str:
    """Long lists of columns by what comes and goes: `+loginid, -jobtitle`."""
    added = [f"+{'.'.join(path)}" for path in meant if path not in held]
    return ", ".join(added + [f"-{'.'.join(path)}" for path in held if path not in meant])


def actor_differences(actor: Actor, present: dict[str, Any]) -> list[Difference]:
    """The fields that the file names and Airbyte holds otherwise; secrets aside (they come masked)."""
    held = _leaves(present)
    return [
        Difference(Sign.CHANGE if path in held else Sign.ADD, path, held.get(path), value)
        for path, value in _leaves(actor.values).items()
        if path not in actor.secrets and held.get(path) != value
    ]


def actor_fields(actor: Actor) -> list[Difference]:
    """All that the file says, as something to be added."""
    return [
        Difference(Sign.ADD, path, meant=SECRET if path in actor.secrets else value)
        for path, value in _leaves(actor.values).items()
    ]


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted path → value; a list is one value."""
    if not isinstance(value, dict):
        return {path: value}
    found: dict[str, Any] = {}
    for key, child in value.items():
        found |= _leaves(child, f"{path}.{key}" if path else key)
    return found


def connection_differences(file: ConnectionFile, present: dict[str, Any]) -> list[Difference]:
    """The fields, and what is about the streams, that Airbyte holds otherwise."""
    held = held_fields(present)
    changed = [
        Difference(Sign.CHANGE, path, held.get(path), meant)
        for path, meant in meant_fields(file).items()
        if (held.get(path) or "") != (meant or "")
    ]
    return changed + stream_differences(file.streams, _held_streams(present))


def connection_fields(file: ConnectionFile) -> list[Difference]:
    """All that the file says, as something to be added."""
    fields = [Difference(Sign.ADD, path, meant=value) for path, value in meant_fields(file).items() if value]
    return fields + stream_differences(file.streams, [])


def meant_fields(file: ConnectionFile) -> dict[str, Any]:
    """What the file says, streams aside."""
    fields = {
        "status": file.status.value,
        "schedule.scheduleType": file.schedule.schedule_type.value,
        "schedule.cronExpression": _with_zone(file.schedule.cron_expression),
        "schedule.basicTiming": file.schedule.basic_timing,
        "namespaceDefinition": file.namespace_definition.value,
        "namespaceFormat": file.namespace_format,
        "prefix": file.prefix,
        "nonBreakingSchemaUpdatesBehavior": file.non_breaking_schema_updates_behavior.value,
    }
    if file.tags is not None:
        fields["tags"] = sorted(f"{tag.name} ({tag.color})" for tag in file.tags)
    return fields


def held_fields(present: dict[str, Any]) -> dict[str, Any]:
    """The same of what Airbyte answered."""
    schedule = present.get("schedule") or {}
    return {
        "status": present.get("status"),
        "schedule.scheduleType": schedule.get("scheduleType"),
        "schedule.cronExpression": _with_zone(schedule.get("cronExpression")),
        "schedule.basicTiming": schedule.get("basicTiming"),
        "namespaceDefinition": present.get("namespaceDefinition"),
        "namespaceFormat": present.get("namespaceFormat"),
        "prefix": present.get("prefix"),
        "nonBreakingSchemaUpdatesBehavior": present.get("nonBreakingSchemaUpdatesBehavior"),
        "tags": sorted(f"{tag['name']} ({tag['color']})" for tag in present.get("tags") or []),
    }


def _with_zone(expression: str | None) -> str:
    """A cron expression as Airbyte answers it: with its time zone, which is UTC where none was given."""
    fields = (expression or "").split()
    zoned = len(fields) > 6 and fields[-1][0].isalpha()
    return " ".join(fields if zoned or not fields else [*fields, "UTC"])


def _held_streams(present: dict[str, Any]) -> list[dict[str, Any]]:
    return (present.get("configurations") or {}).get("streams") or []


def stream_differences(meant: list[Stream], held: list[dict[str, Any]]) -> list[Difference]:
    """Streams that are to be added, to be removed, and what is to be changed of the others."""
    ours = {stream.label: meant_stream(stream) for stream in meant}
    theirs = {label_of(stream.get("namespace"), stream["name"]): held_stream(stream) for stream in held}
    added = [
        Difference(Sign.ADD, label, meant=_described(fields), stream=True)
        for label, fields in ours.items()
        if label not in theirs
    ]
    removed = [Difference(Sign.REMOVE, label, stream=True) for label in theirs if label not in ours]
    changed = [
        Difference(Sign.CHANGE, f"{label}.{field}", theirs[label][field], value)
        for label, fields in ours.items()
        if label in theirs
        for field, value in fields.items()
        if theirs[label][field] != value and (value or field not in SOURCE_DEFINED)
    ]
    return added + removed + changed


def _described(fields: dict[str, Any]) -> str:
    """`incremental_deduped_history, cursor modifieddate, key a and b, 3 columns`"""
    parts = [fields["syncMode"]]
    if fields["cursorField"]:
        parts.append(f"cursor {'.'.join(fields['cursorField'])}")
    if fields["primaryKey"]:
        parts.append(f"key {' and '.join('.'.join(path) for path in fields['primaryKey'])}")
    if fields["selectedFields"]:
        parts.append(f"{len(fields['selectedFields'])} columns")
    return ", ".join(parts)


def meant_stream(stream: Stream) -> dict[str, Any]:
    """A stream of a file, in the form in which it is compared."""
    # order means nothing in a key or a selection, and Airbyte need not keep it
    return {
        "syncMode": stream.mode or None,
        "cursorField": path_of(stream.cursor_field) if stream.cursor_field else [],
        "primaryKey": sorted(map(path_of, stream.primary_key)),
        "selectedFields": sorted(map(path_of, stream.selected_fields)),
        "mappers": [_mapper(mapper) for mapper in stream.mappers],
        "includeFiles": stream.include_files,
        "destinationObjectName": stream.destination_object_name,
    }


def held_stream(stream: dict[str, Any]) -> dict[str, Any]:
    """The same of what Airbyte answered."""
    selected = [field.get("fieldPath") or [] for field in stream.get("selectedFields") or []]
    cursor = stream.get("cursorField") or []
    if cursor[:1] == [CAPTURED_CURSOR]:
        cursor = []  # the source's own, which a file does not name
    return {
        "syncMode": stream.get("syncMode"),
        "cursorField": cursor,
        "primaryKey": sorted(stream.get("primaryKey") or []),
        "selectedFields": sorted(selected),
        "mappers": [_mapper(mapper) for mapper in stream.get("mappers") or []],
        "includeFiles": bool(stream.get("includeFiles")),
        "destinationObjectName": stream.get("destinationObjectName") or None,
    }


def _mapper(mapper: dict[str, Any]) -> dict[str, Any]:
    """Without the id that Airbyte gives it, and without what says nothing."""
    given = mapper.get("mapperConfiguration") or {}
    return {
        "type": mapper.get("type"),
        "mapperConfiguration": {name: value for name, value in given.items() if value != ""},
    }


def refresh_reasons(file: ConnectionFile, present: dict[str, Any]) -> list[str]:
    """Why rows that were loaded already do not fit what the file says; [] when the next sync simply goes on."""
    held = held_fields(present)
    reasons = [
        f"{path}: the tables get other names, and rows loaded before stay in the old ones"
        for path in ("namespaceDefinition", "namespaceFormat", "prefix")
        if (held[path] or "") != (meant_fields(file)[path] or "")
    ]
    before = {label_of(stream.get("namespace"), stream["name"]): stream for stream in _held_streams(present)}
    for stream in file.streams:
        if stream.label in before:
            reasons += _stream_reasons(stream.label, meant_stream(stream), held_stream(before[stream.label]))
    return reasons


def _stream_reasons(label: str, meant: dict[str, Any], held: dict[str, Any]) -> list[str]:
    mode, before = meant["syncMode"], held["syncMode"]
    if mode == "full_refresh_overwrite":
        return []  # each sync reads all of it
    reasons = []
    if mode != before and mode in DEDUPLICATED and before in APPENDING:
        reasons.append(f"{label}.syncMode: its table may hold a key more than once")
    elif mode != before and mode in APPENDING:
        reasons.append(f"{label}.syncMode: its rows would come once more")
    if mode in DEDUPLICATED and before in DEDUPLICATED and meant["primaryKey"] != held["primaryKey"]:
        reasons.append(f"{label}.primaryKey: its table has one row for each of the old key")
    if mode in INCREMENTAL and before in INCREMENTAL and meant["cursorField"] != held["cursorField"]:
        reasons.append(f"{label}.cursorField: its saved position is one of the old cursor")
    if meant["mappers"] != held["mappers"]:
        reasons.append(f"{label}.mappers: rows loaded before were mapped otherwise")
    wider = [path for path in meant["selectedFields"] if path not in held["selectedFields"]]
    if held["selectedFields"] and (wider or not meant["selectedFields"]):
        reasons.append(f"{label}.selectedFields: rows loaded before lack the new columns")
    return reasons


# what says where a database lies, and how its changes are read, in Airbyte's database sources
PLACE = ("host", "port", "database")
READING = ("replication_method.",)


def source_reasons(differences: list[Difference]) -> list[str]:
    """The same for a change of a source."""
    reasons = []
    for difference in differences:
        if difference.path in PLACE:
            reasons.append(f"{difference.path}: if it is another database, its rows are others")
        elif difference.path.startswith(READING):
            reasons.append(f"{difference.path}: positions saved by the old method do not hold")
    return reasons
