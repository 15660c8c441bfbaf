"""`python -m streaming.launch streaming.sink`: the sink in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from confluent_kafka import Consumer, Producer

from foundation.errors import EltError, Kind, one_line
from foundation.private import private
from foundation.settings import settings
from streaming.client import connection, member
from streaming.schemas import Schemas
from streaming.sink.clickhouse import Tables, connect
from streaming.sink.letters import Letters
from streaming.sink.messages import Away, Decoder
from streaming.sink.run import GROUP, Sink
from streaming.topics import ensure, ids

START_SECONDS = 60.0

Given = TypeVar("Given")


def awaited(action: Callable[[], Given], stopped: Event) -> Given:
    """Do it as soon as what it needs is there: the parts of the lane start together. Raises EltError."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return action()
        except EltError as error:
            if error.kind is not Kind.RETRY or stopped.is_set() or time.monotonic() > deadline:
                raise
        except Away as away:
            if stopped.is_set() or time.monotonic() > deadline:
                raise EltError(
                    f"ClickHouse can't be used: {away}", "elt up stream", kind=Kind.RETRY
                ) from None
        time.sleep(0.2)


def main() -> None:
    """Take messages to ClickHouse."""
    private()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for talkative in ("httpx", "urllib3", "clickhouse_connect"):  # what matters of it the sink says itself
        logging.getLogger(talkative).setLevel(logging.ERROR)
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with one_line("stream-sink"):
        config = settings()
        schemas = Schemas(config)
        awaited(
            lambda: ensure(config), stopped
        )  # a topic that comes after the subscription is seen minutes later
        known = awaited(lambda: ids(config), stopped)
        place = awaited(lambda: Tables(connect(config), config.stream_clickhouse_database, known), stopped)
        outbox = Producer(connection(config) | {"enable.idempotence": True, "linger.ms": 5})
        letters = awaited(lambda: Letters(outbox, schemas), stopped)
        consumer = Consumer(member(config, GROUP, 32 << 10) | {"topic.metadata.refresh.interval.ms": 10_000})
        print("sink: at work", flush=True)
        Sink(consumer, place, Decoder(schemas), letters, stopped.is_set).run()


if __name__ == "__main__":
    main()
