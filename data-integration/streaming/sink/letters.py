"""Dead letters: what could not be a row, as it was, with its place and the reason, in a topic of its own.

`event_id` is the message's place: after a kill the same letter may be written once more, and is the same letter.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.serialization import MessageField, SerializationContext

from streaming.catalogue import DEAD_LETTERS
from streaming.schemas import Schemas

log = logging.getLogger(__name__)

ORIGIN = "clickhouse-sink"
FLUSH_SECONDS = 30.0
SHOWN = 500  # characters of a reason
LARGEST = 400_000  # bytes of a key, and of a value: a letter is larger than what it is about, and has to fit into a message, too


class Letters:
    """Writes dead letters; `flush` returns when Kafka has them all."""

    def __init__(self, producer: Producer, schemas: Schemas) -> None:
        self._producer = producer
        self._written = schemas.serializer(DEAD_LETTERS)
        self._failed: list[KafkaError] = []

    def put(self, message: Message, reason: str) -> None:
        """Set a message aside. A dead letter that is none goes nowhere else: it stays where it is, and the log says so."""
        topic, partition, offset = str(message.topic()), message.partition(), message.offset()
        place = f"{topic}-{partition}-{offset}"
        log.warning("%s can't be a row: %s", place, reason[:SHOWN])
        if topic == DEAD_LETTERS.name:
            return
        key, value = _bytes(message.key()), _bytes(message.value())
        longest = max(len(key or b""), len(value or b""))
        cut = f" (cut to {LARGEST:,} of {longest:,} bytes)" if longest > LARGEST else ""
        letter = {
            "event_id": place,
            "occurred_at": datetime.now(UTC),
            "origin": ORIGIN,
            "reason": reason[:SHOWN] + cut,
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "key": key and key[:LARGEST],
            "value": value and value[:LARGEST],
        }
        context = SerializationContext(DEAD_LETTERS.name, MessageField.VALUE)
        self._producer.produce(
            DEAD_LETTERS.name, self._written(letter, context), place.encode(), on_delivery=self._delivered
        )

    def flush(self) -> None:
        """Raises KafkaException: some are not there. One that was refused never comes, so from then on it always does: the messages must be
        read again."""
        left = self._producer.flush(FLUSH_SECONDS)
        if self._failed:
            raise KafkaException(self._failed[0])
        if left:
            raise KafkaException(
                KafkaError(KafkaError._MSG_TIMED_OUT, f"{left} dead letters have not been taken")
            )

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(error)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
