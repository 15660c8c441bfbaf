"""The jobs: what each reads, and the table that it makes. Its query is in the file of its name."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import EltError
from foundation.settings import ROOT

HERE = Path(__file__).parent
SEEDS = ROOT / "data-transformation" / "seeds"


@dataclass(frozen=True)
class Table:
    """A table of the lake (`namespace.table`) with the key of its rows. `spread`: the column by which a large one is shared out among
    the workers."""

    identifier: str
    key: tuple[str, ...]
    spread: str = ""


@dataclass(frozen=True)
class Job:
    """A query over tables of the lake, which its text knows by their last names, and over dbt's seeds."""

    name: str
    tables: tuple[Table, ...]
    seeds: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The table that it makes."""
        return f"marts.{self.name}"

    @property
    def query(self) -> str:
        return (HERE / f"{self.name}.sql").read_text()

    @property
    def grain(self) -> str:
        """As the query's first line says it."""
        return self.query.splitlines()[0].removeprefix("-- grain: ")

    @property
    def seed_rows(self) -> dict[str, list[dict[str, str]]]:
        return {name: list(csv.DictReader((SEEDS / f"{name}.csv").open())) for name in self.seeds}


JOBS = (
    Job(
        "fact_sales",
        (
            Table("adventureworks_sales.salesorderheader", ("salesorderid",), spread="salesorderid"),
            Table(
                "adventureworks_sales.salesorderdetail",
                ("salesorderid", "salesorderdetailid"),
                spread="salesorderid",
            ),
            Table("adventureworks_sales.specialoffer", ("specialofferid",)),
            Table("adventureworks_sales.salesperson", ("businessentityid",)),
            Table("adventureworks_sales.salesterritory", ("territoryid",)),
            Table("adventureworks_sales.creditcard", ("creditcardid",)),
            Table("adventureworks_sales.currency", ("currencycode",)),
            Table("adventureworks_sales.currencyrate", ("currencyrateid",)),
            Table("adventureworks_person.address", ("addressid",)),
            Table("adventureworks_purchasing.shipmethod", ("shipmethodid",)),
            Table("adventureworks_production.product", ("productid",)),
            Table("adventureworks_production.productcosthistory", ("productid", "startdate")),
            Table("adventureworks_production.productlistpricehistory", ("productid", "startdate")),
        ),
        ("order_statuses", "sales_channels"),
    ),
)


def job(name: str) -> Job:
    """The job of that name. Raises EltError that names those there are."""
    for each in JOBS:
        if each.name == name:
            return each
    raise EltError(
        f"there is no job {name}",
        f"those there are: {', '.join(each.name for each in JOBS)} (elt spark jobs)",
    )
