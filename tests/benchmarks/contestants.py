"""The programs that take part, one run at a time: each reports rows and seconds, and whether the copy is exact."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from psycopg import sql

from tests.benchmarks.engine import Engine, totals
from tests.benchmarks.environments import environment
from tests.benchmarks.order_lines import TABLE, OrderLines

PEERS = Path(__file__).with_name("peers")
SLOW_SECONDS = 60  # what a slow peer may take; it gets as many rows as it can read in that time
SAMPLES = (2_000, 20_000)  # rows, to tell its start from its speed
PEER_SECONDS = 1800  # whoever has not ended by then hangs


@dataclass(frozen=True)
class Load:
    """One load, measured. `exact`: count and sums are the source's; None where nothing is kept."""

    rows: int
    seconds: float
    exact: bool | None = None
    peak: int | None = None

    @property
    def rate(self) -> float:
        return self.rows / self.seconds


class PeerError(Exception):
    """A peer that cannot be installed or does not run, with the reason."""


@dataclass(frozen=True)
class Field:
    """What all contestants share: the filled source, the server under test, a folder for this run, one for environments."""

    lines: OrderLines
    engine: Engine
    folder: Path
    cache: Path

    def warehouse(self) -> Path:
        """The name of a new file."""
        return self.folder / f"{uuid4().hex}.duckdb"


def copy_discard(field: Field) -> Load:
    """The limit of one stream: COPY in binary, thrown away as it comes, by libpq itself."""
    with field.lines.database.connect("reader", autocommit=True) as connection:
        pq = connection.pgconn
        started = time.monotonic()
        statement = sql.SQL("copy {} to stdout (format binary)").format(TABLE.identifier)
        pq.exec_(statement.as_bytes(connection))
        while pq.get_copy_data(0)[0] > 0:
            pass
        seconds = time.monotonic() - started
        rows = pq.get_result().command_tuples
        pq.get_result()  # the end of the answer
    return Load(rows, seconds)


def airbyte_local(field: Field) -> Load:
    """A first sync: every row, typed, one per key."""
    warehouse = field.warehouse()
    run = field.engine.sync(field.engine.connect(field.lines, warehouse))
    exact = totals(warehouse) == field.lines.totals()
    warehouse.unlink()
    return Load(run.rows, run.seconds, exact, run.peak)


@dataclass(frozen=True)
class Peer:
    """A tool that people use instead: a script run in an environment of its own (see peers/README.md)."""

    script: str
    environments: dict[str, str]  # the task's name for it → its lock file
    options: dict[str, str]
    slow: bool = False

    def __call__(self, field: Field) -> Load:
        """Load once. Raises PeerError with the reason when that does not work."""
        present = field.lines.totals()[0]
        if not self.slow or present <= SAMPLES[-1]:
            return self._load(field, TABLE.qualified)
        rows = within(SLOW_SECONDS, *(self._load(field, field.lines.sample(rows)) for rows in SAMPLES))
        return self._load(field, TABLE.qualified if rows >= present else field.lines.sample(rows))

    def _load(self, field: Field, table: str) -> Load:
        folder = field.folder / uuid4().hex
        folder.mkdir()
        dsn = field.lines.database.dsn("reader")
        task = {
            **{key: dsn[key] for key in ("host", "port", "dbname", "user", "password")},
            "schema": table.partition(".")[0],
            "table": table.partition(".")[2],
            "key": TABLE.primary_key,
            "columns": {column.name: column.type for column in TABLE.columns},
            "folder": str(folder),
            "warehouse": str(folder / "warehouse.duckdb"),
            **{name: str(environment(lock, field.cache)) for name, lock in self.environments.items()},
            **self.options,
        }
        python = next(task[name] for name in self.environments)
        answer = run([python, str(PEERS / self.script)], json.dumps(task), folder)
        copied = totals(folder / "warehouse.duckdb", answer["table"])
        return Load(copied[0], answer["seconds"], copied == field.lines.totals(table))


def within(seconds: float, small: Load, large: Load) -> int:
    """How many rows can be loaded in `seconds`, going by two loads of different size; not fewer than the larger's."""
    per_row = (large.seconds - small.seconds) / (large.rows - small.rows)
    if per_row <= 0:  # the difference is lost in the noise
        return round(large.rate * seconds)
    start = small.seconds - small.rows * per_row
    return max(large.rows, round((seconds - start) / per_row))


def run(command: list[str], task: str, folder: Path) -> dict[str, str | float]:
    """Run a peer's script with its task on standard input; returns the last line of its output, which is JSON.

    The peer and all its children are ended with it, however it ends. Raises PeerError.
    """
    quiet = {"HOME": str(folder), "DO_NOT_TRACK": "1", "AIRBYTE_OFFLINE_MODE": "1", "NO_COLOR": "1"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | quiet,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(task, timeout=PEER_SECONDS)
    except subprocess.TimeoutExpired:
        raise PeerError(f"did not end within {PEER_SECONDS} s") from None
    finally:
        end_group(process)
    if process.returncode != 0:
        raise PeerError("\n".join(errors.strip().splitlines()[-5:]))
    return json.loads(output.strip().splitlines()[-1])


def end_group(process: subprocess.Popen[str]) -> None:
    """End what is left of a process and its children (it leads a group of its own)."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


DLT = {"python": "dlt.txt"}
CONTESTANTS: dict[str, Callable[[Field], Load]] = {
    "copy_discard": copy_discard,
    "airbyte_local": airbyte_local,
    "dlt_connectorx": Peer("dlt_load.py", DLT, {"backend": "connectorx"}),
    "dlt_pyarrow": Peer("dlt_load.py", DLT, {"backend": "pyarrow"}),
    "pyairbyte": Peer("pyairbyte_load.py", {"python": "pyairbyte.txt"}, {}, slow=True),
    "meltano": Peer(
        "meltano_load.py", {"tap": "tap_postgres.txt", "target": "target_duckdb.txt"}, {}, slow=True
    ),
}
