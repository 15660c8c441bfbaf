"""The services' HTTP APIs, on one port.

    GET /rates/v2/rates?base=USD&quotes=EUR,GBP&from=…&to=…                      [{"date", "base", "quote", "rate"}, …]
    GET /weather/v1/observations?country=US&updated_since=…&updated_until=…[&page_size=…][&page_token=…]   {"data": […], "next_page_token"}
    GET /weather/v1/forecasts?country=US[&page_size=…][&page_token=…]                                      {"data": […], "next_page_token"}

The rates have the form of the Frankfurter API, version 2. The weather needs the key WEATHER_API_KEY in the header `X-Api-Key`; a
page's token stands for its last record, so a day that is corrected while a client reads moves to a later page, and nothing else
moves. A client that calls more often than the limit gets 429 with `Retry-After`. With faults on, one call in forty fails with
500, and one in ten pages that are not the first repeats the last record of the page before.
"""

from __future__ import annotations

import base64
import hmac
import json
import math
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from foundation.limits.brake import Brake, unguessable
from foundation.limits.service import Calls, moment, page_size
from foundation.limits.strict_json import UnfitError, loads
from local_apis.github_api import GithubApi
from local_apis.rates import LEVELS, Rates
from local_apis.weather import Weather

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1_000
A_REPEAT_IN = 10  # pages
LONGEST = 400  # days of one call for rates or observations

Place = tuple[str, str, str, str]
Keyed = list[tuple[Place, dict[str, Any]]]


def the_time() -> datetime:
    return datetime.now(UTC)


class Apis:
    """Handlers over what the services know. `now`: their clock."""

    def __init__(
        self,
        weather: Weather,
        rates: Rates,
        key: str,
        *,
        calls_per_minute: float = 600,
        faults: bool = False,
        github: GithubApi | None = None,
        now: Callable[[], datetime] = the_time,
    ) -> None:
        self.weather, self.rates = weather, rates
        self._key, self._now = key, now
        self.calls = Calls(calls_per_minute, faults=faults)
        self._brake = Brake("apis")
        self._answer: tuple[tuple[Any, ...], Keyed] = ((), [])  # the last question, and all its records
        self.app = Starlette(
            routes=[
                Route("/rates/v2/rates", self.exchange_rates, methods=["GET"]),
                Route("/weather/v1/observations", self.observations, methods=["GET"]),
                Route("/weather/v1/forecasts", self.forecasts, methods=["GET"]),
                *([Mount("/github", routes=github.routes)] if github else []),
                Route("/health", self.health, methods=["GET"]),
            ],
            middleware=[Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=1)],
            exception_handlers={HTTPException: refused},
        )

    # no coroutines: what takes long runs in threads
    def exchange_rates(self, request: Request) -> Response:
        """The rates of some days."""
        self.calls.count()
        since, until = day(request, "from"), day(request, "to")
        if (until - since).days > LONGEST:
            raise HTTPException(422, f"from, to: at most {LONGEST} days at once")
        base = request.query_params.get("base", "EUR")
        # each once, however often it is named
        named = dict.fromkeys(request.query_params.get("quotes", "").split(","))
        quotes = [one for one in named if one] or list(LEVELS)
        for name, code in (("base", base), *(("quotes", quote) for quote in quotes)):
            if code not in LEVELS:
                raise HTTPException(422, f"{name}: no such currency as {code[:20]!a}")
        return JSONResponse(list(self.rates.records(since, until, base, quotes, self._now())))

    def observations(self, request: Request) -> Response:
        """A page of what was measured or corrected."""
        self._admit(request)
        country = request.query_params.get("country", "")
        since, until = moment(request, "updated_since"), moment(request, "updated_until")
        if (until - since).days > LONGEST:
            raise HTTPException(422, f"updated_since, updated_until: at most {LONGEST} days at once")
        minute = self._now().replace(second=0, microsecond=0)
        key = ("observations", country, since, until, minute, len(self.weather.corrections))
        return self._page(request, key, lambda: self.weather.observations(country, since, until, self._now()))

    def forecasts(self, request: Request) -> Response:
        """A page of forecasts."""
        self._admit(request)
        country = request.query_params.get("country", "")
        key = ("forecasts", country, self._now().replace(minute=0, second=0, microsecond=0))
        return self._page(request, key, lambda: self.weather.forecasts(country, self._now()))

    def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def _page(
        self, request: Request, key: tuple[Any, ...], ask: Callable[[], list[dict[str, Any]]]
    ) -> Response:
        size = page_size(request, PAGE_SIZE, MAX_PAGE_SIZE)
        question, rows = self._answer
        if question != key:
            rows = sorted(((place_of(one), one) for one in ask()), key=lambda keyed: keyed[0])
            self._answer = key, rows
        after = place(request.query_params.get("page_token", ""))
        start = bisect_right(rows, after, key=lambda keyed: keyed[0]) if after else 0
        page = [one for _, one in rows[start : start + size]]
        following = token_of(rows[start + size - 1][0]) if start + size < len(rows) else None
        if self.calls.faults and start and self.calls.number % A_REPEAT_IN == 0:
            page = [rows[start - 1][1], *page]
        return JSONResponse({"data": page, "next_page_token": following})

    def _admit(self, request: Request) -> None:
        address = request.client.host if request.client else ""
        # a client asks in vain for each of its slices: it is told so at once, unless somebody could be guessing
        if not unguessable(self._key) and (wait := self._brake.wait(address)):
            raise HTTPException(429, "too many wrong keys", {"Retry-After": str(math.ceil(wait))})
        value = request.headers.get("x-api-key", "")
        right = hmac.compare_digest(value.encode(), self._key.encode())
        if value:
            self._brake.tried(address, right=right)
        if not right:
            raise HTTPException(401, "an API key is needed")
        self.calls.count()


def refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    # GitHub's clients look for `message`
    return JSONResponse({"error": error.detail, "message": error.detail}, error.status_code, error.headers)


def day(request: Request, name: str) -> date:
    """A parameter as a day."""
    try:
        return date.fromisoformat(request.query_params.get(name, ""))
    except ValueError:
        raise HTTPException(400, f"{name}: a day, as 2026-01-31") from None


def place_of(record: dict[str, Any]) -> Place:
    """Where a record is in the order of its stream."""
    at = record.get("updated_at") or record["issued_at"]
    return at, record["region"], record["city"], record["date"]


def token_of(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def place(token: str) -> Place | None:
    """The place that a page token stands for."""
    if not token:
        return None
    try:
        found = loads(base64.b64decode(token.encode(), b"-_", validate=True))
    except (ValueError, UnfitError):
        found = None
    match found:
        case [str(at), str(region), str(city), str(day_)] if "\0" not in f"{at}{region}{city}{day_}":
            return at, region, city, day_
    raise HTTPException(400, "page_token: not one of this service")
