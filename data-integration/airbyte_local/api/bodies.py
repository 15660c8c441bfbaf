"""Bodies that are JSON by Python's measure and no text that could be kept: refused here, with the field, before any route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airbyte_local.api.problems import Problem, answer_to, field_path, invalid
from foundation.limits.strict_json import UnfitError, loads, texts

LARGEST = (1 << 63) - 1  # that SQLite and Airbyte's int64 hold


class StrictJson:
    """ASGI middleware within the limits of a request (foundation.limits), which hand it a body in one piece.

    Every body is looked at, whatever its media type says: a route may read it as JSON all the same.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope.get("headers", ()))
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
        value = loads(body)
    except UnfitError as unfit:
        if unfit.path is not None:
            raise invalid(field_path(("body", *unfit.path)), unfit.reason) from None
        raise Problem(400, f"the body {unfit.reason}") from None
    except ValueError:
        return
    for path, text in texts(value):
        if "\0" in text and path[:1] != ("configuration",):  # a connector may have a use for it
            raise invalid(field_path(("body", *path)), "holds a NUL character")
