"""Types and values of Avro as JSON has them."""

from __future__ import annotations

import base64
from datetime import datetime
from decimal import Decimal
from typing import Any

MOMENT = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
CALENDAR = {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}
PRIMITIVES = {
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
}
OWN = {
    "topic": {"type": "string", "description": "The topic."},
    "partition": {"type": "integer", "description": "The partition."},
    "offset": {"type": "integer", "description": "The place in the partition."},
    "appended_at": MOMENT | {"description": "When Kafka took the message."},
    "left_out": {
        "type": ["null", "string"],
        "description": "Why the message is no event; null for an event.",
    },
}


def typed(avro: Any) -> dict[str, Any]:
    """The JSON schema of a type of Avro. A decimal is a text: a number would lose digits."""
    if isinstance(avro, list):
        inner = [typed(one) for one in avro if one != "null"]
        if len(inner) != 1:
            return {"oneOf": inner}
        kind = inner[0].get("type")
        return inner[0] | {"type": ["null", kind]} if "null" in avro and isinstance(kind, str) else inner[0]
    if isinstance(avro, dict):
        if avro.get("logicalType") == "timestamp-micros":
            return dict(MOMENT)
        if avro.get("logicalType") == "local-timestamp-micros":
            return dict(CALENDAR)
        if avro["type"] == "array":
            return {"type": "array", "items": typed(avro["items"])}
        if avro["type"] == "record":
            return {
                "type": "object",
                "properties": {one["name"]: typed(one["type"]) for one in avro["fields"]},
            }
        return typed(avro["type"])
    return {"type": PRIMITIVES.get(avro, "string")}


def rounded(value: Any, avro: Any, name: str = "") -> str:
    """The first field whose decimal has more digits than its schema (Avro's library rounds it, which moves its exponent); empty: none."""
    if isinstance(avro, list):
        kinds = [one for one in avro if one != "null"]
        return rounded(value, kinds[0], name) if len(kinds) == 1 else ""
    if not isinstance(avro, dict) or value is None:
        return ""
    if avro.get("logicalType") == "decimal":
        exact = not isinstance(value, Decimal) or value.as_tuple().exponent == -avro.get("scale", 0)
        return "" if exact else name
    kind = avro["type"]
    if kind == "record":
        parts = [(value.get(one["name"]), one["type"], one["name"]) for one in avro["fields"]]
    elif kind == "array":
        parts = [(each, avro["items"], name) for each in value]
    elif kind == "map":
        parts = [(each, avro["values"], name) for each in value.values()]
    else:
        parts = [(value, kind, name)]
    return next((found for part in parts if (found := rounded(*part))), "")


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value
