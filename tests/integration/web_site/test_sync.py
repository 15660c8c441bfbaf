"""The connector source-web-events against the site, into a warehouse: what arrives, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from foundation.errors import EltError
from tests.fixtures.web import Trouble, WebSync, replied

SMALL = {"slice_days": 200, "page_size": 5_000}


def changed(change: Any) -> Trouble:
    """The call gets the true page with its first event changed."""

    async def trouble(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        body = bytearray()

        async def take(message: dict[str, Any]) -> None:
            body.extend(message.get("body", b""))

        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await app({**scope, "headers": headers}, receive, take)
        page = json.loads(bytes(body))
        change(page["data"][0])
        await replied(200, json.dumps(page).encode())(scope, receive, send, app)

    return trouble


async def silence(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
    """The call is not answered until the caller gives up."""
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while (await receive())["type"] != "http.disconnect":
                pass


async def cut_off(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
    """The answer ends before it is whole."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"data": [', "more_body": True})
    raise ConnectionResetError


def test_late_and_repeated_events_count_once_after_any_number_of_syncs(web: WebSync) -> None:
    """Days pass between syncs, or within one; a sync is repeated; orders come to a day that was read before."""
    site = web.site
    assert web.sync() > site.truth()[0], "nothing came twice"
    assert web.figures() == site.truth()
    for days, orders in ((1, 0), (0, 0), (3, 20), (0, 20)):
        site.trade(days)
        site.rush(orders)
        web.sync()
        assert web.figures() == site.truth()
    late = site.log.query(
        "select count(distinct event_id) from events where arrived_at > timestamp + interval 1 hour"
    )
    assert late[0][0] > 100


@pytest.mark.slow
def test_events_of_any_order_of_arrival_are_the_same_events(web: WebSync) -> None:
    """Read in one slice, or in many of one day each, with pages that cut everywhere: the warehouse is the same."""
    web.sync(slice_days=5_000, page_size=10_000)
    whole = web.raw(
        "select * exclude (_airbyte_raw_id, _airbyte_extracted_at, _airbyte_meta) from web.events order by all"
    )
    web.warehouse.unlink()
    web.sync(slice_days=20, page_size=777)
    assert whole == web.raw(
        "select * exclude (_airbyte_raw_id, _airbyte_extracted_at, _airbyte_meta) from web.events order by all"
    )


@pytest.mark.slow
def test_an_increment_reads_only_the_look_back(web: WebSync) -> None:
    everything = web.sync()
    web.site.trade()
    assert 0 < web.sync() < everything / 100
    assert web.figures() == web.site.truth()


@pytest.mark.slow
def test_without_the_look_back_late_events_are_missed(web: WebSync) -> None:
    """What the look-back is for."""
    web.sync()
    web.site.rush(20)
    web.sync(lookback_hours=0)
    assert web.figures()[0] < web.site.truth()[0]
    web.sync()
    assert web.figures() == web.site.truth()


@pytest.mark.slow
@pytest.mark.parametrize(
    "trouble",
    [replied(500), replied(429, retry_after="1"), replied(503), replied(200, b'{"data": [{"event'), cut_off],
    ids=["500", "429", "503", "broken page", "connection lost"],
)
def test_what_passes_is_tried_again(web: WebSync, trouble: Trouble) -> None:
    web.site.troubles.extend([trouble, trouble])
    web.sync(**SMALL)
    assert not web.site.troubles
    assert web.figures() == web.site.truth()


@pytest.mark.slow
def test_a_call_that_is_not_answered_is_tried_again(web: WebSync) -> None:
    web.site.troubles.append(silence)
    web.sync(**SMALL, timeout_seconds=0.5)
    assert web.figures() == web.site.truth()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda event: event.pop("session_id"), "has no field session_id"),
        (lambda event: event.update(timestamp=1_700_000_000), "timestamp is not a text"),
    ],
    ids=["a field is gone", "a field is of another type"],
)
def test_a_changed_field_ends_the_sync_with_its_name_and_the_state_is_kept(
    web: WebSync, change: Any, said: str
) -> None:
    fine = [_passed] * 4
    web.site.troubles.extend([*fine, changed(change)])
    with pytest.raises(EltError, match=said):
        web.sync(**SMALL)
    kept = web.state()
    assert kept is not None
    assert 0 < web.figures()[0] < web.site.truth()[0]
    before = len(web.site.calls)
    web.sync(**SMALL)
    assert web.figures() == web.site.truth()
    first = web.site.calls[before]
    assert first.split("&")[0] > "since=2022-06", "it began from the beginning"


@pytest.mark.slow
def test_a_page_that_stays_broken_ends_the_sync_and_the_state_is_kept(web: WebSync) -> None:
    web.site.troubles.extend([_passed] * 4 + [replied(200, b"<html>", retry_after="0")] * 50)
    with pytest.raises(EltError, match="broken page"):
        web.sync(**SMALL)
    assert web.state() is not None
    web.site.troubles.clear()
    web.sync(**SMALL)
    assert web.figures() == web.site.truth()


def test_a_wrong_token_fails_the_check_and_is_in_no_message(web: WebSync) -> None:
    with pytest.raises(EltError) as refused:
        web.sync(api_token="a token that nobody gave")
    assert "401" in str(refused.value)
    assert "a token that nobody gave" not in str(refused.value)
    assert not web.warehouse.exists() or web.state() is None


async def _passed(scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
    await app(scope, receive, send)
