"""The schemas of the lane's events (`*.avsc`), and how bytes are made by them: a zero, the schema's number in the registry, Avro."""

from __future__ import annotations

import httpx
from confluent_kafka.schema_registry import Schema, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer

from foundation.errors import EltError, Kind
from foundation.settings import Settings
from streaming.catalogue import Topic
from streaming.client import registry


class Schemas:
    """The registry's schemas, each asked for once."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._client = registry(config)

    def serializer(self, topic: Topic) -> AvroSerializer:
        """What makes bytes of a topic's events; the schema of this version of ours is registered if it is not yet.

        Raises EltError: the registry is away, or refuses a schema by which events that are there could not be read.
        """
        try:
            self._client.register_schema(topic.subject, Schema(topic.text, "AVRO"))
        except SchemaRegistryError as error:
            raise self._refused(topic, error) from None
        except (httpx.HTTPError, OSError) as error:
            raise self.away(error) from None
        return AvroSerializer(self._client, topic.text, conf={"auto.register.schemas": False})

    def deserializer(self, topic: Topic | None = None) -> AvroDeserializer:
        """What reads bytes by the schema that they were written by; with a topic it gives them in this version's schema of it: what is newer
        is left out, what an older one lacks has its default."""
        return AvroDeserializer(self._client, topic.text if topic else None)

    def _refused(self, topic: Topic, error: SchemaRegistryError) -> EltError:
        if error.http_status_code == 401:
            return EltError(
                f"the schema registry {self._config.stream_registry_base} does not let {self._config.stream_registry_user} in",
                "correct STREAM_REGISTRY_USER and STREAM_REGISTRY_PASSWORD",
            )
        if error.http_status_code == 409:
            return EltError(
                f"the schema registry refuses schemas/{topic.schema}.avsc: {error.error_message}",
                "give new fields a default, keep the others, and their types",
            )
        if error.http_status_code >= 500 or error.http_status_code < 0:
            return self.away(error)
        return EltError(
            f"the schema registry refuses schemas/{topic.schema}.avsc: {error.error_message}", "mend the file"
        )

    def away(self, error: Exception) -> EltError:
        """The error of who can't reach the registry."""
        return EltError(
            f"the schema registry {self._config.stream_registry_base} can't be used: {error}",
            "check that it runs (here: elt up stream), then try again",
            kind=Kind.RETRY,
        )
