"""How long a sync of the web site's events takes: the whole history, then what five minutes of trade bring.

    python tests/benchmarks/web.py [--scale 1] [--orders 25] [--json]

A shop is generated, its site started as `elt up web` does (a process of its own, faults off), and a real server's job syncs
the events into a new DuckDB file; then `--orders` more orders are placed and a second job follows. Both from the request to
the job's end. `exact`: the warehouse holds each event of the site once, with the same sum of order values.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb
import httpx
from rich.console import Console

from adventureworks.arrow import csv_chunks
from adventureworks.database import replace_all
from adventureworks.generator import generate
from adventureworks.schema import tables
from adventureworks.shop import live
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import FAST, SourceDatabase, free_port, make_server
from tests.fixtures.waiting import wait_until

TOKEN = "token of a benchmark"
SUMS = "select count(distinct event_id), count(*), sum(order_value::decimal(18, 4)) from {table}"
console = Console(stderr=True, width=None if sys.stderr.isatty() else 120, highlight=False)


class Site:
    """The site's own process over a shop."""

    def __init__(self, shop: SourceDatabase, home: Path) -> None:
        self.port, self.log = free_port(), home / "web" / "events.duckdb"
        environ = shop.environ | {
            "ELT_HOME": str(home),
            "WEB_PORT": str(self.port),
            "WEB_API_TOKEN": TOKEN,
            "WEB_FAULTS": "false",
        }
        self._process = subprocess.Popen([sys.executable, "-m", "web_site"], env=environ)
        wait_until(self._answers, 300)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def sums(self) -> tuple[Any, ...]:
        """Of the log, when the site has stopped."""
        with duckdb.connect(self.log, read_only=True) as connection:
            return connection.execute(SUMS.format(table="events")).fetchone()


def filled(shop: SourceDatabase, scale: float) -> None:
    content = generate(scale)
    with shop.connect() as connection:
        chunks = {name: csv_chunks(tables()[name], data) for name, data in content.items()}
        replace_all(connection, chunks, reader=shop.server.config.source_reader)


def connect(server: AirbyteServer, site: Site, warehouse: Path) -> str:
    """The connection from the site to a new DuckDB file."""

    def made(resource: str, **body: Any) -> dict[str, Any]:
        return server.http.post(f"/{resource}", json=body, timeout=300).raise_for_status().json()

    workspace = made("workspaces", name="benchmark")["workspaceId"]
    source = {"sourceType": "web-events", "url": site.url, "api_token": TOKEN}
    destination = {"destinationType": "duckdb", "destination_path": str(warehouse)}
    streams = [
        {
            "name": "events",
            "syncMode": "incremental_deduped_history",
            "primaryKey": [["event_id"]],
            "cursorField": ["timestamp"],
        }
    ]
    return made(
        "connections",
        name="web",
        sourceId=made("sources", name="web", workspaceId=workspace, configuration=source)["sourceId"],
        destinationId=made("destinations", name="duckdb", workspaceId=workspace, configuration=destination)[
            "destinationId"
        ],
        namespaceDefinition="custom_format",
        namespaceFormat="web",
        configurations={"streams": streams},
    )["connectionId"]


def synced(server: AirbyteServer, connection: str) -> tuple[float, int]:
    """Seconds and events of a sync."""
    started = time.monotonic()
    body = {"connectionId": connection, "jobType": "sync"}
    job = server.wait(server.http.post("/jobs", json=body).json()["jobId"], timeout=3600)
    if job["status"] != "succeeded":
        raise RuntimeError(job["failureReason"])
    return time.monotonic() - started, job["rowsSynced"]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    home = Path(tempfile.mkdtemp(prefix="web-"))
    source = make_server(home / "source", **FAST)
    airbyte = AirbyteServer(home, free_port())
    warehouse = home / "warehouse.duckdb"
    source.cluster.start()
    try:
        shop = source.create(name="shop")
        console.print("filling the shop")
        filled(shop, options.scale)
        console.print("starting its site")
        site = Site(shop, home)
        airbyte.start()
        try:
            connection = connect(airbyte, site, warehouse)
            console.print("the history")
            history = synced(airbyte, connection)
            with shop.connect() as trade:
                left = iter(range(options.orders))
                live(trade, rate=1e9, seed=1, stopped=lambda: next(left, None) is None)
            console.print("the increment")
            increment = synced(airbyte, connection)
        finally:
            site.stop()
            airbyte.stop()
        with duckdb.connect(warehouse, read_only=True) as raw:
            found = raw.execute(SUMS.format(table="web.events")).fetchone()
        truth = site.sums()
    finally:
        source.cluster.stop()
        shutil.rmtree(home, ignore_errors=True)
    return {
        "events": history[1],
        "history_seconds": round(history[0], 1),
        "increment_events": increment[1],
        "increment_seconds": round(increment[0], 1),
        "exact": found == truth and found[0] == found[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--orders", type=int, default=25, help="orders of the five minutes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<18}{value:>14,}")


if __name__ == "__main__":
    main()
