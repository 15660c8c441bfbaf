"""What people would look for in a payment: the baseline that a model has to beat, and the words in which a payment's reason is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

THRESHOLD = 0.7

# (what is unusual, when, how much it weighs); `x` has the features by name
SIGNS: tuple[tuple[str, Callable[[Mapping[str, float]], bool], float], ...] = (
    (
        "several tiny payments within the hour",
        lambda x: x["tiny_1h"] >= 2 and x["online"] == 1,
        0.8,
    ),
    (
        "a device that the card never used",
        lambda x: x["online"] == 1 and x["remembered"] > 0 and x["same_device"] == 0,
        0.4,
    ),
    ("an amount far above what is usual of the card", lambda x: x["amount_ratio"] >= 4, 0.4),
    ("a large amount", lambda x: x["amount"] >= 200, 0.5),
    ("a tiny amount online", lambda x: x["online"] == 1 and x["amount"] < 3, 0.5),
    ("abroad by magnetic stripe", lambda x: x["abroad"] == 1 and x["stripe"] == 1, 0.5),
    ("another country within the hour", lambda x: x["other_country_1h"] > 0, 0.4),
    ("by magnetic stripe", lambda x: x["stripe"] == 1, 0.2),
)


def score(names: Sequence[str], values: Sequence[float]) -> float:
    """0 to 1: how much is unusual of a payment with these features."""
    x = dict(zip(names, values, strict=True))
    return 1 - prod(1 - weight for _, is_so, weight in SIGNS if is_so(x))


def reason(names: Sequence[str], values: Sequence[float]) -> str:
    """What is unusual, in words; what weighs most comes first."""
    x = dict(zip(names, values, strict=True))
    signs = sorted((-weight, text) for text, is_so, weight in SIGNS if is_so(x))
    return ", ".join(text for _, text in signs[:3]) or "nothing single: the features together"
