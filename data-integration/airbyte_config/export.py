"""What an Airbyte holds, written as files: the way back from `apply`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from airbyte_config import client
from airbyte_config.config_diff import held_stream
from airbyte_config.definitions import label_of, sdk_model
from airbyte_config.documents import shown
from airbyte_config.references import SECRET_FIELD
from airbyte_config.server import KINDS, Server
from foundation.errors import EltError
from foundation.settings import Settings
from foundation.settings import settings as current_settings

MASKED = re.compile(r"\*{3,}")  # what Airbyte shows in the place of a secret
HEADER = "# Exported from Airbyte. Secrets are references to variables of the environment.\n"


@dataclass
class Exported:
    """What was written, the variables that `apply` will want, and what the files could not say."""

    files: list[Path] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def export(
    directory: Path, *, only: str | None = None, force: bool = False, settings: Settings | None = None
) -> Exported:
    """Write every source, destination and connection of the workspace; with `only`, one connection and its ends.

    Raises EltError before anything is written: a name twice, a file in the way, a connection that no file can describe.
    """
    server = Server(settings or current_settings())
    held = {kind: server.listing(kind) for kind in KINDS}
    for kind, items in held.items():
        for item in items:
            client.named(items, kind, item["name"])
    if only is not None:
        _narrow(held, only)
    exported = Exported()
    names = {item[f"{kind}Id"]: item["name"] for kind in KINDS for item in held[kind]}
    documents = {
        path: content
        for kind in KINDS
        for path, content in _documents(directory, kind, held[kind], names, exported).items()
    }
    taken = [path for path in documents if path.exists()]
    if taken and not force:
        raise EltError(f"{shown(taken[0])} is there already", "export to an empty folder, or --force")
    for path, content in documents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + _yaml(content), encoding="utf-8")
        exported.files.append(path)
    return exported


def _narrow(held: dict[str, list[dict[str, Any]]], only: str) -> None:
    connection = client.named(held["connection"], "connection", only)
    if connection is None:
        raise EltError(f"Airbyte has no connection {only}", "list them with `elt airbyte export --to DIR`")
    held["connection"] = [connection]
    for kind in ("source", "destination"):
        held[kind] = [item for item in held[kind] if item[f"{kind}Id"] == connection[f"{kind}Id"]]


def _documents(
    directory: Path,
    kind: str,
    items: list[dict[str, Any]],
    names: dict[str, str],
    exported: Exported,
) -> dict[Path, dict[str, Any]]:
    found: dict[Path, dict[str, Any]] = {}
    for item in sorted(items, key=lambda item: item["name"]):
        stem = _word(item["name"]) or kind
        path, number = directory / f"{kind}s" / f"{stem}.yaml", 2
        while path in found:
            path, number = path.with_name(f"{stem}_{number}.yaml"), number + 1
        found[path] = (
            _connection(item, names) if kind == "connection" else _actor(item, kind, path.stem, exported)
        )
    return found


def _word(text: str) -> str:
    """`my_shop` for `My shop!`."""
    return re.sub(r"\W+", "_", text.lower(), flags=re.ASCII).strip("_")


def _actor(item: dict[str, Any], kind: str, stem: str, exported: Exported) -> dict[str, Any]:
    def value_of(value: Any, inside: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            if set(value) in ({"setting"}, {"secret"}):
                raise EltError(
                    f"{kind} {item['name']}: {'.'.join(inside)} looks like a reference of ours",
                    "write this file by hand",
                )
            kept = {key: child for key, child in value.items() if child is not None}
            return {key: value_of(child, (*inside, key)) for key, child in kept.items()}
        if isinstance(value, list):
            return [value_of(child, (*inside, str(index))) for index, child in enumerate(value)]
        if isinstance(value, str) and _secret(value, inside):
            variable = _word(" ".join((kind, stem, *inside))).upper()
            while variable in exported.variables:  # each secret its own
                variable += "_2"
            exported.variables.append(variable)
            return _Flow(secret=variable)
        return value

    if item.get("resourceAllocation"):
        exported.notes.append(f"{kind} {item['name']}: resourceAllocation is left out")
    type_field = f"{kind}Type"
    configuration = {type_field: item[type_field], **item["configuration"]}
    described = {"name": item["name"], "configuration": value_of(configuration, ())}
    if sdk_model(kind, item[type_field]) is None:  # a connector of one's own is known by its id
        described["definitionId"] = item["definitionId"]
    return described


def _secret(value: str, inside: tuple[str, ...]) -> bool:
    return bool(value and (MASKED.fullmatch(value) or SECRET_FIELD.search(inside[-1].lower())))


def _connection(item: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    streams = (item.get("configurations") or {}).get("streams") or []
    if not streams:
        raise EltError(
            f"connection {item['name']} has no streams, and a file must name some",
            "select streams in Airbyte, or delete it there",
        )
    schedule = item.get("schedule") or {}
    described = {
        "name": item["name"],
        "source": names[item["sourceId"]],
        "destination": names[item["destinationId"]],
        "status": item["status"],
        "schedule": {
            key: schedule[key]
            for key in ("scheduleType", "cronExpression", "basicTiming")
            if schedule.get(key) and _says(key, schedule["scheduleType"])
        },
        "namespaceDefinition": item.get("namespaceDefinition") or "destination",
        "namespaceFormat": item.get("namespaceFormat"),
        "prefix": item.get("prefix"),
        "nonBreakingSchemaUpdatesBehavior": item.get("nonBreakingSchemaUpdatesBehavior"),
        "tags": [_Flow(name=tag["name"], color=tag["color"]) for tag in _by_name(item.get("tags") or [])],
    }
    ordered = sorted(streams, key=lambda one: (one.get("namespace") or "", one["name"]))
    return {key: value for key, value in described.items() if value} | {
        "streams": [_stream(stream, item["name"]) for stream in ordered]
    }


def _says(key: str, schedule_type: str) -> bool:
    """Airbyte may answer a cron expression with a schedule that has none."""
    return key == "scheduleType" or key == {"cron": "cronExpression", "basic": "basicTiming"}.get(
        schedule_type
    )


def _by_name(tags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(tags, key=lambda tag: tag["name"])


def _stream(stream: dict[str, Any], connection: str) -> dict[str, Any]:
    fields = held_stream(stream)
    if any("key" in mapper["mapperConfiguration"] for mapper in fields["mappers"]):
        raise EltError(
            f"connection {connection}: {label_of(stream.get('namespace'), stream['name'])} has an encryption mapper"
            " with a key, and files must not contain keys",
            "hash the field instead, or export the other connections with --connection",
        )
    described = {
        "namespace": stream.get("namespace"),
        "name": stream["name"],
        "syncMode": fields["syncMode"],
        "cursorField": _field(fields["cursorField"]) if fields["cursorField"] else None,
        "primaryKey": _Line(_field(path) for path in stream.get("primaryKey") or []),
        "selectedFields": [_field(field["fieldPath"]) for field in stream.get("selectedFields") or []],
        "mappers": fields["mappers"],
        "includeFiles": fields["includeFiles"],
        "destinationObjectName": fields["destinationObjectName"],
    }
    return {key: value for key, value in described.items() if value}


def _field(path: list[str]) -> str | _Line:
    return path[0] if len(path) == 1 else _Line(path)


class _Line(list[object]):
    """A list on one line."""


class _Flow(dict[str, Any]):
    """A mapping on one line."""


class _Dumper(yaml.SafeDumper):
    """Lists indented, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


_Dumper.add_representer(
    _Line, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)
_Dumper.add_representer(
    _Flow, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)


def _yaml(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
