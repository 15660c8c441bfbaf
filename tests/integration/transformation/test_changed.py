"""`elt build --changed`: what it leaves out, and when it builds everything.

What is selected is a pure function of a manifest: it is tested on the small shop's. A few builds prove that what was left out
would have come out the same; the slow ones do so for one kind of change each.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.integration.transformation import small_shop
from tests.integration.transformation.conftest import MODELS_ONLY, Built, marts, second_sync
from tests.integration.transformation.raw_layer import Warehouse
from transformation.changed_inputs import difference, selectors
from transformation.request import BuildRequest

NO_UNIT_TESTS = ("--exclude", "resource_type:unit_test")
NOTHING = "nothing has changed since the last complete build\n"


@pytest.fixture
def warehouse(second_build: Built, tmp_path: Path) -> Warehouse:
    """A copy of the small shop's warehouse after a complete build."""
    return second_build.warehouse.copy(tmp_path / "home")


def changed(warehouse: Warehouse, *arguments: str) -> str:
    return warehouse.build("--changed", *NO_UNIT_TESTS, *arguments)


def ran(warehouse: Warehouse) -> set[str]:
    """Names of the models, seeds and snapshots of the last build."""
    results = json.loads((warehouse.target / "run_results.json").read_text())["results"]
    kinds = ("model.", "seed.", "snapshot.")
    return {each["unique_id"].split(".")[2] for each in results if each["unique_id"].startswith(kinds)}


def noted(warehouse: Warehouse) -> dict[str, str]:
    return dict(warehouse.rows("from marts.built_from"))


def reason(output: str) -> str:
    return output.splitlines()[0]


def test_after_a_complete_build_nothing_is_run(warehouse: Warehouse) -> None:
    assert changed(warehouse) == NOTHING
    assert not (warehouse.target / "run_results.json").exists()


@pytest.mark.slow
def test_a_synced_order_builds_its_descendants_alone_and_the_marts_equal_a_full_refresh(
    second_build: Built, tmp_path: Path
) -> None:
    warehouse = second_build.warehouse.copy(tmp_path / "home")
    lines = [small_shop.line(14, 12, 708, 2, "10")]
    order = [small_shop.order(12, 2, "2025-07-01", "20.00")]
    warehouse.sync(
        "2025-07-02 00:00:00+00", {"sales.salesorderheader": order, "sales.salesorderdetail": lines}
    )
    assert "everything" not in changed(warehouse)
    built = ran(warehouse)
    assert {"fct_sales", "obt_sales", "dim_date"} <= built
    assert not built & {
        "stg_sales_order_headers",  # a view need not be made again
        "stg_products",
        "dim_product",
        "fct_currency_rates",
        "fct_work_orders",
        "sales_channels",
    }
    assert warehouse.row("select count(*) from marts.fct_sales where order_id = 12") == (1,)
    assert changed(warehouse) == NOTHING
    anew = warehouse.copy(tmp_path / "anew")
    anew.build("--full-refresh", *MODELS_ONLY)
    assert marts(warehouse) == marts(anew)
    log = (warehouse.home / "logs" / "dbt" / "dbt.log").read_text()
    assert "Nothing changed, skipping partial parsing" in log  # although the versions are others
    assert "Unable to do partial parsing" not in log


def below(warehouse: Warehouse, **differing: str) -> set[str]:
    """Names of the models that are said to descend from streams (SCHEMA__TABLE) of which another version is there."""
    manifest = json.loads((warehouse.target / "manifest.json").read_text())
    before = noted(warehouse)
    now = before | {
        f"adventureworks_{name.replace('__', '.')}": version for name, version in differing.items()
    }
    assert now.keys() == before.keys() and now != before
    return set(difference(manifest, before, now)["below"])


MORE = json.dumps({"rows": 10**6, "newest": "2025-09-01 00:00:00", "generation": 0, "columns": "c"})
CUSTOMERS = {"dim_customer", "mart_customer_insights", "obt_sales", "fct_orders"}


@pytest.mark.parametrize(
    ("stream", "built", "left"),
    [
        (
            "sales__salesorderdetail",
            {"fct_sales", "obt_sales"},
            {"dim_product", "fct_work_orders", "dim_vendor"},
        ),
        ("sales__salesterritory", {"dim_sales_territory", *CUSTOMERS}, {"fct_purchases", "dim_product"}),
        ("person__countryregion", {"dim_geography", *CUSTOMERS}, {"fct_purchases", "fct_work_orders"}),
        ("person__stateprovince", {"dim_geography", *CUSTOMERS}, {"fct_purchases", "fct_work_orders"}),
        ("person__addresstype", CUSTOMERS, {"fct_purchases", "fct_work_orders"}),
        (
            "sales__currency",
            {"dim_currency", "fct_currency_rates", "fct_sales"},
            {"dim_customer", "dim_product"},
        ),
        ("production__workorderrouting", {"int_work_order_operations", "fct_work_orders"}, {"fct_sales"}),
        (
            "sales__salesorderheadersalesreason",
            {"fct_order_sales_reasons"},
            {"dim_customer", "fct_purchases"},
        ),
    ],
)
def test_all_that_descends_from_a_stream_is_built_and_nothing_else(
    second_build: Built, stream: str, built: set[str], left: set[str]
) -> None:
    models = below(second_build.warehouse, **{stream: MORE})
    assert built <= models and not models & left


def test_another_day_selects_what_reads_the_day(second_build: Built) -> None:
    manifest = json.loads((second_build.warehouse.target / "manifest.json").read_text())
    before = noted(second_build.warehouse)
    selected = selectors(manifest, before, before | {"day": "2025-06-30"})
    assert "int_date_range+" in selected
    assert not [name for name in selected if name.startswith("stg_")]


def equals_a_full_refresh(warehouse: Warehouse) -> None:
    anew = warehouse.copy(warehouse.home.with_name("anew"))
    anew.build("--select", "path:models/marts", "--full-refresh", *MODELS_ONLY)
    built, refreshed = marts(warehouse), marts(anew)
    assert built.keys() == refreshed.keys()
    for name, rows in refreshed.items():
        assert built[name] == rows, name


def test_what_the_second_sync_touches_is_all_that_a_full_refresh_would_change(
    first_build: Warehouse, second_build: Built, tmp_path: Path
) -> None:
    """One thing for each order and so on (small_shop.LATER), as `second_build` has it from a build that compares all."""
    warehouse = first_build.copy(tmp_path / "home")
    before = marts(warehouse)
    second_sync(warehouse)
    assert "everything" not in changed(warehouse)
    equals_a_full_refresh(warehouse)
    assert {name for name, rows in marts(warehouse).items() if before[name] != rows} == {
        name for name, rows in second_build.after.items() if second_build.before[name] != rows
    }


# what a comparison sees, but no test
WRONG_BY_HAND = {
    "fct_orders": ("territory_key", "order_id = 4"),
    "fct_sales": ("order_hash", "order_id = 4"),
    "obt_sales": ("sales_hash", "order_id = 4"),
    "fct_purchases": ("vendor_key", "purchase_order_id = 1"),
    "fct_work_orders": ("scrap_reason_key", "work_order_id = 4"),
    "fct_inventory_movements": ("product_key", "transaction_id = 11"),
    "fct_order_sales_reasons": ("order_date_key", "order_id = 4"),
}


@pytest.mark.slow
def test_rows_that_nothing_has_touched_are_compared_by_a_build_of_everything_alone(
    warehouse: Warehouse,
) -> None:
    def still_wrong() -> set[str]:
        return {
            mart
            for mart, (column, where) in WRONG_BY_HAND.items()
            if warehouse.row(f"select any_value(cast({column} as varchar)) from marts.{mart} where {where}")
            == ("-1",)
        }

    with duckdb.connect(warehouse.path) as connection:
        for mart, (column, where) in WRONG_BY_HAND.items():
            connection.execute(f"update marts.{mart} set {column} = '-1' where {where}")
    assert still_wrong() == set(WRONG_BY_HAND)
    warehouse.sync(
        "2025-07-02 00:00:00+00",
        {
            "sales.salesorderheader": [small_shop.order(12, 2, "2025-07-01", "8.00")],
            "sales.salesorderdetail": [small_shop.line(14, 12, 709, 1, "8")],
            "purchasing.vendor": [{"businessentityid": 91, "accountnumber": "NUTS0001", "name": "Nuts"}],
            "production.scrapreason": [{"scrapreasonid": 5, "name": "Bent"}],
            "production.transactionhistory": [small_shop.movement(15, 709, "S", "2025-07-01", 1)],
            "sales.salesorderheadersalesreason": [{"salesorderid": 12, "salesreasonid": 1}],
        },
    )
    assert "everything" not in changed(warehouse)
    assert set(WRONG_BY_HAND) <= ran(warehouse)
    assert still_wrong() == set(WRONG_BY_HAND)
    warehouse.build(*MODELS_ONLY)
    assert not still_wrong()


@pytest.mark.slow
def test_a_customer_who_moves_takes_along_the_orders_of_after_the_move(
    second_build: Built, tmp_path: Path
) -> None:
    """The snapshot's time is the clock's, so only an order of a day to come is later than a move."""
    warehouse = second_build.warehouse.copy(tmp_path / "home")
    day = f"{datetime.now(UTC) + timedelta(days=40):%Y-%m-%d}"
    warehouse.sync(
        "2025-07-02 00:00:00+00",
        {
            "sales.salesorderheader": [small_shop.order(12, 2, day, "8.00")],
            "sales.salesorderdetail": [small_shop.line(14, 12, 709, 1, "8")],
        },
    )
    changed(warehouse)
    city = (
        "select customers.city, orders.order_id from marts.{} as orders"
        " join marts.dim_customer as customers using (customer_key) where orders.order_id = 12"
    )
    assert [warehouse.row(city.format(fact))[0] for fact in ("fct_orders", "fct_sales")] == [None] * 2
    warehouse.sync(
        "2025-07-03 00:00:00+00",
        {"person.businessentityaddress": [{"businessentityid": 50, "addressid": 1, "addresstypeid": 3}]},
    )
    changed(warehouse)
    assert [warehouse.row(city.format(fact))[0] for fact in ("fct_orders", "fct_sales")] == ["Redmond"] * 2
    equals_a_full_refresh(warehouse)


@pytest.mark.slow
def test_rows_that_are_gone_without_a_trace_leave_the_marts(warehouse: Warehouse) -> None:
    """A destination that removes deleted rows, or a stream that was refreshed: nothing tells which keys have gone."""
    with duckdb.connect(warehouse.path) as connection:
        for gone in (
            "sales.salesorderdetail where salesorderid = 6",
            "sales.salesorderheader where salesorderid = 6",
            "production.productlistpricehistory where productid = 707 and startdate > '2025-01-01'",
            "production.transactionhistory where transactionid = 11",
            "production.workorderrouting where workorderid = 1",
            "purchasing.purchaseorderheader where purchaseorderid = 1",
            "purchasing.purchaseorderdetail where purchaseorderid = 1",
            "person.address where addressid = 1",
        ):
            assert connection.execute(f"delete from adventureworks_{gone}").fetchone()[0] > 0, gone
    # as many orders as before: their generation alone tells that they were refreshed
    order = small_shop.order(12, 2, "2025-07-01", "8.00") | {"_airbyte_generation_id": 1}
    line = small_shop.line(14, 12, 709, 1, "8") | {"_airbyte_generation_id": 1}
    warehouse.sync(
        "2025-07-02 00:00:00+00", {"sales.salesorderheader": [order], "sales.salesorderdetail": [line]}
    )
    changed(warehouse)
    equals_a_full_refresh(warehouse)


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("how", ["--changed", ""])
def test_a_purchase_order_that_loses_a_line_shares_its_tax_out_again_and_one_that_goes_is_gone(
    warehouse: Warehouse, how: str
) -> None:
    header = {"status": 2, "employeeid": 279, "vendorid": 90, "shipmethodid": 1, "orderdate": "2025-07-01"}
    money = {"subtotal": "37.50", "taxamt": "3", "freight": "1"}
    warehouse.sync(
        "2025-07-02 00:00:00+00",
        {
            "purchasing.purchaseorderheader": [{"purchaseorderid": n} | header | money for n in (2, 3, 4)],
            "purchasing.purchaseorderdetail": [
                small_shop.purchase(10 * of + n, of, 708, 10, "0", "0") for of in (2, 3, 4) for n in (1, 2, 3)
            ],
        },
    )
    build = ("--changed", *NO_UNIT_TESTS) if how else MODELS_ONLY
    warehouse.build(*build)
    taxes = "select list(tax_amount order by 1) from marts.fct_purchases where purchase_order_id = {}"
    assert [str(tax) for tax in warehouse.row(taxes.format(2))[0]] == ["1.0000"] * 3
    at = "2025-07-03 00:00:00+00"
    warehouse.delete("purchasing.purchaseorderdetail", "purchaseorderdetailid = 21", at)
    warehouse.sync(at, {"purchasing.purchaseorderheader": [{"purchaseorderid": 2, "subtotal": "25.00"}]})
    for stream in ("purchaseorderdetail", "purchaseorderheader"):
        warehouse.delete(f"purchasing.{stream}", "purchaseorderid = 3", at)
    warehouse.build(*build)
    assert [str(tax) for tax in warehouse.row(taxes.format(2))[0]] == ["1.5000"] * 2
    assert warehouse.row("select count(*) from marts.fct_purchases where purchase_order_id = 3") == (0,)
    equals_a_full_refresh(warehouse)


@pytest.mark.slow
def test_a_reason_that_alone_comes_or_goes_shares_its_order_again(warehouse: Warehouse) -> None:
    at = "2025-07-02 00:00:00+00"
    warehouse.sync(at, {"sales.salesorderheadersalesreason": [{"salesorderid": 2, "salesreasonid": 1}]})
    warehouse.delete("sales.salesorderheadersalesreason", "salesorderid = 1 and salesreasonid = 1", at)
    before = marts(warehouse)
    assert "everything" not in changed(warehouse)
    after = marts(warehouse)
    assert {name for name, rows in after.items() if before[name] != rows} == {"marts.fct_order_sales_reasons"}
    reasons = """
        select order_id, sales_reason_name, weight from marts.fct_order_sales_reasons
        join marts.dim_sales_reason using (sales_reason_key) where order_id in (1, 2) order by all
    """
    assert warehouse.rows(reasons) == [(1, "On Promotion", 1), (2, "Price", 1)]
    equals_a_full_refresh(warehouse)


@pytest.mark.slow
def test_what_is_far_from_a_fact_or_a_customer_is_seen_when_it_alone_has_changed(
    warehouse: Warehouse,
) -> None:
    """Streams whose newer rows say nothing of which orders or customers they concern."""
    rate = {"currencyrateid": 2, "currencyratedate": "2025-03-06", "fromcurrencycode": "USD"}
    warehouse.sync(
        "2025-07-02 00:00:00+00",
        {
            "sales.currencyrate": [
                rate | {"tocurrencycode": "XYZ", "averagerate": "0.9", "endofdayrate": "0.91"}
            ],
            "sales.salesorderheader": [{"salesorderid": 1, "currencyrateid": 2}],
            "person.addresstype": [{"addresstypeid": 5, "name": "Shipping"}],
            "person.businessentityaddress": [{"businessentityid": 10, "addressid": 2, "addresstypeid": 5}],
        },
    )
    changed(warehouse)
    currency = (
        "select distinct currency_code from marts.{} join marts.dim_currency using (currency_key)"
        " where order_id = 1"
    )
    customer = (
        "select territory_name, country_name, state_name, city from marts.dim_customer"
        " where customer_id = 1 and is_current"
    )
    facts = ("fct_orders", "fct_sales")
    assert [warehouse.row(currency.format(fact)) for fact in facts] == [(None,)] * 2
    assert warehouse.row(customer) == ("Northwest", "United States", "Washington", "Redmond")
    types = [{"addresstypeid": 2, "name": "Former"}, {"addresstypeid": 5, "name": "Home"}]
    for day, stream, rows, seen in (
        (3, "sales.salesterritory", [{"territoryid": 1, "name": "North"}], "North"),
        (4, "person.countryregion", [{"countryregioncode": "US", "name": "USA"}], "USA"),
        (5, "person.stateprovince", [{"stateprovinceid": 79, "name": "Cascadia"}], "Cascadia"),
        (6, "person.addresstype", types, "Seattle"),
    ):
        warehouse.sync(f"2025-07-0{day} 00:00:00+00", {stream: rows})
        changed(warehouse)
        assert seen in warehouse.row(customer), stream
    warehouse.sync("2025-07-07 00:00:00+00", {"sales.currency": [{"currencycode": "XYZ", "name": "New"}]})
    assert "everything" not in changed(warehouse)
    assert [warehouse.row(currency.format(fact)) for fact in facts] == [("XYZ",)] * 2
    equals_a_full_refresh(warehouse)


@pytest.mark.slow
def test_fewer_rows_build_what_descends_from_them(warehouse: Warehouse) -> None:
    with duckdb.connect(warehouse.path) as connection:  # erased, not marked as deleted
        connection.execute("delete from adventureworks_production.workorderrouting where workorderid = 1")
    changed(warehouse)
    assert {"int_work_order_operations", "fct_work_orders"} <= ran(warehouse)
    assert "fct_sales" not in ran(warehouse)


def test_raw_columns_of_another_type_are_held_against_the_contracts(warehouse: Warehouse) -> None:
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(
            "alter table adventureworks_sales.salesorderheader alter purchaseordernumber type integer using 1"
        )
    done = warehouse.elt("build", "--changed", *NO_UNIT_TESTS)
    assert "everything is built" not in done.stdout
    assert done.returncode == 1 and "has an enforced contract that failed" in done.stdout


@pytest.mark.slow
def test_another_day_builds_what_depends_on_it(warehouse: Warehouse) -> None:
    with duckdb.connect(warehouse.path) as connection:
        for schema in ("marts", "intermediate"):
            connection.execute(f"update {schema}.built_from set version = '2025-06-30' where name = 'day'")
    changed(warehouse)
    assert {"int_date_range", "dim_date", "fct_inventory_daily"} <= ran(warehouse)
    assert not [name for name in ran(warehouse) if name.startswith("stg_")]


def test_a_failed_test_fails_again_until_it_is_mended(warehouse: Warehouse) -> None:
    before = noted(warehouse)
    twice, later = "timestamptz '2025-07-02 00:00:00+00'", "timestamptz '2025-07-03 00:00:00+00'"
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(
            f"insert into adventureworks_production.workorder by name select * replace ({twice} as _airbyte_extracted_at)"
            " from adventureworks_production.workorder where workorderid = 1"
        )
    for _ in range(2):
        done = warehouse.elt("build", "--changed", *NO_UNIT_TESTS)
        assert done.returncode == 1 and "primary_key_fct_work_orders_work_order_key" in done.stdout
        assert noted(warehouse) == before
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(
            f"delete from adventureworks_production.workorder where _airbyte_extracted_at = {twice};"
            f"update adventureworks_production.workorder set _airbyte_extracted_at = {later} where workorderid = 1"
        )
    changed(warehouse)
    assert changed(warehouse) == NOTHING


@pytest.mark.slow
def test_a_part_by_the_same_files_and_a_developers_build_leave_the_note(warehouse: Warehouse) -> None:
    before = noted(warehouse)
    warehouse.sync("2025-07-02 00:00:00+00", {"sales.currency": [{"currencycode": "XYZ", "name": "New"}]})
    warehouse.build("--select", "dim_currency", *NO_UNIT_TESTS)
    by_hand = warehouse.dbt("build", "--target", "dev", "--select", "+dim_channel", *MODELS_ONLY)
    assert by_hand.returncode == 0, by_hand.stdout
    assert noted(warehouse) == before
    changed(warehouse)
    assert "dim_currency" in ran(warehouse) and "dim_product" not in ran(warehouse)


@pytest.mark.slow
def test_a_build_without_its_tests_is_not_noted(warehouse: Warehouse) -> None:
    before = noted(warehouse)
    warehouse.sync("2025-07-02 00:00:00+00", {"sales.currency": [{"currencycode": "XYZ", "name": "New"}]})
    warehouse.build("--changed", *MODELS_ONLY)
    assert "dim_currency" in ran(warehouse)
    assert noted(warehouse) == before


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("dbt by hand", marks=pytest.mark.slow),
        pytest.param("other files", marks=pytest.mark.slow),
        pytest.param("a table dropped", marks=pytest.mark.slow),
    ],
)
def test_everything_is_built_when_it_is_not_known_what_was_built(warehouse: Warehouse, how: str) -> None:
    if how == "dbt by hand":
        assert warehouse.dbt("run", "--select", "dim_channel").returncode == 0
        says = "no complete build is on record"
    elif how == "other files":
        with duckdb.connect(warehouse.path) as connection:
            for schema in ("marts", "intermediate"):
                connection.execute(f"update {schema}.built_from set version = 'x' where name = 'project'")
        says = "the project has changed"
    else:
        with duckdb.connect(warehouse.path) as connection:
            connection.execute("drop table marts.dim_channel")
        says = "marts.dim_channel is not there"
    assert reason(changed(warehouse)) == f"everything is built: {says}"
    assert len(ran(warehouse)) > 80
    assert changed(warehouse) == NOTHING


@pytest.mark.slow
def test_a_build_upon_another_state_than_its_choice_was_made_from_is_not_noted(warehouse: Warehouse) -> None:
    before = noted(warehouse)
    request = BuildRequest(
        project=before["project"],
        building_from=before | {"day": "2025-07-01"},
        built_from=before | {"day": "2025-06-01"},
    )
    chosen = ["build", "--select", "sales_channels"]
    assert warehouse.dbt(*chosen, environ=request.variables()).returncode == 0
    assert noted(warehouse) == before
    request = replace(request, built_from=before)
    assert warehouse.dbt(*chosen, environ=request.variables()).returncode == 0
    assert noted(warehouse) == before | {"day": "2025-07-01"}
    assert warehouse.rows("from marts.built_from order by all") == warehouse.rows(
        "from intermediate.built_from order by all"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--select", "fct_sales"),
        ("--exclude", "fct_sales"),
        ("--full-refresh",),
        ("--anew", "fct_sales"),
        ("--rebuild-from", "2026-01-01"),
        ("--target", "dev"),
    ],
)
def test_what_contradicts_it_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = Warehouse(tmp_path).elt("build", "--changed", *arguments)
    assert done.returncode == 2
    assert f"--changed can't be used with {arguments[0]}" in done.stderr
