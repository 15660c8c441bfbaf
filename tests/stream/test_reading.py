"""Reading a topic to its end: what was there when the reading began, while others go on writing."""

from __future__ import annotations

import threading
import time

from confluent_kafka import Producer
from confluent_kafka.serialization import MessageField, SerializationContext

from foundation.settings import load_settings
from streaming.catalogue import PAGE_VIEWS, POSITIONS
from streaming.client import connection
from streaming.reading import messages, values
from streaming.schemas import Schemas
from tests.fixtures.stream import Broker, Registry, producer
from tests.fixtures.waiting import wait_until


def test_it_ends_though_somebody_writes_all_the_time(kafka_server: Broker) -> None:
    over = threading.Event()
    written: list[int] = []

    def write() -> None:
        writer = producer(kafka_server.config, **{"transactional.id": "busy", "linger.ms": 0})
        writer.init_transactions(30)
        while not over.is_set():
            writer.begin_transaction()
            writer.produce(POSITIONS.name, f"{len(written)}", "busy")
            writer.commit_transaction(30)
            written.append(len(written))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_until(lambda: len(written) >= 50)
        before = len(written)
        started = time.monotonic()
        found = [int(message.value()) for message in messages(kafka_server.config, POSITIONS.name)]
        assert time.monotonic() - started < 20
        assert found[:before] == list(range(before)) and found == list(range(len(found)))
    finally:
        over.set()
        thread.join(60)


def test_what_is_no_event_is_passed_over(kafka_server: Broker, schemas: Registry) -> None:
    """A producer that looks what its topic has starts again all the same."""
    config = load_settings(
        kafka_server.environ | {"STREAM_REGISTRY_PORT": schemas.environ["STREAM_REGISTRY_PORT"]}
    )
    view = {
        "event_id": "web-only",
        "occurred_at": 1,
        "visitor": "session:1",
        "session_id": "1",
        "customerid": None,
        "page_url": "/",
        "referrer_url": None,
        "device_type": "mobile",
        "duration": 3,
        "country": None,
        "order_value": None,
    }
    context = SerializationContext(PAGE_VIEWS.name, MessageField.VALUE)
    event = Schemas(config).serializer(PAGE_VIEWS)(view, context)
    writer = producer(config)
    for value in (b"garbage", b"", None, b"\0\0\x0f\xff\xff\x02", event[:-4], event):
        writer.produce(PAGE_VIEWS.name, value, "session:1")
    writer.flush(30)
    assert [each["event_id"] for each in values(config, PAGE_VIEWS)].count("web-only") == 1


def transactional(kafka: Broker, name: str) -> Producer:
    made = Producer(connection(kafka.config) | {"transactional.id": name, "transaction.timeout.ms": 60_000})
    made.init_transactions(30)
    return made


def test_what_was_committed_behind_an_open_transaction_is_waited_for(own_broker: Broker) -> None:
    """Else a producer would go on from an older position than it has, and write its events twice."""
    own_broker.start()
    mine, other = transactional(own_broker, "mine"), transactional(own_broker, "other")
    other.begin_transaction()
    other.produce(POSITIONS.name, b"9", "other")
    assert other.flush(30) == 0
    mine.begin_transaction()
    mine.produce(POSITIONS.name, b"2", "mine")
    mine.commit_transaction(30)
    ends = threading.Timer(2, other.abort_transaction, [30])
    ends.start()
    found = {message.key(): message.value() for message in messages(own_broker.config, POSITIONS.name)}
    assert found == {b"mine": b"2"} and not ends.is_alive()
