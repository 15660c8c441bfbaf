"""How long Spark takes for `fact_sales`, and how much memory, on one and on two workers; and whether Spark, DuckDB and the source agree.

    python tests/benchmarks/spark_jobs.py [--scale 10] [--workers 1 2] [--memory 1024] [--json] [--docs] [--home DIR]

The tables that the job reads are generated into a PostgreSQL of its own (without the other tables, so that scale 100 fits on a small
machine) and synced from there into a lake, as a connection with `destination: lake` does it. DuckDB's raw layer is written straight
from the same generator, and dbt builds `fct_sales` with all that it is made of. Row by row, Spark's table is compared with dbt's by hashes
of all columns; the totals of all three are a table, which `--docs` writes into docs/spark.md in the place of that of the same scale.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psutil
from psycopg import sql

sys.path.insert(0, str(Path(__file__).parents[2]))

from adventureworks.arrow import csv_chunks
from adventureworks.database import ensure_schema
from adventureworks.generator import frames
from adventureworks.generator.columns import Plan
from adventureworks.schema import names, tables
from foundation.settings import ROOT
from spark.environment import install
from spark.jobs import job
from tests.benchmarks.build import load
from tests.benchmarks.engine import looking
from tests.fixtures.lake import seaweed
from tests.fixtures.source import FAST, SLOTS, SourceDatabase, SourceServer, make_server
from tests.fixtures.spark import TOTALS, Shop, files_of, source_totals, table_of_totals
from tests.integration.transformation.raw_layer import Warehouse

FACT = job("fact_sales")
MODELS_ONLY = ("--exclude", "resource_type:test", "--exclude", "resource_type:unit_test")
PAGE = ROOT / "docs" / "spark.md"
BEGINS = "<!-- totals: python tests/benchmarks/spark_jobs.py --docs -->"
ENDS = "<!-- totals end -->"
PROGRAMS = {
    "CoarseGrainedExecutorBackend": "executors",
    "deploy.master": "master",
    "deploy.worker": "worker daemons",
    "SparkSubmit": "driver",
}


def fill(server: SourceServer, scale: float) -> SourceDatabase:
    """The tables that the job reads, in a database of their own; foreign keys into the others are not checked."""
    database = server.create(name="shop")
    wanted = {table.identifier.removeprefix("adventureworks_") for table in FACT.tables}
    with database.connect() as connection:
        ensure_schema(connection, server.config.source_reader)
    with database.connect("superuser") as connection:
        connection.execute("set session_replication_role = replica")
        for frame in frames(Plan(scale, seed=42, as_of=datetime.now(UTC).date())):
            if frame.table in wanted:
                table = tables()[frame.table]
                statement = sql.SQL("copy {} ({}) from stdin (format csv, header match)").format(
                    table.identifier, names(table.column_names)
                )
                with connection.cursor() as cursor, cursor.copy(statement) as copy:
                    for chunk in csv_chunks(table, frame.reader()):
                        copy.write(chunk)
        connection.execute("analyze")
    return database


@dataclass
class Peak:
    """The most memory that the processes below one have had at the same moment, in bytes (PSS), and the share of each program in it."""

    total: int = 0
    parts: dict[str, int] = field(default_factory=dict)

    def look(self, root: psutil.Process) -> None:
        parts: dict[str, int] = {}
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.Error):
                words = " ".join(process.cmdline())
                program = next((name for word, name in PROGRAMS.items() if word in words), "Python")
                parts[program] = parts.get(program, 0) + process.memory_full_info().pss
        if sum(parts.values()) > self.total:
            self.total, self.parts = sum(parts.values()), parts


@contextmanager
def memory_below(process: subprocess.Popen[str]) -> Iterator[Peak]:
    peak, root = Peak(), psutil.Process(process.pid)

    def look() -> None:
        with suppress(psutil.Error):
            peak.look(root)

    with looking(look, 0.5):
        yield peak


def run(shop: Shop, workers: int, memory: int) -> dict[str, Any]:
    """The job as `elt` runs it."""
    command = [sys.executable, "-m", "elt.cli", "spark", "run", FACT.name, "--json"]
    command += ["--workers", str(workers), "--memory", str(memory)]
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=shop.environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with memory_below(process) as peak:
        out, err = process.communicate()
    if process.returncode:
        raise SystemExit(err)
    answer = json.loads(out)
    return {
        "workers": workers,
        "rows": answer["rows"],
        "seconds": round(answer["seconds"], 1),
        "until the workers were there": round(answer["start_seconds"], 1),
        "clock": round(time.monotonic() - started, 1),
        "MiB": peak.total >> 20,
        "MiB by program": {name: bytes_ >> 20 for name, bytes_ in sorted(peak.parts.items())},
    }


def build(warehouse: Warehouse, scale: float) -> dict[str, Any]:
    """dbt's `fct_sales` of the same data, from an empty warehouse."""
    load(warehouse, scale)
    started = time.monotonic()
    warehouse.build("--select", "+fct_sales", *MODELS_ONLY)
    return {"clock": round(time.monotonic() - started, 1)}


def compare(shop: Shop, warehouse: Path, folder: Path) -> dict[str, tuple[Any, ...]]:
    """Totals of all three. Raises SystemExit where a row differs."""
    folder.mkdir()
    spark = f"read_parquet({[str(file) for file in files_of(shop, FACT.target, folder)]})"
    with duckdb.connect(warehouse, read_only=True, config={"memory_limit": "2GB"}) as duck:
        columns = ", ".join(name for name, *_ in duck.execute(f"describe from {spark}").fetchall())
        hashes = f"count(*), bit_xor(hash({columns})), sum(hash({columns})::hugeint)"
        of = {
            name: duck.execute(f"select {hashes} from {name}").fetchone()
            for name in (spark, "marts.fct_sales")
        }
        if len(set(of.values())) > 1:
            raise SystemExit(f"the rows differ: {list(of.values())}")
        totals = {
            "Spark": duck.execute(f"select {TOTALS} from {spark}").fetchone(),
            "DuckDB": duck.execute(f"select {TOTALS} from marts.fct_sales").fetchone(),
            "source": source_totals(shop),
        }
    if len(set(totals.values())) > 1:
        raise SystemExit(f"the totals differ:\n{table_of_totals(totals)}")
    return totals


def measure(scale: float, workers: list[int], memory: int, home: Path) -> dict[str, Any]:
    """All of it at a scale; `totals`: the table of three columns."""
    install()
    steps: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        steps[name] = round(time.monotonic() - started, 1)
        print(f"{name}: {steps[name]} s", file=sys.stderr, flush=True)

    server = make_server(home / "source", **FAST, **SLOTS)
    server.cluster.start()
    try:
        with seaweed(home / "lake") as store:
            with step("fill the source"):
                database = fill(server, scale)
            shop = Shop(database, store.fresh(home / "home"), home / "home")
            with step("sync into the lake and publish"):
                shop.land()
            runs = []
            for count in workers:
                with step(f"Spark, {count} workers"):
                    runs.append(run(shop, count, memory))
            warehouse = Warehouse(home / "warehouse")
            warehouse.home.mkdir()
            with step("raw layer and dbt"):
                dbt = build(warehouse, scale)
            with step("compare"):
                totals = compare(shop, warehouse.path, home / "files")
    finally:
        server.cluster.stop()
    return {
        "scale": scale,
        "memory of a worker": memory,
        "runs": runs,
        "dbt": dbt,
        "steps": steps,
        "totals": table_of_totals(totals),
    }


def write_page(scale: float, table: str) -> None:
    """Put the totals of a scale into the page, between those of the others, by scale."""
    before, _, rest = PAGE.read_text().partition(f"{BEGINS}\n")
    old, _, after = rest.partition(ENDS)
    parts = dict(re.findall(r"Scale (\S+):\n\n((?:\|.*\n)+)", old))
    parts[f"{scale:g}"] = f"{table}\n"
    texts = (f"Scale {name}:\n\n{parts[name]}" for name in sorted(parts, key=float))
    PAGE.write_text(f"{before}{BEGINS}\n" + "\n".join(texts) + f"{ENDS}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory", type=int, default=1024, help="MB of each worker")
    parser.add_argument("--home", type=Path, help="an empty folder for all data; default: a temporary one")
    parser.add_argument("--docs", action="store_true", help="write the totals into docs/spark.md")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(options.scale, options.workers, options.memory, options.home or Path(temporary))
    if options.docs:
        write_page(options.scale, result["totals"])
    if options.json:
        print(json.dumps(result))
        return
    print(f"scale {result['scale']}, {result['runs'][0]['rows']:,} rows")
    for one in result["runs"]:
        print(
            f"{one['workers']} workers: {one['seconds']} s, {one['clock']} s by the clock, {one['MiB']:,} MiB"
        )
    print(f"dbt, fct_sales and what it is made of: {result['dbt']['clock']} s by the clock")
    print(result["totals"])


if __name__ == "__main__":
    main()
