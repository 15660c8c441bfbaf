"""Page views from the web site's API: each of its events once, however often the site gives it.

The site gives events by when they happened, some hours late and some twice, so no place in its answers says what is new: an event's own id does.
Each look reads the days in which something can still come; the ids that the topic has are read from the topic itself at the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from foundation.errors import EltError, Kind
from foundation.settings import Settings
from streaming.catalogue import PAGE_VIEWS
from streaming.producer.outbox import Event, Outbox, UnfitEventError
from streaming.reading import values

NAME = "page_views"
PAGE = 1_000
LOOK_SECONDS = 5.0
TRIES, PAUSE_SECONDS = 6, 0.5
LATEST = timedelta(days=2)  # an event comes up to a day late, and the site's clock goes by days


def page_view(given: dict[str, Any]) -> Event:
    """An event of the site's. Raises UnfitEventError, naming the field."""
    try:
        user, value = given["user_id"], given["order_value"]
        return {
            "event_id": f"web-{given['event_id']}",
            "occurred_at": datetime.fromisoformat(given["timestamp"]),
            "visitor": f"session:{given['session_id']}" if user is None else f"customer:{user}",
            "session_id": given["session_id"],
            "customerid": user,
            "page_url": given["page_url"],
            "referrer_url": given["referrer_url"],
            "device_type": given["device_type"],
            "duration": given["duration"],
            "country": given["country"],
            "order_value": None if value is None else Decimal(str(value)),
        }
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UnfitEventError(f"{type(error).__name__}: {error}") from None


class PageViews:
    """The producer of page views: `run` until `stopped()`."""

    def __init__(self, config: Settings, stopped: Callable[[], bool]) -> None:
        self._config, self._stopped = config, stopped
        self._outbox = Outbox(config, NAME)
        self._known: dict[str, datetime] = {}  # event → when it happened

    def run(self) -> None:
        """Raises EltError: something is away."""
        last = self._outbox.start([PAGE_VIEWS])
        until = None if last is None else datetime.fromisoformat(last["until"])
        self._known = {one["event_id"]: one["occurred_at"] for one in values(self._config, PAGE_VIEWS)}
        print(f"page_views: {self._config.web_base}; the topic has {len(self._known):,} events", flush=True)
        token = self._config.web_api_token.get_secret_value()
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
            while not self._stopped():
                until = self._look(client, until)
                self._nap()

    def _look(self, client: httpx.Client, before: datetime | None) -> datetime | None:
        """What has come since the last look, which went up to `before`; up to where this one goes. None: the site has no event yet."""
        clock = self._ask(client, "/v1/clock", {})["now"]
        if clock is None:
            return before
        now = datetime.fromisoformat(clock)
        since = min(before or now, now) - LATEST
        for page in self._pages(client, since, now):
            for given in page:
                self._put(given)
            if self._outbox.waiting:
                self._outbox.commit({"until": (before or now).isoformat()})
        if now != before:
            self._outbox.commit({"until": now.isoformat()})
            self._known = {event: at for event, at in self._known.items() if at >= since}
        return now

    def _put(self, given: dict[str, Any]) -> None:
        place = f"web-{given.get('event_id')}"
        if place in self._known:
            return
        try:
            event = page_view(given)
            self._outbox.put(PAGE_VIEWS, event["visitor"], event)
            self._known[place] = event["occurred_at"]
        except UnfitEventError as error:
            self._outbox.put_aside(NAME, place, str(error), repr(given).encode())
            self._known[place] = datetime.max.replace(tzinfo=None).astimezone()

    def _pages(
        self, client: httpx.Client, since: datetime, until: datetime
    ) -> Iterator[list[dict[str, Any]]]:
        words = {"since": since.isoformat(), "until": until.isoformat(), "page_size": str(PAGE)}
        while not self._stopped():
            found = self._ask(client, "/v1/events", words)
            yield found["data"]
            if found["next_page_token"] is None:
                return
            words |= {"page_token": found["next_page_token"]}

    def _ask(self, client: httpx.Client, path: str, words: dict[str, str]) -> dict[str, Any]:
        """An answer of the site's, which fails now and then. Raises EltError."""
        for _ in range(TRIES):
            try:
                answer = client.get(f"{self._config.web_base}{path}", params=words)
                if answer.status_code in (401, 403):
                    raise EltError("the web site does not let us in", "correct WEB_API_TOKEN")
                answer.raise_for_status()
                found: dict[str, Any] = answer.json()
                return found
            except (httpx.HTTPError, ValueError) as error:
                failed = error
                time.sleep(PAUSE_SECONDS)
        raise EltError(
            f"the web site {self._config.web_base} can't be read: {failed}",
            "check that it runs (here: elt up web)",
            kind=Kind.RETRY,
        )

    def _nap(self) -> None:
        until = time.monotonic() + LOOK_SECONDS
        while not self._stopped() and time.monotonic() < until:
            time.sleep(0.1)
