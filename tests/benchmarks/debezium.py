"""Debezium as a peer of change data capture: embedded, in an environment and a process of its own (peers/debezium_read.py)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.contestants import PEERS, PeerError, run
from tests.benchmarks.environments import CACHE, environment
from tests.fixtures.source import SourceDatabase

END = "select pg_logical_emit_message(true, 'end', '')"  # the last thing that a reader takes


def python(cache: Path = CACHE) -> Path:
    """The Python that has Debezium. Raises PeerError where Java is missing, NotInstallable."""
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise PeerError("Java is missing: install a runtime from version 17 on, or set JAVA_HOME")
    return environment("debezium.txt", cache)


def read(
    database: SourceDatabase,
    slot: str,
    publication: str,
    tables: Sequence[str],
    folder: Path,
    form: str = "json",
    taken: bool = False,
    events: Path | None = None,
    **options: str,
) -> dict[str, Any]:
    """Read the changes of `tables` up to END; returns `changes` and `seconds` from the first batch on.

    The slot is made if it is not there, and dropped at the end. `form`: json, or connect (objects in Java). `taken`: Python takes each
    event as text. `events`: a file
    for each event as a line of JSON. `options`: Debezium's own, with `_` for `.`. Raises PeerError, NotInstallable.
    """
    task = {
        **database.dsn("superuser"),
        "slot": slot,
        "publication": publication,
        "tables": list(tables),
        "form": form,
        "taken": taken,
        "events": str(events) if events else None,
        "options": {name.replace("_", "."): value for name, value in options.items()},
    }
    return run([str(python()), str(PEERS / "debezium_read.py")], json.dumps(task), folder)


def finish(connection: psycopg.Connection) -> None:
    """Whoever reads up to END has all that was committed so far."""
    connection.execute(END)
