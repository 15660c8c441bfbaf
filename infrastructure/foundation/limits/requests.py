"""The limits of one request: how large, how long, how many at once and how often. They hold before any login.

A body is read whole before the application sees it: none of ours can do with half of one. After an answer of 500 and above, and
where a body was not read to its end, the connection is closed, and says so.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from foundation.limits.instance import INSTANCE
from foundation.limits.rate import Bucket

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Message = dict[str, Any]

STRANGERS_BODY = 64 << 10  # bytes
BODY_SECONDS = 30.0
SEND_SECONDS = 60.0  # in which a client takes a part of an answer
AT_ONCE = 64
CALLS_PER_MINUTE, CALLS_AT_ONCE = 12_000, 2_000
# what is still read of a refused body, so that its sender hears the answer
DRAIN_BYTES, DRAIN_SECONDS = 32 << 20, 2.0


class Refused(Exception):
    """A request beyond a limit, with the status and the reason that answer it."""

    def __init__(self, status: int, reason: str, retry_after: float = 0.0) -> None:
        self.status, self.reason, self.retry_after = status, reason, retry_after
        super().__init__(reason)


def bearer(scope: Scope) -> str:
    """The token of a request's header; empty: it has none."""
    given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    scheme, _, token = given.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


Refusal = Callable[[int, str], tuple[bytes, str]]


def plain(status: int, reason: str) -> tuple[bytes, str]:
    """The answer to a refused request: body and media type."""
    return f"{reason}\n".encode(), "text/plain; charset=utf-8"


class Limited:
    """ASGI middleware around a whole application.

    `body`: bytes that a request may have whose sender `admitted` knows by the header; a stranger's may have STRANGERS_BODY. How many
    are answered `at_once` and in a while (`bucket`) counts for strangers and for the others apart: strangers keep nobody out.
    `refusal` words the answers, `instance` is the value of the header INSTANCE.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        *,
        body: int = STRANGERS_BODY,
        admitted: Callable[[Scope], bool] = lambda scope: False,
        refusal: Refusal = plain,
        instance: str = "",
        at_once: int = AT_ONCE,
        body_seconds: float = BODY_SECONDS,
        bucket: Bucket | None = None,
    ) -> None:
        self._app, self._body, self._admitted, self._refusal = app, body, admitted, refusal
        self._instance, self._at_once, self._seconds = instance, at_once, body_seconds
        calls = bucket or Bucket(CALLS_PER_MINUTE, CALLS_AT_ONCE)
        self._buckets = {known: replace(calls) for known in (False, True)}
        self._now = {False: 0, True: 0}

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer, known = _Answer(send, self._instance), self._admitted(scope)
        self._now[known] += 1
        try:
            if self._now[known] > self._at_once:
                raise Refused(503, f"{self._at_once} requests are under way: try again", 1)
            if wait := self._buckets[known].wait():
                raise Refused(429, "too many requests", wait)
            received = await self._read(
                scope, receive, self._body if known else min(STRANGERS_BODY, self._body)
            )
            await self._app(scope, _replayed(received, receive), answer.send)
        except Refused as refused:
            log.info("refused with %d: %s", refused.status, refused.reason)
            await _drain(receive)
            await answer.refuse(refused, self._refusal)
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            if not answer.started:
                await answer.refuse(Refused(500, "internal error: see the server's log"), self._refusal)
        finally:
            self._now[known] -= 1

    async def _read(self, scope: Scope, receive: Callable[..., Any], limit: int) -> list[Message]:
        """The whole body, as one message. Raises Refused: too large, or too slow."""
        headers = dict(scope["headers"])
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            return []
        too_large = Refused(413, f"the body has more than {limit} bytes")
        # h11 has made sure that it is a number
        if int(headers.get(b"content-length", b"0")) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return [message]
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise too_large
                    if not message.get("more_body"):
                        return [{"type": "http.request", "body": bytes(body), "more_body": False}]
        except TimeoutError:
            raise Refused(408, f"the body did not come within {self._seconds:g} s") from None


def _replayed(received: list[Message], receive: Callable[..., Any]) -> Callable[..., Any]:
    """`receive` for the application: what was read first, then whatever comes."""

    async def again() -> Message:
        return received.pop() if received else await receive()

    return again


async def _drain(receive: Callable[..., Any]) -> None:
    """Read on for a moment: a connection that is closed on unread bytes loses the answer, too."""
    size = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while size < DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


class _Answer:
    """What goes to the client: with the instance's header, and the end of the connection after an error of ours."""

    def __init__(self, send: Callable[..., Any], instance: str) -> None:
        self._send, self._instance = send, instance
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message = message | {"headers": [*message.get("headers", ()), *self._extra(message["status"])]}
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            raise ConnectionError("the client does not take the answer") from None

    def _extra(self, status: int) -> list[tuple[bytes, bytes]]:
        named = [(INSTANCE.encode(), self._instance.encode())] if self._instance else []
        return [*named, (b"connection", b"close")] if status >= 500 else named

    async def refuse(self, refused: Refused, refusal: Refusal) -> None:
        body, media = refusal(refused.status, refused.reason)
        headers = [
            (b"content-type", media.encode()),
            (b"content-length", str(len(body)).encode()),
            *([(b"connection", b"close")] if refused.status < 500 else []),
        ]
        if refused.retry_after:
            headers.append((b"retry-after", str(math.ceil(refused.retry_after)).encode()))
        await self.send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
