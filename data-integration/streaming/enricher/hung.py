"""Ends the program when its loop no longer comes round, so that supervisord starts it again.

quixstreams 3.28 commits a transaction without a time limit (`Checkpoint.commit` gives `send_offsets_to_transaction` none): once a broker
stalls in that moment, the call may never return. Kafka ends the transaction itself after a minute, and exactly-once makes an end here as
safe as `kill -9`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

SECONDS = 90  # longer than Kafka's own limit for a transaction, a minute
BEAT_SECONDS = 5  # how often librdkafka's statistics call back from the loop, however little there is to do


class Hung:
    """`watched`: the loop runs inside; the process ends with exit code 1 when it did not `beat` for SECONDS."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._silent = 0

    def beat(self, *_: object) -> None:
        """The loop came round. Ignores what a callback is given."""
        self._silent = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count seconds without a beat, in a thread of its own. A process that is suspended does not count."""
        self.beat()
        over = Event()
        Thread(target=self._count, args=(over,), name="hung", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _count(self, over: Event) -> None:
        while self._silent < SECONDS:
            if over.wait(1):
                return
            self._silent += 1
        print(
            f"{self._name}: Kafka has not answered a call for {SECONDS} s; ends here, and goes on where its last transaction ended",
            flush=True,
        )
        os._exit(1)
