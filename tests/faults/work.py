"""What a history does in a process of its own, to be killed: imports no more than that needs, as each process imports this."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection

from foundation.errors import one_line
from foundation.settings import load_settings
from orchestration import backup
from orchestration.publish import on_duckdb

# forks for each process of its own, with all imported
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.work", "tests.fixtures.source"])


def work(name: str, environ: dict[str, str], ready: Connection) -> None:
    """Publish, back up or restore, once it has said that it is ready."""
    os.environ.update(environ)
    config = load_settings(environ)
    ready.send(None)
    with one_line(name):
        if name == "publish":
            on_duckdb.publish(config, "a history", 30, None)
        elif name == "backup":
            backup.backup(config, wait_seconds=30)
        else:
            backup.restore(config)
