"""What a topic holds now, read from its beginning to its end, without a group.

A transaction that is open hides whatever was committed behind its first message, of other producers, too. So the end is where the topic ended
when the reading began, and an open transaction before it is waited for: it ends by itself within its own time limit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from foundation.errors import EltError, Kind
from foundation.settings import Settings
from streaming.catalogue import Topic
from streaming.client import connection, unreachable
from streaming.schemas import Schemas
from streaming.sink.messages import Away, Poison, event_of

STARTING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
    }
)
ANSWER_SECONDS = 90.0  # more than a transaction may take


def messages(config: Settings, topic: str) -> Iterator[Message]:
    """Every committed message of a topic, partition by partition in order. Raises EltError."""
    consumer = _consumer(config, "read_committed")
    # who reads what is committed is told of an end before the first open transaction
    asker = _consumer(config, "read_uncommitted")
    try:
        places = _places(asker, topic)
        ends = {place.partition: _end(asker, place) for place in places}
        consumer.assign(places)
        while ends:
            message = consumer.poll(ANSWER_SECONDS)
            if message is None:
                raise EltError(
                    f"Kafka at {config.stream_brokers} does not answer within {ANSWER_SECONDS:g} s",
                    "check that it runs (here: elt up stream), then try again",
                    kind=Kind.RETRY,
                )
            error, end = message.error(), ends.get(message.partition(), 0)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                if not error.retriable():
                    raise unreachable(config, error)
                continue
            if error is None and message.offset() < end:
                yield message
            # where others write all the time the end of what is there never comes by itself
            if message.offset() >= (end if error else end - 1):
                ends.pop(message.partition(), None)
    except KafkaException as error:
        raise unreachable(config, error) from None
    finally:
        consumer.close()
        asker.close()


def _consumer(config: Settings, isolation: str) -> Consumer:
    """One that joins no group: what it reads is assigned."""
    return Consumer(
        connection(config)
        | {
            "group.id": "elt-reading",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
        }
    )


def _places(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """The partitions of a topic. Raises KafkaException: it has none, which must not be taken for an empty topic."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        found = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        if found.error is None and found.partitions:
            return [TopicPartition(topic, number, 0) for number in found.partitions]
        error = found.error or KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
        if error.code() not in STARTING or time.monotonic() > deadline:
            raise KafkaException(error)
        time.sleep(0.1)


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """The offset after the last message; a broker that has just started takes a moment until it leads its partitions."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, ANSWER_SECONDS)[1])
        except KafkaException as error:
            if error.args[0].code() not in STARTING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def values(config: Settings, topic: Topic) -> Iterator[dict[str, Any]]:
    """The events of a topic, in this version's schema. What is no event is passed over. Raises EltError."""
    schemas = Schemas(config)
    reader = schemas.deserializer(topic)
    for message in messages(config, topic.name):
        value = message.value()
        if value is None:
            continue
        try:
            yield event_of(value, topic, reader)
        except Poison:
            continue
        except Away as away:
            raise schemas.away(away) from None
