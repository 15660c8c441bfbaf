"""The flows of the enricher on quixstreams: what is read, what is made of it, and where it goes, in one transaction of Kafka with the state.

A message that is no event is passed over: the sink sets it aside. An event of which nothing can be made becomes a dead letter.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError
from quixstreams import Application
from quixstreams.context import message_context
from quixstreams.kafka import ConnectionConfig
from quixstreams.models import Topic as QuixTopic
from quixstreams.models.serializers import Deserializer, IgnoreMessage, Serializer

from foundation.settings import Settings
from streaming.catalogue import (
    CARDS,
    CARDS_SCORED,
    DEAD_LETTERS,
    DERIVED,
    ORDERS,
    ORDERS_ENRICHED,
    PAGE_VIEWS,
    SESSIONS,
    WINDOWS,
    Topic,
)
from streaming.enricher import minutes, sessions
from streaming.enricher.dimensions import Dimensions
from streaming.enricher.hung import BEAT_SECONDS, Hung
from streaming.enricher.orders import enriched
from streaming.enricher.payments import Scorer
from streaming.schemas import Schemas
from streaming.sink.messages import Poison, event_of

log = logging.getLogger(__name__)

NAME = "enricher"  # of the consumer group, and what its transactions and its state are called by
COMMIT_SECONDS = 0.2
SHOWN = 500  # characters of a reason

Event = dict[str, Any]
Packed = tuple[str, bytes, bytes]  # topic, key, value


class Decoded(Deserializer):
    """Reads a topic's events in this version's schema."""

    def __init__(self, schemas: Schemas, topic: Topic) -> None:
        super().__init__()
        self._topic, self._read = topic, schemas.deserializer(topic)

    def __call__(self, value: bytes, ctx: Any) -> Event:
        try:
            return event_of(value, self._topic, self._read)
        except Poison as poison:
            log.warning("passed over in %s: %s", self._topic.name, poison)
            raise IgnoreMessage from None


class Constant(Deserializer):
    """One key for all: the state is then of a partition, not of a key."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key.encode()

    def __call__(self, value: bytes, ctx: Any) -> bytes:
        return self._key


class Value(Serializer):
    """The value of a message that is packed."""

    def __call__(self, packed: Packed, ctx: Any) -> bytes:
        return packed[2]


class Enricher:
    """`run` until SIGTERM or SIGINT."""

    def __init__(self, config: Settings) -> None:
        self._config, self._schemas = config, Schemas(config)
        self._writers = {
            topic.name: self._schemas.serializer(topic) for topic in (*DERIVED.values(), DEAD_LETTERS)
        }
        self._dimensions, self._scorer = Dimensions(config), Scorer(config)
        self._late_views = 0
        self._hung = Hung(NAME)
        self._app = Application(
            ConnectionConfig(
                bootstrap_servers=config.stream_brokers,
                security_protocol=config.stream_kafka_security,
                sasl_mechanism=config.stream_kafka_mechanism,
                sasl_username=config.stream_kafka_user,
                sasl_password=config.stream_kafka_password,
                client_id="elt",
            ),
            consumer_group=NAME,
            processing_guarantee="exactly-once",
            state_dir=config.home / "stream" / NAME,
            commit_interval=COMMIT_SECONDS,
            consumer_poll_timeout=COMMIT_SECONDS / 2,
            auto_offset_reset="earliest",
            consumer_extra_config={
                # whoever starts is this member at once, and who was it before is none any more
                "group.instance.id": NAME,
                "session.timeout.ms": 10_000,
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 16 << 10,
                "reconnect.backoff.max.ms": 1000,
                "statistics.interval.ms": BEAT_SECONDS * 1_000,
                "stats_cb": self._hung.beat,
            },
            producer_extra_config={
                "transactional.id": f"elt-{NAME}",
                # that of the producers: a key's events are in one partition in all topics, in their order
                "partitioner": "consistent_random",
                "linger.ms": 5,
                "compression.type": "lz4",
                "reconnect.backoff.max.ms": 1000,
            },
            on_consumer_error=_not_ours,
            on_processing_error=_not_ours,
            on_producer_error=_not_ours,
            loglevel=None,
        )
        self._outputs = {
            name: self._app.topic(name, key_serializer="bytes", value_serializer=Value())
            for name in self._writers
            if name not in (ORDERS_ENRICHED.name, CARDS_SCORED.name)
        }
        self._add_orders()
        self._add_payments()
        self._add_minutes(ORDERS_ENRICHED, "orders", minutes.cell_of_order)
        self._add_minutes(CARDS_SCORED, "payments", minutes.cell_of_payment)
        if "web" in config.sources:
            self._add_sessions()

    def run(self) -> None:
        """Raises whatever quixstreams and confluent-kafka do when something is away; ends the process when Kafka does not answer at all."""
        with self._hung.watched():
            self._app.run()

    def _add_orders(self) -> None:
        self._output(ORDERS_ENRICHED, "orders")
        flow = self._input(ORDERS)
        self._write(
            flow.apply(
                self._packed(
                    ORDERS_ENRICHED,
                    lambda order: [enriched(order, self._dimensions)],
                    key=lambda event: str(event["salesorderid"]),
                ),
                expand=True,
            )
        )

    def _add_payments(self) -> None:
        self._output(CARDS_SCORED, "payments")
        flow = self._input(CARDS)
        self._write(
            flow.apply(
                self._packed(
                    CARDS_SCORED,
                    lambda payment, state: [self._scorer.scored(payment, state)],
                    key=lambda event: str(event["creditcardid"]),
                ),
                stateful=True,
                expand=True,
            )
        )

    def _add_minutes(self, source: Topic, subject: str, cell_of: Callable[[Event], minutes.Cell]) -> None:
        flow = self._app.dataframe(self._outputs[source.name])

        def counted(event: Event, state: minutes.State) -> list[Event]:
            return minutes.counted(subject, _place(), event["occurred_at"], cell_of(event), state)

        self._write(
            flow.apply(
                self._packed(WINDOWS, counted, key=lambda event: event["occurred_at"].isoformat()),
                stateful=True,
                expand=True,
            )
        )

    def _add_sessions(self) -> None:
        views = self._input(PAGE_VIEWS)
        self._write(
            views.apply(self._packed(SESSIONS, sessions.refuse_ahead, key=lambda event: ""), expand=True)
        )
        windows = views.filter(lambda view: not minutes.is_ahead(view["occurred_at"])).session_window(
            sessions.GAP, sessions.LATENESS, name="visits", on_late=self._late
        )
        visits = windows.reduce(sessions.with_view, sessions.first, sessions.joined)
        self._write(
            visits.final("partition").apply(
                self._packed(
                    SESSIONS,
                    lambda window: [sessions.session(window, self._dimensions)],
                    key=lambda event: str(event["visitor"]),
                ),
                expand=True,
            )
        )

    def _input(self, topic: Topic) -> Any:
        """The events of a topic, each at the moment in which it happened."""
        made = self._app.topic(
            topic.name,
            value_deserializer=Decoded(self._schemas, topic),
            timestamp_extractor=lambda event, *_: minutes.milliseconds(event["occurred_at"]) if event else 0,
        )
        return self._app.dataframe(made).filter(lambda event: event is not None)

    def _output(self, topic: Topic, key: str) -> None:
        """One that is read again, partition by partition."""
        self._outputs[topic.name] = self._app.topic(
            topic.name,
            value_deserializer=Decoded(self._schemas, topic),
            key_deserializer=Constant(key),
            key_serializer="bytes",
            value_serializer=Value(),
        )

    def _packed(
        self, topic: Topic, make: Callable[..., list[Event]], *, key: Callable[[Event], str]
    ) -> Callable[..., list[Packed]]:
        """What `make` makes of an event, as messages of `topic`; a dead letter, if that is not possible."""

        def packed(event: Event, *state: Any) -> list[Packed]:
            try:
                return [
                    (topic.name, key(made).encode(), self._bytes(topic, made)) for made in make(event, *state)
                ]
            except (ValueError, TypeError, ArithmeticError, KeyError, SerializationError) as error:
                place = _place()
                log.warning("%s can't be enriched: %s", place, str(error)[:SHOWN])
                letter = {
                    "event_id": f"{NAME}-{place}",
                    "occurred_at": datetime.now(UTC),
                    "origin": NAME,
                    "reason": f"{type(error).__name__}: {error}"[:SHOWN],
                    "topic": message_context().topic,
                    "partition": message_context().partition,
                    "offset": message_context().offset,
                }
                return [(DEAD_LETTERS.name, place.encode(), self._bytes(DEAD_LETTERS, letter))]

        return packed

    def _bytes(self, topic: Topic, event: Event) -> bytes:
        try:
            return bytes(
                self._writers[topic.name](event, SerializationContext(topic.name, MessageField.VALUE))
            )
        except (SchemaRegistryError, httpx.HTTPError) as error:  # it is asked for a schema's number once
            raise self._schemas.away(error) from None

    def _write(self, flow: Any) -> None:
        """The time of a message is when it is written, as in the other topics."""

        def to(packed: Packed, *_: Any) -> QuixTopic:
            return self._outputs[packed[0]]

        flow = flow.set_timestamp(lambda *_: time.time_ns() // 1_000_000)
        flow.to_topic(to, key=lambda packed: packed[1])

    def _late(self, *_: Any) -> bool:
        """A page view that came when its visit was over: it is counted here, and in no visit."""
        self._late_views += 1
        if self._late_views % 1_000 == 1:
            log.warning("%s page views came after their visit was over", self._late_views)
        return False


def _place() -> str:
    context = message_context()
    return f"{context.topic}-{context.partition}-{context.offset}"


def _not_ours(error: Exception, *_: Any) -> bool:
    """Nothing is passed over that went wrong: the run ends, and who runs it says why."""
    return False
