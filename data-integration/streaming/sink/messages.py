"""A message of Kafka as a row of its table, or the reason why it can be none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import httpx
from confluent_kafka import Message
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from streaming.catalogue import Topic
from streaming.schemas import Schemas
from streaming.sink.tables import LANDED, PLACE, columns_of, named

# ClickHouse's DateTime64 shows no others
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)


class Away(Exception):
    """Something that the sink needs does not answer, or has no room now: the same may succeed later."""


class Poison(Exception):
    """A message that is no row. Its text is the reason."""


@dataclass(frozen=True)
class Row:
    """`values` in the order of the topic's columns."""

    message: Message
    values: list[Any]

    @property
    def appended_at(self) -> datetime:
        found: datetime = self.values[list(PLACE).index("appended_at")]
        return found


class Decoder:
    """Reads values with the schema that wrote them, and gives them in ours: what a newer one has besides is left out, what an older one
    lacks has its default."""

    def __init__(self, schemas: Schemas) -> None:
        self._topics: dict[str, tuple[Topic, Callable[..., Any], list[str]]] = {
            topic.name: (topic, schemas.deserializer(topic), list(columns_of(topic))[len(PLACE) :])
            for topic in LANDED
        }

    def row(self, message: Message) -> Row:
        """Raises Poison; Away: the registry can't be asked."""
        topic, read, columns = self._topics[message.topic()]
        value = message.value()
        if value is None:
            raise Poison("the message has no value")
        fields = event_of(value, topic, read)
        own = {named(name): field for name, field in fields.items()}
        place = [message.topic(), message.partition(), message.offset(), _appended(message)]
        return Row(message, [*place, *(checked(name, own[name]) for name in columns)])


def event_of(value: bytes, topic: Topic, read: Callable[..., Any]) -> dict[str, Any]:
    """The event that a value is, by `read` (`Schemas.deserializer`). Raises Poison: it is none; Away: the registry can't be asked."""
    try:
        found = read(value, SerializationContext(topic.name, MessageField.VALUE))
    except (OSError, httpx.HTTPError) as error:
        raise Away(f"the schema registry: {error or type(error).__name__}") from None
    except SchemaRegistryError as error:
        if error.http_status_code in (404, 422):
            raise Poison(f"the registry knows no such schema: {error.error_message}") from None
        raise Away(f"the schema registry: {error.error_message}") from None
    except Exception as error:  # noqa: BLE001 - the library raises what Avro's bytes lead to
        raise Poison(f"the value is no {topic.schema}: {error or type(error).__name__}") from None
    if not isinstance(found, dict):
        raise Poison(f"the value is no {topic.schema}")
    _not_rounded(found, _digits(topic))
    return found


def _not_rounded(fields: dict[str, Any], digits: dict[str, tuple[int, int]]) -> None:
    """Raises Poison for a decimal of more digits than its schema has: Avro's library rounds it, which moves its exponent."""
    for name, value in fields.items():
        if isinstance(value, Decimal):
            precision, scale = digits[name]
            if value.as_tuple().exponent != -scale:
                raise Poison(f"{name}: has more than its {precision} digits, or others than {scale} decimals")
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, dict):
                    _not_rounded(each, digits)


@cache
def _digits(topic: Topic) -> dict[str, tuple[int, int]]:
    """Precision and scale of a topic's decimals by the names of their fields; those of one name are alike."""
    found: dict[str, tuple[int, int]] = {}

    def look(node: Any, name: str) -> None:
        if isinstance(node, list):
            for each in node:
                look(each, name)
        elif isinstance(node, dict):
            if node.get("logicalType") == "decimal":
                found[name] = node["precision"], node["scale"]
            for each in node.get("fields", ()):
                look(each["type"], each["name"])
            for part in (node.get("items"), node.get("type")):
                if isinstance(part, dict | list):
                    look(part, name)

    look(json.loads(topic.text), "")
    return found


def checked(name: str, value: Any) -> Any:
    """A value that its column can hold and show. Raises Poison."""
    if isinstance(value, datetime):
        if value.tzinfo is None:  # the shop's calendar
            value = value.replace(tzinfo=UTC)
        if not FIRST <= value < LAST:
            raise Poison(f"{name}: {value.isoformat()} is before 1900 or after 2299")
    elif isinstance(value, list):
        return [
            tuple(checked(name, field) for field in one.values()) if isinstance(one, dict) else one
            for one in value
        ]
    return value


def _appended(message: Message) -> datetime:
    kind, milliseconds = message.timestamp()
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if kind else datetime(1970, 1, 1, tzinfo=UTC)
