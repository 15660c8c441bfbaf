"""Rows that are kept for some days and no longer: `retention.yml`, next to the DAGs, has the rules.

Only tables that grow by appending have one. A table that mirrors a stream of PostgreSQL has the source's rows, and what is
built from raw follows raw.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml

from foundation.errors import EltError
from foundation.lease import lease
from foundation.quoting import quoted
from foundation.settings import ROOT, Settings
from foundation.warehouse import first_line, wait_until_writable

RULES = ROOT / "data-orchestration" / "retention.yml"
MIRRORED = "adventureworks_"  # the schemas of the shop's streams begin so
LONGEST = 36_500  # days


@dataclass(frozen=True)
class Rule:
    """Rows of `table` (schema.name) go when `column`, a date or a moment, is more than `days` days ago."""

    table: str
    column: str
    days: int

    def condition(self) -> str:
        """In DuckDB's SQL; a row without a moment stays."""
        return f"{quoted(self.column)} < now()::timestamp - interval {self.days} day"

    def relation(self) -> str:
        """The table's name, quoted."""
        return ".".join(map(quoted, self.table.split(".")))


def rules(path: Path = RULES) -> list[Rule]:
    """The rules of a file. Raises EltError with the file, the table and the remedy."""
    try:
        document = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise EltError(f"{path.name} is no YAML: {first_line(error)}", f"mend {path}") from None
    if not isinstance(document, dict):
        raise EltError(f"{path.name} is no mapping of tables", f"write `schema.table: …` into {path}")
    return [_rule(path, str(table), what) for table, what in document.items()]


def _rule(path: Path, table: str, what: Any) -> Rule:
    def wrong(reason: str, remedy: str) -> EltError:
        return EltError(f"{path.name}: {table}: {reason}", remedy)

    if table.count(".") != 1 or not all(table.split(".")):
        raise wrong("is no schema and table", "write it as schema.table")
    if table.startswith(MIRRORED):
        raise wrong(
            "mirrors the source, whose rows it must have", "delete the rows in the source; the sync follows"
        )
    if not isinstance(what, dict) or what.keys() != {"column", "days"}:
        raise wrong("has not the keys column and days", "write {column: …, days: …}")
    days = what["days"]
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= LONGEST:
        raise wrong(f"days is {days!r}", f"give a whole number from 1 to {LONGEST}")
    return Rule(table, str(what["column"]), days)


def overdue(settings: Settings, by: list[Rule]) -> dict[Rule, int]:
    """How many rows would go, by rule. Raises EltError."""
    return _each(settings, by, "select count(*) from {table} where {condition}")


def remove(settings: Settings, by: list[Rule]) -> dict[Rule, int]:
    """Delete what is overdue, by all rules or by none; how many rows went, by rule. Raises EltError."""
    return _each(settings, by, "delete from {table} where {condition}")


def _each(settings: Settings, by: list[Rule], statement: str) -> dict[Rule, int]:
    """The count that a statement gives for each rule whose table is there, in one transaction under the lease."""
    if settings.dbt_target not in ("duckdb", "dev"):
        raise EltError(
            f"retention is not built yet for the dbt target {settings.dbt_target}",
            "set DBT_TARGET=duckdb, or delete by hand: dbt's role may not write raw",
        )
    warehouse = settings.warehouse_path
    if not warehouse.exists():
        return {}
    wait_seconds = settings.elt_lease_wait_seconds
    with lease(warehouse, "privacy retention", wait_seconds):
        wait_until_writable(warehouse, time.monotonic() + wait_seconds)
        return _counted(warehouse, by, statement)


def _counted(warehouse: Path, by: list[Rule], statement: str) -> dict[Rule, int]:
    found: dict[Rule, int] = {}
    with duckdb.connect(warehouse) as connection:
        connection.execute("set timezone = 'UTC'; begin")
        for rule in by:
            there = "select 1 from duckdb_tables() where schema_name || '.' || table_name = ?"
            if connection.execute(there, [rule.table]).fetchone() is None:
                continue
            try:
                query = statement.format(table=rule.relation(), condition=rule.condition())
                [(found[rule],)] = connection.execute(query).fetchall()
            except duckdb.Error as error:
                raise EltError(
                    f"{RULES.name}: {rule.table}: {first_line(error)}", f"mend the rule in {RULES}"
                ) from None
        connection.execute("commit")
    return found
