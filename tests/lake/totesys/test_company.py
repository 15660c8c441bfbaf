"""The second company's database: the same seed gives the same rows, with the traps of such systems; it trades live."""

from __future__ import annotations

from datetime import date

from tests.fixtures import warm
from tests.fixtures.source import SourceDatabase
from tests.fixtures.totesys import SCALE, Company
from totesys import database

IS_DATE = "btrim({0}) ~ '^\\d{{4}}-\\d\\d-\\d\\d$' and pg_input_is_valid(btrim({0}), 'date')"
CHECKSUM = (
    "select count(*), md5(string_agg(entire::text, '|' order by entire::text)) from public.{} as entire"
)


def checksums(company: Company) -> dict[str, tuple[int, str]]:
    return {table: company.source(CHECKSUM.format(table))[0] for table in database.TABLES}


def test_the_same_seed_and_day_give_the_same_rows_in_place_of_the_old_ones(company: Company) -> None:
    before = checksums(company)
    company.trade(50)
    reader = company.database.server.config.source_reader
    with company.database.connect() as connection:
        database.generate(connection, SCALE, 43, date(2025, 6, 30), reader)
    other = checksums(company)
    with company.database.connect() as connection:
        rows = database.generate(connection, SCALE, 42, date(2025, 6, 30), reader)
    assert checksums(company) == before
    assert rows == {table: count for table, (count, _) in before.items()}
    assert other["sales_order"] != before["sales_order"]


def test_it_has_the_traps_of_such_systems(company: Company) -> None:
    is_date = IS_DATE.format("agreed_delivery_date")
    no_dates, padded, back, astray = company.source(
        f"select count(*) filter (where not ({is_date})),"
        f" count(*) filter (where ({is_date}) and agreed_delivery_date like ' %'),"
        " count(*) filter (where last_updated < created_at),"
        " count(*) filter (where agreed_delivery_location_id not in (select address_id from address)) from sales_order"
    )[0]
    assert min(no_dates, padded, back, astray) > 0
    nobody, all_of_them = company.source(
        "select count(*) filter (where delivery_contact is null), count(*) from counterparty"
    )[0]
    assert 0 < nobody < all_of_them
    ((unpaid,),) = company.source("select count(*) from payment where not paid")
    assert unpaid > 0


def test_trading_adds_changes_and_deletes_and_moves_last_updated_back(company: Company) -> None:
    company.write(
        "create table seen as select * from sales_order",
        "create table bought as select * from purchase_order",
    )
    done = company.trade(300)
    assert all(done.values()), done
    moved_back, newer = company.source(
        "select count(*) filter (where o.last_updated < s.last_updated),"
        " count(*) filter (where o.last_updated > s.last_updated) from sales_order o join seen s using (sales_order_id)"
    )[0]
    assert moved_back > 0 and newer > 0
    ((cancelled,),) = company.source(
        "select count(*) from bought where purchase_order_id not in (select purchase_order_id from purchase_order)"
    )
    assert cancelled > 0
    # each order has its transaction and its payment still
    assert company.source(
        "select count(*) from transaction t where not exists (select from payment p where p.transaction_id = t.transaction_id)"
        " or (sales_order_id is null and purchase_order_id not in (select purchase_order_id from purchase_order))"
    ) == [(0,)]


def test_its_commands_fill_it_trade_and_count(
    source_server, totesys_template: SourceDatabase, tmp_path
) -> None:
    """The database is there and empty, as a start of the stack leaves it."""
    own = source_server.create()
    company = Company(own, tmp_path)
    empty = warm.run("elt", "totesys", "status", environ=company.environ)
    assert (
        empty.returncode == 2
        and empty.stderr == "elt: the database totesys is empty — fill it: `elt totesys generate`\n"
    )
    filled = warm.run("elt", "totesys", "generate", "--scale", "0.01", "--if-empty", environ=company.environ)
    assert filled.returncode == 0, filled.stderr
    assert filled.stdout.endswith(f"/{own.database}\n")
    kept = warm.run("elt", "totesys", "generate", "--if-empty", environ=company.environ)
    assert kept.stdout == "totesys is filled already: kept\n"
    traded = warm.run("elt", "totesys", "run", "--events", "20", "--rate", "10000", environ=company.environ)
    assert traded.returncode == 0 and traded.stdout.startswith("new sales order: "), traded.stderr
    away = warm.run("elt", "totesys", "status", environ=company.environ | {"TOTESYS_DATABASE": "nowhere"})
    assert away.returncode == 2 and "has no database nowhere — add totesys to ELT_SOURCES" in away.stderr
    own.server.drop(own)
