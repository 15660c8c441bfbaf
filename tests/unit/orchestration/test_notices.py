"""What a notice says, and what it does not say."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestration import notices


@pytest.mark.parametrize(
    ("exception", "says"),
    [
        (ValueError("no space left on device"), "no space left on device"),
        (ValueError("\n\n  ---\nfirst\nsecond\nthird\nfourth"), "first — second — third"),
        (KeyError(), "KeyError"),
        ("what the scheduler knows", "what the scheduler knows"),
        ("", "no reason was given"),
        (None, "the task's process ended without a word (killed, or out of memory)"),
        (ValueError("a < b & c > d"), "a &lt; b &amp; c &gt; d"),
    ],
)
def test_a_reason_is_the_first_useful_line(exception, says):
    assert notices.reason(exception) == says


def test_a_reason_is_cut_to_what_a_telephone_shows():
    assert len(notices.reason(ValueError("x" * 10_000))) == notices.LONGEST_REASON


@pytest.mark.parametrize(
    "text",
    [
        "could not connect to postgresql://airbyte_reader:hunter2-x@127.0.0.1:54320/adventureworks",
        "password=hunter2-x host=127.0.0.1",
        'PASSWORD: "hunter2-x"',
        "client_secret=hunter2-x",
        "api_key='hunter2-x'",
        "http://127.0.0.1:8002/services/T0001/B0001/hunter2x refused",
    ],
)
def test_a_secret_is_scrubbed_and_the_rest_stays(text):
    scrubbed = notices.scrub(text)
    assert "hunter2" not in scrubbed and "***" in scrubbed
    assert ("127.0.0.1" in scrubbed) == ("127.0.0.1" in text)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_725, "62 min 5 s"), (None, "no time")],
)
def test_a_duration_is_in_minutes_and_seconds(seconds, says):
    moment = None if seconds is None else datetime.now(UTC) - timedelta(seconds=seconds)
    assert notices._since(moment) == says
