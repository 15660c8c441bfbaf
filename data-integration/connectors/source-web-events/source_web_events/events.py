"""The stream `events`: read by slices of time up to the site's clock, each page by page.

After each slice the state is its end. The next sync begins a look-back earlier, for events that have arrived late since; what
it reads again, the destination recognises by `event_id`. A call that fails for a moment (429, 500, a time-out, a page that is
cut off) is tried again; one that goes on failing, or a page without the fields that are agreed, ends the sync with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Any

import orjson
import requests
from airbyte_cdk.models import FailureType, SyncMode
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.streams.http.error_handlers import (
    BackoffStrategy,
    ErrorHandler,
    ErrorResolution,
    HttpStatusErrorHandler,
    ResponseAction,
)
from airbyte_cdk.sources.streams.http.requests_native_auth import TokenAuthenticator
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

CURSOR = "timestamp"
FORM = "%Y-%m-%dT%H:%M:%SZ"
AGREED = frozenset(
    {
        *(
            "event_id",
            "timestamp",
            "session_id",
            "user_id",
            "page_url",
            "referrer_url",
            "ip_address",
            "user_agent",
        ),
        *("device_type", "duration", "country", "order_value"),
    }
)
NEVER_NULL = ("event_id", "timestamp", "session_id", "page_url")
RETRIES = 6
LONGEST_WAIT = 60.0  # seconds between two tries


class Waiting(BackoffStrategy):
    """As long as the site asks for (`Retry-After`), else twice as long after each try, from half a second on."""

    def backoff_time(
        self,
        response_or_exception: requests.Response | requests.RequestException | None,
        attempt_count: int,
    ) -> float:
        if isinstance(response_or_exception, requests.Response):
            asked = response_or_exception.headers.get("Retry-After", "")
            if asked.isdigit():
                return min(float(asked), LONGEST_WAIT)
        return min(0.25 * 2**attempt_count, LONGEST_WAIT)


class WholePages(HttpStatusErrorHandler):
    """What to try again: also an answer that is no whole JSON document, and any error of the connection."""

    def interpret_response(
        self, response_or_exception: requests.Response | Exception | None = None
    ) -> ErrorResolution:
        if isinstance(response_or_exception, requests.RequestException) and not isinstance(
            response_or_exception, requests.exceptions.InvalidSchema
        ):
            reason = f"The site does not answer: {type(response_or_exception).__name__}"
            return ErrorResolution(ResponseAction.RETRY, FailureType.transient_error, reason)
        if isinstance(response_or_exception, requests.Response) and response_or_exception.ok:
            try:
                content(response_or_exception)
            except ValueError as error:
                reason = f"The site sent a broken page (not JSON: {error})"
                return ErrorResolution(ResponseAction.RETRY, FailureType.transient_error, reason)
        return super().interpret_response(response_or_exception)


def content(response: requests.Response) -> dict[str, Any]:
    """The JSON of an answer, parsed once. Raises ValueError when it is none."""
    if not hasattr(response, "parsed"):
        response.parsed = orjson.loads(response.content)  # type: ignore[attr-defined]
    return response.parsed  # type: ignore[attr-defined]


class Events(HttpStream):
    """Page views, by the time at which they happened."""

    primary_key = "event_id"
    cursor_field = CURSOR

    def __init__(self, config: Mapping[str, Any], retries: int = RETRIES) -> None:
        self._base = str(config["url"]).rstrip("/") + "/v1/"
        self._start = config.get("start_date") or ""
        self._lookback = timedelta(hours=config.get("lookback_hours", 48))
        self._slice = timedelta(days=config.get("slice_days", 30))
        self._page_size = config.get("page_size", 10_000)
        self._timeout = config.get("timeout_seconds", 60)
        self._retries = retries
        self._state: MutableMapping[str, Any] = {}
        super().__init__(authenticator=TokenAuthenticator(config["api_token"]))

    @property
    def url_base(self) -> str:
        return self._base

    def path(self, **_: Any) -> str:
        return "events"

    def get_error_handler(self) -> ErrorHandler:
        return WholePages(logging.getLogger("airbyte"), max_retries=self._retries)

    def get_backoff_strategy(self) -> BackoffStrategy:
        return Waiting()

    def request_kwargs(self, *_: Any, **__: Any) -> Mapping[str, Any]:
        return {"timeout": self._timeout}

    @property
    def state(self) -> MutableMapping[str, Any]:
        return self._state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        self._state = dict(value)

    def clock(self) -> tuple[datetime | None, datetime | None]:
        """The site's time, and when its first event happened. Raises AirbyteTracedException when it does not tell."""
        _, response = self._http_client.send_request(
            "GET", self._base + "clock", request_kwargs={"timeout": self._timeout}
        )
        told = content(response)
        try:
            return moment(told["now"]), moment(told["first_event_at"])
        except (KeyError, TypeError, ValueError):
            raise changed("the clock has no times `now` and `first_event_at`") from None

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        """Slices of time from where the last sync ended, less the look-back, up to the site's clock."""
        now, first = self.clock()
        if now is None or first is None:
            return
        since = moment(self._start) or first
        if reached := moment((stream_state or {}).get(CURSOR)):
            since = max(reached - self._lookback, since)
        while since < now:
            until = min(since + self._slice, now)
            yield {"since": since.strftime(FORM), "until": until.strftime(FORM)}
            since = until

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        yield from super().read_records(sync_mode, cursor_field, stream_slice, stream_state)
        # the whole slice is read; a look-back never takes the state back
        if stream_slice and stream_slice["until"] > self._state.get(CURSOR, ""):
            self._state = {CURSOR: stream_slice["until"]}

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        return {**(stream_slice or {}), "page_size": self._page_size, **(next_page_token or {})}

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        token = content(response).get("next_page_token")
        return {"page_token": token} if token else None

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Mapping[str, Any]]:
        """The events of a page. Raises AirbyteTracedException when it is not what was agreed."""
        page = content(response)
        events = page.get("data") if isinstance(page, dict) else None
        if not isinstance(events, list):
            raise changed("a page has no list `data`")
        for number, event in enumerate(events, 1):
            if not isinstance(event, dict):
                raise changed(f"event {number} of a page is no object")
            if not event.keys() >= AGREED:
                missing = ", ".join(sorted(AGREED - event.keys()))
                raise changed(f"event {event.get('event_id', number)} has no field {missing}")
            for field in NEVER_NULL:
                if not isinstance(event[field], str):
                    raise changed(f"event {event['event_id']}: {field} is not a text")
        return events


def moment(text: str | None) -> datetime | None:
    """A time as the site writes it; None for none. Raises ValueError for anything else."""
    return datetime.strptime(text, FORM) if text else None


def changed(what: str) -> AirbyteTracedException:
    """The error of an API that no longer is as agreed: trying again would not help."""
    return AirbyteTracedException(
        message=f"The site's API has changed: {what}. The events read before are kept; adapt the connector.",
        internal_message=what,
        failure_type=FailureType.system_error,
    )
