"""The weather of the shop's cities as a service measures it: in the morning after, sometimes late, sometimes corrected days later."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import adventureworks.generator
from local_apis.chance import fractions

REFERENCE = Path(adventureworks.generator.__file__).parent / "reference"
# mean of the year and half of the difference between summer and winter, °C; day of the year that is warmest
CLIMATE = {
    "US": (14, 11, 200),
    "CA": (7, 14, 200),
    "GB": (11, 7, 205),
    "FR": (13, 8, 205),
    "DE": (10, 9, 200),
    "AU": (19, 6, 15),
}
LATE_IN, CORRECTED_IN = 0.01, 0.02  # of the days
FORECAST_DAYS = 7


class City(NamedTuple):
    """A place whose weather is measured; `region` is the code of its state."""

    country: str
    region: str
    city: str


@dataclass(frozen=True)
class Measured:
    """A day's weather: °C, mm, km/h."""

    temperature_max: float | None
    temperature_min: float | None
    precipitation: float | None
    wind_max: float | None


@cache
def cities() -> tuple[City, ...]:
    """Every city that orders are shipped to."""
    with (REFERENCE / "person.stateprovince.csv").open(encoding="utf-8", newline="") as file:
        regions = {row["stateprovinceid"]: row for row in csv.DictReader(file)}
    with (REFERENCE / "city.csv").open(encoding="utf-8", newline="") as file:
        found = {
            City(region["countryregioncode"], region["stateprovincecode"].strip(), row["city"])
            for row in csv.DictReader(file)
            if (region := regions[row["stateprovinceid"]])
        }
    return tuple(sorted(found))


class Weather:
    """What the service knows at a time. `corrections`: what it has changed, by place and day, and when."""

    def __init__(
        self, places: tuple[City, ...] = (), seed: int = 42, first_day: date = date(2000, 1, 1)
    ) -> None:
        self.places = places or cities()
        self._seed, self._first_day = seed, first_day
        self.corrections: dict[tuple[City, date], tuple[Measured, datetime]] = {}

    def observations(
        self, country: str, since: datetime, until: datetime, now: datetime
    ) -> list[dict[str, Any]]:
        """The days of a country that were measured or corrected last from `since` to `until` (UTC), in the order of those moments."""
        # nothing is known of before and after
        since = max(since, datetime.combine(self._first_day, time.min, UTC))
        until = min(until, now)
        if since > until:
            return []
        found = []
        for place in (one for one in self.places if one.country == country):
            days = {since.date() - timedelta(days=n) for n in range(1, 7)}
            day = since.date()
            while day <= until.date():
                days.add(day)
                day += timedelta(days=1)
            days |= {day for corrected, day in self.corrections if corrected == place}
            for day in days:
                known = self.known(place, day, now)
                if known is not None and since <= known[1] <= until:
                    found.append(record(place, day, known[0]) | {"updated_at": moment(known[1])})
        return sorted(found, key=lambda one: (one["updated_at"], one["region"], one["city"], one["date"]))

    def known(self, place: City, day: date, now: datetime) -> tuple[Measured, datetime] | None:
        """A day's weather as the service has it, and since when; None before it is measured."""
        if day < self._first_day:
            return None
        if (corrected := self.corrections.get((place, day))) is not None and corrected[1] <= now:
            return corrected
        late, repaired, minute, change = fractions(self._seed, "fate", *place, day)
        morning = datetime(day.year, day.month, day.day, 6, tzinfo=UTC) + timedelta(days=1)
        measured_at = morning + timedelta(minutes=int(minute * 120), hours=30 if late < LATE_IN else 0)
        first = self.measured(place, day)
        if repaired < CORRECTED_IN and now >= (repaired_at := morning + timedelta(days=3)):
            amount = (first.precipitation or 0.0) + round(1 + change * 4, 1)
            return (
                Measured(first.temperature_max, first.temperature_min, round(amount, 1), first.wind_max),
                repaired_at,
            )
        return (first, measured_at) if measured_at <= now else None

    def measured(self, place: City, day: date) -> Measured:
        """What the instruments say first."""
        mean, swing, warmest = CLIMATE.get(place.country, CLIMATE["US"])
        chance, rain, wind, spread = fractions(self._seed, *place, day)
        (here, *_) = fractions(self._seed, "here", *place)
        season = swing * math.cos(2 * math.pi * (day.timetuple().tm_yday - warmest) / 365.25)
        centre = mean + 6 * (here - 0.5) + season + 8 * (chance - 0.5)
        amount = 0.0 if rain < 0.62 else round(-7 * math.log(1 - (rain - 0.62) / 0.381), 1)
        half = 3 + 4 * spread
        return Measured(round(centre + half, 1), round(centre - half, 1), amount, round(6 + 40 * wind**2, 1))

    def forecasts(self, country: str, now: datetime) -> list[dict[str, Any]]:
        """Forecasts of a country from yesterday on, as they were issued last (every six hours)."""
        issued = now.replace(hour=now.hour - now.hour % 6, minute=0, second=0, microsecond=0)
        return [
            record(place, day, self._forecast(place, day, issued)) | {"issued_at": moment(issued)}
            for place in self.places
            if place.country == country
            for day in (now.date() + timedelta(days=n) for n in range(-1, FORECAST_DAYS))
        ]

    def _forecast(self, place: City, day: date, issued: datetime) -> Measured:
        error, *_ = fractions(self._seed, "forecast", *place, day, issued)
        to_be = self.measured(place, day)
        off = round(3 * (error - 0.5), 1)
        return Measured(
            None if to_be.temperature_max is None else round(to_be.temperature_max + off, 1),
            None if to_be.temperature_min is None else round(to_be.temperature_min + off, 1),
            to_be.precipitation,
            to_be.wind_max,
        )

    def truth(self, now: datetime, since: date) -> Iterator[tuple[City, date, Measured]]:
        """Every day that is measured, from `since` on."""
        day = max(since, self._first_day)
        while day <= now.date():
            for place in self.places:
                if (known := self.known(place, day, now)) is not None:
                    yield place, day, known[0]
            day += timedelta(days=1)


def record(place: City, day: date, values: Measured) -> dict[str, Any]:
    return {**place._asdict(), "date": day.isoformat(), **vars(values)}


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
