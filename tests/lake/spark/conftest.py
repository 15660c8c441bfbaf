"""The shop in a lake and in a warehouse, its sales built by Spark and by dbt: once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spark.cluster import Workers
from spark.jobs import job
from spark.run import Place, run_job
from tests.fixtures.lake import Lake, seaweed_server
from tests.fixtures.source import SourceDatabase
from tests.fixtures.spark import Shop
from tests.fixtures.warm import run as warm_run

__all__ = ["seaweed_server"]

FACT = job("fact_sales")
ONE, TWO = (Place(Workers(count, 768)) for count in (1, 2))
MODELS_ONLY = ("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test")

# what a generated shop does not have: ties, orders that are free, of one price, and too large for 38 digits at once
AWKWARD = (
    "update sales.salesorderheader set taxamt = 0.0001, freight = 0.0002 where salesorderid % 7 = 0",
    "update sales.salesorderdetail set unitprice = 33.3333, unitpricediscount = 0.0005 where salesorderid % 7 = 0",
    "update sales.salesorderdetail set unitprice = 0 where salesorderid % 11 = 0",
    "update sales.salesorderdetail set unitprice = 98765432.1099 where salesorderid % 97 = 0",
    "update sales.salesorderdetail set unitprice = 12345678900000, unitpricediscount = 0 where salesorderid % 101 = 0",
    "update sales.salesorderheader set taxamt = 12345678901.2345 where salesorderid % 97 = 0 or salesorderid % 101 = 0",
    "update production.productcosthistory set standardcost = standardcost + 0.0003 where productid % 3 = 0",
    "delete from production.productlistpricehistory where productid % 5 = 0",
    "delete from production.productcosthistory where productid % 10 = 0",
    "update sales.salesorderheader set orderdate = orderdate - interval '20 years' where salesorderid % 53 = 0",
    "delete from sales.salesorderdetail where salesorderdetailid % 13 = 0",
    "update person.address set city = city || chr(160) || '|~' || chr(8195) || ' ' where addressid % 5 = 0",
    "update sales.salesorderheader set creditcardid = null, currencyrateid = null where salesorderid % 17 = 0",
)


def build(shop: Shop) -> None:
    """dbt's fct_sales, and what it is made of, in the warehouse."""
    words = ("build", "--select", "+fct_sales", *MODELS_ONLY)
    done = warm_run("elt", *words, environ=shop.environ | {"DBT_INDIRECT_SELECTION": "buildable"})
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


@pytest.fixture(scope="session")
def landed(
    seaweed_server: Lake, generated_source: SourceDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """The shop in the lake after three syncs, with awkward changes between; lines go while a sync leaves them out."""
    home = tmp_path_factory.mktemp("spark") / "home"
    shop = Shop(generated_source.copy(), seaweed_server.fresh(home), home)
    shop.land()
    shop.write("delete from sales.salesorderdetail where salesorderdetailid % 19 = 0")
    shop.land(without="salesorderdetail")
    shop.write(*AWKWARD)
    shop.land()
    yield shop
    shop.database.server.drop(shop.database)


@pytest.fixture(scope="session")
def built(landed: Shop) -> Shop:
    """And Spark has built the fact, on two workers."""
    run_job(landed.settings, FACT, TWO)
    return landed


@pytest.fixture(scope="session")
def modelled(built: Shop) -> Shop:
    """And dbt has, in the warehouse."""
    built.sync()
    build(built)
    return built


@pytest.fixture
def empty(seaweed_server: Lake, generated_source: SourceDatabase, tmp_path) -> Shop:
    """A lake without a table."""
    return Shop(generated_source, seaweed_server.fresh(tmp_path / "home"), tmp_path / "home")
