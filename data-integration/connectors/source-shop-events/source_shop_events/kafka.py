"""Kafka and its schema registry, as a configuration names them, and what goes wrong there in one line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

ANSWER_SECONDS = 10.0
NO_SUCH = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
OF_LOGIN = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED)


class Place:
    """Where the events are. Each call raises AirbyteTracedException."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._noted: list[KafkaError] = []
        self._written: dict[int, Any] = {}  # schemas by their numbers
        self.prefix = str(config.get("prefix", "shop."))
        self.patience = float(config.get("timeout_seconds", 90))
        self.registry = SchemaRegistryClient(
            {
                "url": config["registry_url"],
                "basic.auth.user.info": f"{config['registry_username']}:{config['registry_password']}",
                "timeout": ANSWER_SECONDS,
            }
        )

    def check(self) -> None:
        """See that both let us in."""
        with self._kafka():
            self._admin().list_topics(timeout=ANSWER_SECONDS)
        with self._schemas():
            self.registry.get_subjects()

    def fields(self, topic: str) -> list[dict[str, Any]]:
        """The fields of a topic's newest schema; none where it has no schema yet."""
        with self._schemas():
            try:
                latest = self.registry.get_latest_version(f"{topic}-value")
            except SchemaRegistryError as error:
                if error.http_status_code == 404:
                    return []
                raise
        schema = json.loads(latest.schema.schema_str)
        return schema["fields"] if isinstance(schema, dict) and "fields" in schema else []

    def schema_of(self, value: bytes) -> Any:
        """The schema that an event was written with, whose number follows its first byte."""
        number = int.from_bytes(value[1:5], "big")
        if number not in self._written:
            with self._schemas():
                self._written[number] = json.loads(self.registry.get_schema(number).schema_str)
        return self._written[number]

    def ends(self, topic: str, *, known: bool) -> tuple[str, dict[int, tuple[int, int]]]:
        """A topic's id, and of each partition the first offset that is there and the one after the last; no partitions where there is no
        such topic. `known`: it was there before, so a broker that has just started is given time to find it.
        """
        deadline = time.monotonic() + (ANSWER_SECONDS if known else 0)
        with self._kafka():
            client = self._admin()
            while True:
                try:
                    (future,) = client.describe_topics(TopicCollection([topic])).values()
                    described = future.result(ANSWER_SECONDS)
                    break
                except KafkaException as error:
                    if error.args[0].code() not in NO_SUCH:
                        raise
                    if time.monotonic() >= deadline:
                        return "", {}
                    time.sleep(0.2)
            numbers = [one.id for one in described.partitions]
            # both of all messages, committed or not: what an open transaction hides is waited for
            firsts, lasts = (
                {
                    place.partition: future.result(ANSWER_SECONDS).offset
                    for place, future in client.list_offsets(
                        {TopicPartition(topic, number): spec for number in numbers}
                    ).items()
                }
                for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
            )
        return str(described.topic_id), {number: (firsts[number], lasts[number]) for number in numbers}

    @contextmanager
    def consumer(self) -> Iterator[Consumer]:
        """One that joins no group: what it reads is assigned, and the state is Airbyte's."""
        made = Consumer(
            self._connection()
            | {
                "group.id": "airbyte",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": 16 << 10,
            }
        )
        try:
            with self._kafka():
                yield made
        finally:
            made.close()

    def away(self, error: KafkaException | KafkaError | str) -> AirbyteTracedException:
        """Kafka's failure, of which it may be that it has told us more."""
        login = next((each for each in self._noted if each.code() in OF_LOGIN), None)
        if login is not None:
            return AirbyteTracedException(
                message=f"Kafka at {self._config['brokers']} does not let {self._config['username']} in.",
                failure_type=FailureType.config_error,
            )
        found = error.args[0] if isinstance(error, KafkaException) else error
        reason = found.str() if isinstance(found, KafkaError) else found
        return AirbyteTracedException(
            message=f"Kafka at {self._config['brokers']} can't be read: {reason}. What was read before is kept.",
            failure_type=FailureType.transient_error,
        )

    def registry_away(self, error: Exception) -> AirbyteTracedException:
        """The registry's failure."""
        refused = getattr(error, "http_status_code", 0) in (401, 403)
        reason = (
            f"it does not let {self._config['registry_username']} in"
            if refused
            else f"{error or type(error).__name__}"
        )
        return AirbyteTracedException(
            message=f"The schema registry at {self._config['registry_url']} can't be used: {reason}.",
            failure_type=FailureType.config_error if refused else FailureType.transient_error,
        )

    @contextmanager
    def _kafka(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self.away(error) from None

    @contextmanager
    def _schemas(self) -> Iterator[None]:
        try:
            yield
        except (SchemaRegistryError, httpx.HTTPError, OSError) as error:
            raise self.registry_away(error) from None

    def _admin(self) -> AdminClient:
        return AdminClient(self._connection())

    def _connection(self) -> dict[str, Any]:
        return {
            "bootstrap.servers": self._config["brokers"],
            "security.protocol": self._config["security"],
            "sasl.mechanism": self._config["mechanism"],
            "sasl.username": self._config["username"],
            "sasl.password": self._config["password"],
            "error_cb": self._noted.append,
            "log_level": 2,
        }
