"""What a topic holds now, however many transactions are open there."""

from __future__ import annotations

import threading

from confluent_kafka import Producer

from streaming.catalogue import POSITIONS
from streaming.client import connection
from streaming.reading import messages
from tests.fixtures.stream import Broker


def writer(kafka: Broker, name: str) -> Producer:
    made = Producer(connection(kafka.config) | {"transactional.id": name, "transaction.timeout.ms": 60_000})
    made.init_transactions(30)
    return made


def test_what_was_committed_behind_an_open_transaction_is_waited_for(own_broker: Broker) -> None:
    """Else a producer would go on from an older position than it has, and write its events twice."""
    own_broker.start()
    mine, other = writer(own_broker, "mine"), writer(own_broker, "other")
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
