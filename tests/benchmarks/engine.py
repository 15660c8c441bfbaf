"""airbyte_local under measurement: a real server, jobs started and watched through its API as any client does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import psutil

from tests.benchmarks.order_lines import TABLE, TOTALS, OrderLines
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase, free_port

SAMPLE_SECONDS, LOOKS = 0.1, 5
PAUSE_SECONDS = (
    3  # syncs are minutes apart: what a server does after its start or a job is no part of the next job
)


@dataclass(frozen=True)
class Run:
    """One job: seconds from the request that starts it to the answer `succeeded`; bytes of its process at the most."""

    seconds: float
    rows: int
    peak: int


class Engine:
    """A running server and its one workspace."""

    def __init__(self, server: AirbyteServer) -> None:
        self.server = server
        self.workspace_id = self._post("workspaces", name="benchmark")["workspaceId"]

    def connect(self, lines: OrderLines, warehouse: Path, method: dict[str, str] | None = None) -> str:
        """A connection of the order lines with the file `warehouse`; returns its id. `method`: how changes are found."""
        stream = {
            "namespace": TABLE.schema,
            "name": TABLE.name,
            "syncMode": "incremental_deduped_history",
            "cursorField": ["modifieddate"],
            "primaryKey": [[column] for column in TABLE.primary_key],
        }
        return self.connection(lines.database, [stream], warehouse, method or {"method": "Standard"})

    def connection(
        self, database: SourceDatabase, streams: list[dict[str, Any]], warehouse: Path, method: dict[str, str]
    ) -> str:
        """A connection of streams of one schema with the file `warehouse`; returns its id."""
        dsn = database.dsn("reader")
        source = {
            "sourceType": "postgres",
            "host": dsn["host"],
            "port": dsn["port"],
            "database": dsn["dbname"],
            "username": dsn["user"],
            "password": dsn["password"],
            "schemas": [streams[0]["namespace"]],
            "ssl_mode": {"mode": "disable"},
            "replication_method": method,
        }
        destination = {"destinationType": "duckdb", "destination_path": str(warehouse)}
        name = f"benchmark {uuid4()}"
        return self._post(
            "connections",
            name=name,
            sourceId=self._actor("source", name, source),
            destinationId=self._actor("destination", name, destination),
            namespaceDefinition="source",
            configurations={"streams": streams},
        )["connectionId"]

    def sync(self, connection_id: str, pause: float = PAUSE_SECONDS) -> Run:
        """One sync from beginning to end, after a pause. Raises RuntimeError with the reason when it fails."""
        time.sleep(pause)
        started = time.monotonic()
        job = self._post("jobs", connectionId=connection_id, jobType="sync")
        with memory_of_job(self.server.process.pid) as peak:
            while job["status"] in ("pending", "running"):
                # often enough to be exact to a fiftieth, seldom enough to leave the job its cores
                time.sleep(min(0.5, max(0.03, (time.monotonic() - started) / 50)))
                job = self.server.job(job["jobId"])
        seconds = time.monotonic() - started
        if job["status"] != "succeeded":
            raise RuntimeError(f"the sync {job['status']}: {job.get('failureReason')}")
        return Run(seconds, job["rowsSynced"], peak.bytes)

    def _actor(self, kind: str, name: str, configuration: dict[str, Any]) -> str:
        answer = self._post(f"{kind}s", name=name, workspaceId=self.workspace_id, configuration=configuration)
        return answer[f"{kind}Id"]

    def _post(self, resource: str, **body: Any) -> dict[str, Any]:
        answer = self.server.http.post(f"/{resource}", json=body)
        if answer.is_error:
            raise RuntimeError(f"POST /{resource}: {answer.text}")
        return answer.json()


@contextmanager
def engine(home: Path) -> Iterator[Engine]:
    """A server with its state under `home`, stopped at the end; warehouses may be next to it."""
    home.mkdir(parents=True, exist_ok=True)
    server = AirbyteServer(home, free_port(), extra={"AIRBYTE_FOLDERS": str(home.parent)})
    try:
        server.start()
        yield Engine(server)
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()


def totals(warehouse: Path, table: str = TABLE.qualified) -> tuple[Any, ...]:
    """The copy's figures, to be compared with the source's."""
    with duckdb.connect(warehouse, read_only=True) as connection:
        return connection.execute(f"select {TOTALS} from {table}").fetchone()


class Peak:
    """The most memory that a server's job has had: its resident size.

    A process that waits for the next job stays far below that; the greatest of them is the one that works.
    """

    def __init__(self, server_pid: int) -> None:
        self.bytes = 0
        self._server = psutil.Process(server_pid)
        self._jobs: list[psutil.Process] = []
        self._looks = 0

    def look(self) -> None:
        """Read the known jobs; find new ones only now and then, as that means looking through all processes."""
        if self._looks % LOOKS == 0:
            self._jobs = [child for child in self._server.children(recursive=True) if is_job(child)]
        self._looks += 1
        for job in self._jobs:
            with suppress(psutil.Error):  # it has ended
                self.bytes = max(self.bytes, resident_peak(job))


def is_job(process: psutil.Process) -> bool:
    try:
        return any("airbyte_local.job" in word for word in process.cmdline())
    except psutil.Error:  # it has ended
        return False


def resident_peak(process: psutil.Process) -> int:
    """The greatest resident size so far where the system remembers it (Linux), else that of now."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return process.memory_info().rss
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has just ended has none


@contextmanager
def looking(look: Callable[[], None], seconds: float) -> Iterator[None]:
    """Look from another thread, every so many seconds."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(seconds):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def memory_of_job(server_pid: int) -> Iterator[Peak]:
    """Watch the memory of the server's job from another thread."""
    peak = Peak(server_pid)
    with looking(peak.look, SAMPLE_SECONDS):
        yield peak
