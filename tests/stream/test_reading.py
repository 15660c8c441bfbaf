"""Reading a topic to its end: what was there when the reading began, while others go on writing."""

from __future__ import annotations

import threading
import time

from streaming.catalogue import POSITIONS
from streaming.reading import messages
from tests.fixtures.stream import Broker, producer
from tests.fixtures.waiting import wait_until


def test_it_ends_though_somebody_writes_all_the_time(kafka_server: Broker) -> None:
    over = threading.Event()
    written: list[int] = []

    def write() -> None:
        writer = producer(kafka_server.config, **{"transactional.id": "busy", "linger.ms": 0})
        writer.init_transactions(30)
        while not over.is_set():
            writer.begin_transaction()
            writer.produce(POSITIONS.name, f"{len(written)}", "busy")
            writer.commit_transaction(30)
            written.append(len(written))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_until(lambda: len(written) >= 50)
        before = len(written)
        started = time.monotonic()
        found = [int(message.value()) for message in messages(kafka_server.config, POSITIONS.name)]
        assert time.monotonic() - started < 20
        assert found[:before] == list(range(before)) and found == list(range(len(found)))
    finally:
        over.set()
        thread.join(60)
