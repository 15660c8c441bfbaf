"""JSON whose numbers stay the text that they came as, where Python, or a warehouse's JSON, would make another of them."""

from __future__ import annotations

import json
from typing import Any

SURE_DIGITS = 38  # of an integer, that every warehouse keeps


class Digits(str):
    """A number, as it came."""


class Constant(str):
    """NaN, Infinity, -Infinity: JSON has none of them, and some connectors write them."""


def parsed(text: str | bytes) -> Any:
    """JSON, with every number that is no short integer as its text. Raises ValueError."""
    return json.loads(text, parse_int=_integer, parse_float=Digits, parse_constant=Constant)


def written(value: Any) -> str:
    """The JSON again, each number as it came."""
    kind = type(value)
    if kind is dict:
        return "{" + ", ".join(f"{json.dumps(name)}: {written(one)}" for name, one in value.items()) + "}"
    if kind is list:
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value) if kind in (Digits, Constant) else json.dumps(value)


def _integer(text: str) -> int | Digits:
    return int(text) if len(text) <= SURE_DIGITS and text != "-0" else Digits(text)
