"""Orders from the shop's log: each is one event, whatever is killed and whenever; what is none is put aside with the reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema

from adventureworks import shop
from foundation.settings import Settings, load_settings
from streaming.catalogue import DEAD_LETTERS, ORDER_STATUS, ORDERS, Topic
from streaming.reading import messages, values
from tests.fixtures.source import SourceDatabase
from tests.fixtures.stream import Broker, Registry, Running, together
from tests.fixtures.waiting import wait_until

# each change of a header, noted by the database itself
NOTED = """
create table public.noted (number bigserial, kind text, salesorderid integer, revisionnumber integer, modifieddate timestamp, xid xid8);
create function public.note() returns trigger language plpgsql security definer as $$ begin
    insert into public.noted (kind, salesorderid, revisionnumber, modifieddate, xid)
    values (tg_op, new.salesorderid, new.revisionnumber, new.modifieddate, pg_current_xact_id());
    return null;
end $$;
create trigger noted after insert or update on sales.salesorderheader for each row execute function public.note();
"""
PLACED = "select salesorderid from public.noted where kind = 'INSERT' order by 1"
CHANGED = """
select salesorderid, revisionnumber, modifieddate from public.noted as n
where kind = 'UPDATE' and not exists (
    select from public.noted as i where i.kind = 'INSERT' and i.salesorderid = n.salesorderid and i.xid = n.xid
)
order by number
"""


@dataclass
class Lane:
    """A shop, Kafka, the registry, and the producer of orders, which is not started yet."""

    broker: Broker
    database: SourceDatabase
    program: Running

    @property
    def config(self) -> Settings:
        return load_settings(self.program.environ)

    def events(self, topic: Topic) -> list[dict[str, Any]]:
        return list(values(self.config, topic))

    def write(self, *statements: str) -> None:
        """In one transaction."""
        with self.database.connect("superuser") as connection:
            for statement in statements:
                connection.execute(statement)

    def see_that_each_change_is_one_event(self) -> None:
        """Of those that the database has noted; those of an order in their order."""
        placed = sorted(one["salesorderid"] for one in self.events(ORDERS))
        assert placed == [order for (order,) in self.ask(PLACED)]
        told = [
            (one["salesorderid"], one["revisionnumber"], one["modifieddate"])
            for one in self.events(ORDER_STATUS)
        ]
        assert _by_order(told) == _by_order(self.ask(CHANGED))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.database.connect("superuser") as connection:
            return connection.execute(query).fetchall()

    def start(self) -> None:
        """Returns when it reads the log."""
        before = self.program.said.count("orders: from")
        self.program.start()
        wait_until(
            lambda: self.program.said.count("orders: from") > before
            or self.program.process.poll() is not None,
            60,
        )
        assert self.program.process.poll() is None, self.program.said[-3000:]

    def catch_up(self) -> None:
        """Until all that is committed in the shop now is in the topics: a last change of an order says so."""
        self.write(
            "update sales.salesorderheader set revisionnumber = revisionnumber + 1 where salesorderid = 43659"
        )
        ((revision,),) = self.ask(
            "select revisionnumber from sales.salesorderheader where salesorderid = 43659"
        )
        last = (43659, revision)
        wait_until(
            lambda: last
            in {(one["salesorderid"], one["revisionnumber"]) for one in self.events(ORDER_STATUS)},
            90,
        )


def _by_order(changes: list[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for order, *change in changes:
        found.setdefault(order, []).append(tuple(change))
    return found


@pytest.fixture
def lane(
    own_broker: Broker, schemas: Registry, generated_source: SourceDatabase, tmp_path: Path
) -> Iterator[Lane]:
    database = generated_source.copy()
    environ = together(own_broker, schemas, database)
    program = Running(["streaming.launch", "streaming.producer", "orders"], environ, tmp_path / "orders.log")
    lane = Lane(own_broker, database, program)
    lane.write(NOTED)
    yield lane
    program.end()
    database.server.drop(database)


def test_an_order_is_an_event_with_its_lines_and_a_change_is_one_too(lane: Lane) -> None:
    lane.broker.start()
    lane.start()
    with lane.database.connect() as connection:
        done = shop.day(connection)
    lane.catch_up()
    placed = {one["salesorderid"]: one for one in lane.events(ORDERS)}
    assert len(placed) == len(lane.events(ORDERS)) == done.new_orders > 5
    columns = (
        "customerid",
        "status",
        "onlineorderflag",
        "orderdate",
        "shipdate",
        "creditcardid",
        "subtotal",
        "totaldue",
    )
    query = f"select salesorderid, {', '.join(columns)} from sales.salesorderheader where salesorderid in ({PLACED})"
    for order, *row in lane.ask(query):
        event = placed[order]
        assert [event[name] for name in columns] == [Decimal(x) if isinstance(x, Decimal) else x for x in row]
        lines = lane.ask(
            "select salesorderdetailid, productid, orderqty, unitprice, unitpricediscount from sales.salesorderdetail"
            f" where salesorderid = {order} order by 1"
        )
        names = ("salesorderdetailid", "productid", "orderqty", "unitprice", "unitpricediscount")
        found = sorted(event["lines"], key=lambda line: line["salesorderdetailid"])
        assert [tuple(line[name] for name in names) for line in found] == lines
        assert abs(event["occurred_at"] - datetime.now(UTC)) < timedelta(minutes=5)
    lane.see_that_each_change_is_one_event()
    keys = {message.key().decode(): message.partition() for message in messages(lane.config, ORDERS.name)}
    assert keys.keys() == {str(order) for order in placed} and set(keys.values()) == {0, 1, 2, 3}
    assert lane.events(DEAD_LETTERS) == []


def test_each_order_is_there_once_after_kills_of_everything(lane: Lane) -> None:
    """The producer, the broker and the server of the shop's log are killed while the shop trades."""
    lane.broker.start()
    lane.start()
    over = threading.Event()

    def trade() -> None:
        with lane.database.connect() as connection:
            shop.live(connection, 40, stopped=over.is_set)

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        for round_ in range(6):
            seen = len(lane.events(ORDERS))
            wait_until(lambda seen=seen: len(lane.events(ORDERS)) > seen + 10, 60)
            lane.program.kill()
            if round_ % 3 == 2:
                lane.broker.kill()
                lane.broker.start()
            lane.start()
    finally:
        over.set()
        thread.join(60)
    lane.catch_up()
    lane.see_that_each_change_is_one_event()
    assert len(lane.events(ORDERS)) > 80
    ids = [one["event_id"] for topic in (ORDERS, ORDER_STATUS) for one in lane.events(topic)]
    assert len(ids) == len(set(ids))


def test_a_broker_that_is_away_is_waited_for(lane: Lane) -> None:
    lane.broker.start()
    lane.start()
    lane.broker.stop()
    lane.write(
        "update sales.salesorderheader set status = 2, revisionnumber = revisionnumber + 1 where salesorderid = 43660"
    )
    lane.broker.start()
    lane.catch_up()
    assert 43660 in {one["salesorderid"] for one in lane.events(ORDER_STATUS)}


def test_an_order_that_fits_no_event_is_put_aside_and_the_next_ones_go_on(lane: Lane) -> None:
    lane.broker.start()
    lane.start()
    lane.write("update sales.salesorderheader set freight = 0.1234567 where salesorderid = 43661")
    lane.write("update sales.salesorderheader set shipdate = 'infinity' where salesorderid = 43662")
    lane.write("update sales.salesorderheader set taxamt = 'NaN' where salesorderid = 43663")
    lane.catch_up()
    letters = sorted(lane.events(DEAD_LETTERS), key=lambda one: one["event_id"])
    reasons = [one["reason"] for one in letters]
    assert [reason.partition(": ")[0] for reason in reasons] == [
        f"sales.salesorderheader {order}" for order in (43661, 43662, 43663)
    ]
    assert [reason.partition(": ")[2] for reason in reasons] == [
        f"{what} can't be in an event"
        for what in ("freight: '0.1234567'", "shipdate: 'infinity'", "taxamt: 'NaN'")
    ]
    assert all(one["origin"] == "orders" and b"salesorderid" in one["value"] for one in letters)
    assert {one["salesorderid"] for one in lane.events(ORDER_STATUS)} == {43659}


def test_what_is_loaded_into_the_shop_is_no_trade(lane: Lane) -> None:
    lane.broker.start()
    lane.start()
    lane.write(
        "create table public.kept as select * from sales.salesorderheader",
        "truncate sales.salesorderheader cascade",
        "insert into sales.salesorderheader select * from public.kept",
    )
    lane.catch_up()
    assert lane.events(ORDERS) == []
    (letter,) = lane.events(DEAD_LETTERS)
    assert letter["reason"] == "a load, no trade: the shop's orders were emptied"


def test_a_second_producer_of_the_name_ends_the_first(lane: Lane, tmp_path: Path) -> None:
    lane.broker.start()
    lane.start()
    second = Running(lane.program.words, lane.program.environ, tmp_path / "second.log")
    second.start()
    try:
        wait_until(lambda: second.log.exists(), 10)
        # the first one notices when it next writes
        lane.write(
            "update sales.salesorderheader set revisionnumber = revisionnumber + 1 where salesorderid = 43664"
        )
        wait_until(lambda: lane.program.process.poll() is not None, 90)
        assert lane.program.process.returncode == 2
        assert "another producer of orders has begun, or Kafka has ended a transaction" in lane.program.said
        lane.catch_up()
        assert [one["salesorderid"] for one in lane.events(ORDER_STATUS)].count(43664) == 1
    finally:
        second.end()


def test_a_slot_that_is_gone_is_said_and_nothing_is_passed_over(lane: Lane) -> None:
    lane.broker.start()
    lane.start()
    lane.catch_up()
    assert lane.program.stop() == 0
    lane.write(f"select pg_drop_replication_slot('{lane.config.stream_slot}')")
    lane.program.start()
    assert lane.program.process.wait(60) == 2
    assert "is gone: orders since then are in no event — elt stream forget orders" in lane.program.said
    forget = Running(
        ["streaming.launch", "streaming.producer", "forget", "orders"], lane.program.environ, lane.program.log
    )
    forget.start()
    assert forget.process.wait(60) == 0
    lane.start()
    lane.catch_up()


def test_a_schema_that_would_break_readers_stops_the_producer(lane: Lane, schemas: Registry) -> None:
    lane.broker.start()
    other = '{"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "event_id", "type": "int"}]}'
    schemas.client().register_schema(ORDERS.subject, Schema(other, "AVRO"))
    lane.program.start()
    assert lane.program.process.wait(60) == 2
    assert "the schema registry refuses schemas/order.avsc" in lane.program.said
    assert "Traceback" not in lane.program.said
