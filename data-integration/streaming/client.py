"""Clients of the lane's Kafka and of its schema registry: how they are reached, and what Kafka's errors are in our words."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient

from foundation.errors import EltError, Kind
from foundation.settings import Settings

ANSWER_SECONDS = 10.0
OF_LOGIN = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})


def connection(config: Settings) -> dict[str, Any]:
    """What librdkafka has to know to connect. The password is among it."""
    return {
        "bootstrap.servers": config.stream_brokers,
        "security.protocol": config.stream_kafka_security,
        "sasl.mechanism": config.stream_kafka_mechanism,
        "sasl.username": config.stream_kafka_user,
        "sasl.password": config.stream_kafka_password.get_secret_value(),
        "client.id": "elt",
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "log_level": 2,  # what goes wrong is said by who is told so
    }


def member(config: Settings, group: str, ahead_kb: int) -> dict[str, Any]:
    """What a member of a consumer group runs with that commits when its work is done; it reads so many KB ahead."""
    return connection(config) | {
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "session.timeout.ms": 10_000,
        "fetch.wait.max.ms": 50,
        "queued.max.messages.kbytes": ahead_kb,
    }


class Admin(AdminClient):
    """For topics, groups and offsets. It knows why it does not get through, which the failure of a call does not say."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._noted: list[KafkaError] = []
        super().__init__(connection(config) | {"error_cb": self._noted.append})

    def refused(self, error: KafkaException) -> EltError:
        """A failed call in our words."""
        self.poll(0)
        login = next((each for each in self._noted if each.code() in OF_LOGIN), None)
        return unreachable(self._config, login or error)


def registry(config: Settings) -> SchemaRegistryClient:
    """Confluent's client of the registry."""
    login = f"{config.stream_registry_user}:{config.stream_registry_password.get_secret_value()}"
    return SchemaRegistryClient(
        {"url": config.stream_registry_base, "basic.auth.user.info": login, "timeout": ANSWER_SECONDS}
    )


def unreachable(config: Settings, error: KafkaException | KafkaError) -> EltError:
    """A failure of Kafka's in our words."""
    found = error.args[0] if isinstance(error, KafkaException) else error
    if found.code() in OF_LOGIN:
        return EltError(
            f"Kafka at {config.stream_brokers} does not let {config.stream_kafka_user} in",
            "correct STREAM_KAFKA_USER and STREAM_KAFKA_PASSWORD; here: elt down stream, then elt up stream",
        )
    return EltError(
        f"Kafka at {config.stream_brokers} can't be used: {found.str()}",
        "check that it runs (here: elt up stream), then try again",
        kind=Kind.RETRY,
    )
