"""Page views from the web site: each event once, however late and often the site gives it, and whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from foundation.settings import load_settings
from streaming.catalogue import DEAD_LETTERS, PAGE_VIEWS
from streaming.reading import messages, values
from tests.fixtures.source import SourceDatabase
from tests.fixtures.stream import Broker, Registry, Running, together
from tests.fixtures.waiting import wait_until
from tests.fixtures.web import WebSite, replied, served

TOKEN = "a-test-has-this-token"


@pytest.fixture
def site(
    generated_source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WebSite]:
    monkeypatch.setattr("tests.fixtures.web.TOKEN", TOKEN)
    shop = generated_source.copy()
    with served(shop, tmp_path) as made:
        yield made
    shop.server.drop(shop)


@pytest.fixture
def views(own_broker: Broker, schemas: Registry, site: WebSite, tmp_path: Path) -> Iterator[Running]:
    """The producer of page views, not started."""
    own_broker.start()
    environ = together(own_broker, schemas, site.shop) | {"WEB_URL": site.url, "WEB_API_TOKEN": TOKEN}
    program = Running(
        ["streaming.launch", "streaming.producer", "page_views"], environ, tmp_path / "views.log"
    )
    yield program
    program.end()


def test_each_event_is_there_once_though_they_come_late_twice_and_the_producer_is_killed(
    views: Running, site: WebSite, own_broker: Broker
) -> None:
    config = load_settings(views.environ)
    begun = site.log.now() - timedelta(days=2)

    def wanted() -> set[str]:
        query = f"select distinct event_id from events where arrived_at < '{site.log.now()}' and \"timestamp\" >= '{begun}'"
        return {f"web-{event}" for (event,) in site.log.query(query)}

    def there() -> list[str]:
        return [one["event_id"] for one in values(config, PAGE_VIEWS)]

    for round_ in range(4):
        site.troubles.extend([replied(500), replied(429, retry_after="1")])
        views.start()
        wait_until(lambda: set(there()) >= wanted(), 90)
        (site.trade if round_ % 2 else site.rush)(3)
        wait_until(lambda: len(there()) > 0, 10)
        views.kill()
    views.start()
    wait_until(lambda: set(there()) >= wanted(), 90)
    assert views.stop() == 0
    found = there()
    assert len(found) == len(set(found)) > 200 and set(found) == wanted()
    assert list(values(config, DEAD_LETTERS)) == []
    of_visitor: dict[bytes, set[int]] = {}
    for message in messages(config, PAGE_VIEWS.name):
        of_visitor.setdefault(message.key(), set()).add(message.partition())
    assert all(len(partitions) == 1 for partitions in of_visitor.values())
    events = list(values(config, PAGE_VIEWS))
    assert {one["visitor"].partition(":")[0] for one in events} == {"customer", "session"}
    assert any(one["order_value"] for one in events)


def test_a_wrong_token_is_one_line(views: Running) -> None:
    views.environ |= {"WEB_API_TOKEN": "another"}
    views.start()
    assert views.process.wait(60) == 2
    assert "the web site does not let us in — correct WEB_API_TOKEN" in views.said
