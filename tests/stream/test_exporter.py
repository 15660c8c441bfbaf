"""What the exporter shows of the lane is what Kafka and ClickHouse have."""

from __future__ import annotations

import contextlib
from pathlib import Path

import duckdb
import httpx
import pytest

from exporter import lane
from foundation.errors import EltError
from foundation.settings import Settings
from orchestration import monitoring
from streaming.catalogue import CARDS, DEAD_LETTERS, TOPICS
from streaming.client import connection
from tests.fixtures.clickhouse import served
from tests.fixtures.source import free_port
from tests.fixtures.stream import Broker, producer
from tests.fixtures.waiting import wait_until


def of_this_process(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The exporter's environment is the stack's; a program that it asks has the same."""
    for name, value in broker.environ.items():
        monkeypatch.setenv(name, value)
    return broker.config


def shown(kafka: lane.Kafka, config: Settings) -> dict[tuple[str, ...], float]:
    return {(name, *labels): value for name, labels, value in kafka.look(config)}


def test_topics_and_lag_are_those_of_kafka(kafka_server: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    from confluent_kafka import Consumer, TopicPartition

    config, kafka = of_this_process(kafka_server, monkeypatch), lane.Kafka()
    before = shown(kafka, config)
    writer = producer(config)
    for number in range(30):
        writer.produce(CARDS.name, str(number), partition=0)
    writer.produce(DEAD_LETTERS.name, "a reason")
    assert writer.flush(30) == 0

    reader = Consumer(connection(config) | {"group.id": "test-lag", "enable.auto.commit": False})
    [(_, high)] = [reader.get_watermark_offsets(TopicPartition(CARDS.name, 0), timeout=20)]
    reader.commit(offsets=[TopicPartition(CARDS.name, 0, high - 12)], asynchronous=False)
    reader.close()
    after = shown(kafka, config)

    def grown(metric: str, topic: str) -> float:
        return after[metric, topic] - before[metric, topic]

    for metric in ("elt_stream_topic_messages", "elt_stream_topic_offsets_total"):
        assert grown(metric, CARDS.name) == 30
        assert grown(metric, DEAD_LETTERS.name) == 1
    assert {topic for metric, *rest in after for topic in rest[-1:] if metric.endswith("_messages")} == set(
        TOPICS
    )
    assert after["elt_stream_consumer_lag", "test-lag", CARDS.name] == 12

    # and the same on *Pipeline health*
    assert not monitoring._lane(config, httpx.Client(), duckdb.connect())
    in_use = config.model_copy(update={"elt_sources": "adventureworks,stream"})
    rows = monitoring._lane(in_use, httpx.Client(), duckdb.connect())["lane_topics"]
    noted = {row["topic"]: (row["events"], row["behind"]) for row in rows}
    assert noted[CARDS.name] == (after["elt_stream_topic_offsets_total", CARDS.name], 12)
    assert noted[DEAD_LETTERS.name] == (after["elt_stream_topic_offsets_total", DEAD_LETTERS.name], None)
    assert set(noted) == set(TOPICS)


def test_a_broker_that_is_down_and_a_program_that_is_killed_are_errors_that_pass(
    kafka_server: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, kafka = of_this_process(kafka_server, monkeypatch), lane.Kafka()
    assert shown(kafka, config)
    kafka._program.kill()
    kafka._program.wait(30)
    assert shown(kafka, config)
    kafka._program.kill()  # while it is asked
    with contextlib.suppress(EltError):
        shown(kafka, config)
    assert shown(kafka, config)

    monkeypatch.setenv("STREAM_KAFKA_PORT", str(free_port()))
    away = lane.Kafka()
    with pytest.raises(EltError, match=r"Kafka at .* can't be used"):
        shown(away, config)
    for each in (kafka, away):
        each._program.stdin.close()
        assert each._program.wait(30) == 0  # it ends with who asks


def test_rows_are_those_of_clickhouse(tmp_path: Path) -> None:
    with served(tmp_path / "elt home") as server:
        client = server.client()
        client.command("create table shop.orders (a Int64) engine = MergeTree order by a")
        client.command("insert into shop.orders select number from numbers(1234)")
        client.command("create view shop.seen as select 1 as b")

        def rows() -> dict[tuple[str, ...], float]:
            return {
                labels: value
                for name, labels, value in lane.clickhouse(server.settings)
                if name == "elt_clickhouse_table_rows"
            }

        wait_until(lambda: rows() == {("orders",): 1234.0}, 20)
