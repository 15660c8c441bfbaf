"""The embedded page: a browser sees the board behind nginx, and a viewer of one territory reads no other's rows."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest

from dashboards.browser import browser, complaints
from foundation.settings import Settings
from streaming.page import embedded, nginx
from streaming.page.viewers import viewers
from tests.fixtures.stack import Stack
from tests.fixtures.stream import producer
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.skipif(bool(nginx.missing()), reason=nginx.missing() or "")

ORDERS = {1: 5, 8: 3}  # territory → how many
VALUES = {1: 500, 8: 3000}  # what they are worth together


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """The lane with the page, Superset, and orders of two territories."""
    made = make_stack("page", ELT_SOURCES="adventureworks,stream", STREAM_CARDS_PER_SECOND="0.001")
    done = made.elt("up", "stream", "superset")
    assert done.returncode == 0, done.stderr
    order(made.settings)
    yield made
    assert made.elt("down").returncode == 0


def order(config: Settings) -> None:
    from confluent_kafka.serialization import MessageField, SerializationContext

    from streaming.catalogue import ORDERS as TOPIC
    from streaming.schemas import Schemas

    serializer = Schemas(config).serializer(TOPIC)
    context, writer = SerializationContext(TOPIC.name, MessageField.VALUE), producer(config)
    number = 70_000
    for territory, count in ORDERS.items():
        for _ in range(count):
            number += 1
            writer.produce(
                TOPIC.name,
                serializer(event(number, territory, VALUES[territory] // count), context),
                str(number),
            )
    assert writer.flush(30) == 0


def event(number: int, territory: int, value: int) -> dict[str, Any]:
    from datetime import UTC, datetime
    from decimal import Decimal

    now = datetime.now(UTC)
    day = now.replace(tzinfo=None)
    return {
        "event_id": f"o-{number}",
        "occurred_at": now,
        "salesorderid": number,
        "revisionnumber": 1,
        "status": 1,
        "orderdate": day,
        "duedate": day,
        "shipdate": None,
        "onlineorderflag": True,
        "customerid": 1,
        "salespersonid": None,
        "territoryid": territory,
        "shiptoaddressid": 1,
        "shipmethodid": 1,
        "creditcardid": None,
        "currencyrateid": None,
        "subtotal": Decimal(value),
        "taxamt": Decimal(0),
        "freight": Decimal(0),
        "totaldue": Decimal(value),
        "modifieddate": day,
        "lines": [],
    }


def page_of(config: Settings) -> str:
    return f"http://127.0.0.1:{config.stream_page_port}"


def guest_token(config: Settings, name: str) -> str:
    answer = httpx.post(f"{page_of(config)}/token", auth=(name, viewers(config)[name].password))
    return answer.raise_for_status().json()["token"]


def see(config: Settings, name: str, width: int = 1440) -> tuple[str, list[dict[str, Any]], list[str]]:
    """What the page shows a viewer, the requests for figures that it sends, and what goes wrong."""
    with browser(page_of(config), width) as context:
        wrong, asked, elsewhere = complaints(context), [], []
        page = context.new_page()
        page.on(
            "request",
            lambda request: (
                asked.append(json.loads(request.post_data)) if "/chart/data" in request.url else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((page_of(config), "data:", "blob:"))
                else elsewhere.append(request.url)
            ),
        )
        page.goto("/")
        page.locator("input[name=viewer]").fill(name)
        page.locator("input[name=password]").fill(viewers(config)[name].password)
        page.locator("button").click()
        frame = page.frame_locator("iframe")
        frame.get_by_text("in the last two hours").nth(1).wait_for(timeout=120_000)
        frame.locator("table").first.wait_for(timeout=120_000)
        words = frame.locator("body").inner_text()
        assert elsewhere == []
        return words, asked, wrong


@pytest.mark.browser
def test_a_viewer_sees_his_territory_on_the_page_and_no_other(stack: Stack) -> None:
    config = stack.settings
    wait_until(lambda: "$500" in see(config, "northwest")[0], 180)
    words, asked, wrong = see(config, "northwest")
    assert wrong == []
    assert re.search(r"Orders\s+5\s", words) and "$500" in words and "$3,000" not in words
    everything, _, _ = see(config, "operations")
    assert re.search(r"Orders\s+8\s", everything) and "$3,500" in everything
    assert "$3,000" in see(config, "germany", 390)[0]
    changed_requests_are_refused(config, asked)


def changed_requests_are_refused(config: Settings, asked: list[dict[str, Any]]) -> None:
    """Whatever a viewer of territory 1 makes of his page's own requests, the other territory's rows never come."""
    token = guest_token(config, "northwest")
    table = next(one for one in asked if "territory_id" in json.dumps(one["queries"][0].get("columns")))
    allowed = ask(config, table, token)
    assert allowed.status_code == 200 and [row["territory_id"] for row in rows(allowed)] == [1]

    def changed(**query: Any) -> dict[str, Any]:
        made = copy.deepcopy(table)
        made["queries"][0] |= query
        return made

    sql = {"expressionType": "SQL", "label": "x", "sqlExpression": "(select max(subtotal) from shop.orders)"}
    other = {"id": table["datasource"]["id"] - 1, "type": "table"}
    tries = {
        "a filter": changed(filters=[{"col": "territory_id", "op": "IN", "val": [8]}]),
        "a condition": changed(extras={"where": "1 = 1) or (territory_id = 8"}),
        "SQL": changed(metrics=[sql]),
        "a column's SQL": changed(columns=[sql]),
        "no chart": table | {"form_data": None},
        "another dataset": table | {"datasource": other},
        "no dashboard": table | {"form_data": table["form_data"] | {"dashboardId": 1}},
    }
    for what, body in tries.items():
        answer = ask(config, body, token)
        assert answer.status_code in (200, 400, 403), (what, answer.text)
        if answer.status_code == 200:
            assert {row.get("territory_id", 1) for row in rows(answer)} <= {1}, what
        else:
            assert what != "a filter", answer.text

    for what, forged in forgeries(config, token).items():
        answer = ask(config, table, forged)
        assert answer.status_code in (401, 403), (what, answer.text)
    assert ask(config, table, "").status_code in (401, 403)


def ask(config: Settings, body: dict[str, Any], token: str) -> httpx.Response:
    return httpx.post(
        f"{page_of(config)}/api/v1/chart/data", json=body, headers={"X-GuestToken": token}, timeout=60
    )


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    return answer.json()["result"][0]["data"]


def forgeries(config: Settings, token: str) -> dict[str, str]:
    """Tokens for everything that somebody without the secret can make of a right one."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "==")) | {"rls_rules": []}
    secret = config.superset_guest_secret.get_secret_value()
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return {
        "changed": f"{head}.{encoded}.{signature}",
        "unsigned": jwt.encode(claims, None, algorithm="none"),
        "signed by another": jwt.encode(claims, "s" * 48, algorithm="HS256"),
        "for another audience": jwt.encode(claims | {"aud": "another"}, secret, algorithm="HS256"),
        "outlived": jwt.encode(claims | {"exp": 1}, secret, algorithm="HS256"),
    }


def test_the_page_gives_nothing_else_of_superset_and_takes_no_cookie(stack: Stack) -> None:
    config = stack.settings
    base = page_of(config)
    for path in ("/login/", "/superset/welcome/", "/api/v1/security/login", "/api/v1/database/", "/sqllab/"):
        assert httpx.get(f"{base}{path}").status_code == 404, path
    assert httpx.get(f"{base}/api/v1/chart/data").status_code == 403
    answer = httpx.get(base)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    frame = httpx.get(f"{base}/embedded/{embedded.UUID}", headers={"Referer": f"{base}/"})
    assert frame.status_code == 200 and "frame-ancestors 'self'" in frame.headers["Content-Security-Policy"]
    assert "set-cookie" not in frame.headers
    assert (
        httpx.get(f"{base}/embedded/{embedded.UUID}", headers={"Referer": "http://shop.example/"}).status_code
        == 403
    )
