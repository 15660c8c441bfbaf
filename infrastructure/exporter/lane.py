"""The streaming lane: topics and consumer groups from Kafka, tables from ClickHouse."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx

from exporter.catalogue import Sample
from foundation.errors import EltError
from foundation.settings import Settings
from streaming.environment import ask

TABLES = """
select name, total_rows, total_bytes from system.tables
where database = {database:String} and total_rows is not null
format JSONCompact
"""


def kafka(config: Settings) -> Iterator[Sample]:
    """Asked by a short program in the lane's environment, which has Kafka's client."""
    done = ask("streaming.status", timeout=30)
    if done.returncode:
        raise EltError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "Kafka: no answer")
    found = json.loads(done.stdout)
    for topic in found["topics"]:
        yield "elt_stream_topic_messages", (topic["topic"],), topic["messages"]
        yield "elt_stream_topic_offsets_total", (topic["topic"],), topic["offsets"]
    for group in found["groups"]:
        for topic, lag in group["lag"].items():
            yield "elt_stream_consumer_lag", (group["group"], topic), lag


def clickhouse(config: Settings) -> Iterator[Sample]:
    """Asked by HTTP, as the user who only reads."""
    answer = httpx.post(
        config.stream_clickhouse_base,
        params={"param_database": config.stream_clickhouse_database},
        content=TABLES,
        auth=config.stream_clickhouse_login(writes=False),
        timeout=10,
    )
    for name, rows, size in answer.raise_for_status().json()["data"]:
        yield "elt_clickhouse_table_rows", (name,), float(rows)
        yield "elt_clickhouse_table_bytes", (name,), float(size or 0)
