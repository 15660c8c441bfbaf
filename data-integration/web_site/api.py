"""The site's HTTP API: its events page by page, as an analytics service gives them away.

    GET /v1/clock                                                 {"now": …, "first_event_at": …}
    GET /v1/events?since=…&until=…[&page_size=…][&page_token=…]   {"data": [event, …], "next_page_token": …}

Events of [since, until) by their own time, in the order in which they arrived: late ones come late, some come twice. The token
stands for the place after a page, and goes with the same `since` and `until`; the last page has none. Every call needs the
token WEB_API_TOKEN as a bearer. A client that calls more often than the limit gets 429 with `Retry-After`; with faults on, one call in
forty fails with 500.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import math
from datetime import datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foundation.errors import EltError
from foundation.limits.brake import Brake, unguessable
from foundation.limits.service import Calls, moment, page_size
from web_site.log import Log

PAGE_SIZE, MAX_PAGE_SIZE = 1_000, 10_000


class Api:
    """Handlers over one log."""

    def __init__(self, log: Log, token: str, *, calls_per_minute: float, faults: bool) -> None:
        self._log, self._token = log, token
        self._calls = Calls(calls_per_minute, faults=faults)
        self._brake = Brake("web")
        self.app = Starlette(
            routes=[
                Route("/v1/clock", self.clock, methods=["GET"]),
                Route("/v1/events", self.events, methods=["GET"]),
                Route("/health", self.health, methods=["GET"]),
            ],
            middleware=[Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=1)],
            exception_handlers={HTTPException: refused, EltError: unavailable},
        )

    # no coroutines: the queries run in threads
    def clock(self, request: Request) -> Response:
        """The site's time, and when its first event happened; null while there is none."""
        self._admit(request)
        self._log.grow()
        return JSONResponse({"now": text(self._log.now()), "first_event_at": text(self._log.first())})

    def events(self, request: Request) -> Response:
        """A page of events."""
        self._admit(request)
        # the log's times are in UTC, without a zone
        since, until = (moment(request, name).replace(tzinfo=None) for name in ("since", "until"))
        size = page_size(request, PAGE_SIZE, MAX_PAGE_SIZE)
        after = place(request.query_params.get("page_token"), since, until)
        page = self._log.page(since, until, after, size)
        following = token_of(page.last, since, until) if page.last is not None else None
        # the log writes the events' JSON; the rest is added around it
        return Response(
            f'{{"data":{page.events},"next_page_token":{json.dumps(following)}}}',
            media_type="application/json",
        )

    def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def knows(self, token: str) -> bool:
        """Whether this is the token (compared in constant time)."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    def _admit(self, request: Request) -> None:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        address = request.client.host if request.client else ""
        right = scheme.lower() == "bearer" and self.knows(value)
        if (wait := self._brake.wait(address)) and not (right and unguessable(self._token)):
            raise HTTPException(429, "too many wrong tokens", {"Retry-After": str(math.ceil(wait))})
        if value:
            self._brake.tried(address, right=right)
        if not right:
            raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
        self._calls.count()


def refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def unavailable(request: Request, error: Exception) -> Response:
    """The shop is down: so is its site."""
    if not isinstance(error, EltError):
        raise error
    return JSONResponse({"error": error.message}, 503, {"Retry-After": "5"})


def text(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def token_of(position: int, since: datetime, until: datetime) -> str:
    return base64.urlsafe_b64encode(f"{position} {text(since)} {text(until)}".encode()).decode()


def place(token: str | None, since: datetime, until: datetime) -> int:
    """The position that a page token stands for."""
    if not token:
        return 0
    try:
        position, *query = base64.urlsafe_b64decode(token.encode()).decode().split(" ")
        if query == [text(since), text(until)] and 0 <= (found := int(position)) < 1 << 63:
            return found
    except (ValueError, binascii.Error):
        pass
    raise HTTPException(400, "page_token: not one of this query")
