"""The streaming lane: topics and consumer groups from Kafka, tables from ClickHouse."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import IO, Any, cast

import httpx

from exporter.catalogue import Sample
from foundation.errors import EltError
from foundation.settings import Settings
from streaming.environment import environ, program

TABLES = """
select name, total_rows, total_bytes from system.tables
where database = {database:String} and total_rows is not null
format JSONCompact
"""


class Kafka:
    """Asked by a program in the lane's environment, which has Kafka's client. It stays, as its start costs more than its answers, and ends with
    this one, whose end closes its input."""

    def __init__(self) -> None:
        self._program: subprocess.Popen[str] | None = None

    def look(self, config: Settings) -> Iterator[Sample]:
        """Topics, and the lag of each group."""
        found = self._ask()
        for topic in found["topics"]:
            yield "elt_stream_topic_messages", (topic["topic"],), topic["messages"]
            yield "elt_stream_topic_offsets_total", (topic["topic"],), topic["offsets"]
        for group in found["groups"]:
            for topic, lag in group["lag"].items():
                yield "elt_stream_consumer_lag", (group["group"], topic), lag

    def _ask(self) -> dict[str, Any]:
        if self._program is None or self._program.poll() is not None:
            words = program("streaming.status", "--each-line")
            try:
                self._program = subprocess.Popen(
                    words, env=environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            except OSError:
                raise EltError("the lane's environment is not there", "elt up stream makes it") from None
        asked, answers = cast(IO[str], self._program.stdin), cast(IO[str], self._program.stdout)  # pipes
        try:
            print(file=asked, flush=True)
            found: dict[str, Any] = json.loads(answers.readline())
        except (OSError, ValueError):
            self._program.kill()
            self._program.wait()
            self._program = None
            raise EltError("the program that asks Kafka has ended", "the next look starts it again") from None
        if "error" in found:
            raise EltError(found["error"])
        return found


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
