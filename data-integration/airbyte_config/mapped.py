"""What the mappers of a stream make of its source's columns, and how `verify` makes the same in SQL.

Written down a second time on purpose, as the types of the raw layer are: `verify` must not ask the sync engine how.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from psycopg.sql import SQL, Composable, Identifier, Literal

from airbyte_config.mapper_models import TYPE
from airbyte_config.raw_types import base_name, raw_type
from airbyte_config.source import Table
from foundation.errors import EltError
from foundation.quoting import quoted

HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256"}  # that DuckDB has


@dataclass(frozen=True)
class Column:
    """A column of raw: the source's column that it is made of, by which SQL of DuckDB, and its type in raw.

    `hidden`: why its values cannot be made here, "" when they can. `as_text`: it is made of the source's output form.
    """

    source: str
    sql: str
    type: str
    hidden: str = ""
    as_text: bool = False


@dataclass
class Mapped:
    """A stream's columns in raw, by name, and which rows of the source it has (SQL of PostgreSQL; None: all)."""

    columns: dict[str, Column] = field(default_factory=dict)
    where: Composable | None = None

    @property
    def compared(self) -> dict[str, Column]:
        """The columns whose values can be made here."""
        return {name: column for name, column in self.columns.items() if not column.hidden}

    @property
    def left_out(self) -> tuple[str, ...]:
        """The others, each with its reason."""
        return tuple(f"{name} ({column.hidden})" for name, column in self.columns.items() if column.hidden)

    def typed(self, types: dict[str, str]) -> Mapped:
        """The same with the types that raw has, by column."""
        columns = {name: replace(column, type=types[name]) for name, column in self.columns.items()}
        return Mapped(columns, self.where)

    def name_of(self, source: str) -> str | None:
        """What a column of the source is called in raw."""
        return next((name for name, column in self.columns.items() if column.source == source), None)


def mapped(table: Table, selected: list[str], mappers: list[dict[str, Any]]) -> Mapped:
    """The selected columns of a table after these mappers. Raises EltError for what cannot be."""
    made = Mapped({name: Column(name, quoted(name), raw_type(table.columns[name])) for name in selected})
    for mapper in mappers:
        kind, given = TYPE(mapper["type"]), mapper["mapperConfiguration"]
        if kind == TYPE.ROW_FILTERING:
            _filter(made, table, given["conditions"])
            continue
        old = given["originalFieldName"] if kind == TYPE.FIELD_RENAMING else given["targetField"]
        if old not in made.columns:
            raise EltError(
                f"{table.schema}.{table.name}: its {kind.value} mapper names {old}, which is not there",
                f"correct it; there are: {', '.join(made.columns)}",
            )
        column = made.columns[old]
        if kind == TYPE.FIELD_FILTERING:
            del made.columns[old]
            continue
        name = (
            given["newFieldName"]
            if kind == TYPE.FIELD_RENAMING
            else f"{old}{given.get('fieldNameSuffix', '')}"
        )
        if kind == TYPE.HASHING:
            column = _hashed(column, given["method"])
        elif kind == TYPE.ENCRYPTION:
            column = Column(column.source, "", "VARCHAR", "encrypted")
        made.columns = {
            name if one == old else one: column if one == old else kept for one, kept in made.columns.items()
        }
    return made


def _hashed(column: Column, method: str) -> Column:
    if column.hidden or method not in HASHES:
        return Column(column.source, "", "VARCHAR", column.hidden or f"hashed with {method}")
    return Column(column.source, f"{HASHES[method]}({column.sql})", "VARCHAR", as_text=True)


def _filter(made: Mapped, table: Table, conditions: dict[str, Any]) -> None:
    negated = conditions["type"] == "NOT"
    equals = [_equal(made, table, one) for one in (conditions["conditions"] if negated else [conditions])]
    found = SQL("(") + SQL(" or ").join(equals) + SQL(")")
    found = SQL("not ") + found if negated else found
    made.where = found if made.where is None else made.where + SQL(" and ") + found


def _equal(made: Mapped, table: Table, condition: dict[str, Any]) -> Composable:
    name = condition["fieldName"]
    column = made.columns.get(name)
    if column is None or column.sql != quoted(column.source):
        raise EltError(
            f"{table.schema}.{table.name}: its row filter reads {name}, which is not there or hidden",
            "filter before the field is hidden",
        )
    identifier: Composable = Identifier(column.source)
    if base_name(table.columns[column.source]) == "character":  # whose own comparison passes over blanks
        identifier = SQL("format('%s', {})").format(identifier)
    return SQL("({} = {}) is true").format(identifier, Literal(condition["comparisonValue"]))
