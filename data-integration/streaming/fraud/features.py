"""The features of a payment. Their one definition is `vars` in data-transformation/stream/dbt_project.yml: dbt renders it as SQL over all
payments (macros/features.sql), for training; this evaluates it for one payment, as it comes. A test compares the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import yaml

from foundation.settings import ROOT

PROJECT = ROOT / "data-transformation" / "stream" / "dbt_project.yml"
SECOND = 1_000_000
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

Entry = dict[
    str, Any
]  # of a card's history, as the state keeps it: at (microseconds), cents, country, device_id
Feature = Callable[[Mapping[str, Any], list[Entry]], float]


@dataclass(frozen=True)
class Features:
    """`remembered`: how many payments of a card are its history. `names` and `rules` are in the same order."""

    remembered: int
    names: tuple[str, ...]
    rules: tuple[Feature, ...]

    def of(self, payment: Mapping[str, Any], history: list[Entry]) -> list[float]:
        """The features of a payment (an event of `shop.card_transactions`), whose card had `history` before it, oldest first."""
        seen = {**payment, **entry_of(payment)}
        return [rule(seen, history) for rule in self.rules]

    def after(self, payment: Mapping[str, Any], history: list[Entry]) -> list[Entry]:
        """The history of the card's next payment."""
        return [*history, entry_of(payment)][-self.remembered :]


def entry_of(payment: Mapping[str, Any]) -> Entry:
    """What a card's history keeps of a payment."""
    return {
        "at": (payment["occurred_at"] - BEGINNING) // timedelta(microseconds=1),
        "cents": int(payment["amount"].scaleb(2)),
        "country": payment["country"],
        "device_id": payment["device_id"] or "",
    }


@cache
def features() -> Features:
    """Those of the dbt project."""
    given = yaml.safe_load(PROJECT.read_text())["vars"]
    defined = given["features"]
    return Features(
        given["remembered_payments"],
        tuple(each["name"] for each in defined),
        tuple(RULES[each["rule"]](each) for each in defined),
    )


def _is(definition: Mapping[str, Any]) -> Feature:
    column, text = definition["column"], definition["text"]
    return lambda payment, history: float(payment[column] == text)


def _differ(definition: Mapping[str, Any]) -> Feature:
    one, other = definition["columns"]
    return lambda payment, history: float(payment[one] != payment[other])


def _count(definition: Mapping[str, Any]) -> Feature:
    within, below = definition.get("within"), definition.get("below")
    same, other = definition.get("same"), definition.get("other")

    def counted(payment: Mapping[str, Any], history: list[Entry]) -> float:
        return float(
            sum(
                (within is None or payment["at"] - each["at"] <= within * SECOND)
                and (below is None or each["cents"] < below)
                and (same is None or each[same] == payment[same])
                and (other is None or each[other] != payment[other])
                for each in history
            )
        )

    return counted


def _ratio(payment: Mapping[str, Any], history: list[Entry]) -> float:
    spent = sum(each["cents"] for each in history)
    return payment["cents"] * len(history) / spent if spent else 1.0


def _gap(payment: Mapping[str, Any], history: list[Entry]) -> float:
    return (payment["at"] - history[-1]["at"]) / SECOND if history else -1.0


RULES: dict[str, Callable[[Mapping[str, Any]], Feature]] = {
    "amount": lambda definition: lambda payment, history: payment["cents"] / 100,
    "is": _is,
    "differ": _differ,
    "count": _count,
    "ratio": lambda definition: _ratio,
    "gap": lambda definition: _gap,
}
