"""The producer of payments by card, at an even rate; what each is says `payments`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from foundation.errors import EltError
from foundation.settings import Settings
from streaming.catalogue import CARDS
from streaming.producer.outbox import Outbox
from streaming.producer.payments import payment

GATHER_SECONDS = 0.02
AT_ONCE = 2_000  # events of a transaction of Kafka


class Cards:
    """The producer of payments, so many in a second; of each seed it goes on where it was."""

    def __init__(
        self,
        config: Settings,
        stopped: Callable[[], bool],
        *,
        seed: int,
        rate: float,
        seconds: float = math.inf,
    ) -> None:
        self._stopped, self._seed, self._rate, self._seconds = stopped, seed, rate, seconds
        self._outbox = Outbox(config, f"cards-{seed}")

    def run(self) -> int:
        """Produce until `stopped()`, or for so many seconds; how many payments. Raises EltError."""
        if self._rate <= 0:
            raise EltError("no payment in a second is none at all", "give a rate above 0")
        first = number = int((self._outbox.start([CARDS]) or {"next": 0})["next"])
        print(f"cards: from payment {number:,} of seed {self._seed}, {self._rate:g} in a second", flush=True)
        started = time.monotonic()
        while not self._stopped() and (passed := time.monotonic() - started) < self._seconds:
            due = min(first + 1 + int(passed * self._rate), number + AT_ONCE)
            for each in range(number, due):
                made = payment(self._seed, each, datetime.now(UTC))
                self._outbox.put(CARDS, str(made["creditcardid"]), made)
            if due > number:
                number = due
                self._outbox.commit({"next": number})
            time.sleep(GATHER_SECONDS)  # the next ones gather; who is behind has AT_ONCE of them
        return number - first
