"""What an API's bad day does to a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.fixtures.apis import Trouble


def replied(status: int, body: bytes = b'{"error": "no"}', **headers: str) -> Trouble:
    """The call gets this answer."""

    async def trouble(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        await Response(body, status, {"content-type": "application/json"} | names)(scope, receive, send)

    return trouble


async def passed(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
    """The call is answered as ever."""
    await app(scope, receive, send)


def after(change: Callable[[], Any]) -> Trouble:
    """Something happens, then the call is answered."""

    async def trouble(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        change()
        await app(scope, receive, send)

    return trouble


def changed(change: Callable[[Any], Any]) -> Trouble:
    """The call gets the true answer, changed."""

    async def trouble(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        body = bytearray()

        async def take(message: dict[str, Any]) -> None:
            body.extend(message.get("body", b""))

        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await app({**scope, "headers": headers}, receive, take)
        answer = json.dumps(change(json.loads(bytes(body)))).encode()
        await replied(200, answer)(scope, receive, send, app)

    return trouble


async def cut_off(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
    """The answer ends before it is whole."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"data": [', "more_body": True})
    raise ConnectionResetError
