"""What a connector's own process costs, and what we add to it: source-faker alone, then the same through airbyte_local.

    python tests/benchmarks/protocol.py [--rows 1000000] [--mode full_refresh_overwrite] [--parallelism 2] [--json]

alone: the connector's `read`, writing to /dev/null. sync: a job of a real server, from the request to its end, into a new
DuckDB file; both with as many records of `users` and `purchases`. Of each: seconds and processor seconds. Our share is what the
job's process takes of the processor seconds of job and connector together; `slower` is how much longer the sync took than the
connector alone with the job's own starts (check, discover) taken off. A table on standard error, figures as JSON on standard
output with `--json`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb
import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.engine import is_job, looking, resident_peak
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import free_port

STREAMS = ("users", "purchases")
PER_USER = 2  # records: a purchase for each user
MIB = 1 << 20
console = Console(stderr=True, width=None if sys.stderr.isatty() else 120, highlight=False)


def configuration(options: argparse.Namespace) -> dict[str, Any]:
    return {"count": options.rows // PER_USER, "seed": 1, "parallelism": options.parallelism}


def alone(options: argparse.Namespace, home: Path) -> dict[str, Any]:
    """The connector by itself, its records thrown away."""
    from airbyte_local.sources.connector.environment import bare_environ, program
    from airbyte_local.sources.connector.registry import connector_of

    command = program(connector_of("faker"), console.print)
    (home / "config.json").write_text(json.dumps(configuration(options)))
    described = subprocess.run(
        [*command, "discover", "--config", str(home / "config.json")], stdout=subprocess.PIPE, check=True
    )
    catalogs = [json.loads(line) for line in described.stdout.splitlines() if b'"CATALOG"' in line]
    mode = "incremental" if options.mode.startswith("incremental") else "full_refresh"
    streams = [
        {"stream": one, "sync_mode": mode, "destination_sync_mode": "append", "cursor_field": ["updated_at"]}
        for one in catalogs[0]["catalog"]["streams"]
        if one["name"] in STREAMS
    ]
    (home / "catalog.json").write_text(json.dumps({"streams": streams}))
    before, started = children_seconds(), time.monotonic()
    subprocess.run(
        [*command, "read", "--config", str(home / "config.json"), "--catalog", str(home / "catalog.json")],
        stdout=subprocess.DEVNULL,
        env=bare_environ(),
        check=True,
    )
    return {"seconds": time.monotonic() - started, "processor_seconds": children_seconds() - before}


def children_seconds() -> float:
    """Processor seconds of all ended children of this process."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Watched:
    """Processor seconds of a server's job and of what it starts, as long as they live; the job's memory at the most."""

    def __init__(self, server_pid: int) -> None:
        self._server = psutil.Process(server_pid)
        self.job: dict[int, float] = {}
        self.connector: dict[int, float] = {}
        self.reading: dict[int, float] = {}  # when a process was seen first, of the connector's `read`
        self.peak = 0

    def look(self) -> None:
        for process in self._server.children(recursive=True):
            with suppress(psutil.Error):
                times = process.cpu_times()
                if is_job(process):
                    self.job[process.pid] = times.user + times.system
                    self.peak = max(self.peak, resident_peak(process))
                else:
                    self.connector[process.pid] = times.user + times.system
                    if "read" in process.cmdline():
                        self.reading.setdefault(process.pid, time.monotonic())


@contextmanager
def watching(server_pid: int) -> Iterator[Watched]:
    watched = Watched(server_pid)
    with looking(watched.look, 0.2):
        yield watched


def synced(options: argparse.Namespace, home: Path) -> dict[str, Any]:
    """The same records by a sync job into DuckDB."""
    server = AirbyteServer(home, free_port())
    server.start()
    try:
        connection = connect(server, options, home / "warehouse.duckdb")
        with watching(server.process.pid) as watched:
            started = time.monotonic()
            body = {"connectionId": connection, "jobType": "sync"}
            job = server.wait(server.http.post("/jobs", json=body).json()["jobId"], timeout=3600)
            ended = time.monotonic()
        if job["status"] != "succeeded":
            raise RuntimeError(job["failureReason"])
        ours = max(watched.job.values())
        return {
            "seconds": ended - started,
            "reading_seconds": ended - min(watched.reading.values()),
            "processor_seconds": ours,
            "connector_processor_seconds": sum(watched.connector.values()),
            "peak_memory_mib": watched.peak / MIB,
            "records": job["rowsSynced"],
            "exact": exact(home / "warehouse.duckdb", options.rows // PER_USER),
        }
    finally:
        server.stop()


def connect(server: AirbyteServer, options: argparse.Namespace, warehouse: Path) -> str:
    """A connection from faker to a new DuckDB file."""

    def made(resource: str, **body: Any) -> dict[str, Any]:
        return server.http.post(f"/{resource}", json=body).raise_for_status().json()

    workspace = made("workspaces", name="benchmark")["workspaceId"]
    source = {"sourceType": "faker", **configuration(options)}
    destination = {"destinationType": "duckdb", "destination_path": str(warehouse)}
    ends = {
        "sourceId": made("sources", name="faker", workspaceId=workspace, configuration=source)["sourceId"],
        "destinationId": made(
            "destinations", name="warehouse", workspaceId=workspace, configuration=destination
        )["destinationId"],
    }
    streams = [{"name": name, "syncMode": options.mode} for name in STREAMS]
    return made("connections", name="faker", configurations={"streams": streams}, **ends)["connectionId"]


def exact(warehouse: Path, users: int) -> bool:
    """Whether every user and purchase is there, once."""
    with duckdb.connect(warehouse, read_only=True) as connection:
        counts = [
            connection.execute(f"select count(*), count(distinct id), max(id) from {name}").fetchone()
            for name in STREAMS
        ]
    return counts == [(users, users, users)] * len(STREAMS)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    home = Path(tempfile.mkdtemp(prefix="protocol-"))
    os.environ["ELT_HOME"] = str(home)
    try:
        console.print(f"the connector alone: {options.rows:,} records")
        own = alone(options, home)
        console.print("the same by a sync")
        sync = synced(options, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    both = sync["processor_seconds"] + sync["connector_processor_seconds"]
    return {
        "records": sync["records"],
        "connector_seconds": round(own["seconds"], 1),
        "connector_processor_seconds": round(own["processor_seconds"], 1),
        "sync_seconds": round(sync["seconds"], 1),
        "sync_reading_seconds": round(sync["reading_seconds"], 1),
        "our_processor_seconds": round(sync["processor_seconds"], 1),
        "our_share": round(sync["processor_seconds"] / both, 3),
        "slower": round(sync["reading_seconds"] / own["seconds"] - 1, 3),
        "records_per_second": round(sync["records"] / sync["reading_seconds"]),
        "peak_memory_mib": round(sync["peak_memory_mib"]),
        "exact": sync["exact"],
    }


def main() -> int:
    first, _, rest = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="records in all (1000000)")
    parser.add_argument("--mode", default="full_refresh_overwrite", help="sync mode (full_refresh_overwrite)")
    parser.add_argument("--parallelism", type=int, default=1, help="processes that the connector uses (1)")
    parser.add_argument("--json", action="store_true", help="figures on standard output")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would not hear it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the same clean-up as Ctrl-C
    try:
        found = measure(options)
    except KeyboardInterrupt:
        return 130
    table = Table("figure", "value")
    for name, value in found.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if not isinstance(value, bool) else str(value))
    console.print(table)
    if options.json:
        print(json.dumps(found))
    return 0 if found["exact"] else 1


if __name__ == "__main__":
    sys.exit(main())
