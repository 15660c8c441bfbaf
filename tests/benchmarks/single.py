"""airbyte_local alone: nothing changed, a little changed, growing tables, one huge value. Each answers a list of rows."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from psycopg import sql

from adventureworks.arrow import csv_chunks
from adventureworks.database import replace_all
from adventureworks.generator import generate
from adventureworks.schema import tables
from airbyte_config import client
from airbyte_config.apply import apply
from foundation.settings import load_settings
from tests.benchmarks.contestants import Field
from tests.benchmarks.engine import Run, engine, totals
from tests.benchmarks.order_lines import DATABASE, TABLE, order_lines

MIB = 1 << 20
SCALE, SEED, AS_OF = 1.0, 42, date(2025, 6, 30)  # AdventureWorks in its original size
UNCHANGED_SYNCS = 5
PART = 100  # every hundredth line changes

Figures = dict[str, list[dict[str, Any]]]


def figures(what: str, run: Run, **more: Any) -> dict[str, Any]:
    """One job as a row of a table."""
    return {
        "sync": what,
        "rows": run.rows,
        "seconds": round(run.seconds, 2),
        "peak_mib": round(run.peak / MIB),
        **more,
    }


def unchanged(source: Path, runs: Path) -> Figures:
    """All streams of the repository's connection: the first sync, then some with nothing new."""
    with order_lines(source) as lines, engine(runs / "server") as server:
        with lines.connect() as conn:
            conn.execute(f"truncate {TABLE.qualified}")
        chunks = {
            name: csv_chunks(tables()[name], data)
            for name, data in generate(scale=SCALE, seed=SEED, as_of=AS_OF).items()
        }
        reader = lines.database.server.config.source_reader
        with lines.database.connect() as conn:
            replace_all(conn, chunks, reader=reader)
        with lines.connect() as conn:
            conn.execute("vacuum (freeze, analyze)")
            conn.execute("checkpoint")
        environ = server.server.environ_with(lines.database, runs / "elt")
        settings = load_settings(
            environ | {"SOURCE_DATABASE": DATABASE, "AIRBYTE_WORKSPACE": server.workspace_id}
        )
        apply(settings=settings)
        api = client.sdk(settings)
        connection_id = client.connection_id(api, "adventureworks", settings)
        rows = [figures("first", server.sync(connection_id))]
        for _ in range(UNCHANGED_SYNCS):
            rows.append(figures("nothing changed", server.sync(connection_id)))
    return {"unchanged": rows}


def increment(field: Field, rows: int) -> Figures:
    """A full load, then a sync after every hundredth line has changed."""
    field.lines.fill(rows)
    warehouse = field.warehouse()
    connection_id = field.engine.connect(field.lines, warehouse)
    full = field.engine.sync(connection_id)
    changed = field.lines.change(PART)
    part = field.engine.sync(connection_id)
    exact = totals(warehouse) == field.lines.totals()
    return {
        "increment": [
            figures("full load", full, changed=0, of_full_load=1.0, exact=exact),
            figures(
                "1 % changed",
                part,
                changed=changed,
                of_full_load=round(part.seconds / full.seconds, 3),
                exact=exact,
            ),
        ]
    }


def linear(field: Field, sizes: list[int]) -> Figures:
    """Full loads of growing tables."""
    found = []
    for rows in sorted(sizes):
        field.lines.fill(rows)
        warehouse = field.warehouse()
        run = field.engine.sync(field.engine.connect(field.lines, warehouse))
        exact = totals(warehouse) == field.lines.totals()
        size = round(warehouse.stat().st_size / MIB)
        warehouse.unlink()
        rate = round(run.rows / run.seconds)
        found.append(figures("full load", run, rows_per_second=rate, file_mib=size, exact=exact))
    return {"linear": found}


def large_value(field: Field, megabytes: int) -> Figures:
    """One row whose text has so many megabytes, among some ordinary ones: a first sync, and one after it has changed."""
    size = megabytes * 10**6
    with field.lines.connect() as conn:
        conn.execute(sql.SQL("truncate {}").format(TABLE.identifier))
        conn.execute(sql.SQL("alter table {} alter carriertrackingnumber type text").format(TABLE.identifier))
    field.lines.fill(1000)
    grow = sql.SQL("update {} set carriertrackingnumber = repeat({}, {}) where salesorderdetailid = 500")
    warehouse = field.warehouse()
    connection_id = field.engine.connect(field.lines, warehouse)
    found = []
    for letter in ("a", "b"):
        with field.lines.connect() as conn:
            conn.execute(grow.format(TABLE.identifier, letter, size))
        run = field.engine.sync(connection_id)
        with duckdb.connect(warehouse, read_only=True) as connection:
            arrived = connection.execute(
                f"select carriertrackingnumber from {TABLE.qualified} where salesorderdetailid = 500"
            ).fetchone()[0]
        found.append(figures(f"value of {megabytes} MB", run, exact=arrived == letter * size))
    with field.lines.connect() as conn:
        conn.execute(sql.SQL("truncate {}").format(TABLE.identifier))
        conn.execute(
            sql.SQL("alter table {} alter carriertrackingnumber type varchar(25)").format(TABLE.identifier)
        )
    return {"large_value": found}
