"""From the topics into the warehouse: the real connection through a real Airbyte, whatever is killed; then the models."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from io import BytesIO

import pytest

from streaming.catalogue import CARDS, ORDERS, PAGE_VIEWS, Topic
from tests.fixtures.load import Load, loading
from tests.fixtures.stream import Broker, producer
from tests.fixtures.waiting import wait_until
from tests.integration.transformation.raw_layer import Warehouse
from tests.integration.transformation.small_shop import FIRST_SYNC
from tests.integration.transformation.small_shop import order as shop_order
from tests.stream.clickhouse.test_sink import AT, CALENDAR, EVENT_OF, Lane, lane, payment

__all__ = ["lane"]

SOURCES = {"ELT_SOURCES": "adventureworks,stream", "DBT_INDIRECT_SELECTION": "buildable"}
POISON = {"garbage": b"garbage", "no such schema": b"\0\0\x0f\xff\xff\x02", "empty": b"", "null": None}


@pytest.fixture
def load(lane: Lane) -> Iterator[Load]:
    with loading(lane.house.home, lane.environ) as made:
        yield made


def write(lane: Lane, numbers: range, *topics: Topic) -> None:
    for topic in topics or EVENT_OF:
        lane.write(topic, *map(EVENT_OF[topic], numbers))


def poison(lane: Lane, topic: Topic) -> None:
    for key, value in POISON.items():
        lane.producer.produce(topic.name, value, key)
    assert lane.producer.flush(30) == 0


def write_with_many_digits(lane: Lane) -> None:
    """A payment by a writer that keeps to no precision: Avro's library would round its amount."""
    import fastavro

    from streaming.schemas import Schemas

    found = Schemas(lane.config)._client.get_latest_version(CARDS.subject)
    unlimited = json.loads(CARDS.text)
    next(field for field in unlimited["fields"] if field["name"] == "amount")["type"] = "bytes"
    packed = BytesIO()
    amount = (10**18 + 1).to_bytes(8, "big", signed=True)
    fastavro.schemaless_writer(packed, fastavro.parse_schema(unlimited), payment(0) | {"amount": amount})
    lane.producer.produce(
        CARDS.name, b"\0" + found.schema_id.to_bytes(4, "big") + packed.getvalue(), "digits"
    )
    assert lane.producer.flush(30) == 0


def holds(load: Load, written: int, *topics: Topic) -> None:
    """Each event once, in raw."""
    for topic in topics or EVENT_OF:
        wanted = Counter(EVENT_OF[topic](number)["event_id"] for number in range(written))
        assert Counter(load.events(topic)) == wanted, topic.name


def write_with_a_wallet(lane: Lane, number: int) -> None:
    """A payment of a producer that is newer: its schema has an optional field more."""
    from confluent_kafka.schema_registry import Schema
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    from streaming.schemas import Schemas

    client = Schemas(lane.config)._client
    ours = json.loads(CARDS.text)
    wallet = {"name": "wallet", "type": ["null", "string"], "default": None}
    text = json.dumps(ours | {"fields": [*ours["fields"], wallet]})
    client.register_schema(CARDS.subject, Schema(text, "AVRO"))
    serializer = AvroSerializer(client, text, conf={"auto.register.schemas": False})
    value = serializer(
        payment(number) | {"wallet": "phone"}, SerializationContext(CARDS.name, MessageField.VALUE)
    )
    lane.producer.produce(CARDS.name, value, str(number))
    assert lane.producer.flush(30) == 0


def test_each_event_is_a_row_once_and_what_is_new_comes_with_the_next_sync(lane: Lane, load: Load) -> None:
    load.sync()  # no topic has a schema yet
    write(lane, range(100), ORDERS, CARDS)
    poison(lane, ORDERS)
    write_with_many_digits(lane)
    load.sync()
    holds(load, 100, ORDERS, CARDS)
    assert load.rows("select left_out from stream.card_transactions where left_out is not null") == [
        ("amount: has more digits than its schema",)
    ]
    reasons = load.rows("select left_out from stream.orders where left_out is not null order by 1")
    assert [reason.partition(":")[0] for (reason,) in reasons] == [
        "the message has no value",
        "the registry knows no such schema",
        "the value is no Avro of its schema",
        "the value is no Avro of its schema",
    ]
    assert load.sync()["rowsSynced"] == 0
    write_with_a_wallet(lane, 100)
    write(lane, range(101, 150), CARDS)
    assert load.sync()["rowsSynced"] == 50
    holds(load, 150, CARDS)
    assert load.rows("select event_id, wallet from stream.card_transactions where wallet is not null") == [
        ("c-100", "phone")
    ]

    # page views and changes have no schema yet: their models have no rows
    warehouse = Warehouse(load.server.home)
    warehouse.create_raw()
    warehouse.sync(FIRST_SYNC, {"sales.salesorderheader": [shop_order(1, 1, "2022-05-01", "10.00")]})
    needed = (
        *("--select", "+dim_date"),
        *("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test"),
    )
    mine = ("--select", "tag:stream", "--select", "int_date_range", "--select", "dim_date")
    for arguments in (needed, mine):
        done = warehouse.elt("build", *arguments, environ=SOURCES)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    load.change(
        "insert into stream.card_transactions from stream.card_transactions limit 20"
    )  # as a real Airbyte may
    assert load.rows("select count(*), sum(amount) from marts.fct_card_transactions") == [
        (150, Decimal("1501.50"))
    ]
    assert load.rows(
        "select occurred_at, ordered_at, subtotal, json_extract_string(order_lines, '$[1].unitprice')"
        " from staging.stg_stream_orders where order_id = 0"
    ) == [(AT.replace(tzinfo=None), CALENDAR, Decimal("1234.567890"), None)]
    assert load.rows("select count(*) from staging.stg_stream_page_views") == [(0,)]
    write(lane, range(150, 160))
    load.sync()
    done = warehouse.elt("build", *mine, environ=SOURCES)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert load.rows("select count(*), sum(amount) from marts.fct_card_transactions") == [
        (160, Decimal("1601.60"))
    ]
    assert load.rows("select count(*) from staging.stg_stream_page_views") == [(10,)]


def test_kills_of_the_job_and_of_the_broker_lose_nothing_and_double_nothing(
    lane: Lane, load: Load, kafka_server: Broker
) -> None:
    write(lane, range(10_000), CARDS)
    write(lane, range(100), ORDERS)
    for moment in ("orders: RUNNING", "card_transactions: STARTED", "card_transactions: RUNNING"):
        number = load.start()
        load.kill_job(number, moment)
        assert "SIGKILL" in load.server.job(number)["failureReason"]
    number = load.start()
    wait_until(lambda: "orders: STARTED" in load.server.log(number), 120)
    kafka_server.kill()
    kafka_server.start()
    write(lane, range(100, 200), ORDERS)
    load.settled()
    load.sync()
    holds(load, 10_000, CARDS)
    holds(load, 200, ORDERS)


def test_what_an_open_transaction_hides_is_waited_for(lane: Lane, load: Load) -> None:
    write(lane, range(10), PAGE_VIEWS)
    hung = producer(
        lane.config, **{"transactional.id": "hung", "transaction.timeout.ms": 5000, "linger.ms": 0}
    )
    hung.init_transactions(30)
    hung.begin_transaction()
    for number in range(4):
        hung.produce(PAGE_VIEWS.name, b"never committed", partition=number)
    hung.flush(30)
    write(lane, range(10, 20), PAGE_VIEWS)
    load.sync()
    holds(load, 20, PAGE_VIEWS)


def test_messages_that_are_gone_and_a_topic_made_anew_end_the_sync_in_one_line(
    lane: Lane, load: Load
) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    from streaming.client import connection
    from streaming.topics import ensure

    client = AdminClient(connection(lane.config))
    write(lane, range(20), ORDERS, CARDS)
    load.sync()
    write(lane, range(20, 40), ORDERS, CARDS)
    ends = [TopicPartition(ORDERS.name, number, -1) for number in range(4)]
    for future in client.delete_records(ends).values():
        future.result(30)
    reason = load.sync("failed")["failureReason"]
    assert "shop.orders: partition 0: offsets" in reason and "are gone before they were read" in reason
    assert "Refresh the stream orders" in reason and "\n" not in reason
    holds(load, 20, ORDERS)

    for future in client.delete_topics([CARDS.name]).values():
        future.result(30)
    wait_until(lambda: CARDS.name not in client.list_topics(timeout=10).topics, 30)
    ensure(lane.config)
    write(lane, range(100), CARDS)  # more than there were: the offsets alone would not tell
    reason = load.sync("failed")["failureReason"]
    assert "shop.card_transactions: it was deleted and made anew" in reason


def test_the_reconciliation_finds_each_difference_and_names_it(lane: Lane, load: Load) -> None:
    write(lane, range(200))
    poison(lane, CARDS)
    late = EVENT_OF[ORDERS](200) | {"orderdate": datetime(3000, 1, 1)}  # which ClickHouse can't hold
    lane.write(ORDERS, late)
    lane.sink.start()
    load.sync()
    write(lane, range(201, 210), ORDERS)  # which the warehouse has not yet
    lane.drained()
    done = load.elt("stream", "reconcile")
    assert done.returncode == 0, done.stderr
    found = {each["topic"]: each for each in json.loads(load.elt("stream", "reconcile", "--json").stdout)}
    assert {name: each["messages"] for name, each in found.items()} == {
        "shop.orders": 201,
        "shop.order_status": 200,
        "shop.page_views": 200,
        "shop.card_transactions": 200,
    }
    assert (found["shop.orders"]["apart"], found["shop.orders"]["ahead"]) == (1, 9)
    assert found["shop.card_transactions"]["left_out"] == len(POISON)

    house = lane.house.client(database="shop")
    ((partition, offset, minute),) = load.rows(
        """select partition, max("offset"), strftime(max_by(appended_at, "offset"), '%Y-%m-%d %H:%M') from stream.orders"""
        """ where partition <> (select partition from stream.orders where event_id = 'o-200')"""
        """ group by 1 order by 1 limit 1"""
    )
    ((paid_in, paid_at),) = house.query(
        "select partition, offset from card_transactions final where event_id = 'c-7'"
    ).result_rows
    place = 'select partition, "offset" from stream'
    ((viewed_in, viewed_at),) = load.rows(f"{place}.page_views where event_id = 'v-9'")
    ((left_in, left_at),) = load.rows(
        f"{place}.card_transactions where left_out = 'the message has no value'"
    )
    load.change(
        f'delete from stream.orders where partition = {partition} and "offset" = {offset}'
    )  # the newest
    house.command("delete from card_transactions where event_id = 'c-7'")
    load.change("update stream.page_views set duration = 4 where event_id = 'v-9'")
    load.change(f'delete from stream.card_transactions where partition = {left_in} and "offset" = {left_at}')
    done = load.elt("stream", "reconcile")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    for wanted in (
        f"shop.orders, partition {partition}, offset {offset} ({minute} UTC): only the lane has it",
        f"shop.card_transactions, partition {paid_in}, offset {paid_at} (",
        "only the warehouse has it",
        f"shop.page_views, partition {viewed_in}, offset {viewed_at} (",
        "the warehouse has event v-9, duration 4, the lane event v-9, duration 3",
        f"shop.card_transactions, partition {left_in}, offset {left_at}: the lane has a dead letter of it, and the warehouse has nothing",
    ):
        assert wanted in done.stderr, done.stderr

    lane.house.end()
    away = load.elt("stream", "reconcile")
    assert away.returncode == 2 and "ClickHouse at" in away.stderr and "can't be read" in away.stderr
