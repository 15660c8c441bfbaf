"""The second company's stars against plain SQL on its database: facts with their history, dimensions, the traps."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from foundation.settings import load_settings
from tests.fixtures.totesys import Company
from tests.integration.transformation.test_project_rules import check
from tests.lake.totesys.conftest import (
    COLUMNS,
    DAY,
    DIMENSIONS,
    FACTS,
    KNOWN_PLACE,
    WITHOUT_TESTS,
    Chain,
    record_number,
)

# as a whole: what is there is a generation further
READ_AGAIN = (
    "insert into totesys.payment select * replace (uuid()::varchar as _airbyte_raw_id, _airbyte_generation_id + 1 as"
    " _airbyte_generation_id, _airbyte_extracted_at + interval 1 day as _airbyte_extracted_at) from totesys.payment"
    " qualify row_number() over (partition by payment_id order by _ab_cdc_lsn desc) = 1 and _ab_cdc_deleted_at is null"
)


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_has_each_change_of_each_row(chain: Chain, fact: str) -> None:
    found, expected = chain.history(fact), chain.expected(fact)
    assert len(found) > len({row[0] for row in found}), "there is history"
    assert found == expected


@pytest.mark.parametrize("fact", FACTS)
def test_its_current_rows_are_what_the_source_has_now(chain: Chain, fact: str) -> None:
    table, columns = FACTS[fact]
    found = chain.star(
        f"select * exclude ({record_number(fact)}) from marts_totesys.{fact}_current order by 2, 1"
    )
    assert sorted(found) == sorted(chain.company.source(f"select {columns} from {table}"))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_dimension_has_what_the_source_has_now_and_the_unknown_member(chain: Chain, dimension: str) -> None:
    columns = COLUMNS.get(dimension, "*")
    key = DIMENSIONS[dimension].split()[1].rstrip(",")
    found = chain.star(f"select {columns} from marts_totesys.{dimension} order by 1")
    expected = chain.company.source(f"{DIMENSIONS[dimension]} order by {key}")
    assert found[0][0] == -1
    gone = {row[0] for row in found[1:]} - {row[0] for row in expected}
    assert [row for row in found[1:] if row[0] not in gone] == expected
    assert (dimension == "dim_transaction") is bool(gone), "history refers to what was deleted"


def test_dates_and_currencies_are_the_shops(chain: Chain) -> None:
    assert chain.star("select count(*) from marts_totesys.dim_date") == chain.star(
        "select count(*) from marts.dim_date where date_key <> -1"
    )
    assert chain.star(
        "select count(*) from marts_totesys.dim_date as ours join marts.dim_date as shops on ours.date_id = shops.date_day"
        " where (ours.year, ours.month, ours.day, ours.quarter, ours.day_name)"
        " <> (shops.calendar_year, shops.month_number, shops.day_of_month, shops.calendar_quarter, shops.day_name)"
    ) == [(0,)]
    assert chain.star(
        "select currency_name from marts_totesys.dim_currency where currency_code in ('GBP', 'JPY')"
    ) == [
        ("Name of GBP",),
        (None,),
    ]


def test_money_is_exact_and_converted_where_there_is_a_rate(chain: Chain) -> None:
    ((pounds,),) = chain.company.source(
        "select sum(units_sold * unit_price) from sales_order join currency using (currency_id) where currency_code = 'GBP'"
    )
    assert chain.star(
        "select sum(amount) from marts.mart_totesys_orders where order_kind = 'Sale' and currency_code = 'GBP'"
    ) == [(pounds,)]
    assert chain.star(
        "select count(*) from marts.mart_totesys_orders where case currency_code"
        " when 'USD' then amount_usd <> amount"
        " when 'GBP' then amount_usd is distinct from case when created_date >= '2024-01-01' then round(amount / 0.8, 4) end"
        " else amount_usd is not null end"
    ) == [(0,)]


def test_published_rates_come_first_where_they_are_in_use(chain: Chain, tmp_path: Path) -> None:
    own = Chain(chain.company, chain.warehouse.copy(tmp_path / "rates"))
    own.warehouse.write(
        "create schema rates; create table rates.rates as select date '2024-06-03' as date, 'EUR' as base, quote, rate,"
        " timestamptz '2024-06-04 00:00:00+00' as _airbyte_extracted_at"
        " from (values ('USD', 1.25::double), ('GBP', 0.5::double), ('EUR', 1.0::double)) as published (quote, rate)"
    )
    chosen = ("stg_exchange_rates", "fct_exchange_rates", "mart_totesys_usd_rates", "mart_totesys_orders")
    own.build(*(word for name in chosen for word in ("--select", name)), *WITHOUT_TESTS, further=",rates")
    assert own.star(
        "select rate_date::varchar, per_usd::varchar, rate_origin from marts.mart_totesys_usd_rates where currency_code = 'GBP'"
        " and rate_date in ('2024-06-02', '2024-06-03', '2024-06-13', '2024-06-14') order by 1"
    ) == [
        ("2024-06-02", "0.8000000000", "AdventureWorks"),
        ("2024-06-03", "0.4000000000", "Published"),
        ("2024-06-13", "0.4000000000", "Published"),
        ("2024-06-14", "0.8000000000", "AdventureWorks"),
    ]
    assert own.star(
        "select count(*) from marts.mart_totesys_usd_rates where currency_code = 'EUR' and rate_date = '2024-06-03'"
    ) == [(1,)], "the base is among the rates, too"
    assert own.star(
        "select count(*) from marts.mart_totesys_orders where currency_code = 'GBP' and amount_usd"
        " <> round(amount / case rate_origin when 'Published' then 0.4 else 0.8 end, 4)"
    ) == [(0,)]


def test_what_is_odd_is_counted(chain: Chain) -> None:
    found = {
        (stream, kind): count
        for stream, kind, count in chain.star(
            "select stream_name, kind, row_count from marts.mart_totesys_oddities"
        )
    }
    day = DAY.format("agreed_delivery_date")
    ((no_day, astray),) = chain.company.source(
        f"select count(*) filter (where {day} is null), count(*) filter (where {KNOWN_PLACE} = -1) from sales_order"
    )
    ((nobody,),) = chain.company.source("select count(*) from counterparty where delivery_contact is null")
    assert found["sales_orders", "Agreed delivery is no day"] == no_day > 0
    assert found["sales_orders", "Delivered to an address that is not known"] == astray > 0
    assert found["counterparties", "Nobody for deliveries"] == nobody > 0


def test_rows_that_are_read_again_are_no_changes_and_new_ones_come_last(chain: Chain, tmp_path: Path) -> None:
    """A refresh in the source's place: raw has all rows once more, as a later read from the beginning."""
    own = Chain(chain.company, chain.warehouse.copy(tmp_path / "again"))
    before = own.star("from marts_totesys.fact_payment order by payment_record_id")
    own.warehouse.write(READ_AGAIN)
    own.build("--select", "stg_totesys_payments", "--select", "fact_payment", *WITHOUT_TESTS)
    assert own.star("from marts_totesys.fact_payment order by payment_record_id") == before


def test_what_a_later_read_of_the_whole_stream_lacks_is_deleted_and_odd_times_are_kept(
    chain: Chain, tmp_path: Path
) -> None:
    own = Chain(chain.company, chain.warehouse.copy(tmp_path / "deleted meanwhile"))
    current = "select payment_id from marts_totesys.fact_payment_current order by 1"
    before = own.star(current)
    own.warehouse.write(
        f"{READ_AGAIN} and payment_id <> 1;"
        " update totesys.payment set created_at = 'infinity', last_updated = '-infinity' where payment_id = 2",
    )
    models = ("stg_totesys_payments", "fact_payment", "fact_payment_current")
    own.build(*(word for name in models for word in ("--select", name)), *WITHOUT_TESTS)
    assert (1,) in before and own.star(current) == [row for row in before if row != (1,)]
    assert own.star("select count(*) > 0 from marts_totesys.fact_payment where payment_id = 1") == [(True,)]
    assert own.star(
        "select created_date, created_time, last_updated_date, last_updated_time"
        " from marts_totesys.fact_payment_current where payment_id = 2"
    ) == [(None, None, None, None)]


def test_by_cursor_a_fact_has_the_versions_that_syncs_have_seen(
    chain: Chain, company: Company, tmp_path: Path
) -> None:
    warehouse = chain.warehouse.copy(tmp_path / "by cursor")
    warehouse.write("drop schema totesys cascade; drop schema airbyte_internal cascade")
    own = Chain(Company(company.database, warehouse.home), warehouse)
    own.company.sync(by_cursor=True)
    for units in (1, 2):  # of two changes between two syncs the last one is seen
        own.company.write(
            f"update sales_order set units_sold = {units}, last_updated = clock_timestamp() where sales_order_id = 5"
        )
    own.company.sync(by_cursor=True)
    models = ("stg_totesys_sales_orders", "fact_sales_order", "fact_sales_order_current")
    own.build(*(word for name in models for word in ("--select", name)), *WITHOUT_TESTS)
    table, columns = FACTS["fact_sales_order"]
    assert own.star(
        "select * exclude (sales_record_id) from marts_totesys.fact_sales_order_current order by 1"
    ) == own.company.source(f"select {columns} from {table} order by 1")
    versions = own.star(
        "select units_sold from marts_totesys.fact_sales_order where sales_order_id = 5 order by sales_record_id"
    )
    assert len(versions) == 2 and versions[1] == (2,)
    assert own.star("select count(*) from marts_totesys.fact_sales_order") == [(601,)]


def test_models_are_built_empty_while_the_company_was_never_read(chain: Chain, tmp_path: Path) -> None:
    own = Chain(chain.company, chain.warehouse.copy(tmp_path / "empty"))
    own.warehouse.write("drop schema totesys cascade")
    own.build("--select", "tag:totesys", "--exclude", "resource_type:unit_test")
    assert own.star("select count(*) from marts_totesys.fact_sales_order") == [(0,)]
    assert own.star("select count(*) from marts_totesys.dim_staff") == [(1,)]


def test_without_the_source_no_model_of_it_is_there(chain: Chain, tmp_path: Path) -> None:
    own = chain.warehouse.copy(tmp_path / "without")
    listed = own.elt("build", "--select", "tag:totesys", environ={"ELT_SOURCES": "adventureworks"})
    assert listed.returncode == 2
    assert "no node matches" in listed.stderr


def test_every_model_has_what_a_model_must_have(chain: Chain, tmp_path: Path) -> None:
    manifest = json.loads((chain.warehouse.target / "manifest.json").read_text())
    names = {node["name"] for node in manifest["nodes"].values() if "totesys" in node.get("tags", [])}
    assert {"stg_totesys_staff", "fact_payment", "dim_totesys_date", "mart_totesys_orders"} <= names
    done = check(tmp_path, manifest)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stars_are_published_with_the_marts_under_that_companys_names(
    chain: Chain, tmp_path: Path
) -> None:
    own = chain.warehouse.copy(tmp_path / "published")
    done = own.elt("publish")
    assert done.returncode == 0, done.stderr
    shown = load_settings({"ELT_HOME": str(own.home)}).serving_path
    with duckdb.connect(shown, read_only=True) as connection:
        tables = dict(
            connection.execute(
                "select table_name, comment from duckdb_tables() where schema_name = 'marts_totesys'"
            ).fetchall()
        )
        schemas = {row[0] for row in connection.execute("select schema_name from duckdb_tables()").fetchall()}
        found = connection.execute("select count(*) from marts_totesys.fact_payment").fetchall()
    assert {*FACTS, *DIMENSIONS, "dim_date"} | {f"{fact}_current" for fact in FACTS} == set(tables)
    assert all(tables.values()), "each is described"
    assert schemas == {"marts", "marts_totesys"}
    assert found == chain.star("select count(*) from marts_totesys.fact_payment")
