"""The tables in ClickHouse, as the schemas of the topics have them.

A row is one message. Its place in Kafka is its key, and all of a row follows from the message (but `stored_at`): a message that is written
twice is one row under `final`, and after a merge without it. `appended_at` is when Kafka took the message; a day of it is a partition,
which goes as a whole after DAYS.
"""

from __future__ import annotations

import json
from typing import Any

from foundation.errors import EltError, Kind
from streaming.catalogue import DEAD_LETTERS, DERIVED, EVENTS, Topic

DAYS = 7
PLACE = {
    "topic": "LowCardinality(String)",
    "partition": "Int32",
    "offset": "Int64",
    "appended_at": "DateTime64(3, 'UTC')",
}
PRIMITIVES = {
    "string": "String",
    "bytes": "String",
    "int": "Int32",
    "long": "Int64",
    "boolean": "Bool",
    "double": "Float64",
}
MOMENTS = (
    "timestamp-micros",
    "local-timestamp-micros",
)  # the shop's calendar has no zone: it is kept as UTC, untouched
LANDED = (*EVENTS.values(), *DERIVED.values(), DEAD_LETTERS)


def table_of(topic: Topic) -> str:
    """`shop.order_status` → `order_status`."""
    return topic.name.rpartition(".")[2]


def columns_of(topic: Topic) -> dict[str, str]:
    """The columns of a topic's table with their types, those of the place first. In a dead letter the place is its own, and that of the
    message which it is about is `of_topic` and so on."""
    own = {named(field["name"]): type_of(field["type"]) for field in json.loads(topic.text)["fields"]}
    return PLACE | own


def named(field: str) -> str:
    """The column of a field."""
    return f"of_{field}" if field in PLACE else field


def type_of(avro: Any) -> str:
    """ClickHouse's type for a type of Avro. Raises EltError: there is none."""
    if isinstance(avro, list):
        inner = [one for one in avro if one != "null"]
        if len(inner) == 1:
            return f"Nullable({type_of(inner[0])})" if "null" in avro else type_of(inner[0])
    elif isinstance(avro, str):
        if avro in PRIMITIVES:
            return PRIMITIVES[avro]
    elif avro.get("logicalType") in MOMENTS:
        return "DateTime64(6, 'UTC')"
    elif avro.get("logicalType") == "decimal":
        return f"Decimal({avro['precision']}, {avro['scale']})"
    elif avro["type"] == "array":
        return f"Array({type_of(avro['items'])})"
    elif avro["type"] == "record":
        fields = ", ".join(f"`{field['name']}` {type_of(field['type'])}" for field in avro["fields"])
        return f"Tuple({fields})"
    elif isinstance(avro["type"], str) and avro["type"] in PRIMITIVES:
        return PRIMITIVES[avro["type"]]
    raise EltError(
        f"no type of ClickHouse is known for {json.dumps(avro)}",
        "add it to streaming/sink/tables.py",
        kind=Kind.OURS,
    )


def create(topic: Topic, database: str, comment: str = "") -> list[str]:
    """The statements that make a topic's table, or bring it to its schema: fields that came later become columns. `comment`: which topic
    it is of, without quotes."""
    columns = columns_of(topic)
    listed = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    table = f"`{database}`.`{table_of(topic)}`"
    added = ", ".join(
        f"add column if not exists `{name}` {kind}" for name, kind in columns.items() if name not in PLACE
    )
    return [
        f"create table if not exists {table} ({listed}, `stored_at` DateTime64(3, 'UTC') default now64(3),"
        " index appended appended_at type minmax)"
        " engine = ReplacingMergeTree partition by toDate(appended_at) order by (topic, partition, offset)"
        f" ttl toDateTime(appended_at) + interval {DAYS} day settings ttl_only_drop_parts = 1 comment '{comment}'",
        f"alter table {table} {added}",
    ]
