"""Random histories of the company: after each, raw, facts and their current rows are what plain SQL says of the source."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lake.load import replay
from tests.fixtures.lake import Lake
from tests.fixtures.source import SourceDatabase
from tests.fixtures.totesys import Company
from tests.lake.totesys.conftest import AUDIT, FACTS, Chain, record_number

HISTORIES = 50
DIMENSIONS = {
    "dim_totesys_location": "dim_location",
    "dim_totesys_currency": "dim_currency",
    **{
        name: name
        for name in ("dim_staff", "dim_design", "dim_counterparty", "dim_payment_type", "dim_transaction")
    },
}
CHANGES = (
    "update sales_order set agreed_delivery_date = 'next week' where sales_order_id = {0}",
    "update sales_order set unit_price = unit_price + 0.0001, last_updated = created_at - interval '1 day'"
    " where sales_order_id between {0} and {0} + 3",
    "update payment set paid = not paid where payment_id = {0}",
    "delete from purchase_order where purchase_order_id = {0}",
    "update purchase_order set agreed_delivery_location_id = -5 where purchase_order_id = {0}",
    "update address set address_id = address_id where address_id = 1 + {0} % 30",
)


@pytest.fixture
def fresh(
    chain: Chain, totesys_template: SourceDatabase, seaweed_server: Lake, tmp_path: Path
) -> Iterator[Chain]:
    """A company of its own, synced once, with the views that a build has left."""
    warehouse = chain.warehouse.copy(tmp_path / "histories")
    warehouse.write("drop schema totesys cascade; drop schema airbyte_internal cascade")
    own = totesys_template.copy()
    made = Chain(Company(own, warehouse.home, seaweed_server.fresh(warehouse.home)), warehouse)
    made.company.write(*(AUDIT.format(table) for table, _ in FACTS.values()))
    made.company.sync()  # the first versions
    yield made
    own.server.drop(own)


def run_models(fresh: Chain, compiled: Path) -> None:
    """The stars' models, as dbt has compiled them, without its start."""
    models = {
        **DIMENSIONS,
        **{fact: fact for fact in FACTS},
        **{f"{fact}_current": f"{fact}_current" for fact in FACTS},
    }
    with duckdb.connect(fresh.warehouse.path) as connection:
        connection.execute("set timezone = 'UTC'")
        for model, table in models.items():
            query = (compiled / f"{model}.sql").read_text()
            connection.execute(f"create or replace table marts_totesys.{table} as {query}")


def test_the_stars_are_what_the_source_says_after_random_histories(chain: Chain, fresh: Chain) -> None:
    compiled = (
        chain.warehouse.target / "compiled" / "adventureworks" / "models" / "marts" / "totesys" / "stars"
    )
    dice = random.Random(28)
    for history in range(HISTORIES):
        for _ in range(dice.randint(1, 2)):
            fresh.company.trade(dice.randint(1, 40), seed=dice.randrange(1 << 30))
            changes = dice.sample(CHANGES, dice.randint(0, 3))
            fresh.company.write(*(change.format(dice.randint(1, 400)) for change in changes))
            fresh.company.sync()
        run_models(fresh, compiled)
        for fact, (table, columns) in FACTS.items():
            assert fresh.history(fact) == fresh.expected(fact), f"history {history}"
            current = fresh.star(
                f"select * exclude ({record_number(fact)}) from marts_totesys.{fact}_current"
            )
            assert sorted(current, key=str) == sorted(
                fresh.company.source(f"select {columns} from {table}"), key=str
            ), f"history {history}"
    versions = fresh.star(
        "select count(*), count(distinct sales_order_id) from marts_totesys.fact_sales_order"
    )
    assert versions[0][0] > versions[0][1] > 600

    # of a table that was emptied at once nothing is current, and every version is still there
    fresh.company.write("truncate payment")
    fresh.company.sync()
    history = fresh.history("fact_payment")
    run_models(fresh, compiled)
    assert fresh.history("fact_payment") == history
    assert fresh.star("select count(*) from marts_totesys.fact_payment_current") == [(0,)]

    # the same from what was read alone, numbers of records included
    before = {fact: fresh.star(f"from marts_totesys.{fact} order by 1") for fact in FACTS}
    fresh.warehouse.write("drop schema totesys cascade")
    replay("totesys", fresh.company.settings)
    run_models(fresh, compiled)
    assert {fact: fresh.star(f"from marts_totesys.{fact} order by 1") for fact in FACTS} == before
