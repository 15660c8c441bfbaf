"""A change data capture of many columns: a first load, then a sync after a few rows of every table have changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from psycopg import sql

from tests.benchmarks.engine import Run, engine
from tests.benchmarks.order_lines import OPTIONS
from tests.fixtures.source import SourceDatabase, make_server

MIB = 1 << 20
SCHEMA, PUBLICATION = "wide", "wide"
ROWS = 100  # of each table before the changes


@dataclass(frozen=True)
class Shape:
    """So many tables of so many columns: an integer key, then `types` in turn. `changed` rows of each are updated."""

    tables: int
    columns: int
    types: tuple[str, ...]
    changed: int

    @property
    def names(self) -> list[str]:
        return [f"t{number}" for number in range(self.tables)]

    @property
    def values(self) -> list[tuple[str, str]]:
        """Name and type of each column but the key."""
        return [(f"c{n}", self.types[n % len(self.types)]) for n in range(1, self.columns)]


SHAPES = {
    "mixed": Shape(300, 60, ("text", "integer"), 2),
    "integers": Shape(100, 50, ("integer",), 5),
    "text": Shape(250, 45, ("text",), 5),
    "one table": Shape(1, 1_200, ("text", "integer"), 5),
}


def wide(folder: Path, runs: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """By the shape's name: megabytes of the job's process at the most, seconds, rows, and whether the copy is exact."""
    server = make_server(folder, **OPTIONS)
    server.cluster.start()
    found = {}
    try:
        with engine(runs / "server") as jobs:
            for name in names:
                shape, database = SHAPES[name], server.create()
                fill(database, shape)
                method = {"method": "CDC", "replication_slot": database.database, "publication": PUBLICATION}
                warehouse = runs / f"{database.database}.duckdb"
                streams = [
                    {"namespace": SCHEMA, "name": table, "syncMode": "incremental_deduped_history"}
                    for table in shape.names
                ]
                connection = jobs.connection(database, streams, warehouse, method)
                first = jobs.sync(connection)
                change(database, shape)
                run = jobs.sync(connection)
                found[name] = figures(run) | {
                    "rows": run.rows,
                    "first_load_peak_mib": figures(first)["peak_mib"],
                    "first_load_seconds": figures(first)["seconds"],
                    "exact": run.rows == shape.tables * shape.changed and exact(database, warehouse, shape),
                }
                with database.connect("superuser", autocommit=True) as connected:
                    connected.execute("select pg_drop_replication_slot(%s)", [database.database])
    finally:
        server.cluster.stop()
    return found


def figures(run: Run) -> dict[str, Any]:
    return {"peak_mib": round(run.peak / MIB), "seconds": round(run.seconds, 2)}


def fill(database: SourceDatabase, shape: Shape) -> None:
    """The tables with their rows, published."""
    columns = ", ".join(f"{name} {type_}" for name, type_ in shape.values)
    values = ", ".join(f"(n + {number})::{type_}" for number, (_, type_) in enumerate(shape.values))
    reader = sql.Identifier(database.server.config.source_reader)
    with database.connect("superuser", autocommit=True) as connection:
        connection.execute(f"create schema {SCHEMA}")
        for name in shape.names:
            table = f"{SCHEMA}.{name}"
            connection.execute(f"create table {table} (id integer primary key, {columns})")
            connection.execute(f"insert into {table} select n, {values} from generate_series(1, {ROWS}) as n")
        connection.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(SCHEMA), reader))
        connection.execute(
            sql.SQL("grant select on all tables in schema {} to {}").format(sql.Identifier(SCHEMA), reader)
        )
        connection.execute(f"create publication {PUBLICATION} for all tables")


def change(database: SourceDatabase, shape: Shape) -> None:
    """One transaction that updates every column of some rows of every table."""
    with database.connect("superuser") as connection:
        for name in shape.names:
            new = ", ".join(
                f"{column} = " + (f"{column} || '!'" if type_ == "text" else f"{column} + 1000")
                for column, type_ in shape.values
            )
            connection.execute(f"update {SCHEMA}.{name} set {new} where id <= {shape.changed}")


def exact(database: SourceDatabase, warehouse: Path, shape: Shape) -> bool:
    """Whether every table is in the warehouse as it is in the source."""
    columns = ", ".join(["id", *(name for name, _ in shape.values)])
    with database.connect("superuser") as source, duckdb.connect(warehouse, read_only=True) as copy:
        for name in shape.names:
            query = f"select {columns} from {SCHEMA}.{name}"
            theirs = copy.execute(f"{query} where _ab_cdc_deleted_at is null order by id").fetchall()
            if source.execute(f"{query} order by id").fetchall() != theirs:
                return False
    return True
