"""How many calls are taken in a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock


@dataclass
class Bucket:
    """A bucket of calls that refills evenly: `calls` in a minute, at most `at_once` of them together."""

    calls: float
    at_once: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._left, self._at = self.at_once, self.clock()
        self._lock = Lock()

    def wait(self) -> float:
        """Take a call; seconds to wait when there is none left, else 0."""
        with self._lock:
            now = self.clock()
            self._left = min(self.at_once, self._left + (now - self._at) * self.calls / 60)
            self._at = now
            if self._left < 1:
                return (1 - self._left) * 60 / self.calls
            self._left -= 1
            return 0.0
