"""Exchange rates as a central bank publishes them: on days of trade, at 16:00 UTC, and now and then corrected days later."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from local_apis.chance import fractions

# what one US dollar was worth, about
LEVELS = {
    "USD": 1.0,
    "EUR": 0.92,
    "GBP": 0.79,
    "CAD": 1.36,
    "AUD": 1.52,
    "JPY": 148.0,
    "CHF": 0.88,
    "MXN": 17.2,
    "BRL": 5.1,
    "CNY": 7.2,
    "INR": 83.0,
}
CLOSED = frozenset({(1, 1), (5, 1), (12, 25), (12, 26)})  # month and day
PUBLISHED = time(16, 0)
CORRECTED_AFTER = timedelta(days=3)
CORRECTED_IN = 0.01  # of the rates
FIRST_DAY = date(1999, 1, 4)


class Rates:
    """The rates that are known at a time. `corrections`: rates that are other ones now, by day and quote (in US dollars)."""

    def __init__(self, seed: int = 42) -> None:
        self._seed = seed
        self.corrections: dict[tuple[date, str], float] = {}

    def records(
        self, since: date, until: date, base: str, quotes: list[str], now: datetime
    ) -> Iterator[dict[str, Any]]:
        """A record for each day of trade and quote from `since` to `until`, as published by `now` (UTC). KeyError: an unknown currency."""
        day = max(since, FIRST_DAY)
        while day <= min(until, now.date()):
            if is_open(day) and datetime.combine(day, PUBLISHED, UTC) <= now:
                of_base = self.in_dollars(day, base, now)
                for quote in quotes:
                    if quote != base:
                        rate = round(self.in_dollars(day, quote, now) / of_base, 5)
                        yield {"date": day.isoformat(), "base": base, "quote": quote, "rate": rate}
            day += timedelta(days=1)

    def in_dollars(self, day: date, quote: str, now: datetime) -> float:
        """What a US dollar was worth on a day."""
        level = LEVELS[quote]
        if (found := self.corrections.get((day, quote))) is not None:
            return found
        if quote == "USD":
            return level
        phase, *_ = fractions(self._seed, "phase", quote)
        noise, corrected, change, _ = fractions(self._seed, quote, day)
        wave = 0.08 * math.sin(2 * math.pi * (day.toordinal() / 900 + phase)) + 0.02 * (noise - 0.5)
        is_first = now < datetime.combine(day, PUBLISHED, UTC) + CORRECTED_AFTER
        error = 0.01 * (change - 0.5) if corrected < CORRECTED_IN and is_first else 0.0
        return level * math.exp(wave + error)


def is_open(day: date) -> bool:
    """Whether rates are fixed on a day."""
    return day.weekday() < 5 and (day.month, day.day) not in CLOSED
