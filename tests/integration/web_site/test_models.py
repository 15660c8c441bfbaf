"""The models of web traffic on what the connector left: small shop, real site, real sync, real build."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import correlation

import pytest

from foundation.settings import settings
from tests.fixtures.source import SourceDatabase
from tests.fixtures.web import WebSync, served
from tests.integration.transformation.raw_layer import Warehouse
from tests.integration.transformation.small_shop import FIRST_SYNC, order
from tests.integration.transformation.test_project_rules import check

# as the DAG does it: tests of facts that are not selected are not run for the calendar
SOURCES = {"ELT_SOURCES": "adventureworks,web", "DBT_INDIRECT_SELECTION": "buildable"}
WEB = ("--select", "tag:web", "--select", "int_date_range", "--select", "dim_date")
NEEDED = (
    "--select",
    "+dim_customer",
    "--select",
    "+dim_date",
    "--exclude",
    "resource_type:test",
    "--exclude",
    "resource_type:unit_test",
)
PAGE_VIEWS = "select count(*), count(distinct session_id), sum(order_value) from marts.fct_page_views"
SESSIONS = "select sum(page_view_count)::int, count(*), sum(order_value) from marts.fct_web_sessions"
COUNTRIES = "select sum(visit_count)::int, sum(order_value) from marts.mart_web_visits_by_country"


@dataclass
class Chain:
    """Site, sync and warehouse."""

    sync: WebSync
    warehouse: Warehouse

    def build(self, *arguments: str) -> None:
        """With the tests of what is built."""
        done = self.warehouse.elt("build", *(arguments or WEB), environ=SOURCES)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr

    def marts_equal_the_truth(self) -> None:
        truth = self.sync.site.truth()
        assert self.warehouse.row(PAGE_VIEWS) == truth
        assert self.warehouse.row(SESSIONS) == truth
        visits, value = self.warehouse.row(COUNTRIES)
        assert (visits, value) == truth[1:]


@pytest.fixture(scope="module")
def chain(
    generated_source: SourceDatabase, connector_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    """Raw tables of the shop (empty) and the site's events: built once with all tests of web traffic."""
    folder = tmp_path_factory.mktemp("web models")
    warehouse = Warehouse(folder)
    warehouse.create_raw()
    warehouse.sync(FIRST_SYNC, {"sales.salesorderheader": [order(1, 1, "2022-05-01", "10.00")]})
    shop = generated_source.copy()
    with served(shop, folder / "site") as site:
        made = Chain(WebSync(site, warehouse.path), warehouse)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ELT_HOME", str(connector_home))
            settings.cache_clear()
            made.sync.sync()
            made.build(*NEEDED)
            made.build()
            yield made
        settings.cache_clear()
    shop.server.drop(shop)


@pytest.mark.slow  # three syncs, five builds
def test_marts_equal_the_sites_truth_after_any_number_of_syncs_and_builds(chain: Chain) -> None:
    """Late and doubled events among them; what has come since is merged, and the same as after a full refresh."""
    chain.marts_equal_the_truth()
    for days, orders in ((1, 20), (0, 0), (2, 20)):
        chain.sync.site.trade(days)
        chain.sync.site.rush(orders)
        chain.sync.sync()
        chain.build()
        chain.marts_equal_the_truth()
    marts = ("fct_page_views", "fct_web_sessions", "mart_web_funnel", "mart_web_conversion")
    before = [chain.warehouse.rows(f"from marts.{mart} order by all") for mart in marts]
    chain.build(*WEB, "--full-refresh", "--exclude", "resource_type:test")
    assert [chain.warehouse.rows(f"from marts.{mart} order by all") for mart in marts] == before


def test_a_visit_is_what_its_page_views_say(chain: Chain) -> None:
    log = chain.sync.site.log.query
    (session,) = log("select session_id from events where order_value > 0 order by event_id limit 1")[0]
    views = log(
        f"select distinct timestamp, page_url, duration, order_value, user_id from events where session_id = '{session}' order by 1"
    )
    found = chain.warehouse.row(
        "select started_at, entry_page_path, exit_page_path, page_view_count, duration_seconds, is_converted, order_value,"
        f" customer_id from marts.fct_web_sessions where session_id = '{session}'"
    )
    site = "https://www.adventure-works.example"
    assert found == (
        *(views[0][0], views[0][1].removeprefix(site), views[-1][1].removeprefix(site), len(views)),
        *(sum(view[2] for view in views), True, views[-1][3], views[0][4]),
    )


def test_visits_and_order_value_of_a_country_are_correlated_as_the_days_say(chain: Chain) -> None:
    country, month, found = chain.warehouse.row(
        "select country_code, month_start, visits_to_value_correlation from marts.mart_web_visits_by_country"
        " where visits_to_value_correlation is not null order by visit_count desc, country_code, month_start limit 1"
    )
    days = chain.warehouse.rows(
        "select count(*), sum(order_value)::double from marts.fct_web_sessions"
        f" where country_code = '{country}' and date_trunc('month', started_at) = '{month}' group by start_date_key"
    )
    assert found == pytest.approx(correlation([day[0] for day in days], [day[1] for day in days]))


def test_the_funnel_narrows_and_rates_are_what_they_say(chain: Chain) -> None:
    steps = chain.warehouse.rows(
        "select sum(session_count)::int from marts.mart_web_funnel where step_name <> 'Product' group by step_number"
        " order by step_number"
    )
    assert [step for (step,) in steps] == sorted((step for (step,) in steps), reverse=True)
    orders = chain.warehouse.row("select count(*) from marts.fct_web_sessions where is_converted")
    assert steps[-1] == orders
    wrong = (
        "where conversion_rate <> round(order_count / visit_count, 6)"
        " or bounce_rate <> round(bounce_count / visit_count, 6) or visit_count = 0"
    )
    assert chain.warehouse.row(f"select count(*) from marts.mart_web_conversion {wrong}") == (0,)


def test_no_address_of_a_visitor_is_beyond_the_raw_layer(chain: Chain) -> None:
    addresses = {row[0] for row in chain.sync.site.log.query("select distinct ip_address from events")}
    networks = {
        row[0] for row in chain.warehouse.rows("select distinct ip_network from staging.stg_web_events")
    }
    assert len(networks) > 100
    assert not addresses & networks
    assert all(network.endswith((".0", "::")) for network in networks)
    columns = chain.warehouse.rows(
        "select table_name, column_name from duckdb_columns() where schema_name like 'marts%'"
        " and (column_name like '%ip\\_%' escape '\\' or column_name like '%agent%')"
    )
    assert columns == []


def test_every_model_of_web_traffic_has_what_a_model_must_have(chain: Chain, tmp_path: Path) -> None:
    manifest = json.loads((chain.warehouse.target / "manifest.json").read_text())
    names = {node["name"] for node in manifest["nodes"].values() if "web" in node.get("tags", [])}
    assert {"stg_web_events", "fct_web_sessions", "mart_web_funnel"} <= names
    done = check(tmp_path, manifest)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_the_source_no_model_of_it_is_there(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.create_raw()
    listed = warehouse.elt("build", "--select", "tag:web", environ={"ELT_SOURCES": "adventureworks"})
    assert listed.returncode == 2
    assert "no node matches" in listed.stderr


@pytest.mark.slow
def test_models_are_built_empty_while_the_site_was_never_read(tmp_path: Path) -> None:
    """A build may run before the first sync of the source."""
    warehouse = Warehouse(tmp_path)
    warehouse.create_raw()
    warehouse.sync(FIRST_SYNC, {"sales.salesorderheader": [order(1, 1, "2022-05-01", "10.00")]})
    chosen = ("--select", "+tag:web", "--exclude", "resource_type:unit_test")
    done = warehouse.elt("build", *chosen, environ=SOURCES)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert warehouse.row("select count(*) from marts.fct_web_sessions") == (0,)
