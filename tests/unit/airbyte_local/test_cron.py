"""Quartz expressions: what they mean, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airbyte_local.cron import parse

THURSDAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("0 0 12 * * ?", ["01-01T12:00:00", "01-02T12:00:00"]),
        ("0 0/15 8 ? * 2-6", ["01-01T08:00:00", "01-01T08:15:00"]),
        ("30 0 0 ? * MON,WED UTC", ["01-05T00:00:30", "01-07T00:00:30"]),
        ("0 0 0 ? * 1", ["01-04T00:00:00", "01-11T00:00:00"]),  # Sunday
        ("0 0 0 ? * SAT-MON", ["01-03T00:00:00", "01-04T00:00:00"]),
        ("0 0 0 ? * L", ["01-03T00:00:00", "01-10T00:00:00"]),  # Saturday
        ("0 0 0 ? * 6L", ["01-30T00:00:00", "02-27T00:00:00"]),  # the last Friday
        ("0 0 0 ? * FRI#2 *", ["01-09T00:00:00", "02-13T00:00:00"]),
        ("0 0 0 ? * 2/3", ["01-05T00:00:00", "01-08T00:00:00"]),  # Monday and Thursday
        ("0 0 0 L * ?", ["01-31T00:00:00", "02-28T00:00:00"]),
        ("0 0 0 1W * ?", ["02-02T00:00:00", "03-02T00:00:00"]),
        ("0 0 0 1 jan,jul ?", ["07-01T00:00:00", "01-01T00:00:00"]),
        ("0 0 12 * * ? America/New_York", ["01-01T17:00:00", "01-02T17:00:00"]),
        (
            "0 30 2 ? 3 1 2026 America/New_York",
            ["03-01T07:30:00", "03-08T07:00:00"],
        ),  # no 02:30 there on the 8th of March
        ("0/20 * * * * ?", ["01-01T00:00:20", "01-01T00:00:40"]),
    ],
)
def test_an_expression_gives_its_moments(text: str, moments: list[str]) -> None:
    cron = parse(text)
    first = cron.after(THURSDAY)
    found = [first, cron.after(first)]
    assert [moment.strftime("%m-%dT%H:%M:%S") for moment in found] == moments
    assert all(moment.tzinfo is UTC for moment in found)


def test_the_zone_is_always_named() -> None:
    assert parse("0 0 12 * * ?").text == "0 0 12 * * ? UTC"
    assert parse("0 0 12 * * ? UTC").text == "0 0 12 * * ? UTC"
    assert parse("0 0 12 * * ? 2030 Europe/Paris").text == "0 0 12 * * ? 2030 Europe/Paris"


def test_a_time_that_never_comes_is_none() -> None:
    assert parse("0 0 0 30 2 ?").after(THURSDAY) is None
    assert parse("0 0 0 1 1 ? 2020").after(THURSDAY) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "has 0 fields"),
        ("0 12 * * *", "has 5 fields"),
        ("@daily", "has 1 fields"),
        ("0 0 12 * * ? * UTC extra", "has 8 fields"),
        ("0 0 12 * * *", "exactly one of"),
        ("0 0 12 ? * ?", "exactly one of"),
        ("60 0 12 * * ?", "60 is not between 0 and 59 (seconds)"),
        ("0 0 24 * * ?", "hours"),
        ("0 0 0 0 * ?", "day of month"),
        ("0 0 0 ? * 0", "day of week"),
        ("0 0 0 ? * 8", "day of week"),
        ("0 0 0 ? * FUN", "FUN is not a value for day of week"),
        ("0 H 0 * * ?", "H is not a value for minutes"),
        ("0 0/ 0 * * ?", "not a step"),
        ("0 0/61 0 * * ?", "not a step"),
        ("0 0 0 LW * ?", "not supported by this server"),
        ("0 0 0 * * ? Mars/Olympus", "Mars/Olympus is not a time zone"),
        ("0 0 0 * * ? ../etc", "has 7 fields|not a value for year"),
        ("0 5-1-2 0 * * ?", "not a Quartz expression"),
    ],
)
def test_what_is_wrong_is_named(text: str, found: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text)
    assert any(part in str(error.value) for part in found.split("|")), error.value
