"""The web site: its log against the shop, and its API."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from foundation.limits import service
from tests.fixtures.source import SourceDatabase, SourceServer
from tests.fixtures.web import TOKEN, WebSite, served
from web_site.log import Log


def page_token(position: str) -> str:
    """A token for that place in EVER, as a client could make one up."""
    return base64.urlsafe_b64encode(" ".join([position, *EVER.values()]).encode()).decode()


EVER = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def site(generated_source: SourceDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    """A site of the shared shop: nobody trades there."""
    with served(generated_source, tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def client(site: WebSite) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{site.url}/v1", headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def test_every_online_order_is_confirmed_once_with_its_value_and_customer(site: WebSite) -> None:
    with site.shop.connect() as shop:
        orders = shop.execute(
            "select salesorderid, customerid, orderdate::date, round(sum(unitprice * (1 - unitpricediscount) * orderqty), 4)"
            " from sales.salesorderheader join sales.salesorderdetail using (salesorderid) where onlineorderflag"
            " group by 1, 2, 3 order by 1"
        ).fetchall()
    confirmed = site.log.query(
        "select distinct regexp_extract(page_url, 'SO([0-9]+)$', 1)::int, user_id, timestamp::date, order_value"
        " from events where page_url like '%/order-confirmation/%' order by 1"
    )
    assert confirmed == orders
    assert site.log.query(
        "select count(*) from events where (page_url like '%confirm%') <> (order_value is not null)"
    ) == [(0,)]


def test_visitors_are_customers_or_unknown_and_countries_weigh_like_ship_to_countries(site: WebSite) -> None:
    with site.shop.connect() as shop:
        customers = {row[0] for row in shop.execute("select customerid from sales.customer")}
        weights = dict(
            shop.execute(
                "select trim(countryregioncode), count(*)::float / sum(count(*)) over () from sales.salesorderheader"
                " join person.address on addressid = shiptoaddressid join person.stateprovince using (stateprovinceid)"
                " where onlineorderflag group by 1"
            ).fetchall()
        )
    users = {row[0] for row in site.log.query("select distinct user_id from events")}
    assert None in users
    assert users - {None} <= customers
    shares = site.log.query(
        "select country, count(distinct session_id) / sum(count(distinct session_id)) over () from events group by 1"
    )
    assert dict(shares) == pytest.approx(weights, abs=0.02)


def test_the_same_seed_gives_the_same_log_and_another_seed_another(site: WebSite, tmp_path: Path) -> None:
    def log(seed: int) -> list[tuple]:
        log = Log(tmp_path / f"{seed}.duckdb", site.shop.settings, seed=seed)
        log.grow()
        found = log.query("from events order by position")
        log.close()
        return found

    again = log(42)
    assert again == site.log.query("from events order by position")
    assert again != log(43)


def test_a_visit_is_one_path_through_the_site(site: WebSite) -> None:
    """Each page's referrer is the page before it; the pause between two pages is the time spent on the first."""
    broken = site.log.query(
        "with views as (select distinct on (event_id) * from events),"
        " steps as (select *, lag(page_url) over visit as page_before, lag(timestamp + to_seconds(duration)) over visit as left_at"
        " from views window visit as (partition by session_id order by timestamp))"
        " select count(*) from steps where page_before is not null and (referrer_url <> page_before or left_at <> timestamp)"
    )
    assert broken == [(0,)]
    hours = "select max(max_at - min_at) < interval 1 hour from (select max(timestamp) as max_at, min(timestamp) as min_at from events group by session_id)"
    assert site.log.query(hours) == [(True,)]


def test_pages_give_every_event_that_has_arrived_in_the_order_of_arrival(
    site: WebSite, client: httpx.Client
) -> None:
    found, token = [], None
    while True:
        answer = client.get("events", params={**EVER, "page_size": 9_999, "page_token": token or ""}).json()
        found += answer["data"]
        token = answer["next_page_token"]
        if token is None:
            break
    truth = site.log.query(
        "select event_id, order_value::double from events where arrived_at < "
        f"'{site.log.now()}' order by position"
    )
    assert [(event["event_id"], event["order_value"]) for event in found] == truth
    assert len({event["event_id"] for event in found}) < len(found), "nothing came twice"
    times = [event["timestamp"] for event in found]
    assert times != sorted(times), "nothing came late"


def test_answers_are_compressed_where_the_client_takes_that(client: httpx.Client) -> None:
    with client.stream("GET", "events", params=EVER) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(answer.iter_raw())).startswith(b'{"data":[')


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "0001-01-01T00:00:00+23:59"}, "since"),
        ({"until": "9999-12-31T23:59:59-23:59"}, "until"),
        ({"page_size": "10001"}, "page_size"),
        ({"page_size": "many"}, "page_size"),
        ({"page_token": "xyz"}, "page_token"),
        ({"page_token": page_token("9" * 4000)}, "page_token"),
        ({"page_token": page_token("-5")}, "page_token"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    client: httpx.Client, changes: dict[str, str], said: str
) -> None:
    answer = client.get("events", params=EVER | changes)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_token_of_another_query_is_refused(client: httpx.Client) -> None:
    token = client.get("events", params=EVER).json()["next_page_token"]
    answer = client.get("events", params=EVER | {"since": "2023-01-01T00:00:00Z", "page_token": token})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer another"}, {"Authorization": f"Basic {TOKEN}"}]
)
def test_nobody_reads_without_the_token(site: WebSite, headers: dict[str, str]) -> None:
    assert httpx.get(f"{site.url}/v1/events", params=EVER, headers=headers).status_code == 401
    assert httpx.get(f"{site.url}/v1/clock", headers=headers).status_code == 401


def test_too_many_calls_get_the_time_to_wait_and_some_calls_fail(
    generated_source: SourceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AN_ERROR_IN", 3)
    with served(generated_source, tmp_path, calls_per_minute=60, faults=True) as site:  # five at once
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=f"{site.url}/v1", headers=headers) as client:
            answers = [client.get("clock") for _ in range(20)]
    codes = [answer.status_code for answer in answers]
    assert {200, 429, 500} == set(codes)
    assert all(int(one.headers["retry-after"]) >= 1 for one in answers if one.status_code == 429)


def test_a_shop_that_is_filled_again_gets_a_new_log(generated_source: SourceDatabase, tmp_path: Path) -> None:
    shop = generated_source.copy()
    log = Log(tmp_path / "events.duckdb", shop.settings)
    log.grow()
    before = log.query("select count(*) from events")
    with shop.connect() as connection:
        connection.execute("update sales.salesorderheader set orderdate = orderdate + interval '1 day'")
    log.grow()
    assert log.query("select count(*) from events") == before
    assert log.query("select count(distinct order_id) = count(*) from known_orders") == [(True,)]
    log.close()
    shop.server.drop(shop)


def test_a_site_whose_shop_is_not_filled_yet_has_no_events(
    source_server: SourceServer, tmp_path: Path
) -> None:
    shop = source_server.create()
    with served(shop, tmp_path) as site:
        answer = httpx.get(f"{site.url}/v1/clock", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.json() == {"now": None, "first_event_at": None}
    source_server.drop(shop)


def test_an_order_that_is_corrected_later_stays_in_the_log_as_it_was_placed(
    generated_source: SourceDatabase, tmp_path: Path
) -> None:
    shop = generated_source.copy()
    log = Log(tmp_path / "events.duckdb", shop.settings)
    log.grow()
    before = log.query("from events order by position")
    with shop.connect() as connection:
        connection.execute("update sales.salesorderdetail set orderqty = orderqty + 1")
    assert log.grow() == 0
    assert log.query("from events order by position") == before
    log.close()
    shop.server.drop(shop)
