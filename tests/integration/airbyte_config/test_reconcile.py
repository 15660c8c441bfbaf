"""Reconciling while a shop goes on: what has changed meanwhile is no difference, what was changed in raw is one."""

from __future__ import annotations

import threading

import duckdb
import pytest

from adventureworks.shop import live
from airbyte_config.jobs import sync
from airbyte_config.reconcile import NotReconciledError, reconcile
from airbyte_config.verify import moment, verify
from tests.integration.airbyte_config.conftest import Chain

NEWEST = "(select max(salesorderid) from sales.salesorderheader)"


class Run:
    """A sync with the moment before it, then `reconcile`, which may sync again."""

    def __init__(self, chain: Chain) -> None:
        self.chain, self.syncs = chain, 0

    def sync(self) -> str:
        before = moment(settings=self.chain.settings)
        sync(settings=self.chain.settings)
        self.syncs += 1
        return before

    def reconcile(self, since: str) -> dict[str, int]:
        results = reconcile("adventureworks", since, self.sync, settings=self.chain.settings)
        return {result.stream: result.source_rows for result in results}

    def source(self, statement: str) -> None:
        with self.chain.source.connect() as connection:
            connection.execute(statement)

    def raw(self, statement: str) -> None:
        with duckdb.connect(self.chain.settings.warehouse_path) as connection:
            connection.execute(statement)


@pytest.fixture
def run(chain: Chain) -> Run:
    return Run(chain)


def test_rows_that_the_source_changed_since_are_left_out_on_both_sides(run: Run) -> None:
    since = run.sync()
    rows = run.reconcile(since)
    run.source(f"update sales.salesorderheader set comment = 'later' where salesorderid = {NEWEST}")
    run.source("insert into sales.currency (currencycode, name) values ('XYZ', 'Later money')")
    run.source("update sales.customer set territoryid = territoryid")
    later = run.reconcile(since)
    assert run.syncs == 1
    assert later["sales.salesorderheader"] == rows["sales.salesorderheader"] - 1
    assert later["sales.currency"] == rows["sales.currency"]
    assert later["sales.customer"] == 0
    assert not all(result.equal for result in verify(settings=run.chain.settings))  # which leaves nothing out


def test_one_row_changed_in_raw_by_hand_fails_it_with_its_key(run: Run) -> None:
    since = run.sync()
    run.raw(
        "update adventureworks_sales.salesorderdetail set orderqty = orderqty + 1 where salesorderdetailid = 7"
    )
    with pytest.raises(NotReconciledError) as caught:
        run.reconcile(since)
    assert run.syncs == 2
    assert "sales.salesorderdetail: DIFFERS" in str(caught.value)
    assert "salesorderdetailid=7 differs in orderqty" in str(caught.value)
    assert [result.stream for result in caught.value.results] == ["sales.salesorderdetail"]


def test_a_row_that_raw_has_lost_is_an_error_although_another_one_only_came_late(run: Run) -> None:
    """A commit that the sync could not see: its row is missing at first, and is there after one more sync."""
    run.sync()
    run.source("insert into sales.currency (currencycode, name) values ('XYZ', 'Later money')")
    after = moment(settings=run.chain.settings)  # as when a sync that ran already is adopted
    assert run.reconcile(after)["sales.currency"] > 1
    assert run.syncs == 2
    run.raw("delete from adventureworks_sales.currency where currencycode = 'USD'")
    run.source("insert into sales.currency (currencycode, name) values ('XYY', 'Later money')")
    with pytest.raises(NotReconciledError, match="currencycode=USD is missing in raw") as caught:
        run.reconcile(moment(settings=run.chain.settings))
    assert "XYY" not in str(caught.value)


def test_at_most_five_keys_are_named(run: Run) -> None:
    since = run.sync()
    run.raw("update adventureworks_sales.salesorderheader set status = 1")
    with pytest.raises(NotReconciledError) as caught:
        run.reconcile(since)
    assert str(caught.value).count("salesorderid=") == 5


@pytest.mark.slow
def test_it_passes_every_time_while_the_shop_trades(run: Run) -> None:
    stop, done = threading.Event(), {}

    def trade() -> None:
        with run.chain.source.connect() as connection:
            done.update(live(connection, rate=20, stopped=stop.is_set))

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        for _ in range(4):
            run.reconcile(run.sync())
    finally:
        stop.set()
        thread.join()
    assert done["new_orders"] > 20
