"""The generator: AdventureWorks data made up from facts, small lists and repeatable chance.

Each room makes the tables of one area; `generate` runs them in the order in which they need each other.
"""

from __future__ import annotations

import datetime

import pyarrow as pa

from adventureworks.generator.addresses import addresses
from adventureworks.generator.columns import Frame, Plan
from adventureworks.generator.currencies import currency_rates
from adventureworks.generator.customers import customers
from adventureworks.generator.hr import employees
from adventureworks.generator.lines import lines
from adventureworks.generator.orders import book as open_book
from adventureworks.generator.people import number_people, people
from adventureworks.generator.production import production
from adventureworks.generator.products import catalogue, products
from adventureworks.generator.purchasing import buy, purchasing
from adventureworks.generator.reference import reference
from adventureworks.generator.sales import sales
from adventureworks.generator.salespeople import salespeople, sell
from adventureworks.schema import tables
from foundation.errors import EltError
from foundation.settings import SCALES

EARLIEST = datetime.date(2000, 1, 1)


def generate(
    scale: float = 1.0, seed: int = 42, as_of: datetime.date | None = None
) -> dict[str, pa.RecordBatchReader]:
    """All 68 tables as record batches, by "schema.table", parents before children.

    `scale` 1 has the original's row counts; orders, customers and what follows from them grow and shrink with it, the
    catalogue, the staff and the facts do not. The last orders are of the day `as_of` (default: today in UTC), and
    no timestamp of a change is later than its midnight. The same three arguments give the same rows on every machine.

    Memory: about 100 MB per unit of scale; the readers make the wide text as they are read, each can be read once.
    Raises EltError as `check` does.
    """
    as_of = as_of or _today()
    check(scale, as_of)
    plan = Plan(scale, seed, as_of)
    return {frame.table: frame.reader() for frame in frames(plan)}


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()  # the source's clock runs in UTC


def check(scale: float, as_of: datetime.date | None = None) -> None:
    """Raises EltError for a scale outside 0.01 … 10, and for a day before 2000 or still to come."""
    today = _today()
    if not SCALES[0] <= scale <= SCALES[1]:
        raise EltError(f"the scale {scale:g} is out of range", "choose one from 0.01 to 10")
    if as_of and not EARLIEST <= as_of <= today:
        raise EltError(
            f"the last day {as_of} is out of range", f"choose one from {EARLIEST} to today, {today} in UTC"
        )


def frames(plan: Plan) -> list[Frame]:
    """The tables to be, parents before children."""
    goods, book = catalogue(), open_book(plan)
    who = number_people(plan, book)
    basket = lines(plan, book, goods)
    sold = sell(plan, book, basket)
    bought = buy(plan, goods)
    made = [
        *reference(plan),
        *people(plan, book, who),
        *addresses(plan, book, who),
        *employees(plan),
        *products(plan, goods),
        *customers(plan, book, who),
        *salespeople(plan, book, sold),
        currency_rates(plan),
        *sales(plan, book, who, goods, basket, sold),
        *purchasing(plan, who, goods, bought),
        *production(plan, book, goods, basket, bought),
    ]
    return _parents_first({frame.table: frame for frame in made})


def _parents_first(made: dict[str, Frame]) -> list[Frame]:
    """The frames in an order in which no foreign key points forward."""
    ordered: dict[str, Frame] = {}

    def place(table: str) -> None:
        if table not in ordered:
            for key in tables()[table].foreign_keys:
                place(key.references)
            ordered[table] = made[table]

    for table in sorted(made):
        place(table)
    return list(ordered.values())
