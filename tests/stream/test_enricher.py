"""The enricher on a real broker: each event once in the topics that it writes, whatever is killed, with what was known of it."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from subprocess import PIPE
from typing import Any

import duckdb
import pytest

from foundation.settings import Settings, load_settings
from streaming.catalogue import (
    CARDS,
    CARDS_SCORED,
    DEAD_LETTERS,
    ORDERS,
    ORDERS_ENRICHED,
    PAGE_VIEWS,
    SESSIONS,
    WINDOWS,
    Topic,
)
from streaming.enricher.minutes import BEGINNING, MINUTE
from streaming.environment import STREAM, environ
from streaming.fraud.features import features
from streaming.fraud.rules import THRESHOLD, score
from streaming.producer.payments import payment
from streaming.reading import values
from tests.fixtures.stream import Broker, Registry, Running, broker, producer
from tests.fixtures.waiting import wait_until
from tests.stream.clickhouse.test_sink import order, revenue, view

AT = datetime(2026, 3, 4, 5, 6, 0, tzinfo=UTC)


def publish(home: Path, version: int, customers: dict[int, str]) -> None:
    """A version of the dimensions, as the warehouse's publishing leaves it."""
    serving = home / "serving"
    (serving / f"v{version}").mkdir(parents=True)
    with duckdb.connect(serving / f"v{version}" / "adventureworks.duckdb") as file:
        file.execute("create schema marts")
        file.execute(
            "create table marts.dim_customer (customer_id int, customer_type text, territory_name text, country_name text, is_current bool)"
        )
        for key, country in customers.items():
            file.execute(
                "insert into marts.dim_customer values (?, 'Person', 'Northwest', ?, true), (?, 'Old', 'Old', 'Old', false)",
                [key, country, key],
            )
        file.execute(
            "create table marts.dim_product as select 700 as product_id, 'Helmet' as product_name, 'Helmets' as product_subcategory,"
            " 'Accessories' as product_category, true as is_current"
        )
    link = serving / ".new"
    link.symlink_to(f"v{version}", target_is_directory=True)
    link.replace(serving / "current")


@dataclass
class Lane:
    """A broker, a registry and an enricher."""

    config: Settings
    broker: Broker
    program: Running
    producer: Any

    def write(self, topic: Topic, key: str, *events: dict[str, Any]) -> None:
        from confluent_kafka.serialization import MessageField, SerializationContext

        from streaming.schemas import Schemas

        serializer = Schemas(self.config).serializer(topic)
        for event in events:
            value = serializer(event, SerializationContext(topic.name, MessageField.VALUE))
            self.producer.produce(topic.name, value, str(event[key]))
            self.producer.poll(0)
        assert self.producer.flush(30) == 0

    def read(self, topic: Topic) -> list[dict[str, Any]]:
        return list(values(self.config, topic))

    def until(self, topic: Topic, number: int, seconds: float = 180) -> list[dict[str, Any]]:
        """What the topic has, as soon as these are so many."""
        wait_until(lambda: len(self.read(topic)) >= number, seconds)
        return self.read(topic)


@pytest.fixture(scope="module")
def lane(registry_server: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """The enricher runs, and goes on running."""
    home = tmp_path_factory.mktemp("enricher") / "elt home"
    with broker(home) as kafka:
        kafka.start()
        environ = kafka.environ | {
            "STREAM_REGISTRY_PORT": registry_server.environ["STREAM_REGISTRY_PORT"],
            "ELT_SOURCES": "adventureworks,web,stream",
        }
        config = load_settings(environ)
        program = Running(["streaming.launch", "streaming.enricher"], environ, home / "enricher.log")
        program.start()
        try:
            yield Lane(config, kafka, program, producer(config))
        finally:
            program.end()
            print(program.said[-3000:])


def test_orders_have_what_is_known_of_customers_and_products(lane: Lane) -> None:
    home = lane.config.home
    lane.write(ORDERS, "salesorderid", order(1))
    (first,) = lane.until(ORDERS_ENRICHED, 1)
    assert (first["customer_known"], first["customer_country"], first["published_version"]) == (
        False,
        None,
        None,
    )
    publish(home, 1, {11002: "France"})
    wait_until(
        lambda: "version 1 of" in lane.program.said or lane.write(ORDERS, "salesorderid", order(9)), 30
    )
    lane.write(ORDERS, "salesorderid", order(2), order(3))
    wait_until(lambda: {2, 3} <= {one["salesorderid"] for one in lane.read(ORDERS_ENRICHED)}, 180)
    found = {one["salesorderid"]: one for one in lane.read(ORDERS_ENRICHED)}
    assert (found[2]["customer_known"], found[2]["customer_country"]) == (True, "France")
    assert (found[3]["customer_known"], found[3]["customer_country"]) == (False, None)
    assert [line["product_category"] for line in found[2]["lines"]] == ["Accessories", None, None]
    assert [line["product_known"] for line in found[2]["lines"]] == [True, False, False]
    assert (found[2]["revenue"], found[2]["units"], found[2]["published_version"]) == (
        revenue(order(2)),
        6,
        1,
    )
    publish(home, 2, {11004: "Canada"})
    wait_until(
        lambda: "version 2 of" in lane.program.said or lane.write(ORDERS, "salesorderid", order(9)), 30
    )
    lane.write(ORDERS, "salesorderid", order(4))
    wait_until(lambda: 4 in {one["salesorderid"] for one in lane.read(ORDERS_ENRICHED)}, 180)
    found = {one["salesorderid"]: one for one in lane.read(ORDERS_ENRICHED)}
    assert (found[4]["customer_country"], found[4]["published_version"]) == ("Canada", 2)


def test_each_payment_is_scored_once_and_counted_once_after_kills(lane: Lane) -> None:
    made = [payment(42, number, AT + timedelta(seconds=number)) for number in range(1_500)]
    for round_ in range(5):
        lane.write(CARDS, "creditcardid", *made[round_ * 300 : round_ * 300 + 300])
        seen = round_ * 300
        wait_until(lambda seen=seen: len(lane.read(CARDS_SCORED)) > seen, 180)
        if round_ == 2:
            lane.broker.kill()
            lane.broker.start()
        lane.program.kill()
        lane.program.start()
    scored = lane.until(CARDS_SCORED, 1_500)
    assert Counter(one["event_id"] for one in scored) == Counter(one["event_id"] for one in made)
    by_id = {one["event_id"]: one for one in scored}
    histories: dict[int, list[dict[str, Any]]] = {}
    for one in made:  # as if nothing had been killed
        history = histories.setdefault(one["creditcardid"], [])
        expected = features().of(one, history)
        found = by_id[one["event_id"]]
        assert found["features"] == expected
        assert found["suspected"] == (score(features().names, expected) >= THRESHOLD)
        assert (found["model_version"], found["amount"]) == (0, one["amount"])
        histories[one["creditcardid"]] = features().after(one, history)
    # one payment in each partition closes what is open in it
    later = AT + timedelta(hours=1)
    lane.write(CARDS, "creditcardid", *(payment(9, number, later) for number in range(100)))
    wanted = Counter(((one["occurred_at"] - BEGINNING) // timedelta(milliseconds=MINUTE)) for one in made)

    def payments() -> list[dict[str, Any]]:
        return [part for part in lane.read(WINDOWS) if part["subject"] == "payments"]

    def by_minute() -> dict[int, int]:
        counted: Counter[int] = Counter()
        for part in payments():
            counted[(part["occurred_at"] - BEGINNING) // timedelta(minutes=1)] += part["events"]
        return counted

    wait_until(lambda: by_minute() == wanted, 180)
    parts = payments()
    assert sum(part["amount"] for part in parts) == sum(one["amount"] for one in made)
    assert sum(part["suspected"] for part in parts) == sum(one["suspected"] for one in scored)
    assert len({part["event_id"] for part in parts}) == len(parts)
    assert not any(part["late"] for part in parts)
    lane.write(CARDS, "creditcardid", payment(9, 1_000, AT))  # an hour late
    wait_until(lambda: sum(by_minute().values()) == 1_501, 180)
    (late,) = [part for part in payments() if part["late"]]
    assert (late["events"], late["occurred_at"]) == (1, AT)


def test_page_views_become_visits(lane: Lane) -> None:
    def viewed(visitor: str, minutes: int, **changes: Any) -> dict[str, Any]:
        return (
            view(minutes)
            | {
                "visitor": visitor,
                "occurred_at": AT + timedelta(minutes=minutes),
                "page_url": f"/{minutes}",
            }
            | changes
        )

    lane.write(
        PAGE_VIEWS,
        "visitor",
        viewed("customer:1", 0, customerid=1, order_value=Decimal("10.5")),
        viewed("customer:1", 20, customerid=1),
        viewed("customer:1", 15, occurred_at=datetime(9999, 12, 31, tzinfo=UTC)),
        viewed("customer:1", 10, customerid=1),  # out of order
        viewed("customer:1", 51, customerid=1),  # 31 minutes after: another visit
    )
    lane.write(PAGE_VIEWS, "visitor", *(viewed(f"session:{number}", 400) for number in range(60)))
    found = sorted(lane.until(SESSIONS, 2), key=lambda one: one["occurred_at"])
    assert [(one["visitor"], one["page_views"], one["entry_url"], one["exit_url"]) for one in found] == [
        ("customer:1", 3, "/0", "/20"),
        ("customer:1", 1, "/51", "/51"),
    ]
    assert (found[0]["order_value"], found[0]["ended_at"]) == (Decimal("10.5"), AT + timedelta(minutes=20))
    assert found[0]["customer_known"] is False
    (letter,) = lane.read(DEAD_LETTERS)
    assert (letter["topic"], letter["reason"]) == (
        PAGE_VIEWS.name,
        "ValueError: occurred_at 9999-12-31 lies more than a year ahead",
    )


HASTY = "from streaming.enricher import __main__, hung; hung.SECONDS = 12; __main__.main()"


def test_a_stalled_broker_ends_the_program_and_loses_nothing(lane: Lane) -> None:
    seen = {one["event_id"] for one in lane.read(CARDS_SCORED)}
    assert lane.program.stop() == 0
    hasty = subprocess.Popen(
        [STREAM.python, "-c", HASTY],
        env=lane.program.environ | environ(),
        stdout=PIPE,
        stderr=PIPE,
        text=True,
    )
    try:
        payments = [payment(77, number, AT + timedelta(days=1, seconds=number)) for number in range(400)]
        lane.write(CARDS, "creditcardid", *payments[:200])
        wait_until(lambda: len(lane.read(CARDS_SCORED)) > len(seen), 180)
        lane.write(CARDS, "creditcardid", *payments[200:])
        lane.broker.process.send_signal(signal.SIGSTOP)
        try:
            said, _ = hasty.communicate(timeout=120)
        finally:
            lane.broker.process.send_signal(signal.SIGCONT)
    finally:
        hasty.kill()
    assert (hasty.returncode, said.splitlines()[-1]) == (
        1,
        "enricher: Kafka has not answered a call for 12 s; ends here, and goes on where its last transaction ended",
    )
    lane.program.start()
    wanted = {one["event_id"] for one in payments}
    wait_until(lambda: wanted <= {one["event_id"] for one in lane.read(CARDS_SCORED)}, 180)
    found = [one["event_id"] for one in lane.read(CARDS_SCORED)]
    assert len(found) == len(set(found)) == len(seen) + len(payments)


def test_what_is_no_event_is_passed_over(lane: Lane) -> None:
    letters = len(lane.read(DEAD_LETTERS))
    lane.producer.produce(ORDERS.name, b"garbage", "1")
    lane.producer.produce(ORDERS.name, None, "2")
    lane.producer.flush(30)
    lane.write(ORDERS, "salesorderid", order(77))
    wait_until(lambda: 77 in {one["salesorderid"] for one in lane.read(ORDERS_ENRICHED)}, 180)
    assert len(lane.read(DEAD_LETTERS)) == letters
    assert lane.program.stop() == 0
