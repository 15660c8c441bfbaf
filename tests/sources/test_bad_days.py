"""Rates and weather on their services' bad days: whatever happens on the way, the warehouse ends with what the service knows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from foundation.errors import EltError
from local_apis.weather import Measured
from tests.fixtures.apis import CITIES, KEY, NOW, START, Outside
from tests.sources.troubles import after, changed, cut_off, passed, replied

OTHER_KEY = "another key that nobody guesses"
SINCE = date.fromisoformat(START)
SEATTLE, LOS_ANGELES, LONDON, SYDNEY = CITIES


def rates_known(outside: Outside) -> list[tuple[Any, ...]]:
    """What the service knows of rates."""
    now = outside.clock.now
    return sorted(
        (one["date"], one["base"], one["quote"], one["rate"])
        for one in outside.rates.records(SINCE, now.date(), "USD", ["EUR", "GBP", "JPY"], now)
    )


def rates_kept(outside: Outside) -> list[tuple[Any, ...]]:
    """What the warehouse has of them."""
    return outside.syncs.rows("select date::varchar, base, quote, rate from rates.rates order by 1, 2, 3")


def weather_known(outside: Outside) -> list[tuple[Any, ...]]:
    """The days that the service has measured since its start, as far as it vouches for them by now."""
    start, now = datetime(SINCE.year, SINCE.month, SINCE.day, tzinfo=UTC), outside.clock.now
    return sorted(
        (one["country"], one["city"], one["date"], one["temperature_max"], one["precipitation"])
        for country in ("US", "GB", "AU")
        for one in outside.weather.observations(country, start, now, now)
    )


def weather_kept(outside: Outside) -> list[tuple[Any, ...]]:
    return outside.syncs.rows(
        "select country, city, date::varchar, temperature_max, precipitation from weather.observations order by 1, 2, 3"
    )


US_DAYS = (
    "select city, date::varchar, temperature_max from weather.observations where country = 'US' order by 1, 2"
)


def us_known(outside: Outside) -> list[tuple[Any, ...]]:
    start, now = datetime(SINCE.year, SINCE.month, SINCE.day, tzinfo=UTC), outside.clock.now
    return sorted(
        (one["city"], one["date"], one["temperature_max"])
        for one in outside.weather.observations("US", start, now, now)
    )


def test_rates_arrive_day_by_day_and_weekends_are_missing(outside: Outside) -> None:
    outside.sync_rates()
    assert rates_kept(outside) == rates_known(outside)
    days = [
        date.fromisoformat(day)
        for (day,) in outside.syncs.rows("select distinct date::varchar from rates.rates")
    ]
    assert len(days) > 60 and all(day.weekday() < 5 for day in days)
    outside.clock.now += timedelta(days=4)
    assert 0 < outside.sync_rates() < 60, "the second sync read everything again"
    assert rates_kept(outside) == rates_known(outside)


def test_a_rate_that_is_corrected_within_the_look_back_replaces_the_first_one(outside: Outside) -> None:
    outside.sync_rates()
    before = rates_kept(outside)
    outside.rates.corrections[date(2024, 6, 5), "EUR"] = 0.5
    outside.sync_rates()
    assert rates_kept(outside) == rates_known(outside)
    assert len(set(rates_kept(outside)) - set(before)) == 1


BAD_CALLS = {
    "one call too many": replied(429, retry_after="1"),
    "an error of the service": replied(500),
    "a gateway that gives up": replied(503, b"<html>"),
    "a page that is no JSON": replied(200, b"<html>come back later</html>"),
    "an empty page": replied(200, b""),
    "a page that is cut off": cut_off,
}


def test_calls_that_fail_for_a_moment_lose_nothing(outside: Outside) -> None:
    """The check makes the first call; then every second one meets a trouble, and none after them."""
    few, many = list(BAD_CALLS.values())[:3], list(BAD_CALLS.values())
    for sync, kept, known, troubles in (
        (outside.sync_rates, rates_kept, rates_known, few),  # which needs few calls
        (outside.sync_weather, weather_kept, weather_known, many),
    ):
        bad = [one for trouble in troubles for one in (trouble, passed)]
        outside.services.troubles.extend([passed, passed, *bad])
        sync()
        assert not outside.services.troubles, "not every trouble was met"
        assert kept(outside) == known(outside)


def test_the_wait_that_the_service_asks_for_is_kept(outside: Outside) -> None:
    outside.services.troubles.extend([passed, passed, replied(429, retry_after="2")])
    outside.sync_rates(quotes=["EUR"])
    refused, _ = outside.services.calls[2]
    first, second, *_ = (at for call, at in outside.services.calls if call == refused)
    assert second - first >= 2


def test_a_token_that_dies_ends_the_sync_with_its_reason_and_the_next_goes_on(outside: Outside) -> None:
    def last_word() -> None:
        outside.apis._key = OTHER_KEY

    outside.services.troubles.extend([passed] * 8 + [after(last_word)])
    with pytest.raises(EltError, match="does not accept the API key") as ended:
        outside.sync_weather()
    assert KEY not in str(ended.value)
    outside.services.troubles.clear()
    outside.sync_weather(api_key=OTHER_KEY)
    assert weather_kept(outside) == weather_known(outside)


def test_a_wrong_key_fails_the_check(outside: Outside) -> None:
    with pytest.raises(EltError, match="its check failed") as refused:
        outside.sync_weather(api_key="wrong key of a test")  # pragma: allowlist secret
    assert "wrong key of a test" not in str(refused.value)


def test_a_corrected_day_arrives_however_old_it_is(outside: Outside) -> None:
    outside.sync_weather()
    corrected_at = NOW + timedelta(hours=1)
    outside.weather.corrections[LONDON, date(2024, 3, 9)] = (Measured(1.5, -2.0, 33.3, None), corrected_at)
    outside.clock.now = NOW + timedelta(days=1)
    assert outside.sync_weather() < 100
    assert weather_kept(outside) == weather_known(outside)
    found = outside.syncs.rows(
        "select precipitation, wind_max from weather.observations where city = 'London' and date = '2024-03-09'"
    )
    assert found == [(33.3, None)]


def test_records_that_come_twice_are_one_row(outside: Outside) -> None:
    def twice(page: dict[str, Any]) -> dict[str, Any]:
        return page | {"data": [*page["data"], *page["data"][:5]]}

    outside.services.troubles.extend([passed] * 2 + [changed(twice)] * 6)
    outside.sync_weather()
    assert weather_kept(outside) == weather_known(outside)


def test_a_page_that_changes_while_it_is_read_moves_nothing_out_of_sight(outside: Outside) -> None:
    """Between two pages, days of the first, of a later page and of another slice are corrected: they move to the end."""
    moved = [(SEATTLE, date(2024, 3, 2)), (LOS_ANGELES, date(2024, 3, 3)), (SEATTLE, date(2024, 4, 20))]

    def correct() -> None:
        for key in moved:
            outside.weather.corrections[key] = (Measured(9.9, 1.1, 0.0, 5.0), NOW - timedelta(minutes=1))

    outside.services.troubles.extend([passed] * 6 + [after(correct)])
    outside.sync_weather(countries=["US"], page_size=20)
    assert outside.weather.corrections, "it came too late: nothing was read in pages"
    others = [
        row for row in outside.syncs.rows(US_DAYS) if row[:2] not in {(p.city, str(d)) for p, d in moved}
    ]
    known = [row for row in us_known(outside) if row[:2] not in {(p.city, str(d)) for p, d in moved}]
    assert others == known
    outside.clock.now += timedelta(days=1)
    outside.sync_weather(countries=["US"], page_size=20)
    assert outside.syncs.rows(US_DAYS) == us_known(outside)


def test_forecasts_are_replaced_as_a_whole(outside: Outside) -> None:
    outside.sync_weather()
    outside.clock.now += timedelta(days=3)
    outside.sync_weather()
    days = outside.syncs.rows(
        "select min(date)::varchar, max(date)::varchar, count(*) from weather.forecasts"
    )
    assert days == [("2024-06-12", "2024-06-19", 8 * len(CITIES))]


def test_faults_and_limits_of_a_day_leave_the_truth(outside: Outside) -> None:
    """As `elt up` serves them: an error in forty calls, repeated records, and a limit that a sync exceeds."""
    outside.apis.calls.faults = True
    limit = outside.apis.calls.limit
    limit.calls, limit.at_once = 1200, 20
    limit._left = 20
    outside.sync_weather()
    outside.sync_rates()
    assert weather_kept(outside) == weather_known(outside)
    assert rates_kept(outside) == rates_known(outside)
