"""The second source in a whole stack: the site, its sync and its transformation, under a real Airflow."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import httpx
import pytest

from dashboards.browser import browser, find_browser, login, open_dashboard
from dashboards.files import charts_of, load
from foundation.settings import settings
from tests.fixtures.site import Site
from tests.fixtures.superset import login_of
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.slow]
DAGS = ("web_sync", "web_transformation")
EVER = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z", "page_size": 10_000}


@pytest.fixture(scope="module")
def site(make_stack) -> Iterator[Site]:
    """A stack that has published the shop, with the web site in use and its faults on."""
    stack = make_stack(
        "web traffic", ELT_SOURCES="adventureworks,web", ELT_SCHEDULE="manual", AW_SCALE="0.02"
    )
    demo = stack.elt("demo", SHOP="off")  # Airflow wants the site where it is in use
    assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr[-3000:]
    site = Site(stack)
    with site.api as api:
        for dag in DAGS:
            api.patch(f"/dags/{dag}", json={"is_paused": False}).raise_for_status()
    yield site
    stack.elt("down")


def events(site: Site) -> set[str]:
    """What the site's API gives away: the ids of its events."""
    config, found, token = site.config, set(), ""
    headers = {"Authorization": f"Bearer {config.web_api_token.get_secret_value()}"}
    with httpx.Client(base_url=f"{config.web_base}/v1", headers=headers, timeout=30) as client:
        while token is not None:
            answer = client.get("events", params={**EVER, "page_token": token})
            if answer.status_code in (429, 500):
                continue
            page = answer.raise_for_status().json()
            found |= {event["event_id"] for event in page["data"]}
            token = page["next_page_token"]
    return found


def shown(site: Site) -> set[str]:
    """The events that analysts see."""
    with duckdb.connect(site.config.serving_path, read_only=True) as connection:
        return {row[0] for row in connection.execute("select event_id from marts.fct_page_views").fetchall()}


def transformations(site: Site) -> list[str]:
    with site.api as api:
        runs = api.get("/dags/web_transformation/dagRuns").raise_for_status().json()["dag_runs"]
    return [run["dag_run_id"] for run in runs]


def test_a_sync_starts_the_transformation_which_publishes_what_the_site_has(site: Site) -> None:
    assert shown(site) == set(), "the shop's own run has built them empty"
    for number in (1, 2):
        assert site.end(site.trigger("web_sync"), dag="web_sync") == "success"
        wait_until(lambda number=number: len(transformations(site)) >= number, 120)
        for run in transformations(site):
            assert site.end(run, dag="web_transformation") == "success"
        assert shown(site) == events(site)
        day = site.stack.elt("shop", "day")
        assert day.returncode == 0, day.stderr


# charts of the dashboard: title, SQL on the facts, how the number is written
NUMBERS = (
    ("Visits", "count(*)", "{:,}"),
    ("Conversion", "count(*) filter (is_converted) / count(*)", "{:.1%}"),
    ("Bounces", "count(*) filter (is_bounce) / count(*)", "{:.1%}"),
)


@pytest.fixture
def charts(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """How many charts the dashboard has, whose files count where the source is in use."""
    monkeypatch.setenv("ELT_SOURCES", site.stack.environ["ELT_SOURCES"])
    settings.cache_clear()
    yield charts_of(load("duckdb"), "web_traffic")
    settings.cache_clear()


@pytest.mark.skipif(find_browser() is None, reason="there is no Chromium: apt-get install chromium")
def test_the_dashboard_shows_the_published_visits_without_and_with_a_filter(site: Site, charts: int) -> None:
    with browser(site.config.superset_url) as context:
        page = login(context, *login_of(site.config, "analyst"))
        dashboard = open_dashboard(page, "web-traffic", charts)
        with duckdb.connect(site.config.serving_path, read_only=True) as connection:
            sessions = connection.table("marts.fct_web_sessions")
            (country,) = sessions.aggregate("mode(country_code)").fetchone()
            for chosen in (sessions, sessions.filter(f"country_code = '{country}'")):
                if chosen is not sessions:
                    dashboard.filter("Country", country)
                assert dashboard.failures() == []
                for title, figure, form in NUMBERS:
                    (value,) = chosen.aggregate(figure).fetchone()
                    assert form.format(value) in dashboard.text(title).splitlines(), dashboard.text(title)
