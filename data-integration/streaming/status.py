"""`python -m streaming.status`: the lane as JSON: of each topic how many messages, of each group how far it lags behind.

`--each-line`: such a line, or `{"error": …}`, for each line of the input, until its end: for who asks again and again.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from foundation.errors import EltError, one_line
from foundation.private import private
from foundation.settings import Settings, settings
from streaming.catalogue import TOPICS
from streaming.client import ANSWER_SECONDS, Admin

Ends = dict[str, dict[int, tuple[int, int]]]  # topic → partition → first offset, the one after the last


def status(config: Settings) -> dict[str, Any]:
    """Topics, and the groups that read them. Raises EltError."""
    client = Admin(config)
    try:
        ends = _ends(client)
        groups = [one.group_id for one in client.list_consumer_groups().result(ANSWER_SECONDS).valid]
        return {
            "brokers": config.stream_brokers,
            "topics": [
                {
                    "topic": name,
                    "about": topic.about,
                    "key": topic.key,
                    "partitions": len(ends.get(name, {})),
                    # with what ends a transaction, which takes a place, too
                    "messages": sum(end - first for first, end in ends.get(name, {}).values()),
                    "offsets": sum(end for _, end in ends.get(name, {}).values()),  # ever given
                }
                for name, topic in TOPICS.items()
            ],
            "groups": [_group(client, group, ends) for group in sorted(groups)],
        }
    except KafkaException as error:
        raise client.refused(error) from None


def _ends(client: AdminClient) -> Ends:
    known = client.list_topics(timeout=ANSWER_SECONDS).topics
    places = [
        TopicPartition(name, number) for name in TOPICS if name in known for number in known[name].partitions
    ]
    firsts = client.list_offsets({place: OffsetSpec.earliest() for place in places})
    lasts = client.list_offsets({place: OffsetSpec.latest() for place in places})
    found: Ends = {}
    for place in places:
        first, last = (each[place].result(ANSWER_SECONDS).offset for each in (firsts, lasts))
        found.setdefault(place.topic, {})[place.partition] = first, last
    return found


def _group(client: AdminClient, group: str, ends: Ends) -> dict[str, Any]:
    """How far it has come, by topic and partition, and how many messages it has not taken yet, by topic."""
    (future,) = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
    lag: dict[str, int] = {}
    committed: dict[str, dict[int, int]] = {}
    for place in future.result(ANSWER_SECONDS).topic_partitions:
        if place.topic in ends and place.partition in ends[place.topic]:
            first, end = ends[place.topic][place.partition]
            lag[place.topic] = lag.get(place.topic, 0) + end - max(place.offset, first)
            committed.setdefault(place.topic, {})[place.partition] = max(place.offset, 0)
    return {"group": group, "lag": lag, "committed": committed}


def _answer(config: Settings) -> dict[str, Any]:
    try:
        return status(config)
    except EltError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    private()
    with one_line("stream"):
        if sys.argv[1:] == ["--each-line"]:
            for _ in sys.stdin:
                print(json.dumps(_answer(settings())), flush=True)
        else:
            print(json.dumps(status(settings())))
