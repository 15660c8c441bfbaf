"""The live board: Superset's own dialect reads the lane's ClickHouse, and an event is on the board within its five seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from dashboards.browser import Dashboard, browser, login, open_dashboard
from foundation.settings import Settings
from tests.fixtures.stack import Stack
from tests.fixtures.stream import producer
from tests.fixtures.superset import login_of, session
from tests.fixtures.waiting import wait_until

REFRESH_SECONDS = 5


def pay(config: Settings, first: int, count: int) -> None:
    """Payments by card into the topic."""
    from confluent_kafka.serialization import MessageField, SerializationContext

    from streaming.catalogue import CARDS
    from streaming.schemas import Schemas

    serializer, context = Schemas(config).serializer(CARDS), SerializationContext(
        CARDS.name, MessageField.VALUE
    )
    writer = producer(config)
    for number in range(first, first + count):
        event = {
            "event_id": f"c-{number}",
            "occurred_at": datetime.now(UTC),
            "creditcardid": number,
            "amount": Decimal("10.01"),
            "merchant_id": 1,
            "merchant_category": "books",
            "country": "US",
            "card_country": "US",
            "channel": "online",
            "device_id": None,
        }
        writer.produce(CARDS.name, serializer(event, context), str(number))
    assert writer.flush(30) == 0


def charts(config: Settings) -> dict[str, dict[str, Any]]:
    """The parameters of the board's charts by title, as Superset has them."""
    with session(config, "admin") as admin:
        board = admin.get("/api/v1/dashboard/live-operations").raise_for_status().json()["result"]
        assert json.loads(board["json_metadata"])["refresh_frequency"] == REFRESH_SECONDS
        listed = admin.get("/api/v1/dashboard/live-operations/charts").raise_for_status().json()["result"]
        return {each["slice_name"]: each["form_data"] for each in listed}


def asked(client: httpx.Client, params: dict[str, Any]) -> list[dict[str, Any]]:
    """What a chart shows."""
    number, _, kind = params["datasource"].partition("__")
    columns: list[Any] = list(params.get("groupby", [])) + list(params.get("all_columns", []))
    if axis := params.get("x_axis"):
        minute = {"columnType": "BASE_AXIS", "expressionType": "SQL", "label": axis, "sqlExpression": axis}
        columns.insert(0, minute | {"timeGrain": params["time_grain_sqla"]})
    metrics = params.get("metrics") or ([params["metric"]] if "metric" in params else [])
    query = {"columns": columns, "metrics": metrics, "row_limit": 1000}
    body = {"datasource": {"id": int(number), "type": kind}, "queries": [query]}
    answer = client.post("/api/v1/chart/data", json=body)
    assert answer.status_code == 200, answer.text[:2000]
    rows: list[dict[str, Any]] = answer.json()["result"][0]["data"]
    return rows


@pytest.mark.browser
def test_an_event_is_on_the_live_board_within_its_five_seconds(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack("live", ELT_SOURCES="adventureworks,stream", STREAM_CARDS_PER_SECOND="0.001")
    done = stack.elt("up", "stream", "superset")
    assert done.returncode == 0, done.stderr
    config = stack.settings
    pay(config, 0, 7)
    board = charts(config)
    assert len(board) == 11
    with session(config, "analyst") as analyst:

        def payments() -> int:
            return sum(row["paid"] for row in asked(analyst, board["Payments by minute"]))

        wait_until(lambda: payments() >= 7, 60)
        for title, params in board.items():
            assert asked(analyst, params) or title == "Put aside", title
    with browser(f"http://127.0.0.1:{config.superset_port}") as context:
        page = login(context, *login_of(config, "analyst"))
        opened = open_dashboard(page, "live-operations", len(board))
        assert opened.failures() == []
        wait_until(lambda: arrived(opened) >= 7, 60)  # a chart that asks again shows nothing for a moment
        before = arrived(opened)
        pay(config, 7, 5)
        written = time.monotonic()
        wait_until(lambda: arrived(opened) >= before + 5, 60)
        # what it took to draw the board the first time says how busy this machine is
        seconds = time.monotonic() - written
        print(f"on the page after {seconds:.1f} s; the board took {opened.seconds:.1f} s at first")
        assert seconds < 2 * REFRESH_SECONDS + opened.seconds
    drift = stack.elt("dashboards", "drift")
    assert (drift.returncode, drift.stdout) == (0, "no difference\n"), drift.stdout
    assert stack.elt("down").returncode == 0


def arrived(board: Dashboard) -> int:
    """How many payments of the last hour the open board shows."""
    words = board.text("What arrives").split()
    return int(words[words.index("Payments") + 1].replace(",", "")) if "Payments" in words else 0
