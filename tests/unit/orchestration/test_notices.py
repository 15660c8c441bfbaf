"""What a message says, in which form, and what it does not say."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestration import messages
from orchestration.messages import LONGEST_REASON, LONGEST_SECTION, Message, failing_tests


@pytest.mark.parametrize(
    ("exception", "says"),
    [
        (ValueError("no space left on device"), "no space left on device"),
        (ValueError("\n\n  ---\nfirst\nsecond\nthird\nfourth"), "first — second — third"),
        (KeyError(), "KeyError"),
        ("what the scheduler knows", "what the scheduler knows"),
        ("", "no reason was given"),
        (None, "the task's process ended without a word (stopped, killed, or out of memory)"),
    ],
)
def test_a_reason_is_the_first_useful_line(exception, says):
    assert messages.reason(exception) == says


def test_a_reason_is_cut_to_what_a_telephone_shows():
    assert len(messages.reason(ValueError("x" * 10_000))) == LONGEST_REASON


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
    scrubbed = messages.scrub(text)
    assert "hunter2" not in scrubbed and "***" in scrubbed
    assert ("127.0.0.1" in scrubbed) == ("127.0.0.1" in text)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_725, "62 min 5 s"), (None, "no time")],
)
def test_a_duration_is_in_minutes_and_seconds(seconds, says):
    moment = None if seconds is None else datetime.now(UTC) - timedelta(seconds=seconds)
    assert messages.since(moment) == says


MESSAGE = Message(
    ":x:",
    "*adventureworks_elt* failed in `sync`",
    (("Reason", "a < b & c > d"), ("Log", "http://127.0.0.1:8080/runs/1?try=1")),
    urgent=True,
    environment="staging",
)


def test_for_slack_it_is_mrkdwn_with_its_three_characters_escaped():
    assert MESSAGE.slack().splitlines() == [
        ":x: *adventureworks_elt* failed in `sync` · staging",
        "*Reason:* a &lt; b &amp; c &gt; d",
        "*Log:* http://127.0.0.1:8080/runs/1?try=1",
    ]


def test_for_mail_it_has_the_environment_in_the_subject_and_links_in_the_body():
    assert MESSAGE.subject() == "[staging] adventureworks_elt failed in sync"
    assert "a &lt; b &amp; c &gt; d" in MESSAGE.html()
    assert '<a href="http://127.0.0.1:8080/runs/1?try=1">' in MESSAGE.html()


def test_slacks_limit_is_kept_whatever_the_message():
    long = Message(":x:", "*dag* failed", (("Reason", "&" * 5_000),))
    assert len(long.slack()) == LONGEST_SECTION and long.slack().endswith("…")


def test_failing_tests_are_reported_by_name_with_their_rows_and_not_all_of_a_hundred():
    failed = [("unique_fct", "fail", 1_234), ("equals_raw", "fail", 1), ("broken", "error", None)]
    few = failing_tests(failed, {"equals_raw": "order_id 7"})
    assert few.splitlines() == [
        "",
        "• unique_fct: 1,234 rows",
        "• equals_raw: 1 row (order_id 7)",
        "• broken: error",
    ]
    assert failing_tests([("t", "fail", 2)] * 100, {}).splitlines()[-1] == "and 90 more"
