"""Events and the position of their source, written in one transaction of Kafka: both are there, or neither.

The last position of each producer is in the compacted topic `shop.positions`. Who starts fences whoever had its name before, then reads it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.schema_registry import SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError

from foundation.errors import EltError
from foundation.settings import Settings
from streaming.catalogue import DEAD_LETTERS, POSITIONS, Topic
from streaming.client import connection, unreachable
from streaming.reading import messages
from streaming.schemas import Schemas

TRANSACTION_SECONDS = 60
START_SECONDS = 15
QUEUED = 20_000  # events that wait in this process; who has more waits for the broker
QUEUED_KBYTES = 64 << 10
LARGEST = 900_000  # bytes of a value; the broker takes a megabyte in all

Event = dict[str, Any]


class Outbox:
    """A producer's way into the topics. One of a name at a time: a second one ends the first."""

    def __init__(self, config: Settings, name: str) -> None:
        self.name, self._config = name, config
        self._schemas = Schemas(config)
        self._serializers: dict[str, AvroSerializer] = {}
        self._failed: KafkaError | None = None
        self._open = False
        self.waiting = 0  # events of the open transaction
        self._producer = Producer(
            connection(config)
            | {
                "transactional.id": f"elt-{name}",
                "transaction.timeout.ms": TRANSACTION_SECONDS * 1000,
                "queue.buffering.max.messages": QUEUED,
                "queue.buffering.max.kbytes": QUEUED_KBYTES,
                "linger.ms": 5,
                "compression.type": "lz4",
                "delivery.timeout.ms": TRANSACTION_SECONDS * 1000,
            }
        )

    def start(self, topics: list[Topic]) -> Any:
        """Take the name, register the schemas of `topics`, and say how far its last holder came: None, if there was none.

        Raises EltError: Kafka or the registry is away, or a schema is refused.
        """
        for topic in (*topics, DEAD_LETTERS):
            self._serializers[topic.name] = self._schemas.serializer(topic)
        self._do(lambda: self._producer.init_transactions(START_SECONDS))
        return self._last_position()

    def put(self, topic: Topic, key: str, event: Event) -> None:
        """An event of the open transaction, which begins with the first. Raises UnfitEventError: it has not the form of its schema."""
        context = SerializationContext(topic.name, MessageField.VALUE)
        try:
            value = self._serializers[topic.name](event, context)
        except (SchemaRegistryError, httpx.HTTPError) as error:  # it is asked for a schema's number once
            raise self._schemas.away(error) from None
        except (ValueError, TypeError, ArithmeticError, KeyError, SerializationError) as error:
            raise UnfitEventError(f"{type(error).__name__}: {error}") from None
        if len(value) > LARGEST:
            raise UnfitEventError(f"it has {len(value):,} bytes, and a message at most {LARGEST:,}")
        self._write(topic, key, value)

    def put_aside(self, origin: str, place: str, reason: str, value: bytes | None) -> None:
        """What can't be an event, with the reason, as a dead letter. `place`: where in the source it is."""
        letter = {
            "event_id": place,
            "occurred_at": datetime.now(UTC),
            "origin": origin,
            "reason": reason,
            "value": None if value is None else value[: LARGEST // 2],
        }
        self.put(DEAD_LETTERS, place, letter)

    def commit(self, position: Any) -> None:
        """End the transaction with the position that the source has come to. Raises EltError; then nothing of it is there."""
        self._begin()
        self._produce(POSITIONS.name, self.name, json.dumps(position).encode())
        self._do(lambda: self._producer.commit_transaction(TRANSACTION_SECONDS), again=True)
        self._open, self.waiting = False, 0
        if self._failed is not None:
            raise self._refused(KafkaException(self._failed))

    def forget(self) -> None:
        """Remove the position: the next start begins anew."""
        self._begin()
        self._produce(POSITIONS.name, self.name, None)
        self._do(lambda: self._producer.commit_transaction(TRANSACTION_SECONDS), again=True)
        self._open = False

    def _write(self, topic: Topic, key: str, value: bytes) -> None:
        self._begin()
        self._produce(topic.name, key, value)
        self.waiting += 1

    def _begin(self) -> None:
        if not self._open:
            self._do(self._producer.begin_transaction)
            self._open = True

    def _produce(self, topic: str, key: str, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=self._delivered)
                self._producer.poll(0)
                return
            except BufferError:  # the broker is slower than the source: the source waits
                self._producer.poll(0.1)
            except KafkaException as error:
                raise self._refused(error) from None
            if self._failed is not None:
                raise self._refused(KafkaException(self._failed))

    def _delivered(self, error: KafkaError | None, _: Any) -> None:
        self._failed = self._failed or error

    def _do(self, step: Callable[[], Any], *, again: bool = False) -> None:
        """A step of a transaction; `again`: one that may be tried again as long as the transaction lasts."""
        deadline = time.monotonic() + TRANSACTION_SECONDS
        while True:
            try:
                step()
                return
            except KafkaException as error:
                if not (again and error.args[0].retriable() and time.monotonic() < deadline):
                    raise self._refused(error) from None

    def _refused(self, error: KafkaException) -> EltError:
        found = error.args[0]
        if found.code() in (
            KafkaError._FENCED,
            KafkaError.PRODUCER_FENCED,
            KafkaError.INVALID_PRODUCER_EPOCH,
        ):
            return EltError(
                f"another producer of {self.name} has begun, or Kafka has ended a transaction of over {TRANSACTION_SECONDS} s",
                "let one of them run; it goes on where the topics end",
            )
        return unreachable(self._config, error)

    def _last_position(self) -> Any:
        """The last one that was committed."""
        found = None
        for message in messages(self._config, POSITIONS.name):
            if message.key() == self.name.encode():
                found = message.value()
        return None if found is None else json.loads(found)


class UnfitEventError(Exception):
    """An event that has not the form of its schema."""
