"""`python -m streaming.topics`: see that Kafka has the lane's topics, as they should be; what is missing is made.

Exit code 0 when all are there. A topic that is otherwise than it should be (fewer partitions, another clean-up) is an error with the remedy:
to add partitions would break the order of a key's events.
"""

from __future__ import annotations

from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from foundation.errors import EltError, one_line
from foundation.private import private
from foundation.settings import Settings, settings
from streaming.catalogue import TOPICS, Topic
from streaming.client import ANSWER_SECONDS, Admin


def ensure(config: Settings) -> list[str]:
    """Make the topics that are missing; their names. Raises EltError: Kafka is away or refuses us, or a topic is another one."""
    client = Admin(config)
    try:
        found = client.list_topics(timeout=ANSWER_SECONDS).topics
        missing = [topic for topic in TOPICS.values() if topic.name not in found]
        for topic in TOPICS.values():
            if topic not in missing:
                _check(topic, len(found[topic.name].partitions), _clean_up(client, topic))
        if missing:
            made = client.create_topics(
                [_new(config, topic) for topic in missing], operation_timeout=ANSWER_SECONDS
            )
            for future in made.values():
                _taken(future)
    except KafkaException as error:
        raise client.refused(error) from None
    return [topic.name for topic in missing]


def ids(config: Settings) -> dict[str, str]:
    """By which Kafka tells a topic from another one of the same name, by name; without those of a broker that has no such ids. Raises
    EltError: Kafka is away, or a topic is not there."""
    client = Admin(config)
    try:
        asked = client.describe_topics(TopicCollection(list(TOPICS)), request_timeout=ANSWER_SECONDS)
        found = {name: future.result(ANSWER_SECONDS).topic_id for name, future in asked.items()}
    except KafkaException as error:
        raise client.refused(error) from None
    return {
        name: f"{one.get_most_significant_bits() % (1 << 64):016x}{one.get_least_significant_bits() % (1 << 64):016x}"
        for name, one in found.items()
        if one is not None and (one.get_most_significant_bits() or one.get_least_significant_bits())
    }


def _new(config: Settings, topic: Topic) -> NewTopic:
    # where there are several brokers the cluster's own default says how many copies there are
    return NewTopic(
        topic.name,
        num_partitions=topic.partitions,
        replication_factor=1 if config.stream_kafka_is_local else -1,
        config={"cleanup.policy": "compact" if topic.compacted else "delete"},
    )


def _taken(future: Future[None]) -> None:
    try:
        future.result(timeout=ANSWER_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was first
            raise


def _clean_up(client: AdminClient, topic: Topic) -> str:
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    (future,) = client.describe_configs([resource]).values()
    return str(future.result(timeout=ANSWER_SECONDS)["cleanup.policy"].value)


def _check(topic: Topic, partitions: int, clean_up: str) -> None:
    wanted = "compact" if topic.compacted else "delete"
    if partitions == topic.partitions and clean_up == wanted:
        return
    raise EltError(
        f"the topic {topic.name} has {partitions} partitions, clean-up {clean_up}; it should have {topic.partitions}, {wanted}",
        "copy what you need of it, delete it, then: elt up stream",
    )


if __name__ == "__main__":
    private()
    with one_line("topics"):
        for name in ensure(settings()):
            print(f"made the topic {name}", flush=True)
