"""From Kafka into ClickHouse: each event once, whatever is killed or read again; and what is no event is set aside."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from foundation.settings import Settings, load_settings
from streaming.catalogue import CARDS, DEAD_LETTERS, EVENTS, ORDER_STATUS, ORDERS, PAGE_VIEWS, Topic
from streaming.sink.tables import LANDED
from tests.fixtures.clickhouse import ClickHouse, served
from tests.fixtures.stream import Broker, Registry, Running, producer, read
from tests.fixtures.waiting import wait_until

AT = datetime(2026, 3, 4, 5, 6, 7, 890123, UTC)
CALENDAR = AT.replace(tzinfo=None)


def order(number: int) -> dict[str, Any]:
    lines = [
        {
            "salesorderdetailid": number * 10 + place,
            "productid": 700 + place,
            "specialofferid": 1,
            "orderqty": place + 1,
            "unitprice": Decimal("19.9900"),
            "unitpricediscount": Decimal("0.15") if place else Decimal("0"),
        }
        for place in range(number % 3 + 1)
    ]
    return {
        "event_id": f"o-{number}",
        "occurred_at": AT + timedelta(seconds=number),
        "salesorderid": number,
        "revisionnumber": 8,
        "status": 1,
        "orderdate": CALENDAR,
        "duedate": CALENDAR,
        "shipdate": None,
        "onlineorderflag": number % 2 == 0,
        "customerid": 11000 + number,
        "salespersonid": None,
        "territoryid": 4,
        "shiptoaddressid": 1,
        "shipmethodid": 1,
        "creditcardid": None,
        "currencyrateid": None,
        "subtotal": Decimal("1234.567890"),
        "taxamt": Decimal("0.0001"),
        "freight": Decimal("0"),
        "totaldue": None,
        "modifieddate": CALENDAR,
        "lines": lines,
    }


def revenue(event: dict[str, Any]) -> Decimal:
    return sum(
        (line["unitprice"] * (1 - line["unitpricediscount"]) * line["orderqty"] for line in event["lines"]),
        Decimal(0),
    )


def change(number: int) -> dict[str, Any]:
    header = order(number)
    kept = (
        "salesorderid",
        "revisionnumber",
        "customerid",
        "shipdate",
        "subtotal",
        "taxamt",
        "freight",
        "totaldue",
    )
    return {name: header[name] for name in kept} | {
        "event_id": f"s-{number}",
        "occurred_at": AT,
        "status": 5,
        "modifieddate": CALENDAR,
    }


def view(number: int) -> dict[str, Any]:
    return {
        "event_id": f"v-{number}",
        "occurred_at": AT,
        "visitor": f"session:{number // 10}",
        "session_id": str(number // 10),
        "customerid": None,
        "page_url": "/",
        "referrer_url": None,
        "device_type": "mobile",
        "duration": 3,
        "country": None,
        "order_value": None,
    }


def payment(number: int) -> dict[str, Any]:
    return {
        "event_id": f"c-{number}",
        "occurred_at": AT,
        "creditcardid": number % 7,
        "amount": Decimal("10.01"),
        "merchant_id": 1,
        "merchant_category": "books",
        "country": "US" if number % 4 else "FR",
        "card_country": "US",
        "channel": "online",
        "device_id": None,
    }


EVENT_OF = {ORDERS: order, ORDER_STATUS: change, PAGE_VIEWS: view, CARDS: payment}


@dataclass
class Lane:
    """A broker, a registry, a ClickHouse and the sink between them; each test has a database and a group of its own."""

    config: Settings
    environ: dict[str, str]
    house: ClickHouse
    sink: Running
    producer: Any
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def write(self, topic: Topic, *events: dict[str, Any]) -> None:
        from confluent_kafka.serialization import MessageField, SerializationContext

        from streaming.schemas import Schemas

        serializer = Schemas(self.config).serializer(topic)
        for event in events:
            value = serializer(event, SerializationContext(topic.name, MessageField.VALUE))
            self.producer.produce(topic.name, value, event["event_id"])
            self.producer.poll(0)
        assert self.producer.flush(30) == 0

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self.house.client(database="shop").query(query).result_rows
        return rows

    def ids(self, table: str) -> Counter[str]:
        return Counter(row[0] for row in self.ask(f"select event_id from {table} final"))

    def behind(self) -> int:
        """How many messages the sink has not committed."""
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        from streaming.client import connection

        asking = Consumer(connection(self.config) | {"group.id": "clickhouse-sink"})  # it joins nothing
        with suppress(KafkaException):  # a coordinator or a leader that has just come
            places = [
                TopicPartition(topic.name, number) for topic in LANDED for number in range(topic.partitions)
            ]
            committed = asking.committed(places, 10)
            ends = [asking.get_watermark_offsets(place, 10)[1] for place in places]
            asking.close()
            return sum(end - max(place.offset, 0) for end, place in zip(ends, committed, strict=True))
        return 1 << 40

    def rewind(self) -> None:
        """The group, which has no member now, begins anew. One that was killed is a member for some seconds more."""
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        from streaming.client import connection

        places = [
            TopicPartition(topic.name, number, 0) for topic in LANDED for number in range(topic.partitions)
        ]

        def rewound() -> bool:
            asking = Consumer(connection(self.config) | {"group.id": "clickhouse-sink"})
            with suppress(KafkaException):
                asking.commit(offsets=places, asynchronous=False)
                asking.close()
                return True
            return False

        wait_until(rewound, 60)

    def drained(self) -> None:
        wait_until(lambda: self.sink.process.poll() is None and self.behind() == 0, 60)


def made_again(config: Settings, *topics: Topic) -> None:
    """Delete topics, and make them."""
    from confluent_kafka.admin import AdminClient

    from streaming.client import connection
    from streaming.topics import ensure

    client = AdminClient(connection(config))
    names = {topic.name for topic in topics}
    for future in client.delete_topics(list(names)).values():
        future.result(30)
    wait_until(lambda: not names & set(client.list_topics(timeout=10).topics), 30)
    ensure(config)


@pytest.fixture
def lane(kafka_server: Broker, schemas: Registry, tmp_path: Path) -> Iterator[Lane]:
    with served(tmp_path / "home") as house:
        environ = kafka_server.environ | {
            "ELT_HOME": str(house.home),
            "ELT_SOURCES": "adventureworks,stream",
            "STREAM_CLICKHOUSE_PORT": str(house.port),
            "STREAM_REGISTRY_PORT": schemas.environ["STREAM_REGISTRY_PORT"],
        }
        config = load_settings(environ)
        made_again(config, *EVENTS.values(), DEAD_LETTERS)
        made = Lane(
            config,
            environ,
            house,
            Running(["streaming.launch", "streaming.sink"], environ, tmp_path / "sink.log"),
            producer(config),
        )
        made.rewind()  # Kafka forgets the offsets of a deleted topic later
        try:
            yield made
        finally:
            made.sink.end()


FIGURES = {
    "orders": "select sum(orders), sum(units), sum(revenue), sum(messages) from orders_per_minute",
    "order_status": "select sum(changes), sum(messages) from order_status_per_minute",
    "page_views": "select sum(page_views), sum(messages) from page_views_per_minute",
    "card_transactions": "select sum(payments), sum(amount), sum(abroad) from card_transactions_per_minute",
}


def truth(written: int) -> dict[str, tuple[Any, ...]]:
    orders = [order(number) for number in range(written)]
    units = sum(line["orderqty"] for one in orders for line in one["lines"])
    return {
        "orders": (written, units, sum(map(revenue, orders)), written),
        "order_status": (written, written),
        "page_views": (written, written),
        "card_transactions": (
            written,
            Decimal("10.01") * written,
            sum(not number % 4 for number in range(written)),
        ),
    }


def holds(lane: Lane, written: int) -> None:
    """Each event once, and the figures per minute as the events have them."""
    for topic, event in EVENT_OF.items():
        name = topic.name.rpartition(".")[2]
        assert lane.ids(name) == Counter(event(number)["event_id"] for number in range(written)), name
        by_minute = (
            f"select toStartOfMinute(toDateTime(appended_at)) as minute, count(), max(stored_at) from {name} final group by minute order by 1",
            f"select * from {name}_per_minute_computed order by minute",
        )
        assert lane.ask(FIGURES[name]) == [truth(written)[name]], [lane.ask(each) for each in by_minute]


def test_events_become_rows_that_read_as_they_were_written(lane: Lane) -> None:
    for topic, event in EVENT_OF.items():
        lane.write(topic, *(event(number) for number in range(100)))
    lane.sink.start()
    lane.drained()
    holds(lane, 100)
    ((at, date, subtotal, price, discount, online),) = lane.ask(
        "select occurred_at, orderdate, subtotal, lines.unitprice[2], lines.unitpricediscount[2], onlineorderflag"
        " from orders where salesorderid = 1"
    )
    assert (at.replace(tzinfo=UTC), date.replace(tzinfo=None)) == (AT + timedelta(seconds=1), CALENDAR)
    assert (subtotal, price, discount, online) == (
        Decimal("1234.567890"),
        Decimal("19.99"),
        Decimal("0.15"),
        False,
    )


def test_what_is_read_again_changes_nothing(lane: Lane) -> None:
    for topic, event in EVENT_OF.items():
        lane.write(topic, *(event(number) for number in range(200)))
    lane.sink.start()
    lane.drained()
    assert lane.sink.stop() == 0
    lane.rewind()
    lane.sink.start()
    lane.drained()
    twice = lane.ask("select count() from orders")[0][0]
    assert twice >= 200
    holds(lane, 200)
    for table in FIGURES:
        lane.house.client(database="shop").command(f"optimize table {table} final")
    assert lane.ask("select count() from orders") == [(200,)], "a merge leaves one of each"
    holds(lane, 200)


def test_a_topic_that_was_made_again_does_not_take_the_places_of_the_one_before(lane: Lane) -> None:
    lane.write(ORDERS, *(order(number) for number in range(60)))
    lane.sink.start()
    lane.drained()
    assert lane.sink.stop() == 0
    made_again(lane.config, ORDERS)
    lane.rewind()
    lane.write(ORDERS, *(order(number) for number in range(100, 140)))
    lane.sink.start()
    lane.drained()
    assert lane.ids("orders") == Counter(f"o-{number}" for number in range(100, 140))
    ((kept,),) = lane.ask("select name from system.tables where name like 'orders_before_%'")
    assert lane.ids(kept) == Counter(f"o-{number}" for number in range(60))
    assert (
        f"shop.orders was made again: rows of the topic before it are in the table {kept}" in lane.sink.said
    )
    assert lane.sink.stop() == 0
    lane.sink.start()  # it is the same topic now
    lane.drained()
    assert lane.ask("select count() from system.tables where name like 'orders_before_%'") == [(1,)]


@pytest.mark.parametrize("victim", ["sink", "ClickHouse", "both"])
def test_kills_lose_nothing_and_double_nothing(lane: Lane, victim: str) -> None:
    lane.sink.start()
    written = 0
    for _ in range(4):
        for topic, event in EVENT_OF.items():
            lane.write(topic, *(event(number) for number in range(written, written + 150)))
        written += 150
        wait_until(lambda total=written * 4: lane.behind() < total, 60)
        if victim in ("sink", "both"):
            lane.sink.kill()
        if victim in ("ClickHouse", "both"):
            lane.house.end(signal.SIGKILL)
            lane.house.start()
        if victim in ("sink", "both"):
            lane.sink.start()
    lane.drained()
    holds(lane, written)


def test_offsets_wait_for_a_clickhouse_that_is_away(lane: Lane) -> None:
    lane.sink.start()
    lane.write(ORDERS, order(0))
    lane.drained()
    lane.house.end(signal.SIGKILL)
    lane.write(ORDERS, *(order(number) for number in range(1, 50)))
    wait_until(lambda: "waiting" in lane.sink.said, 60)
    assert lane.behind() >= 49
    assert lane.sink.process.poll() is None
    lane.house.start()
    lane.drained()
    assert lane.ids("orders") == Counter(f"o-{number}" for number in range(50))


def test_poison_is_set_aside_with_its_reason_and_all_else_lands(lane: Lane) -> None:
    lane.write(ORDERS, order(1))
    late = order(2) | {"orderdate": datetime(3000, 1, 1)}
    lane.write(ORDERS, late)
    for key, value in {
        "garbage": b"garbage",
        "no such schema": b"\0\0\x0f\xff\xff\x02",
        "empty": b"",
        "null": None,
    }.items():
        lane.producer.produce(ORDERS.name, value, key)
    lane.producer.flush(30)
    lane.write(ORDERS, order(3))
    lane.sink.start()
    lane.drained()
    wait_until(lambda: len(lane.ids("dead_letters")) == 5, 30)
    assert lane.ids("orders") == Counter(["o-1", "o-3"])
    letters = lane.ask("select event_id, of_topic, key, reason, value from dead_letters final order by key")
    assert all(letter[0].startswith("shop.orders-") and letter[1] == "shop.orders" for letter in letters)
    reasons = {letter[2]: letter[3] for letter in letters}
    assert "3000" in reasons["o-2"]
    assert "no value" in reasons["null"]
    assert "no such schema" in reasons["no such schema"] or "knows no" in reasons["no such schema"]
    assert set(reasons) == {"o-2", "garbage", "no such schema", "empty", "null"}
    assert len(read(lane.config, DEAD_LETTERS.name)) == 5


def test_poison_as_large_as_a_message_can_be_is_set_aside_too(lane: Lane) -> None:
    size = 999_900  # with its reason and place it would be more than Kafka takes
    lane.producer.produce(ORDERS.name, bytes(range(256)) * (size // 256), "large")
    lane.producer.produce(ORDERS.name, b"x", b"k" * size)
    lane.producer.flush(30)
    lane.write(ORDERS, order(3))
    lane.sink.start()
    lane.drained()
    wait_until(lambda: len(lane.ids("dead_letters")) == 2, 30)
    assert lane.ids("orders") == Counter(["o-3"])
    shown = "select length(key), length(value), endsWith(reason, ' bytes)') from dead_letters final order by length(key)"
    assert lane.ask(shown) == [(5, 400_000, True), (400_000, 1, True)]


def test_schemas_grow_in_both_directions(lane: Lane) -> None:
    """A producer that is newer than the sink, and one that is older."""
    from confluent_kafka.schema_registry import Schema
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    from streaming.schemas import Schemas

    client = Schemas(lane.config)._client
    ours = json.loads(CARDS.text)
    newer = ours | {"fields": [*ours["fields"], {"name": "wallet", "type": "string", "default": "none"}]}
    older = ours | {"fields": [each for each in ours["fields"] if each["name"] != "device_id"]}
    for number, (schema, event) in enumerate(
        [
            (older, {name: value for name, value in payment(0).items() if name != "device_id"}),
            (ours, payment(1) | {"device_id": "d-1"}),
            (newer, payment(2) | {"wallet": "phone"}),
        ]
    ):
        text = json.dumps(schema)
        client.register_schema(CARDS.subject, Schema(text, "AVRO"))
        value = AvroSerializer(client, text, conf={"auto.register.schemas": False})(
            event, SerializationContext(CARDS.name, MessageField.VALUE)
        )
        lane.producer.produce(CARDS.name, value, str(number))
    lane.producer.flush(30)
    lane.sink.start()
    lane.drained()
    assert lane.ask("select event_id, device_id from card_transactions final order by event_id") == [
        ("c-0", None),
        ("c-1", "d-1"),
        ("c-2", None),
    ]
