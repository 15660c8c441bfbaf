"""JSON schema → the type a column travels as, by Airbyte's rules for its type system."""

from __future__ import annotations

from typing import Any

from airbyte_local.schema import DataType, Kind

WELL_KNOWN = "WellKnownTypes.json#"  # the protocol's newer way to name a type: what it means in the older one
REFERENCES: dict[str, dict[str, Any]] = {
    "String": {"type": "string"},
    "BinaryData": {"type": "string"},
    "Boolean": {"type": "boolean"},
    "Date": {"type": "string", "format": "date"},
    "TimestampWithTimezone": {"type": "string", "airbyte_type": "timestamp_with_timezone"},
    "TimestampWithoutTimezone": {"type": "string", "airbyte_type": "timestamp_without_timezone"},
    "TimeWithTimezone": {"type": "string", "airbyte_type": "time_with_timezone"},
    "TimeWithoutTimezone": {"type": "string", "airbyte_type": "time_without_timezone"},
    "Integer": {"type": "integer"},
    "Number": {"type": "number"},
}

ZONED_TIME = "time_with_timezone"
# (format, airbyte_type) of strings; where only the format is given the zone is assumed, as Airbyte does
STRINGS = {
    ("date", None): Kind.DATE,
    ("date-time", None): Kind.TIMESTAMPTZ,
    ("date-time", "timestamp_with_timezone"): Kind.TIMESTAMPTZ,
    ("date-time", "timestamp_without_timezone"): Kind.TIMESTAMP,
    (None, "timestamp_with_timezone"): Kind.TIMESTAMPTZ,
    (None, "timestamp_without_timezone"): Kind.TIMESTAMP,
    ("time", "time_without_timezone"): Kind.TIME,
    (None, "time_without_timezone"): Kind.TIME,
    # a time with its zone has no type of its own here: it stays as it is written, as in Airbyte's Snowflake tables
    ("time", None): Kind.TEXT,
    ("time", "time_with_timezone"): Kind.TEXT,
    (None, "time_with_timezone"): Kind.TEXT,
}


def travel_type(schema: Any) -> tuple[DataType, str]:
    """The type of a field, and its JSON type in words: what is said when it changes, and what a value has to be."""
    options = {word: kind for kind, word in _options(schema)}
    if set(options) == {"integer", "number"}:
        return DataType(Kind.DOUBLE), "number"
    if len(options) == 1:
        ((word, kind),) = options.items()
        return DataType(kind), word
    return DataType(Kind.JSON), "union" if options else "any"


def _options(schema: Any) -> list[tuple[Kind, str]]:
    """Each kind that a value may be of, null aside."""
    if not isinstance(schema, dict):
        return []
    if str(schema.get("$ref", "")).startswith(WELL_KNOWN):
        schema = REFERENCES.get(schema["$ref"].rpartition("/")[2], {})
    for several in ("oneOf", "anyOf"):
        if isinstance(schema.get(several), list):
            return [found for one in schema[several] for found in _options(one)]
    types = schema.get("type")
    if types is None and "properties" in schema:
        types = "object"
    if types is None and "items" in schema:
        types = "array"
    return [
        _single(one, schema) for one in ([types] if isinstance(types, str) else types or []) if one != "null"
    ]


def _single(type_: str, schema: dict[str, Any]) -> tuple[Kind, str]:
    special = schema.get("airbyte_type")
    if type_ == "string":
        kind = STRINGS.get((schema.get("format"), special), Kind.TEXT)
        if kind != Kind.TEXT:
            return kind, str(kind)
        return kind, ZONED_TIME if special == ZONED_TIME or schema.get("format") == "time" else "string"
    if type_ == "number" and special == "integer":
        type_ = "integer"
    kinds = {"integer": Kind.BIGINT, "number": Kind.DOUBLE, "boolean": Kind.BOOLEAN}
    return kinds.get(type_, Kind.JSON), type_
