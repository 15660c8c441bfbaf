"""Dead letters that Kafka has refused: what they are about may not be committed, however often the sink tries."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import KafkaException, Producer

from streaming.catalogue import ORDERS
from streaming.sink.letters import Letters
from tests.fixtures.source import free_port


class Unregistered:
    """Stands for the registry, which the letter below does not need."""

    def serializer(self, _: Any) -> Any:
        return lambda letter, context: letter["event_id"].encode()


class Taken:
    """A message as the sink's consumer gives it, of which only Kafka can make one."""

    topic = staticmethod(lambda: ORDERS.name)
    partition = staticmethod(lambda: 0)
    offset = staticmethod(lambda: 7)
    key = staticmethod(lambda: b"k")
    value = staticmethod(lambda: b"v")


def test_a_letter_that_was_refused_is_missed_until_its_message_is_read_again() -> None:
    nobody = Producer(
        {"bootstrap.servers": f"127.0.0.1:{free_port()}", "message.timeout.ms": 50, "log_level": 0}
    )
    letters = Letters(nobody, cast(Any, Unregistered()))
    letters.put(cast(Any, Taken()), "a reason")
    for _ in range(3):
        with pytest.raises(KafkaException):
            letters.flush()
