"""Payments by card: the same again for a seed, with a known share of fraud that no event tells."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from streaming.producer.payments import PATTERNS, event_id, payment, truth

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MANY = 20_000


def test_a_payment_is_the_same_again_for_its_seed_and_number() -> None:
    one = [payment(42, number, NOW) for number in range(500)]
    assert one == [payment(42, number, NOW) for number in range(500)]
    assert one != [payment(43, number, NOW) for number in range(500)]
    assert [each["event_id"] for each in one] == [event_id(42, number) for number in range(500)]


def test_one_or_two_in_a_hundred_are_fraud_of_every_pattern() -> None:
    found = Counter(truth(42, number) for number in range(MANY))
    assert set(found) == {None, *PATTERNS}
    assert 0.005 < 1 - found[None] / MANY < 0.02


def test_no_event_says_whether_it_is_fraud() -> None:
    """Fields are the same, and each value of a fraud's is one that honest payments have too."""
    made = [(truth(42, number), payment(42, number, NOW)) for number in range(MANY)]
    for field in ("merchant_category", "channel"):
        honest = {event[field] for pattern, event in made if pattern is None}
        assert {event[field] for pattern, event in made if pattern} <= honest
    honest = sorted(event["amount"] for pattern, event in made if pattern is None)
    fraud = sorted(event["amount"] for pattern, event in made if pattern)
    assert honest[0] <= 2 and honest[-1] > fraud[len(fraud) // 2]
