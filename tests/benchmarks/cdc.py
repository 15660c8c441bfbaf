"""How change data capture keeps up: a real server with its jobs, and its own PostgreSQL, on free ports.

    python tests/benchmarks/cdc.py [--only rate,lag,memory] [--changes 600000] [--rows 5000000] [--seconds 60] [--peers]
        [--json]

rate: changes (inserts, updates, deletes of order lines, 200 to a transaction) a second, from the request of the sync to its
end. With `--peers` Debezium, embedded, reads the same changes and keeps none (it needs Java, and on first use a package of
200 MB from the index): `debezium` hands each event to Python as JSON, `debezium_in_java` only counts them, and
`debezium_objects` counts the objects that they are made of; `log_discarded` is PostgreSQL's own pg_recvlogical, which writes
what the server decodes to nowhere: no reader can be faster. lag: from a commit in the source until a reader of the raw table
sees it, with a sync every second while a writer writes. memory: the most that the job's process has had while one
transaction of so many rows passed. After each the warehouse is compared with the source.
A table on standard error, figures as JSON on standard output with `--json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb
from psycopg import sql
from rich.console import Console
from rich.table import Table

from foundation.postgres import binaries
from tests.benchmarks import debezium
from tests.benchmarks.contestants import PeerError
from tests.benchmarks.engine import Engine, Run, engine, totals
from tests.benchmarks.environments import NotInstallable
from tests.benchmarks.order_lines import LINES, TABLE, OrderLines, order_lines

MIB = 1 << 20
PARTS = ("rate", "lag", "memory")
PRESENT = 100_000  # lines before the changes begin
PER_TRANSACTION = 200
SYNC_EVERY_SECONDS = 1.0
WRITES_PER_SECOND = 50
# slot and name → form of the events, and whether Python takes each of them, as a consumer that keeps them has to
DEBEZIUM = {
    "debezium": ("json", True),
    "debezium_in_java": ("json", False),
    "debezium_objects": ("connect", False),
}
DISCARDED = "log_discarded"
LIVE = f"(select * from {TABLE.qualified} where _ab_cdc_deleted_at is null)"
console = Console(stderr=True, width=None if sys.stderr.isatty() else 120, highlight=False)

# Of ten changes five are updates, three inserts, two deletes.
TRANSACTION = """
update sales.salesorderdetail set orderqty = orderqty % 100 + 1, unitprice = unitprice + 1
where salesorderdetailid between {updated} + 1 and {updated} + {per} * 5 / 10;
{inserts};
delete from sales.salesorderdetail where salesorderdetailid between {deleted} + 1 and {deleted} + {per} * 2 / 10
"""


class Captured:
    """The order lines, and a connection that captures their changes. Counts what was written so far."""

    def __init__(self, lines: OrderLines, server: Engine, warehouse: Path) -> None:
        self.lines, self.server, self.warehouse = lines, server, warehouse
        with lines.connect() as conn:
            conn.execute("drop publication if exists benchmark")
            conn.execute(sql.SQL("create publication benchmark for table {}").format(TABLE.identifier))
        method = {"method": "CDC", "replication_slot": "benchmark", "publication": "benchmark"}
        self.connection = server.connect(lines, warehouse, method)
        self.present, self.updated, self.deleted = PRESENT, 0, 0
        lines.fill(PRESENT)
        self.sync()

    def sync(self) -> Run:
        return self.server.sync(self.connection)

    def change(self, conn: Any, per: int) -> None:
        """One transaction of so many changes (at least ten)."""
        inserts = LINES.format(first=self.present, last=self.present + per * 3 // 10)
        conn.execute(TRANSACTION.format(inserts=inserts, updated=self.updated, deleted=self.deleted, per=per))
        self.present += per * 3 // 10
        self.deleted += per * 2 // 10
        self.updated += per * 5 // 10
        if self.updated > self.present - per:
            self.updated = self.deleted

    def exact(self) -> bool:
        return totals(self.warehouse, LIVE) == self.lines.totals()

    def close(self) -> None:
        """Nothing holds back the server's log any more."""
        with self.lines.connect() as conn:
            conn.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")


@contextmanager
def writing(captured: Captured) -> Iterator[Any]:
    """A session that writes without the trigger and the foreign keys, whose other tables are empty."""
    with captured.lines.connect() as conn:
        conn.execute("set session_replication_role = replica")
        yield conn


def rate(captured: Captured, changes: int) -> dict[str, Any]:
    """A sync of many small transactions."""
    console.print(f"writing {changes:,} changes")
    with writing(captured) as conn:
        for _ in range(changes // PER_TRANSACTION):
            captured.change(conn, PER_TRANSACTION)
        debezium.finish(conn)
    run = captured.sync()
    return figures(captured, run, changes_per_second=round(run.rows / run.seconds))


def rate_beside_debezium(captured: Captured, changes: int, home: Path) -> dict[str, dict[str, Any]]:
    """The rate of a sync, and of Debezium, which reads the same changes afterwards; without it where it does not run."""
    with captured.lines.connect() as conn:
        for name in (*DEBEZIUM, DISCARDED):
            conn.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
    found = {"rate": rate(captured, changes)}
    found[DISCARDED] = discarded(captured.lines, changes)
    for name, (form, taken) in DEBEZIUM.items():
        console.print(f"the same changes by {name}")
        try:
            read = debezium.read(
                captured.lines.database,
                name,
                "benchmark",
                [TABLE.qualified],
                home,
                form,
                taken,
                snapshot_mode="no_data",
            )
        except (PeerError, NotInstallable) as error:
            console.print(f"{name}: {error}", markup=False, style="yellow")
            continue
        found[name] = {
            "changes": read["changes"],
            "seconds": round(read["seconds"], 2),
            "changes_per_second": round(read["changes"] / read["seconds"]),
            "exact": read["changes"] == changes // PER_TRANSACTION * PER_TRANSACTION,
        }
    return found


def discarded(lines: OrderLines, changes: int) -> dict[str, Any]:
    """The rate of pg_recvlogical, which takes all that the slot has and keeps nothing."""
    server = lines.database.dsn("superuser")
    with lines.connect() as conn:
        (end,) = conn.execute("select pg_current_wal_flush_lsn()::text").fetchone()
    words = [binaries() / "pg_recvlogical", f"--slot={DISCARDED}", "--start", "--no-loop", "--file=/dev/null"]
    words += [f"--endpos={end}", "--option=proto_version=1", "--option=publication_names=benchmark"]
    words += [
        f"--{name}={server[key]}" for name, key in (("host", "host"), ("port", "port"), ("username", "user"))
    ]
    words += [f"--dbname={server['dbname']}"]
    started = time.monotonic()
    subprocess.run(words, env={**os.environ, "PGPASSWORD": server["password"]}, check=True)
    seconds = time.monotonic() - started
    query = "select confirmed_flush_lsn >= %s from pg_replication_slots where slot_name = %s"
    with lines.connect() as conn:
        (whole,) = conn.execute(query, [end, DISCARDED]).fetchone()
    return {"seconds": round(seconds, 2), "changes_per_second": round(changes / seconds), "exact": whole}


def memory(captured: Captured, rows: int) -> dict[str, Any]:
    """A sync of one transaction that inserts so many lines."""
    console.print(f"one transaction of {rows:,} rows")
    with writing(captured) as conn:
        conn.execute(LINES.format(first=captured.present, last=captured.present + rows))
    captured.present += rows
    return figures(captured, captured.sync())


def figures(captured: Captured, run: Run, **more: Any) -> dict[str, Any]:
    """A sync as it went."""
    return {
        "changes": run.rows,
        "seconds": round(run.seconds, 2),
        "peak_memory_mib": round(run.peak / MIB),
        "exact": captured.exact(),
        **more,
    }


@dataclass
class Commits:
    """When each of the writer's transactions was committed, by the last line that it inserted."""

    lines: list[int]
    moments: list[float]
    ended: threading.Event

    def write(self, captured: Captured) -> None:
        """Small transactions, so many a second, until `ended`."""
        due = time.monotonic()
        with writing(captured) as conn:
            while not self.ended.wait(max(0.0, due - time.monotonic())):
                captured.change(conn, 10)
                self.moments.append(time.monotonic())
                self.lines.append(captured.present)
                due += 1 / WRITES_PER_SECOND


def lag(captured: Captured, seconds: float) -> dict[str, Any]:
    """Syncs every second under a writer; what a reader of the warehouse sees after each."""
    console.print(f"a sync every second, for {seconds:.0f} s")
    commits = Commits([], [], threading.Event())
    writer = threading.Thread(target=commits.write, args=(captured,))
    lags: list[float] = []
    began = time.monotonic()
    writer.start()
    syncs = 0
    try:
        while (started := time.monotonic()) < began + seconds:
            captured.server.sync(captured.connection, pause=0)
            syncs += 1
            newest, seen = newest_line(captured.warehouse), time.monotonic()
            while len(lags) < len(commits.moments) and commits.lines[len(lags)] <= newest:
                lags.append(seen - commits.moments[len(lags)])
            time.sleep(max(0.0, started + SYNC_EVERY_SECONDS - time.monotonic()))
    finally:
        commits.ended.set()
        writer.join()
    captured.sync()
    return {
        "transactions": len(lags),
        "syncs": syncs,
        "raw_lag_p50_seconds": round(statistics.median(lags), 2),
        "raw_lag_p95_seconds": round(statistics.quantiles(lags, n=20)[-1], 2),
        "exact": captured.exact(),
    }


def newest_line(warehouse: Path) -> int:
    with duckdb.connect(warehouse, read_only=True) as connection:
        query = f"select max(salesorderdetailid) from {TABLE.qualified}"
        return connection.execute(query).fetchone()[0]


# -- the command


def main() -> int:
    options = parser().parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would not hear it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the same clean-up as Ctrl-C
    try:
        found = measure(options)
    except KeyboardInterrupt:
        return 130
    show(found)
    if options.json:
        print(json.dumps(summary(found)))
    return 0 if all(part["exact"] for part in found.values()) else 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    first, _, rest = __doc__.partition("\n")
    made = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--only", type=parts, default=PARTS, metavar="PART,…", help=f"some of {','.join(PARTS)}"
    )
    made.add_argument("--changes", type=int, default=600_000, help="changes for the rate (600000)")
    made.add_argument("--rows", type=int, default=5_000_000, help="rows of the one transaction (5000000)")
    made.add_argument("--seconds", type=float, default=60, help="how long the lag is measured (60)")
    made.add_argument("--peers", action="store_true", help="the rate of Debezium as well")
    made.add_argument("--json", action="store_true", help="figures on standard output")
    return made


def parts(text: str) -> list[str]:
    """The parts to measure."""
    chosen = text.split(",")
    if not set(chosen) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"choose of {','.join(PARTS)}")
    return chosen


def measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Each part that is asked for, one after another."""
    home = Path(tempfile.mkdtemp(prefix="cdc-"))
    home.chmod(0o755)  # PostgreSQL's user passes through it
    found = {}
    try:
        with order_lines(home / "source") as lines, engine(home / "server") as server:
            captured = Captured(lines, server, home / "warehouse.duckdb")
            try:
                if "rate" in options.only and options.peers:
                    found |= rate_beside_debezium(captured, options.changes, home)
                elif "rate" in options.only:
                    found["rate"] = rate(captured, options.changes)
                if "lag" in options.only:
                    found["lag"] = lag(captured, options.seconds)
                if "memory" in options.only:
                    found["memory"] = memory(captured, options.rows)
            finally:
                captured.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return found


def summary(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The figures; null for what was not measured."""
    rates = {"airbyte_local": "rate"} | {name: name for name in (*DEBEZIUM, DISCARDED)}
    return {
        "changes_per_second": {
            name: found.get(part, {}).get("changes_per_second") for name, part in rates.items()
        },
        "raw_lag_p95_seconds": found.get("lag", {}).get("raw_lag_p95_seconds"),
        "peak_memory_mib": found.get("memory", {}).get("peak_memory_mib"),
    }


def show(found: dict[str, dict[str, Any]]) -> None:
    """All figures of each part."""
    for name, values in found.items():
        table = Table(title=name)
        for heading in values:
            table.add_column(heading.replace("_", " "), justify="right")
        cells = (
            "yes" if value is True else "NO" if value is False else f"{value:,}" for value in values.values()
        )
        table.add_row(*cells)
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
