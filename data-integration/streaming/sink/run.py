"""The loop: messages from Kafka, rows into ClickHouse, what can't be a row aside, then the commit.

In this order, so that a kill at any moment repeats and never loses: rows (a repeated one is the same row), the figures of the minutes that
they touched (computed from the rows), dead letters (told apart by their `event_id`), and last the offsets. While ClickHouse or the
registry is away the sink reads nothing and tries again: the messages wait in Kafka.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streaming.catalogue import TOPICS
from streaming.sink.clickhouse import Tables
from streaming.sink.letters import Letters
from streaming.sink.messages import Away, Decoder, Poison, Row
from streaming.sink.tables import LANDED

log = logging.getLogger(__name__)

GROUP = "clickhouse-sink"
MESSAGES = 5_000  # at once
LINGER_SECONDS = 0.2
COMMIT_SECONDS = 1.0
PAUSE_SECONDS = 0.5  # between two tries
PATIENCE_SECONDS = 240.0  # with something that is away; after 300 Kafka takes this member for dead

# what Kafka says to a member that its group has gone on without
NOT_OURS = frozenset(
    {KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS}
)

Given = TypeVar("Given")


class Stopped(Exception):
    """The sink was told to end while it waited for something to come back."""


class Sink:
    """A member of the consumer group. `stopped` says when to end."""

    def __init__(
        self,
        consumer: Consumer,
        tables: Tables,
        decoder: Decoder,
        letters: Letters,
        stopped: Callable[[], bool],
    ) -> None:
        self._consumer, self._tables, self._decoder, self._letters = consumer, tables, decoder, letters
        self._stopped = stopped
        self._touched: dict[str, set[datetime]] = defaultdict(set)
        self._offsets: dict[tuple[str, int], int] = {}

    def run(self) -> None:
        """Take messages until `stopped`; then commit and leave the group."""
        self._consumer.subscribe(
            [topic.name for topic in LANDED], on_revoke=self._revoked, on_lost=self._lost
        )
        committed_at = time.monotonic()
        try:
            while not self._stopped():
                self._take(self._consumer.consume(MESSAGES, LINGER_SECONDS))
                if time.monotonic() - committed_at >= COMMIT_SECONDS:
                    self._insist(self._commit)
                    committed_at = time.monotonic()
            self._commit()
        except (Stopped, Away) as error:
            log.warning("ended with messages that are not committed; they come again: %s", error)
        finally:
            self._consumer.close()

    def _take(self, messages: list[Message]) -> None:
        """Write a batch."""
        rows: dict[str, list[Row]] = defaultdict(list)
        places = {}
        for message in messages:
            error = message.error()
            if error is not None:
                log.warning("Kafka: %s", error.str())
                continue
            try:
                rows[str(message.topic())].append(self._insist(partial(self._decoder.row, message)))
            except Poison as poison:
                self._letters.put(message, str(poison))
            places[str(message.topic()), message.partition()] = message.offset() + 1
        for name, batch in rows.items():
            for row, reason in self._insist(partial(self._tables.insert, TOPICS[name], batch)):
                self._letters.put(row.message, str(reason))
            self._touched[name] |= {row.appended_at.replace(second=0, microsecond=0) for row in batch}
        self._offsets |= places

    def _commit(self) -> None:
        """The figures of the minutes that were touched, what was set aside, then the offsets. Raises Away."""
        if not self._offsets:
            return
        self._tables.recompute(self._touched)
        try:
            self._letters.flush()
            offsets = [
                TopicPartition(topic, partition, offset)
                for (topic, partition), offset in self._offsets.items()
            ]
            for place in self._consumer.commit(offsets=offsets, asynchronous=False) or ():
                if place.error is not None:
                    raise KafkaException(place.error)
        except KafkaException as error:
            found = error.args[0]
            if found.code() not in NOT_OURS:
                raise Away(f"Kafka: {found.str()}") from None
            log.warning("other members have these partitions now; their messages come again: %s", found.str())
        self._touched.clear()
        self._offsets.clear()

    def _insist(self, action: Callable[[], Given]) -> Given:
        """Do it, again and again while something is away. Raises Stopped; Away when that lasts longer than Kafka waits for a member."""
        deadline, told = time.monotonic() + PATIENCE_SECONDS, False
        while True:
            try:
                return action()
            except Away as away:
                if not told:
                    log.warning("waiting: %s", away)
                    told = True
                if self._stopped():
                    raise Stopped(str(away)) from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Another member takes partitions over: what is written of them is committed first, if that is possible."""
        try:
            self._commit()
        except Away as error:
            log.warning("partitions go with messages that are not committed; they come again: %s", error)
        self._lost(consumer, partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._offsets.pop((one.topic, one.partition), None)
