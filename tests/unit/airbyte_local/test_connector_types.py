"""JSON schemas as column types."""

from __future__ import annotations

from typing import Any

import pytest

from airbyte_local.schema import Kind
from airbyte_local.sources.connector.source import read_catalogue
from airbyte_local.sources.connector.types import travel_type
from foundation.errors import EltError


@pytest.mark.parametrize(
    ("schema", "kind", "word"),
    [
        ({"type": "string"}, Kind.TEXT, "string"),
        ({"type": ["null", "string"]}, Kind.TEXT, "string"),
        ({"type": "string", "format": "uri"}, Kind.TEXT, "string"),
        ({"type": "string", "format": "date"}, Kind.DATE, "date"),
        ({"type": "string", "format": "date-time"}, Kind.TIMESTAMPTZ, "timestamptz"),
        (
            {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
            Kind.TIMESTAMP,
            "timestamp",
        ),
        ({"type": "string", "airbyte_type": "timestamp_with_timezone"}, Kind.TIMESTAMPTZ, "timestamptz"),
        ({"type": "string", "format": "time"}, Kind.TEXT, "time_with_timezone"),
        ({"type": "string", "airbyte_type": "time_with_timezone"}, Kind.TEXT, "time_with_timezone"),
        ({"type": "string", "format": "time", "airbyte_type": "time_without_timezone"}, Kind.TIME, "time"),
        ({"type": "integer"}, Kind.BIGINT, "integer"),
        ({"type": "number"}, Kind.DOUBLE, "number"),
        ({"type": "number", "airbyte_type": "integer"}, Kind.BIGINT, "integer"),
        ({"type": ["integer", "number", "null"]}, Kind.DOUBLE, "number"),
        ({"type": "boolean"}, Kind.BOOLEAN, "boolean"),
        ({"$ref": "WellKnownTypes.json#definitions/Integer"}, Kind.BIGINT, "integer"),
        ({"$ref": "WellKnownTypes.json#/definitions/TimestampWithTimezone"}, Kind.TIMESTAMPTZ, "timestamptz"),
        ({"oneOf": [{"type": "null"}, {"$ref": "WellKnownTypes.json#definitions/Date"}]}, Kind.DATE, "date"),
        ({"type": "object"}, Kind.JSON, "object"),
        ({"properties": {}}, Kind.JSON, "object"),
        ({"type": "array", "items": {"type": "string"}}, Kind.JSON, "array"),
        ({"oneOf": [{"type": "null"}, {"type": "string", "format": "date"}]}, Kind.DATE, "date"),
        ({"anyOf": [{"type": "string"}, {"type": "object"}]}, Kind.JSON, "union"),
        ({"type": ["string", "integer"]}, Kind.JSON, "union"),
        ({}, Kind.JSON, "any"),
        (True, Kind.JSON, "any"),
        ({"type": "null"}, Kind.JSON, "any"),
    ],
)
def test_a_field_has_the_type_of_airbytes_type_system(schema: object, kind: Kind, word: str) -> None:
    found, said = travel_type(schema)
    assert (found.kind, said) == (kind, word)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": 5}, "stream 5 has a value of another type"),
        ({"namespace": 5}, "stream a has a value of another type"),
        ({"source_defined_primary_key": "id"}, "stream a has a value of another type"),
        ({"source_defined_primary_key": ["id"]}, "stream a has a value of another type"),
        ({"default_cursor_field": "id"}, "stream a has a value of another type"),
        ({"json_schema": {"properties": {"id": {"type": "string"}}}}, "has two streams a that differ"),
    ],
)
def test_a_catalogue_that_could_be_misread_is_refused_by_name(change: dict[str, Any], told: str) -> None:
    stream = {"name": "a", "json_schema": {"properties": {"id": {"type": "integer"}}}}
    described, streams = read_catalogue("connector demo 1", {"streams": [stream, stream]})
    assert described.keys() == streams.keys() == {("", "a")}
    with pytest.raises(EltError, match=f"connector demo 1: its catalogue .*{told}"):
        read_catalogue("connector demo 1", {"streams": [stream, stream | change]})
