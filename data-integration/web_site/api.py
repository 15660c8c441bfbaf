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
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foundation.errors import EltError
from foundation.limits.brake import Brake, unguessable
from foundation.limits.rate import Bucket
from web_site.log import Log

PAGE_SIZE, MAX_PAGE_SIZE = 1_000, 10_000
AN_ERROR_IN = 40  # calls


class Api:
    """Handlers over one log."""

    def __init__(self, log: Log, token: str, *, calls_per_minute: float, faults: bool) -> None:
        self._log, self._token, self._faults = log, token, faults
        self._limit = Bucket(calls_per_minute, max(1.0, calls_per_minute / 12))
        self._calls = 0
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
        since, until = moment(request, "since"), moment(request, "until")
        size = whole(request.query_params.get("page_size", str(PAGE_SIZE)), "page_size")
        if not 1 <= size <= MAX_PAGE_SIZE:
            raise HTTPException(400, f"page_size: from 1 to {MAX_PAGE_SIZE}")
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
        if wait := self._limit.wait():
            raise HTTPException(429, "too many calls", {"Retry-After": str(math.ceil(wait))})
        self._calls += 1
        if self._faults and self._calls % AN_ERROR_IN == 0:
            raise HTTPException(500, "something went wrong, try again")


def refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def unavailable(request: Request, error: Exception) -> Response:
    """The shop is down: so is its site."""
    if not isinstance(error, EltError):
        raise error
    return JSONResponse({"error": error.message}, 503, {"Retry-After": "5"})


def text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def moment(request: Request, name: str) -> datetime:
    """A parameter as a time (UTC, without its zone)."""
    given = request.query_params.get(name, "")
    try:
        found = datetime.fromisoformat(given)
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):  # the second: in UTC it would be in no year from 1 to 9999
        raise HTTPException(400, f"{name}: an ISO 8601 time, as 2026-01-31T00:00:00Z") from None


def whole(given: str, name: str) -> int:
    try:
        return int(given)
    except ValueError:
        raise HTTPException(400, f"{name}: a whole number") from None


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
