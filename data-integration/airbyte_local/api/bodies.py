"""Bodies that are JSON by Python's measure and no text that could be kept: refused here, with the field, before any route."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from airbyte_local.api.problems import Problem, answer_to, field_path, invalid

DEPTH = 64
LARGEST = (1 << 63) - 1  # that SQLite and Airbyte's int64 hold


class StrictJson:
    """ASGI middleware within the limits of a request (foundation.limits), which hand it a body in one piece."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or b"form" in headers.get(b"content-type", b""):
            await self._app(scope, receive, send)
            return
        message = await receive() if headers.keys() & {b"content-length", b"transfer-encoding"} else None
        if message and message["type"] == "http.request":
            try:
                check(message["body"])
            except Problem as problem:
                await answer_to(problem)(scope, receive, send)
                return

        async def again() -> dict[str, Any]:
            nonlocal message
            first, message = message, None
            next_: dict[str, Any] = first or await receive()
            return next_

        await self._app(scope, again, send)


def check(body: bytes) -> None:
    """Raises Problem for what is wrong within JSON; what is no JSON at all is FastAPI's to refuse."""
    try:
        value = json.loads(body, parse_constant=_no_number)
    except RecursionError:
        raise Problem(400, f"the body is nested deeper than {DEPTH} levels") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        return
    except ValueError as error:  # an integer of more digits than Python takes
        raise Problem(400, f"the body is not JSON: {error}") from None
    for path, text in _texts(value, ()):
        if "\0" in text and path[:1] != ("configuration",):  # a connector may have a use for it
            raise invalid(field_path(("body", *path)), "holds a NUL character")
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise invalid(field_path(("body", *path)), "holds half of a surrogate pair")


def _no_number(constant: str) -> None:
    raise Problem(400, f"the body is not JSON: {constant} is no number there")


def _texts(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every text in a value, names of fields too, with its path. Raises Problem: nested too deep, a number too large."""
    if len(path) > DEPTH:
        raise Problem(400, f"the body is nested deeper than {DEPTH} levels")
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise invalid(field_path(("body", *path)), "is a number too large")
