"""The second company in a whole stack: a change in its database is in the published star, under a real Airflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import duckdb
import pytest

from dashboards.browser import browser, find_browser, login, open_dashboard
from dashboards.files import charts_of, load
from foundation.settings import settings
from tests.fixtures.lake import inner_ports
from tests.fixtures.site import Site
from tests.fixtures.stack import Stack
from tests.fixtures.superset import login_of
from tests.fixtures.waiting import wait_until
from tests.lake.totesys.conftest import NEEDED, WITHOUT_TESTS
from totesys import database

DAGS = ("totesys_sync", "totesys_transformation")
PROMISE = 30 * 60  # seconds, at the default schedule
SCHEDULE = 10 * 60


@pytest.fixture(scope="module")
def site(make_stack: Callable[..., Stack]) -> Iterator[Site]:
    """A stack that has read the shop, with the second company in use, filled and not read yet; built is what its stars share."""
    stack = make_stack(
        "two companies",
        ELT_SOURCES="adventureworks,totesys",
        ELT_SCHEDULE="manual",
        LAKE_INNER_PORT=str(inner_ports()),
    )
    shared = (word for name in NEEDED for word in ("--select", name))
    for words in (
        ("up", "airflow"),
        ("source", "generate", "--scale", "0.01"),
        ("totesys", "generate", "--scale", "0.05"),
        ("airbyte", "apply"),
        ("sync",),
        ("build", *shared, *WITHOUT_TESTS),
        ("publish",),
    ):
        done = stack.elt(*words)
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    site = Site(stack)
    with site.api as api:
        for dag in DAGS:
            api.patch(f"/dags/{dag}", json={"is_paused": False}).raise_for_status()
    yield site
    stack.elt("down")


def shown(site: Site) -> list[tuple[object, ...]]:
    query = (
        "select sales_order_id, units_sold, unit_price from marts_totesys.fact_sales_order_current order by 1"
    )
    with duckdb.connect(site.config.serving_path, read_only=True) as connection:
        there = connection.execute(
            "from duckdb_tables() where table_name = 'fact_sales_order_current'"
        ).fetchall()
        return connection.execute(query).fetchall() if there else []


def wanted(site: Site) -> list[tuple[object, ...]]:
    with database.connect(site.config) as connection:
        return connection.execute(
            "select sales_order_id, units_sold, unit_price from sales_order order by 1"
        ).fetchall()


def test_a_change_in_the_source_is_in_the_published_star_in_time(site: Site) -> None:
    for number in range(2):
        if number:
            with database.connect(site.config) as connection:
                database.trade(connection, 1e9, events=100, seed=number)
        started = time.monotonic()
        assert site.end(site.trigger("totesys_sync"), dag="totesys_sync") == "success"
        wait_until(lambda: shown(site) == wanted(site), PROMISE - SCHEDULE)
        seconds = time.monotonic() - started
        print(f"from the trigger to the published star: {seconds:.0f} s")


NUMBERS = (
    (
        "Second company's sales",
        "select sum(amount_usd) from marts.mart_totesys_orders where order_kind = 'Sale'",
    ),
    ("To be paid", "select sum(amount_usd) from marts.mart_totesys_payments where payment_state <> 'Paid'"),
)


@pytest.fixture
def charts(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """How many charts the dashboard has, in a Superset that has it; its files count where the source is in use."""
    for words in (("up", "superset"), ("dashboards", "push")):
        done = site.stack.elt(*words)
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    monkeypatch.setenv("ELT_SOURCES", site.stack.environ["ELT_SOURCES"])
    settings.cache_clear()
    yield charts_of(load("duckdb"), "two_companies")
    settings.cache_clear()


@pytest.mark.skipif(find_browser() is None, reason="there is no Chromium: apt-get install chromium")
def test_the_dashboard_shows_what_is_published_of_the_second_company(site: Site, charts: int) -> None:
    with browser(site.config.superset_url) as context:
        page = login(context, *login_of(site.config, "analyst"))
        dashboard = open_dashboard(page, "two-companies", charts)
        failed = {failure.partition("\n")[0] for failure in dashboard.failures()}
        assert failed == {"Data as of", "Shop's sales by country"}, "the shop's facts are not built here"
        with duckdb.connect(site.config.serving_path, read_only=True) as connection:
            for title, query in NUMBERS:
                (value,) = connection.execute(query).fetchone()
                assert f"${value:,.0f}" in dashboard.text(title).splitlines(), dashboard.text(title)
