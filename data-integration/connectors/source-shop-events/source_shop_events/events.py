"""A stream for each topic: its committed messages, partition by partition, up to where each ended when the sync began.

A row is one message: topic, partition and offset are its key, by which who reads the rows knows one that came twice. A message that is
no event (no Avro, a schema that the registry does not know) is a row with the reason in `left_out` and no fields: raw counts it, and no
model takes it for an event. The state has the topic's id, and of each partition the first offset that was read and the next one to read.
Messages that are gone before they were read, and a topic that was made anew, end the sync: rows would be missing in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

import httpx
from airbyte_cdk.models import FailureType, SyncMode
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from source_shop_events.kafka import Place
from source_shop_events.values import OWN, plain, rounded, typed

CHECKPOINT = 20_000  # rows between two states


class NoEvent(Exception):
    """A message that is no event. Its text is the reason."""


class Events(Stream):
    """The messages of a topic."""

    cursor_field = "appended_at"
    state_checkpoint_interval = CHECKPOINT

    def __init__(self, place: Place, name: str) -> None:
        self._place, self._name, self._topic = place, name, f"{place.prefix}{name}"
        self._state: MutableMapping[str, Any] = {}
        self._decode = AvroDeserializer(place.registry)
        self._context = SerializationContext(self._topic, MessageField.VALUE)
        super().__init__()

    @property
    def name(self) -> str:
        return self._name

    @property
    def primary_key(self) -> list[str]:
        return ["topic", "partition", "offset"]

    @property
    def state(self) -> MutableMapping[str, Any]:
        return self._state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        self._state = dict(value)

    def get_json_schema(self) -> Mapping[str, Any]:
        """The place in Kafka, and the fields of the newest schema, if there is one yet."""
        fields = {field["name"]: typed(field["type"]) for field in self._place.fields(self._topic)}
        return {"type": "object", "additionalProperties": True, "properties": fields | OWN}

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        """A slice for each partition, up to the end that it has now; none as long as the topic has no schema.

        Raises AirbyteTracedException: it is another topic than the state's, or messages are gone that were not read.
        """
        reached = (stream_state or {}).get("partitions", {})
        topic_id, ends = self._place.ends(self._topic, known=bool(reached))
        if reached and not ends:
            raise self._lost("there is no such topic any more")
        if reached and topic_id != (stream_state or {})["topic_id"]:
            raise self._lost("it was deleted and made anew")
        if not ends or not self._place.fields(self._topic):
            return []
        slices, partitions = [], {}
        for number, (first, end) in sorted(ends.items()):
            known = reached.get(str(number), {"first": first, "next": first})
            if known["next"] < first:
                raise self._lost(
                    f"partition {number}: offsets {known['next']} to {first - 1} are gone before they were read"
                )
            partitions[str(number)] = dict(known)
            slices.append({"partition": number, "until": end})
        self._state = {"topic_id": topic_id, "partitions": partitions}
        return slices

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        if not stream_slice:  # the CDK asks once even where there is no slice
            return
        number, until = stream_slice["partition"], stream_slice["until"]
        reached = self._state["partitions"][str(number)]
        if reached["next"] < until:
            with self._place.consumer() as consumer:
                consumer.assign([TopicPartition(self._topic, number, reached["next"])])
                for message in self._messages(consumer, until):
                    row = self._row(message)
                    reached["next"] = message.offset() + 1
                    yield row
        reached["next"] = max(reached["next"], until)

    def _messages(self, consumer: Consumer, until: int) -> Iterator[Message]:
        """Those below an offset. Raises AirbyteTracedException: Kafka stops to answer, or no longer has them."""
        hidden = ""
        while True:
            message = consumer.poll(self._place.patience)
            if message is None:
                raise self._place.away(f"{self._topic}: no answer within {self._place.patience:g} s{hidden}")
            error = message.error()
            if error is None:
                if message.offset() < until:
                    yield message
                if message.offset() >= until - 1:
                    return
            elif error.code() == KafkaError._PARTITION_EOF:
                # before the end it is an open transaction's, behind which nothing is shown until it ends
                if message.offset() >= until:
                    return
                hidden = (
                    f"; a transaction is open at partition {message.partition()}, offset {message.offset()}"
                )
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise self._lost(f"{error.str()}: messages are gone before they were read")
            elif not error.retriable():
                raise self._place.away(error)

    def _row(self, message: Message) -> dict[str, Any]:
        kind, milliseconds = message.timestamp()
        own = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "appended_at": plain(datetime.fromtimestamp(milliseconds / 1000 if kind else 0, UTC)),
        }
        try:
            return self._event(message) | own
        except NoEvent as reason:
            self.logger.warning(
                f"{self._topic}, partition {message.partition()}, offset {message.offset()} is no event: {reason}"
            )
            return own | {"left_out": str(reason)}

    def _event(self, message: Message) -> dict[str, Any]:
        """Its fields. Raises NoEvent; AirbyteTracedException: the registry can't be asked."""
        if message.value() is None:
            raise NoEvent("the message has no value")
        try:
            value = self._decode(message.value(), self._context)
        except SchemaRegistryError as error:
            if error.http_status_code not in (404, 422):
                raise self._place.registry_away(error) from None
            raise NoEvent(f"the registry knows no such schema: {error.error_message}") from None
        except (httpx.HTTPError, OSError) as error:
            raise self._place.registry_away(error) from None
        except Exception as error:  # noqa: BLE001 - the library raises what Avro's bytes lead to
            raise NoEvent(f"the value is no Avro of its schema: {type(error).__name__}") from None
        if not isinstance(value, dict):
            raise NoEvent("the value is no record")
        if name := rounded(value, self._place.schema_of(message.value())):
            raise NoEvent(f"{name}: has more digits than its schema")
        return {name: plain(each) for name, each in value.items()}

    def _lost(self, what: str) -> AirbyteTracedException:
        return AirbyteTracedException(
            message=f"{self._topic}: {what}. Refresh the stream {self.name}: it begins with what the topic has now.",
            failure_type=FailureType.config_error,
        )
