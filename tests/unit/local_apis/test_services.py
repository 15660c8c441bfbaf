"""What the local services know: repeatable, with missing days, corrections and late ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from starlette.testclient import TestClient

from local_apis.api import Apis
from local_apis.rates import Rates, is_open
from local_apis.weather import City, Weather, cities

LONDON = City("GB", "ENG", "London")


def test_every_ship_to_country_has_cities_and_each_is_there_once() -> None:
    assert {place.country for place in cities()} == {"US", "CA", "GB", "FR", "DE", "AU"}
    assert len(cities()) == len(set(cities())) == 613


def test_no_rate_is_of_a_weekend_or_holiday_and_none_before_it_is_published() -> None:
    now = datetime(2024, 5, 3, 15, 59, tzinfo=UTC)
    days = {one["date"] for one in Rates().records(date(2024, 4, 26), date(2024, 5, 31), "USD", ["EUR"], now)}
    assert days == {"2024-04-26", "2024-04-29", "2024-04-30", "2024-05-02"}
    assert not is_open(date(2024, 5, 1))


def test_rates_of_another_base_are_the_same_rates() -> None:
    now = datetime(2024, 6, 1, tzinfo=UTC)
    day = date(2024, 5, 21)
    (in_dollars,) = Rates().records(day, day, "USD", ["EUR"], now)
    (in_euros,) = Rates().records(day, day, "EUR", ["USD"], now)
    assert abs(in_dollars["rate"] * in_euros["rate"] - 1) < 1e-4


def test_a_day_is_measured_the_morning_after_and_some_are_corrected_later() -> None:
    weather, day = Weather((LONDON,)), date(2024, 5, 1)
    assert weather.known(LONDON, day, datetime(2024, 5, 2, 5, 59, tzinfo=UTC)) is None
    corrected = 0
    for number in range(300):
        each = day + timedelta(days=number)
        after = datetime(each.year, each.month, each.day, tzinfo=UTC)
        first = weather.known(LONDON, each, after + timedelta(days=3))
        last = weather.known(LONDON, each, after + timedelta(days=9))
        assert first is not None and last is not None
        corrected += first != last
    assert 1 <= corrected <= 15


def test_a_window_holds_what_was_measured_or_corrected_in_it_and_windows_side_by_side_hold_all() -> None:
    weather, now = Weather((LONDON,)), datetime(2024, 6, 10, 12, tzinfo=UTC)
    start = datetime(2024, 3, 1, tzinfo=UTC)
    middle = datetime(2024, 4, 15, tzinfo=UTC)
    whole = weather.observations("GB", start, now, now)
    halves = weather.observations("GB", start, middle, now) + weather.observations(
        "GB", middle + timedelta(seconds=1), now, now
    )
    assert whole == halves
    assert {one["date"] for one in whole} >= {
        day.isoformat() for _, day, _ in weather.truth(now, date(2024, 3, 1))
    }


def test_the_same_question_later_has_what_was_measured_since() -> None:
    now = datetime(2024, 6, 10, 12, tzinfo=UTC)
    apis = Apis(Weather((LONDON,)), Rates(), "key of a test", now=lambda: now)
    client = TestClient(apis.app, headers={"X-Api-Key": "key of a test"})
    asked = {
        "country": "GB",
        "updated_since": "2024-06-01T00:00:00Z",
        "updated_until": "2024-06-20T00:00:00Z",
    }
    at_first = client.get("/weather/v1/observations", params=asked).json()["data"]
    now += timedelta(days=1)
    later = client.get("/weather/v1/observations", params=asked).json()["data"]
    assert {one["date"] for one in later} - {one["date"] for one in at_first} == {"2024-06-10"}
