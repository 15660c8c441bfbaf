"""Facts that do not depend on scale or seed: countries, currencies, territories, catalogue … from `reference/*.csv`.

The files hold facts of the AdventureWorks sample (Microsoft, MIT licence) without dates, identifiers and persons:
those are made here and in the other rooms.
"""

from __future__ import annotations

import csv
import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from adventureworks.generator.columns import (
    Column,
    Frame,
    Plan,
    arrow_schema,
    moment,
    stamped,
    timestamps,
)
from adventureworks.schema import tables

FOLDER = Path(__file__).with_name("reference")

# tables that are their file, and what identifiers and dates are added to it
PLAIN = (
    "humanresources.department",
    "humanresources.shift",
    "person.addresstype",
    "person.contacttype",
    "person.phonenumbertype",
    "person.countryregion",
    "person.stateprovince",
    "production.culture",
    "production.location",
    "production.productcategory",
    "production.productsubcategory",
    "production.scrapreason",
    "production.unitmeasure",
    "purchasing.shipmethod",
    "sales.countryregioncurrency",
    "sales.currency",
    "sales.salesreason",
    "sales.salestaxrate",
    "sales.specialofferproduct",
)


class Facts:
    """A file of facts, by column. Empty cells are nulls."""

    def __init__(self, name: str) -> None:
        with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        self._columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        self.names, self.rows = header, len(rows)

    def text(self, column: str) -> list[str | None]:
        return [value or None for value in self._columns[column]]

    def strings(self, column: str) -> list[str]:
        """As `text`, of a column without nulls: an empty cell is an empty string."""
        return list(self._columns[column])

    def numbers(self, column: str, decimals: int = 0, missing: int = 0) -> np.ndarray:
        """Whole numbers of 10**-decimals; `missing` for empty cells."""
        return np.array(
            [_units(value, decimals) if value else missing for value in self._columns[column]], np.int64
        )

    def missing(self, column: str) -> np.ndarray:
        return np.array([value == "" for value in self._columns[column]])


def _units(value: str, decimals: int) -> int:
    whole, _, fraction = value.partition(".")
    return int(whole + fraction.ljust(decimals, "0")[:decimals])


@cache
def facts(name: str) -> Facts:
    """The facts of one file, read once."""
    return Facts(name)


def fact_columns(table: str, source: Facts) -> dict[str, Column]:
    """Every column of `table` that its file of facts has, in the table's type."""
    schema, catalogue = arrow_schema(table), {column.name: column for column in tables()[table].columns}
    columns: dict[str, Column] = {}
    for name in source.names:
        if name not in catalogue:
            continue
        values = source.text(name) if catalogue[name].nullable else source.strings(name)
        kind = schema.field(name).type
        if pa.types.is_boolean(kind):
            columns[name] = pa.array([value == "t" for value in values])
        elif pa.types.is_integer(kind):
            columns[name] = pa.array([None if value is None else int(value) for value in values], kind)
        elif pa.types.is_time(kind):
            columns[name] = pa.array(
                [None if value is None else datetime.time.fromisoformat(value) for value in values], kind
            )
        else:
            columns[name] = pa.array(values, pa.string())
    return columns


def reference(plan: Plan) -> list[Frame]:
    """The tables that are plain facts, and the special offers, whose dates hang on the opening."""
    frames = [stamped(plan, table, fact_columns(table, facts(table))) for table in PLAIN]
    offers = facts("sales.specialoffer")
    start, end = (plan.opening + offers.numbers(name) for name in ("startday", "endday"))
    frames.append(
        stamped(
            plan,
            "sales.specialoffer",
            fact_columns("sales.specialoffer", offers)
            | {
                "startdate": timestamps(start),
                "enddate": timestamps(end),
                # announced a month ahead
                "modifieddate": timestamps(np.minimum(start - 30, plan.last_day)),
            },
        )
    )
    return frames


def cataloged(plan: Plan) -> datetime.datetime:
    """The instant of the catalogue's last import: all products but one share it."""
    return moment(plan.last_day - 142, 36_096_827)
