"""The models of rates and weather on what their connectors left, with a small shop: real services, real syncs, real builds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from foundation.settings import settings
from local_apis.rates import is_open
from local_apis.weather import City, Measured, Weather
from tests.fixtures.apis import Outside, outside_of
from tests.fixtures.snowflake import Snowflake
from tests.integration.transformation.raw_layer import Warehouse
from tests.integration.transformation.small_shop import AT_FIRST, FIRST_SYNC
from tests.integration.transformation.test_project_rules import check
from tests.integration.transformation.test_snowflake import differences
from tests.sources.questions import Question, questions

SOURCES = {"ELT_SOURCES": "adventureworks,rates,weather", "DBT_INDIRECT_SELECTION": "buildable"}
WITHOUT_TESTS = ("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test")
NEEDED = ("--select", "+fct_sales", "--select", "+dim_geography", "--select", "+dim_date", *WITHOUT_TESTS)
MINE = (
    *("--select", "tag:rates", "--select", "tag:weather"),
    *("--select", "int_date_range", "--select", "dim_date"),
)
NOW = datetime(2025, 6, 10, 12, 0, tzinfo=UTC)
START = date(2025, 1, 1)
SEATTLE, BOTHELL = City("US", "WA", "Seattle"), City("US", "WA", "Bothell")
LONDON = City("GB", "ENG", "London")


@dataclass
class Chain:
    """Services, syncs and the shop's warehouse."""

    outside: Outside
    warehouse: Warehouse

    def sync(self) -> None:
        self.outside.sync_rates(start_date=START.isoformat())
        self.outside.sync_weather(start_date=START.isoformat(), countries=["US", "GB"])

    def build(self, *arguments: str) -> None:
        done = self.warehouse.elt("build", *arguments, environ=SOURCES)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.warehouse.rows(query)

    def measured(self) -> dict[tuple[str, date], Measured]:
        """What the service has measured or corrected since the start."""
        start = datetime(START.year, START.month, START.day, tzinfo=UTC)
        now, weather = self.outside.clock.now, self.outside.weather
        found = {}
        for country in ("US", "GB"):
            for one in weather.observations(country, start, now, now):
                values = (one[name] for name in Measured.__dataclass_fields__)
                found[one["city"], date.fromisoformat(one["date"])] = Measured(*values)
        return found


@pytest.fixture(scope="module")
def chain(manifest_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The shop and both sources, synced and built with their tests."""
    warehouse = Warehouse(tmp_path_factory.mktemp("models of sources"))
    warehouse.create_raw()
    warehouse.sync(FIRST_SYNC, AT_FIRST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELT_HOME", str(manifest_home))
        settings.cache_clear()
        with outside_of(warehouse.path) as outside:
            outside.apis.weather = Weather((SEATTLE, BOTHELL, LONDON))
            outside.clock.now = NOW
            made = Chain(outside, warehouse)
            made.sync()
            made.build(*NEEDED)
            made.build(*MINE)
            yield made
    settings.cache_clear()


def test_every_published_rate_holds_on_its_day_and_until_the_next(chain: Chain) -> None:
    published = {
        (date.fromisoformat(one["date"]), one["quote"]): one["rate"]
        for one in chain.outside.rates.records(START, NOW.date(), "USD", ["EUR", "GBP", "JPY"], NOW)
    }
    found = chain.rows(
        "select rate_date, to_currency_code, rate, published_date, days_carried, is_carried from marts.fct_exchange_rates"
        " where from_currency_code = 'USD' and to_currency_code <> 'USD' and rate_date between '2025-01-02' and '2025-06-10'"
    )
    assert len(found) == 3 * ((NOW.date() - date(2025, 1, 2)).days + 1)
    for day, quote, rate, published_date, days_carried, is_carried in found:
        last = next(
            day - timedelta(days=n) for n in range(11) if (day - timedelta(days=n), quote) in published
        )
        assert (published_date, days_carried) == (last, (day - last).days)
        assert rate == Decimal(str(published[last, quote]))
        assert is_carried == (day != last) == ((day, quote) not in published)
    assert not is_open(date(2025, 1, 4)), "no weekend is among them"


def test_any_two_currencies_convert_there_and_back(chain: Chain) -> None:
    wrong = chain.rows(
        "select there.* from marts.fct_exchange_rates as there join marts.fct_exchange_rates as back"
        " on there.from_currency_code = back.to_currency_code and there.to_currency_code = back.from_currency_code"
        " and there.rate_date = back.rate_date where abs(there.rate * back.rate - 1) > 0.0001"
    )
    assert wrong == []
    pairs = chain.rows(
        "select count(distinct (from_currency_code, to_currency_code)) from marts.fct_exchange_rates"
    )
    assert pairs == [(16,)]


def test_no_rate_is_carried_longer_than_ten_days(chain: Chain) -> None:
    newest = chain.rows("select max(rate_date), max(days_carried) from marts.fct_exchange_rates")
    assert newest == [
        (date(2025, 6, 19), 10)
    ]  # the last one was published on 9 June: at noon, today's is not there yet


def test_measured_days_are_the_services_and_the_others_are_forecast(chain: Chain) -> None:
    found = chain.rows(
        "select city, weather_date, temperature_max, temperature_min, precipitation, wind_max from marts.fct_weather_daily"
        " where not is_forecast"
    )
    expected = {
        key: tuple(None if value is None else Decimal(str(value)) for value in vars(measured).values())
        for key, measured in chain.measured().items()
    }
    assert {(city, day): tuple(values) for city, day, *values in found} == expected
    assert len(expected) > 400
    forecast = chain.rows(
        "select min(weather_date), max(weather_date) from marts.fct_weather_daily where is_forecast"
    )
    assert forecast == [(date(2025, 6, 10), date(2025, 6, 16))]


def band_of_rain(amount: float | None) -> str:
    if amount is None:
        return "Unknown"
    return "Dry" if amount == 0 else "Light rain" if amount < 5 else "Heavy rain"


def test_sales_are_in_the_weather_of_the_ship_to_city_on_their_day(chain: Chain) -> None:
    """Computed by hand from the shop's lines and what the service measured."""
    headers = {one["salesorderid"]: one for one in AT_FIRST["sales.salesorderheader"]}
    lines = chain.rows(
        "select order_id, line_total, order_quantity from marts.fct_sales join marts.dim_order_status using (order_status_key)"
        " where counts_as_revenue"
    )
    expected: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [Decimal(0), 0])
    for order_id, line_total, quantity in lines:
        header = headers[order_id]
        city = {1: "Bothell", 2: "Seattle"}[header["shiptoaddressid"]]
        day = date.fromisoformat(header["orderdate"])
        known = chain.measured().get((city, day))
        cell = expected[f"{day:%Y-%m}", band_of_rain(known.precipitation) if known else "Unknown"]
        cell[0] += line_total
        cell[1] += quantity
    found = chain.rows(
        "select strftime(month_start, '%Y-%m'), rain_band, sum(revenue), sum(order_quantity)::int"
        " from marts.mart_weather_sales group by all having sum(order_quantity) > 0"
    )
    assert {(month, band): [revenue, pieces] for month, band, revenue, pieces in found} == dict(expected)
    days = chain.rows(
        "select sum(city_day_count)::int from marts.mart_weather_sales where product_category = 'Bikes'"
    )
    assert days == [(len(chain.measured()),)]


def test_every_model_has_what_a_model_must_have(chain: Chain, tmp_path: Path) -> None:
    manifest = json.loads((chain.warehouse.target / "manifest.json").read_text())
    assert {"stg_exchange_rates", "fct_weather_daily"} <= {
        node["name"] for node in manifest["nodes"].values()
    }
    done = check(tmp_path, manifest)
    assert done.returncode == 0, done.stdout + done.stderr


def test_corrections_reach_the_marts(chain: Chain) -> None:
    """A day three months old is corrected, a rate of last week too; a forecast becomes a measured day."""
    outside = chain.outside
    outside.weather.corrections[SEATTLE, date(2025, 3, 1)] = (
        Measured(31.0, 20.0, 12.5, None),
        NOW + timedelta(hours=2),
    )
    outside.rates.corrections[date(2025, 6, 5), "EUR"] = 0.75
    outside.clock.now = NOW + timedelta(days=2)
    chain.sync()
    chain.build(*MINE, *WITHOUT_TESTS)
    day = chain.rows(
        "select temperature_band, rain_band, wind_max from marts.fct_weather_daily"
        " where city = 'Seattle' and weather_date = '2025-03-01'"
    )
    assert day == [("Hot", "Heavy rain", None)]
    bikes = chain.rows(
        "select sum(order_count)::int from marts.mart_weather_sales where month_start = '2025-03-01'"
        " and temperature_band = 'Hot' and rain_band = 'Heavy rain'"
    )
    assert bikes[0][0] >= 1
    rate = chain.rows(
        "select rate from marts.fct_exchange_rates where from_currency_code = 'USD' and to_currency_code = 'EUR'"
        " and rate_date = '2025-06-05'"
    )
    assert rate == [(Decimal("0.75"),)]
    measured = chain.rows("select count(*) from marts.fct_weather_daily where not is_forecast")
    assert measured == [(len(chain.measured()),)]


@pytest.mark.parametrize(
    "question", [one for one in questions() if "rates" in one.sql or "weather" in one.sql], ids=str
)
def test_a_question_of_the_page_has_an_answer(chain: Chain, question: Question) -> None:
    assert chain.rows(question.sql) != []


def test_both_warehouses_have_the_same_marts(chain: Chain, snowflake_emulator: Snowflake) -> None:
    snowflake_emulator.load_raw(chain.warehouse.path)
    snowflake_emulator.build(*NEEDED, **SOURCES)
    snowflake_emulator.build(*MINE, *WITHOUT_TESTS, **SOURCES)
    marts = ("fct_exchange_rates", "fct_weather_daily", "mart_weather_sales")
    assert differences(chain.warehouse, snowflake_emulator, [("marts", mart) for mart in marts]) == {}


@pytest.mark.parametrize("name", ["rates", "weather"])
def test_models_are_built_empty_while_a_source_was_never_read(name: str, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.create_raw()
    warehouse.sync(FIRST_SYNC, AT_FIRST)
    done = warehouse.elt(
        "build",
        *("--select", f"+tag:{name}", "--exclude", "resource_type:unit_test"),
        environ=SOURCES | {"ELT_SOURCES": f"adventureworks,{name}"},
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


def test_without_the_sources_no_model_of_them_is_there(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    warehouse.create_raw()
    listed = warehouse.elt(
        "build",
        *("--select", "tag:rates", "--select", "tag:weather"),
        environ={"ELT_SOURCES": "adventureworks"},
    )
    assert listed.returncode == 2
    assert "no node matches" in listed.stderr
