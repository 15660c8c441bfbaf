"""What is suspected of fraud is in Slack within two seconds; a burst is a few messages; nothing of the card is in them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from foundation.settings import load_settings
from streaming.catalogue import CARDS_SCORED
from tests.fixtures.sink import SinkServer
from tests.fixtures.stream import Broker, Registry, Running, producer
from tests.fixtures.waiting import wait_until

CARD = 18_765_432


def scored(number: int, *, suspected: bool = True, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": f"card-42-{number}",
        "occurred_at": datetime.now(UTC),
        "creditcardid": CARD,
        "amount": Decimal("1234.50"),
        "channel": "online",
        "features": [1.0],
        "score": 0.93 if suspected else 0.01,
        "suspected": suspected,
        "reason": "a large amount, a device that the card never used",
        "model_version": 1,
        "scoring_seconds": 0.001,
    } | changes


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[SinkServer]:
    server = SinkServer(tmp_path / "slack")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def alerts(
    own_broker: Broker, registry_server: Registry, slack: SinkServer, tmp_path: Path
) -> Iterator[Running]:
    own_broker.start()
    environ = own_broker.environ | {
        "STREAM_REGISTRY_PORT": registry_server.environ["STREAM_REGISTRY_PORT"],
        "SINK_PORT": slack.environ["SINK_PORT"],
        "SLACK_WEBHOOK_TOKEN": slack.token,
    }
    program = Running(["streaming.launch", "streaming.fraud.alerts"], environ, tmp_path / "alerts.log")
    yield program
    program.end()
    print(program.said)


def test_alerts_come_within_two_seconds_and_a_burst_is_a_few_messages(
    alerts: Running, slack: SinkServer
) -> None:
    from confluent_kafka.serialization import MessageField, SerializationContext

    from streaming.schemas import Schemas

    config = load_settings(alerts.environ)
    serializer, writer = Schemas(config).serializer(CARDS_SCORED), producer(config)

    def write(*events: dict[str, Any]) -> None:
        for event in events:
            value = serializer(event, SerializationContext(CARDS_SCORED.name, MessageField.VALUE))
            writer.produce(CARDS_SCORED.name, value, str(CARD))
        assert writer.flush(30) == 0

    def messages() -> list[str]:
        return [message["text"] for message in slack.messages]

    alerts.start()
    write(
        scored(0), scored(1, suspected=False), scored(2, occurred_at=datetime.now(UTC) - timedelta(hours=2))
    )
    wait_until(messages, 180)
    assert len(messages()) == 1
    assert (
        "`card-42-0` 1,234.50 USD: a large amount, a device that the card never used (score 0.93)"
        in messages()[0]
    )
    waits = []
    for number in (10, 11, 12):
        begin = time.monotonic()
        write(scored(number))
        wait_until(lambda number=number: any(f"card-42-{number}`" in text for text in messages()), 60)
        waits.append(time.monotonic() - begin)
    print("seconds from event to Slack", waits)
    assert max(waits) < 2
    before = len(messages())
    for number in range(300):
        write(scored(1_000 + number))
    wait_until(lambda: alerts_of(messages()) >= 304, 180)
    assert len(messages()) - before <= 12, "a burst does not flood"
    assert "more" in " ".join(messages())
    assert alerts.stop() == 0
    assert alerts_of(messages()) == 304, "none came twice"
    everything = json.dumps(slack.messages)
    assert str(CARD) not in everything
    assert slack.token not in alerts.said


def alerts_of(texts: list[str]) -> int:
    """How many payments the messages are about."""
    return sum(
        1 if "A payment looks" in text else int(text.split("*")[1].split()[0].replace(",", ""))
        for text in texts
    )
