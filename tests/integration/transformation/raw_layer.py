"""A raw layer written by hand, typed as a sync leaves it, and dbt run on it as a user runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb
import yaml

from adventureworks.schema import Table, tables
from foundation.settings import ROOT
from foundation.warehouse import NEW_FILE
from tests.fixtures import warm
from transformation.project import PROJECT

BIN = Path(sys.executable).parent
CONNECTION = ROOT / "data-integration" / "connections" / "connections" / "adventureworks.yaml"
TEXT = re.compile(r"numeric$|char|varchar|text|xml")

# what a not-null column holds that a test does not care about
FILLERS = {
    "VARCHAR": "''",
    "UUID": "uuid()",
    "BOOLEAN": "false",
    "TIMESTAMP": "timestamp '2024-01-01'",
    "DATE": "date '2024-01-01'",
    "TIME": "time '07:00'",
}
METADATA = "_airbyte_raw_id varchar, _airbyte_extracted_at timestamptz, _airbyte_meta json, _airbyte_generation_id bigint"
CAPTURED = "_ab_cdc_lsn bigint, _ab_cdc_updated_at varchar, _ab_cdc_deleted_at varchar"


@cache
def streams() -> dict[str, list[str]]:
    """Columns of each stream of the connection, by "schema.table"."""
    declared = yaml.safe_load(CONNECTION.read_text())["streams"]
    selected = {f"{each['namespace']}.{each['name']}": each.get("selectedFields") for each in declared}
    return {name: fields or list(tables()[name].column_names) for name, fields in selected.items()}


def raw_type(declared: str) -> str:
    """DuckDB's type for a source column; a numeric without precision travels as text."""
    if declared.startswith("numeric("):
        return declared.replace("numeric", "DECIMAL")
    return "VARCHAR" if TEXT.match(declared) else declared.replace("bytea", "BLOB").upper()


@dataclass
class Warehouse:
    """A warehouse under its own `ELT_HOME`."""

    home: Path

    @property
    def path(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def target(self) -> Path:
        """Where `elt build` lets dbt leave its artefacts."""
        return self.home / "dbt" / "target"

    def copy(self, home: Path) -> Warehouse:
        """The same warehouse in another place, with dbt's parsed project, so that it need not be parsed again."""
        copy = Warehouse(home)
        home.mkdir(exist_ok=True)
        shutil.copyfile(self.path, copy.path)
        copy.target.mkdir(parents=True)
        shutil.copy(self.target / "partial_parse.msgpack", copy.target)
        return copy

    @property
    def environ(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "ELT_"))}
        return mine | {"ELT_HOME": str(self.home), "ELT_LEASE_WAIT_SECONDS": "0.2"}

    def create_raw(self, captured: bool = True) -> None:
        """All streams, empty; as change data capture leaves them, or as a sync by cursor does."""
        extra = f"{METADATA}, {CAPTURED}" if captured else METADATA
        # a file as the destination makes it
        with duckdb.connect(self.path, config=NEW_FILE) as connection:
            for name, columns in streams().items():
                table = tables()[name]
                connection.execute(f"create schema if not exists adventureworks_{table.schema}")
                types = {column.name: raw_type(column.type) for column in table.columns}
                declared = ", ".join(f'"{column}" {types[column]}' for column in columns)
                connection.execute(f"create table {raw_name(table)} ({declared}, {extra})")

    def sync(self, extracted_at: str, changes: dict[str, list[dict[str, Any]]]) -> None:
        """Rows as a deduplicating sync would bring them: new keys added, known ones replaced.

        A replaced row keeps the columns that are not given; a new one gets fillers where it must not be null.
        """
        with duckdb.connect(self.path) as connection:
            connection.execute("set timezone = 'UTC'")
            for name, rows in changes.items():
                for row in rows:
                    self._upsert(connection, tables()[name], row, extracted_at)

    def _upsert(
        self, connection: duckdb.DuckDBPyConnection, table: Table, row: dict[str, Any], extracted_at: str
    ) -> None:
        target, key = raw_name(table), " and ".join(f"{column} = ?" for column in table.primary_key)
        key_values = [row[column] for column in table.primary_key]
        values = row | {"_airbyte_extracted_at": extracted_at}
        if connection.execute(f"select count(*) from {target} where {key}", key_values).fetchone()[0]:
            assignments = ", ".join(f'"{column}" = ?' for column in values)
            connection.execute(
                f"update {target} set {assignments} where {key}", [*values.values(), *key_values]
            )
            return
        fillers = {
            column.name: (
                "0" if column.type.startswith("numeric") else FILLERS.get(raw_type(column.type), "0")
            )
            for column in table.columns
            if not column.nullable and column.name not in row and column.name in streams()[table.qualified]
        }
        columns = ", ".join(f'"{column}"' for column in [*values, *fillers])
        marks = ", ".join(["?"] * len(values) + list(fillers.values()))
        connection.execute(f"insert into {target} ({columns}) values ({marks})", list(values.values()))

    def delete(self, name: str, condition: str, extracted_at: str = "2025-06-02 00:00:00+00") -> None:
        """Rows deleted in the source, as change data capture leaves them: the key, and when."""
        table = tables()[name]
        values = [column for column in streams()[name] if column not in table.primary_key]
        gone = ", ".join(f'"{column}" = null' for column in values)
        with duckdb.connect(self.path) as connection:
            connection.execute(
                f"update {raw_name(table)} set {gone}, _ab_cdc_deleted_at = '2025-06-01T12:00:00Z',"
                f" _airbyte_extracted_at = timestamptz '{extracted_at}' where {condition}"
            )

    def load_original(self, folder: Path) -> None:
        """The streams from the original's CSV files, as a sync by cursor leaves them."""
        self.create_raw(captured=False)
        with duckdb.connect(self.path) as connection:
            for name, columns in streams().items():
                table = tables()[name]
                names = {column.name: "VARCHAR" for column in table.columns}
                values = ", ".join(
                    (
                        f'from_hex("{column.name}"[3:])'
                        if column.type == "bytea"
                        else f'cast("{column.name}" as {raw_type(column.type)})'
                    )
                    for column in table.columns
                    if column.name in columns
                )
                connection.execute(
                    f"""
                    insert into {raw_name(table)}
                    select {values}, cast(uuid() as varchar), timestamptz '2025-01-01 00:00:00+00', null, 0
                    from read_csv('{folder}/{name}.csv.gz', header = true, columns = {names}, quote = '"', escape = '"',
                        new_line = '\\n', max_line_size = 20000000, allow_quoted_nulls = false)
                    """
                )

    def elt(self, *arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`elt …` as a process of its own."""
        return warm.run("elt", *arguments, environ=self.environ | (environ or {}))

    def dbt(
        self,
        *arguments: str,
        cwd: Path | None = None,
        environ: dict[str, str] | None = None,
        project: Path = PROJECT,
    ) -> subprocess.CompletedProcess[str]:
        """dbt as Cosmos or a person starts it: another working directory, little in the environment."""
        place = ["--project-dir", project, "--profiles-dir", project]
        output = ["--target-path", self.target, "--log-path", self.home / "logs"]
        environ = self.environ | {"DBT_DEVELOPER": "ana"} | (environ or {})
        return warm.run("dbt", *arguments, *place, *output, environ=environ, cwd=cwd or self.home)

    def build(self, *arguments: str) -> str:
        """`elt build …`, which must succeed; its output."""
        done = self.elt("build", *arguments)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr
        return done.stdout

    def build_noting(self, *arguments: str) -> list[str]:
        """The same; the names of the files that the build opened."""
        with NamedTemporaryFile("r") as opened:
            done = self.elt("build", *arguments, environ={warm.OPENED: opened.name})
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr
            return opened.read().splitlines()

    def rows(self, query: str) -> list[tuple]:
        """The answer of a query."""
        with duckdb.connect(self.path, read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.execute(query).fetchall()

    def write(self, statement: str) -> None:
        """Change the warehouse by hand."""
        with duckdb.connect(self.path) as connection:
            connection.execute(statement)

    def row(self, query: str) -> tuple:
        """The answer's only row."""
        (row,) = self.rows(query)
        return row


def raw_name(table: Table) -> str:
    """The raw table of a source table."""
    return f'adventureworks_{table.schema}."{table.name}"'
