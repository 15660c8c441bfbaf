"""Payments by card: each number of a seed once in the topic, whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.settings import load_settings
from streaming.catalogue import CARDS
from streaming.producer.payments import payment
from streaming.reading import values
from tests.fixtures.stream import Broker, Registry, Running
from tests.fixtures.waiting import wait_until


@pytest.fixture
def cards(own_broker: Broker, schemas: Registry, tmp_path: Path) -> Iterator[Running]:
    """The producer of payments, 300 in a second; it is not started."""
    environ = own_broker.environ | {
        "STREAM_REGISTRY_PORT": schemas.environ["STREAM_REGISTRY_PORT"],
        "STREAM_CARDS_PER_SECOND": "300",
    }
    own_broker.start()
    program = Running(["streaming.launch", "streaming.producer", "cards"], environ, tmp_path / "cards.log")
    yield program
    program.end()


def test_each_payment_is_there_once_after_kills(cards: Running, own_broker: Broker) -> None:
    config = load_settings(cards.environ)
    for round_ in range(5):
        seen = len(list(values(config, CARDS)))
        cards.start()
        wait_until(lambda seen=seen: len(list(values(config, CARDS))) > seen + 100, 60)
        cards.kill()
        if round_ == 2:
            own_broker.kill()
            own_broker.start()
    found = sorted(int(one["event_id"].rpartition("-")[2]) for one in values(config, CARDS))
    assert len(found) > 500 and found == list(range(len(found)))
    first = next(values(config, CARDS))
    number = int(first["event_id"].rpartition("-")[2])
    assert first == payment(42, number, first["occurred_at"])
