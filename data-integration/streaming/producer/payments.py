"""Payments by card, made from a seed: payment number n is always the same, but for the moment at which it happens.

Of a hundred payments one or two are fraud, by four patterns. Which are is in no event: `truth` says it, to tests and to whoever
trains a model. A card's country, its usual amounts and its devices are its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import Any

NUMBER = 19_118  # of cards, as in the original's sales.creditcard: ids from 1
MERCHANTS = 2_000
BLOCK = 200  # payments in a row, among which is one fraud of one to five payments
COUNTRIES = {"US": 50, "AU": 12, "CA": 10, "GB": 10, "DE": 9, "FR": 9}
CATEGORIES = {
    "grocery": 30,
    "fuel": 14,
    "restaurant": 18,
    "clothing": 10,
    "travel": 6,
    "electronics": 8,
    "sport": 14,
}
ABROAD = ("BR", "NG", "RO", "TH", "ZA")

# pattern → which of the block's payments are part of it (the places count from the one with which it begins)
PATTERNS = {
    "tested": (0, 3, 5, 8, 12),  # four tiny payments online, then a large one
    "abroad": (0, 9),  # with a magnetic stripe in a far country, minutes after one at home
    "new device": (0,),  # a large payment online from a device that the card never had
    "skimmed": (0, 4, 7),  # three cards by stripe at the one merchant who copied them
}


@dataclass(frozen=True)
class Card:
    """What is usual of a card."""

    number: int
    country: str
    median: float  # of its amounts, in USD
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Fraud:
    """A payment's part in a fraud: the pattern, which payment of it, the card, and the merchant."""

    pattern: str
    step: int
    card: int
    merchant: int


def _chance(*what: object) -> Random:
    return Random(" ".join(map(str, what)))  # noqa: S311 - to be the same again, not to be secret


@lru_cache(maxsize=NUMBER)
def card(seed: int, number: int) -> Card:
    """The card of that number."""
    dice = _chance(seed, "card", number)
    (country,) = dice.choices(list(COUNTRIES), list(COUNTRIES.values()))
    devices = tuple(f"{dice.getrandbits(48):012x}" for _ in range(dice.choice((1, 1, 2, 3))))
    return Card(number, country, dice.lognormvariate(3.4, 0.5), devices)


@lru_cache(maxsize=64)
def _fraud_of(seed: int, block: int) -> dict[int, Fraud]:
    """The fraud of a block, by payment."""
    dice = _chance(seed, "fraud", block)
    pattern = dice.choice(list(PATTERNS))
    places = PATTERNS[pattern]
    first = block * BLOCK + dice.randrange(BLOCK - places[-1])
    victims = [1 + dice.randrange(NUMBER) for _ in places]
    merchant = 1 + dice.randrange(MERCHANTS)
    return {
        first + place: Fraud(pattern, step, victims[step if pattern == "skimmed" else 0], merchant)
        for step, place in enumerate(places)
    }


def truth(seed: int, number: int) -> str | None:
    """The pattern of the fraud that a payment is; None: it is honest."""
    found = _fraud_of(seed, number // BLOCK).get(number)
    if found is None or (found.pattern == "abroad" and found.step == 0):
        return None  # the payment at home is the card holder's own
    return found.pattern


def event_id(seed: int, number: int) -> str:
    return f"card-{seed}-{number}"


def payment(seed: int, number: int, at: datetime) -> dict[str, Any]:
    """Payment number `number` of a seed, when it happens at `at`."""
    dice = _chance(seed, "payment", number)
    found = _fraud_of(seed, number // BLOCK).get(number)
    payer = card(seed, found.card if found else 1 + min(int(dice.paretovariate(0.35)), NUMBER * 50) % NUMBER)
    (category,) = dice.choices(list(CATEGORIES), list(CATEGORIES.values()))
    channel = dice.choices(("chip", "online", "stripe"), (62, 30, 8))[0]
    amount = dice.lognormvariate(0, 0.6) * payer.median
    country, merchant = payer.country, 1 + dice.randrange(MERCHANTS)
    if dice.random() < 0.03 and channel != "online":  # a journey
        country = dice.choice(list(COUNTRIES))
    device = dice.choice(payer.devices) if channel == "online" else None
    if channel == "online" and dice.random() < 0.02:  # a new telephone
        device = f"{dice.getrandbits(48):012x}"
    if found and not (found.pattern == "abroad" and found.step == 0):
        merchant, stranger = found.merchant, f"{_chance(seed, 'device', found.card).getrandbits(48):012x}"
        match found.pattern, found.step:
            case "tested", 4:
                category, channel, amount, device = "electronics", "online", amount * 8 + 300, stranger
            case "tested", _:
                channel, amount, device = "online", 0.5 + dice.random() * 2, stranger
            case "abroad", _:
                channel, device, amount = "stripe", None, amount * 3 + 80
                country = dice.choice(ABROAD)
            case "new device", _:
                channel, amount, device = "online", amount * 6 + 150, stranger
            case _:
                channel, device, amount = "stripe", None, amount * 2.5 + 60
    return {
        "event_id": event_id(seed, number),
        "occurred_at": at,
        "creditcardid": payer.number,
        "amount": Decimal(f"{max(amount, 0.5):.2f}"),
        "merchant_id": merchant,
        "merchant_category": category,
        "country": country,
        "card_country": payer.country,
        "channel": channel,
        "device_id": device,
    }
