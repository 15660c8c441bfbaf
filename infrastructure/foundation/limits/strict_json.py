"""JSON from outside that is JSON by Python's measure alone, or that nobody could keep: refused, with the place in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

DEPTH = 64

Path = tuple[Any, ...]


class UnfitError(Exception):
    """JSON that is refused: `reason`, and `path`, the keys and indexes that lead to the value; None: the text is no JSON."""

    def __init__(self, reason: str, path: Path | None = None) -> None:
        self.reason, self.path = reason, path
        super().__init__(reason)


def loads(body: bytes | str) -> Any:
    """The value. Raises json.JSONDecodeError or UnicodeDecodeError for what is no JSON at all, UnfitError for NaN and infinity, numbers of
    too many digits, more than DEPTH levels, and texts or names that UTF-8 cannot hold.
    """
    try:
        value = json.loads(body, parse_constant=_no_number)
    except RecursionError:
        raise too_deep() from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError as error:  # an integer of more digits than Python takes
        raise UnfitError(f"is not JSON: {error}") from None
    for path, text in texts(value):
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise UnfitError("holds half of a surrogate pair", path)
    return value


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a value, names of fields too, with its path. Raises UnfitError: nested too deep, a number too large."""
    if len(path) > DEPTH:
        raise too_deep()
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*path, index))
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise UnfitError("is a number too large", path)


def too_deep() -> UnfitError:
    return UnfitError(f"is nested deeper than {DEPTH} levels")


def _no_number(constant: str) -> None:
    raise UnfitError(f"is not JSON: {constant} is no number there")
