"""Minutes, visits, features and the words of an alert, without a broker."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from streaming.enricher.minutes import Cell, counted
from streaming.enricher.sessions import first, joined, with_view
from streaming.fraud import rules
from streaming.fraud.features import features
from streaming.producer.payments import payment

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


class Kept(dict[str, Any]):
    """A state."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def test_the_parts_of_a_minute_add_up_however_late_events_come() -> None:
    dice, state, parts = Random(3), Kept(), []
    events = [
        (AT + timedelta(seconds=number - dice.choice((0, 0, 0, 50, 500))), dice.randrange(1, 10**9))
        for number in range(2_000)
    ]
    wanted, amounts = Counter[datetime](), Counter[datetime]()
    for number, (at, amount) in enumerate([*events, (AT + timedelta(days=1), 0)]):
        cell = Cell("Online", dice.choice((1, None)), amount, False)
        parts += counted("orders", f"0-{number}", at, cell, state)
        minute = at.replace(second=0)
        if number < len(events):
            wanted[minute] += 1
            amounts[minute] += amount
    found, sums = Counter[datetime](), Counter[datetime]()
    for part in parts:
        found[part["occurred_at"]] += part["events"]
        sums[part["occurred_at"]] += int(part["amount"].scaleb(6))
    assert (found, sums) == (wanted, amounts)
    assert {part["late"] for part in parts} == {True, False}
    assert len({part["event_id"] for part in parts}) == len(parts)


def test_an_order_of_the_year_9999_does_not_close_the_minutes_of_today() -> None:
    state, cell = Kept(), Cell("Online", 1, 5, False)
    (ahead,) = counted("orders", "0-0", datetime(9999, 12, 31, tzinfo=UTC), cell, state)
    assert (ahead["occurred_at"].year, ahead["events"], ahead["late"]) == (9999, 1, True)
    assert counted("orders", "0-1", AT, cell, state) == []  # its minute is open
    (closed,) = counted("orders", "0-2", AT + timedelta(minutes=2), cell, state)
    assert (closed["occurred_at"], closed["late"]) == (AT.replace(second=0), False)


def view(minutes: int, value: str | None = None) -> dict[str, Any]:
    return {
        "occurred_at": AT + timedelta(minutes=minutes),
        "visitor": "session:1",
        "customerid": None,
        "device_type": "mobile",
        "country": None,
        "page_url": f"/{minutes}",
        "order_value": None if value is None else Decimal(value),
    }


def test_a_visit_is_the_same_in_whatever_order_its_views_come() -> None:
    views = [view(0), view(10, "3.5"), view(20)]
    forth = with_view(with_view(first(views[0]), views[1]), views[2])
    back = with_view(with_view(first(views[2]), views[0]), views[1])
    assert forth == back == joined(first(views[2]), with_view(first(views[1]), views[0]))
    assert (forth["entry_url"], forth["exit_url"], forth["page_views"], forth["order_value"]) == (
        "/0",
        "/20",
        3,
        3_500_000,
    )


def test_features_are_of_the_payments_before_and_of_no_more_than_are_remembered() -> None:
    of = features()
    history: list[dict[str, Any]] = []
    base = payment(1, 0, AT) | {"channel": "online", "country": "US", "card_country": "US", "device_id": "d"}
    for number in range(30):
        one = base | {"occurred_at": AT + timedelta(minutes=number), "amount": Decimal("10.00")}
        history = of.after(one, history)
    assert len(history) == of.remembered
    odd = base | {
        "occurred_at": AT + timedelta(minutes=40),
        "amount": Decimal("55.50"),
        "country": "FR",
        "device_id": "other",
    }
    found = dict(zip(of.names, of.of(odd, history), strict=True))
    assert found["amount"] == 55.5 and found["amount_ratio"] == 5.55
    assert (found["remembered"], found["payments_10m"], found["payments_1h"]) == (20, 0, 20)
    assert (found["same_device"], found["other_country_1h"], found["abroad"]) == (0, 20, 1)
    assert found["gap_seconds"] == 660
    none = dict(zip(of.names, of.of(odd, []), strict=True))
    assert (none["amount_ratio"], none["gap_seconds"], none["remembered"]) == (1, -1, 0)


def test_a_reason_names_what_weighs_most() -> None:
    names = features().names
    values = dict.fromkeys(names, 0.0) | {
        "online": 1.0,
        "remembered": 4.0,
        "amount_ratio": 9.0,
        "amount": 250.0,
    }
    said = rules.reason(names, list(values.values()))
    assert said.startswith("a large amount")
    assert "a device that the card never used" in said
    assert rules.score(names, list(values.values())) >= rules.THRESHOLD
    calm = dict.fromkeys(names, 0.0) | {"amount": 30.0}
    assert rules.score(names, list(calm.values())) == 0


SILENT = """
import time
from streaming.enricher import hung
hung.SECONDS = 2
with hung.Hung("it").watched() as _:
    pass
time.sleep(4)
print("a loop that ended is not counted", flush=True)
one = hung.Hung("it")
with one.watched():
    for _ in range(5):
        time.sleep(0.9)
        one.beat()
    print("a loop that beats goes on", flush=True)
    time.sleep(60)
"""


def test_a_loop_that_no_longer_comes_round_ends_the_program() -> None:
    done = subprocess.run([sys.executable, "-c", SILENT], capture_output=True, text=True, timeout=40)
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        [
            "a loop that ended is not counted",
            "a loop that beats goes on",
            "it: Kafka has not answered a call for 2 s; ends here, and goes on where its last transaction ended",
        ],
    )
