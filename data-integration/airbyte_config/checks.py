"""What only a server can tell of the files: fields of connectors that the SDK does not know, streams, cursors, keys."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft7Validator

from airbyte_config.definitions import DEDUPLICATED, INCREMENTAL, Actor, Connection, Stream, label_of, path_of
from airbyte_config.documents import At
from airbyte_config.mapper_models import TYPE
from airbyte_local.sources.connector.specification import wrong_fields

SPECIFICATION = "connectionSpecification"  # Airbyte's name for a connector's JSON schema


def check_connector(actor: Actor, definitions: list[dict[str, Any]]) -> None:
    """A connector that the SDK does not know: does Airbyte have it, and does its specification allow the file's fields?

    Raises EltError with file and line.
    """
    definition = _definition(actor, definitions)
    if definition is None:
        known = sorted(_type(item) for item in definitions)
        close = get_close_matches(actor.connector, known, n=1)
        field = f"{actor.kind}Type"
        at: At = ("definitionId",) if actor.definition_id else ("configuration", field)
        raise actor.document.error(
            at,
            f"neither Airbyte nor its SDK knows a {actor.kind} “{actor.definition_id or actor.connector}”",
            f"did you mean {close[0]}?" if close else f"there is: {', '.join(known)}",
        )
    if SPECIFICATION in definition:
        given = {key: value for key, value in actor.values.items() if key != f"{actor.kind}Type"}
        _check_values(actor, definition[SPECIFICATION], given)
        _check_fields(actor, definition[SPECIFICATION], given, ("configuration",))


def _definition(actor: Actor, definitions: list[dict[str, Any]]) -> dict[str, Any] | None:
    for item in definitions:
        if item["id"] == actor.definition_id or (actor.connector and _type(item) == actor.connector):
            return item
    return None


def _type(definition: dict[str, Any]) -> str:
    """`faker` for `airbyte/source-faker`."""
    image: str = definition["dockerRepository"].rpartition("/")[2]
    return image.removeprefix("source-").removeprefix("destination-")


def _check_values(actor: Actor, specification: dict[str, Any], given: dict[str, Any]) -> None:
    for path, wrong in wrong_fields(specification, given):
        raise actor.document.error(
            ("configuration", *path),
            f"{'.'.join(map(str, path)) or 'configuration'} {wrong}",
            "correct it; see the connector's documentation",
        )


def _check_fields(actor: Actor, schema: dict[str, Any], given: Any, at: At) -> None:
    """Refuse what no form of the schema names: most specifications allow any other field."""
    if not isinstance(given, dict):
        return
    forms = [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]
    properties: dict[str, Any] = {}
    for form in forms:
        if form is schema or Draft7Validator(form).is_valid(given):
            properties |= form.get("properties", {})
    if not properties:
        return  # a free form
    for key, value in given.items():
        if key not in properties:
            close = get_close_matches(key, properties, n=1)
            raise actor.document.error(
                (*at, key),
                f"unknown field {key}",
                f"did you mean {close[0]}?" if close else "see the connector's documentation",
            )
        _check_fields(actor, properties[key], value, (*at, key))


def check_streams(connection: Connection, discovered: list[dict[str, Any]]) -> None:
    """Whether the source has the streams of the file, and they the columns. Raises EltError with file and line."""
    found = {(item.get("streamnamespace") or None, item["streamName"]): item for item in discovered}
    for stream in connection.definition.streams:
        known = found.get((stream.namespace, stream.name))
        if known is None and stream.namespace is None:  # clear enough when there is one of that name
            same = [item for (_, name), item in found.items() if name == stream.name]
            known = same[0] if len(same) == 1 else None
        if known is None:
            labels = [label_of(*key) for key in found]
            close = get_close_matches(stream.label, labels, n=1)
            raise connection.document.error(
                (*connection.at_stream(stream), "name"),
                f"the source has no stream {stream.label}",
                f"did you mean {close[0]}?" if close else "correct or remove it, or let the role read it",
            )
        _check_stream(connection, stream, known)


def _check_stream(connection: Connection, stream: Stream, known: dict[str, Any]) -> None:
    at = connection.at_stream(stream)
    modes, mode = known.get("syncModes") or [], stream.mode
    if modes and mode not in modes:
        raise connection.document.error(
            (*at, "syncMode"),
            f"{stream.label} can't be synced with {mode}",
            f"the source offers {', '.join(modes)}",
        )
    defined = known.get("sourceDefinedCursorField")
    if mode in INCREMENTAL and not stream.cursor_field and not defined:
        raise connection.document.error(
            at, f"stream {stream.label}: {mode} needs a cursorField", "add one, here or in streamDefaults"
        )
    if mode in DEDUPLICATED and not stream.primary_key and not known.get("sourceDefinedPrimaryKey"):
        raise connection.document.error(
            at, f"stream {stream.label}: {mode} needs a primaryKey, and its table has none", "add one"
        )
    columns = known.get("propertyFields") or []
    wanted: list[tuple[At, Any]] = [
        ((field, index), path)
        for field, paths in (("primaryKey", stream.primary_key), ("selectedFields", stream.selected_fields))
        for index, path in enumerate(paths)
    ]
    if stream.cursor_field and not defined:
        wanted.append((("cursorField",), stream.cursor_field))
    for place, field in wanted:
        path = path_of(field)
        # a listing that names only the outer columns says nothing about fields inside of them
        if columns and path not in columns and path[:1] not in columns:
            names = [".".join(column) for column in columns]
            close = get_close_matches(".".join(path), names, n=1)
            raise connection.document.error(
                (*at, *place),
                f"{stream.label} has no column {'.'.join(path)}, its {place[0]}",
                f"did you mean {close[0]}?" if close else f"there is: {', '.join(names)}",
            )
    if columns:
        _check_mappers(connection, stream, [column[0] for column in columns])


def _check_mappers(connection: Connection, stream: Stream, columns: list[str]) -> None:
    """Whether each mapper finds its column: in the source, and not left out, hashed or renamed by one before it."""
    present = {path_of(field)[0] for field in stream.selected_fields} or set(columns)
    for index, mapper in enumerate(stream.mappers):
        kind, given = TYPE(mapper["type"]), mapper["mapperConfiguration"]
        if kind == TYPE.ROW_FILTERING:
            named = list(_compared(given))
        else:
            named = [given["originalFieldName"] if kind == TYPE.FIELD_RENAMING else given["targetField"]]
        for field in named:
            if field not in present:
                close = get_close_matches(field, present, n=1)
                raise connection.document.error(
                    (*connection.at_stream(stream), "mappers", index),
                    f"{stream.label}: its {kind.value} mapper names {field}, which is not there",
                    f"did you mean {close[0]}?" if close else f"there is: {', '.join(sorted(present))}",
                )
        if kind != TYPE.ROW_FILTERING:
            present -= set(named)
        if kind == TYPE.FIELD_RENAMING:
            present.add(given["newFieldName"])
        elif kind != TYPE.FIELD_FILTERING and kind != TYPE.ROW_FILTERING:
            present.add(named[0] + given.get("fieldNameSuffix", ""))


def _compared(conditions: Any) -> Iterator[str]:
    """The fields that the conditions of a row filter name."""
    for value in conditions.values() if isinstance(conditions, dict) else conditions:
        if isinstance(value, dict | list):
            yield from _compared(value)
    if isinstance(conditions, dict) and isinstance(conditions.get("fieldName"), str):
        yield conditions["fieldName"]
