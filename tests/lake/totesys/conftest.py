"""The second company, its warehouse and its stars: built once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fixtures.lake import Lake, seaweed_server
from tests.fixtures.source import SourceDatabase
from tests.fixtures.totesys import Company, company, totesys_template
from tests.integration.transformation.raw_layer import Warehouse
from tests.integration.transformation.small_shop import FIRST_SYNC, order

__all__ = ["company", "seaweed_server", "totesys_template"]

SOURCES = {"ELT_SOURCES": "adventureworks,totesys", "DBT_INDIRECT_SELECTION": "buildable"}
NEEDED = ("+dim_date", "+dim_currency", "stg_currency_rates")
WITHOUT_TESTS = ("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test")
TOTESYS = ("--select", "tag:totesys", "--select", "int_date_range", "--select", "dim_date")

# the source keeps none: in the tests it does
AUDIT = """
create table audit_{0} as select row_number() over () as version, {0}.* from {0};
create sequence audit_{0}_version start 1000000;
create function audit_{0}() returns trigger language plpgsql as
$$ begin insert into audit_{0} select nextval('audit_{0}_version'), new.*; return null; end $$;
create trigger audit after insert or update on {0} for each row execute function audit_{0}();
"""
DAY = (
    "case when btrim({0}) ~ '^\\d{{4}}-\\d\\d-\\d\\d$' and pg_input_is_valid(btrim({0}), 'date')"
    " then case when btrim({0})::date between '1900-01-01' and '2099-12-31' then btrim({0})::date end end"
)
TIMES = "created_at::date, created_at::time, last_updated::date, last_updated::time"
KNOWN_PLACE = "coalesce((select address_id from address where address_id = agreed_delivery_location_id), -1)"
FACTS = {
    "fact_sales_order": (
        "sales_order",
        f"sales_order_id, {TIMES}, staff_id, counterparty_id, units_sold, unit_price, currency_id, design_id,"
        f" {DAY.format('agreed_payment_date')}, {DAY.format('agreed_delivery_date')}, {KNOWN_PLACE}",
    ),
    "fact_purchase_order": (
        "purchase_order",
        f"purchase_order_id, {TIMES}, staff_id, counterparty_id, item_code, item_quantity, item_unit_price, currency_id,"
        f" {DAY.format('agreed_delivery_date')}, {DAY.format('agreed_payment_date')}, {KNOWN_PLACE}",
    ),
    "fact_payment": (
        "payment",
        f"payment_id, {TIMES}, transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid,"
        f" {DAY.format('payment_date')}",
    ),
}
ADDRESS = "address_line_1, address_line_2, district, city, postal_code, country, '***' || right(phone, 2)"
DIMENSIONS = {
    "dim_staff": "select staff_id, first_name, last_name, department_name, location,"
    " left(email_address, 1) || '***@' || split_part(email_address, '@', 2) from staff join department using (department_id)",
    "dim_location": f"select address_id, {ADDRESS} from address",
    "dim_design": "select design_id, design_name, file_location, file_name from design",
    "dim_currency": "select currency_id, currency_code from currency",
    "dim_counterparty": f"select counterparty_id, counterparty_legal_name, {ADDRESS} from counterparty"
    " join address on address_id = legal_address_id",
    "dim_payment_type": "select payment_type_id, payment_type_name from payment_type",
    "dim_transaction": "select transaction_id, transaction_type, sales_order_id, purchase_order_id from transaction",
}
COLUMNS = {"dim_currency": "currency_id, currency_code"}


@dataclass
class Chain:
    """The company, and the warehouse that holds its raw tables next to the shop's (which are all but empty)."""

    company: Company
    warehouse: Warehouse

    def build(self, *arguments: str, further: str = "") -> None:
        """`further`: sources in use besides."""
        environ = SOURCES | {"ELT_SOURCES": SOURCES["ELT_SOURCES"] + further}
        done = self.warehouse.elt("build", *(arguments or TOTESYS), environ=environ)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr

    def star(self, query: str) -> list[tuple[Any, ...]]:
        return self.warehouse.rows(query)

    def history(self, fact: str) -> list[tuple[Any, ...]]:
        """Each version of each row, in order, as the star has it."""
        (key,) = FACTS[fact][1].split(",")[:1]
        return self.star(
            f"select * exclude ({record_number(fact)}) from marts_totesys.{fact} order by {key}, {record_number(fact)}"
        )

    def expected(self, fact: str) -> list[tuple[Any, ...]]:
        """The same as the source's triggers noted it, without versions that are equal to the one before."""
        table, columns = FACTS[fact]
        return self.company.source(
            f"select {columns} from ("
            f" select *, audit is distinct from lag(audit) over (partition by {table}_id order by version) as is_change"
            f" from (select a.*, to_jsonb(a) - 'version' as audit from audit_{table} as a) as noted"
            f") as changes where is_change order by {table}_id, version"
        )


def record_number(fact: str) -> str:
    return f"{fact.split('_')[1]}_record_id"


@pytest.fixture(scope="session")
def chain(
    totesys_template: SourceDatabase, seaweed_server: Lake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    """Three syncs by way of the lake with trade between them, then a build with all tests of the company's models."""
    home = tmp_path_factory.mktemp("stars")
    warehouse = Warehouse(home)
    warehouse.create_raw()
    currencies = [
        {"currencycode": code, "name": f"Name of {code}"} for code in ("GBP", "USD", "EUR", "CAD", "AUD")
    ]
    warehouse.sync(
        FIRST_SYNC,
        {
            "sales.salesorderheader": [order(1, 1, "2022-05-01", "10.00")],
            "sales.currency": currencies,
            "sales.currencyrate": [
                {
                    "currencyrateid": 1,
                    "currencyratedate": "2024-01-01",
                    "fromcurrencycode": "USD",
                    "tocurrencycode": "GBP",
                    "averagerate": "0.8",
                    "endofdayrate": "0.8",
                }
            ],
        },
    )
    own = totesys_template.copy()
    made = Chain(Company(own, home, seaweed_server.fresh(home)), warehouse)
    made.company.write(*(AUDIT.format(table) for table, _ in FACTS.values()))
    made.company.sync()
    made.company.write(
        # twice in one transaction, then as it was; and once without any change
        "update sales_order set units_sold = units_sold + 1 where sales_order_id = 7",
        "update sales_order set units_sold = units_sold - 1 where sales_order_id = 7",
        "update sales_order set units_sold = units_sold where sales_order_id = 8",
        "update sales_order set unit_price = 123456789.1234, agreed_payment_date = '31/12/2024' where sales_order_id = 9",
        "update currency set last_updated = last_updated where currency_id = 1",
    )
    made.company.trade(150)
    made.company.sync()
    made.company.trade(150, seed=2)
    made.company.sync()
    made.build(*(word for name in NEEDED for word in ("--select", name)), *WITHOUT_TESTS)
    made.build()
    yield made
    own.server.drop(own)
