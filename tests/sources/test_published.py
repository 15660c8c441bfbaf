"""Rates, weather, GitHub and posts in a whole stack: local services with their faults on, a lake, syncs and transformations under a real
Airflow, dashboards in a browser, and dbt's documentation in the bucket."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from dashboards.browser import browser, find_browser, login, open_dashboard
from dashboards.files import charts_of, load
from foundation.settings import settings
from lake.place import store
from local_apis.github import TOOLS, Github
from local_apis.rates import Rates
from local_apis.weather import Weather
from orchestration import documentation
from posts.writing import Posts
from tests.fixtures.lake import inner_ports
from tests.fixtures.site import Site
from tests.fixtures.superset import login_of
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.timeout(3600)
READ = ("rates", "weather", "github", "posts")
START = (datetime.now(UTC) - timedelta(days=40)).date()


@pytest.fixture(scope="module")
def site(make_stack) -> Iterator[Site]:
    """A stack that has published the shop, and what each source brought after it."""
    stack = make_stack(
        "optional sources",
        ELT_SOURCES=",".join(("adventureworks", *READ)),
        ELT_SCHEDULE="manual",
        AW_SCALE="0.02",
        HISTORY_START=START.isoformat(),
        APIS_CALLS_PER_MINUTE="3000",
        LAKE_INNER_PORT=str(inner_ports()),
    )
    demo = stack.elt("demo", SHOP="off")
    assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr[-3000:]
    site = Site(stack)
    dropped = stack.elt("posts", "drop")
    assert dropped.returncode == 0, dropped.stderr
    for source in READ:
        with site.api as api:
            for dag in (f"{source}_sync", f"{source}_transformation"):
                api.patch(f"/dags/{dag}", json={"is_paused": False}).raise_for_status()
        assert site.end(site.trigger(f"{source}_sync"), dag=f"{source}_sync") == "success"
        wait_until(lambda source=source: runs(site, source) != [], 120)
        for run in runs(site, source):
            assert site.end(run, dag=f"{source}_transformation") == "success"
    yield site
    stack.elt("down")


def runs(site: Site, source: str) -> list[str]:
    with site.api as api:
        found = api.get(f"/dags/{source}_transformation/dagRuns").raise_for_status().json()["dag_runs"]
    return [run["dag_run_id"] for run in found]


def shown(site: Site, query: str) -> list[tuple]:
    """What analysts see."""
    with duckdb.connect(site.config.serving_path, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(query).fetchall()


def test_what_the_services_know_is_published(site: Site) -> None:
    """Of days that are over: those of today may have changed since the syncs."""
    now = datetime.now(UTC)
    today, yesterday = now.date(), now.date() - timedelta(days=1)
    rates = Rates().records(START, yesterday, "USD", ["EUR", "GBP"], now)
    found = shown(
        site,
        "select published_date::varchar, to_currency_code, rate::double from marts.fct_exchange_rates"
        f" where from_currency_code = 'USD' and to_currency_code in ('EUR', 'GBP') and not is_carried"
        f" and rate_date < '{today}' order by 1, 2",
    )
    assert found == sorted((one["date"], one["quote"], one["rate"]) for one in rates)
    two_days_ago = today - timedelta(days=2)
    measured = [
        (place.city, day.isoformat()) for place, day, _ in Weather().truth(now, START) if day <= two_days_ago
    ]
    found = shown(
        site,
        "select city, weather_date::varchar from marts.fct_weather_daily where not is_forecast"
        f" and weather_date between '{START}' and '{two_days_ago}'",
    )
    assert sorted(found) == sorted(measured)
    start = f"{START}T00:00:00Z"
    commits = sum(
        one["commit"]["committer"]["date"] >= start for tool in TOOLS for one in Github().commits(tool, now)
    )
    ((published,),) = shown(site, "select count(*) from marts.fct_commits")
    assert 0 <= commits - published <= 10


def test_posts_that_have_arrived_are_published_with_how_they_sound(site: Site) -> None:
    now = datetime.now(UTC)
    expected = Posts(START).truth(now)
    found = shown(site, "select post_id, post_text, sentiment from marts.fct_posts")
    assert {post_id: text for post_id, text, _ in found} == {
        one.post_id: one.text for one in expected.values()
    }
    assert {sentiment for *_, sentiment in found} == {"Positive", "Neutral", "Negative"}


def test_the_documentation_of_the_night_is_in_the_bucket_and_on_a_page_here(site: Site) -> None:
    with site.api as api:
        api.patch("/dags/adventureworks_docs", json={"is_paused": False}).raise_for_status()
    assert site.end(site.trigger("adventureworks_docs"), dag="adventureworks_docs") == "success"
    version = documentation.watch(store(site.config))
    page = store(site.config).get(version.key)
    assert b"fct_posts" in page
    assert page == (site.config.home / "docs" / "index.html").read_bytes()  # which Airflow shows


BOARDS = {
    "weather-and-sales": "weather_and_sales",
    "open-source-activity": "open_source_activity",
    "what-people-talk-about": "what_people_talk_about",
}


@pytest.mark.skipif(find_browser() is None, reason="there is no Chromium: apt-get install chromium")
def test_the_dashboards_show_every_chart(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELT_SOURCES", site.stack.environ["ELT_SOURCES"])
    settings.cache_clear()
    charts = {name: charts_of(load("duckdb"), name) for name in BOARDS.values()}
    settings.cache_clear()
    with browser(site.config.superset_url) as context:
        page = login(context, *login_of(site.config, "analyst"))
        totals = {
            "open_source_activity": ("Commits", "select sum(commit_count) from marts.mart_repository_weeks"),
            "what_people_talk_about": ("Mentions", "select sum(post_count) from marts.mart_keyword_weeks"),
        }
        for slug, name in BOARDS.items():
            dashboard = open_dashboard(page, slug, charts[name])
            assert dashboard.failures() == []
            if name in totals:
                chart, query = totals[name]
                ((total,),) = shown(site, query)
                assert f"{total:,}" in dashboard.text(chart).splitlines()
