"""One history: a small shop, its syncs, publishes and backups, and processes of theirs that are killed at random moments.

After each step the warehouse holds the rows of one version, old or new, whole; what is published is one version, whole;
every backup is as it was made. At the end of a history the next sync, publish and backup succeed, raw equals the source, and no
process, lock or half version is left.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import psutil

from foundation.lease import holder, lease
from foundation.settings import load_settings
from orchestration import backup
from orchestration.sealed import verify
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceServer, free_port
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import SHOP, connect, source_configuration, stream
from tests.integration.airbyte_local.histories import kill
from tests.integration.airbyte_local.test_faults import Versions, crash
from tests.integration.airbyte_local.test_jobs import job_processes, runs

STREAMS = [stream("shop.orders"), stream("shop.lines")]
# forks for each process of its own, with all imported
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["orchestration.backup", "orchestration.publish.on_duckdb"])


def work(name: str, environ: dict[str, str], ready: Connection) -> None:
    """What a process of its own does: publish or back up, once it has said that it is ready."""
    from orchestration.publish import on_duckdb

    os.environ.update(environ)
    config = load_settings(environ)
    ready.send(None)
    if name == "publish":
        on_duckdb.publish(config, "a history", 30, None)
    else:
        backup.backup(config, wait_seconds=30)


WORK = ("publish", "backup")
FAULTS = ("job", "server", "source", "pause", "publish", "backup")


class History:
    """What stays from history to history: a source server, an Airbyte server and their home."""

    def __init__(self, source: SourceServer, home: Path) -> None:
        self._source = source
        self.told: Counter[str] = Counter()
        home.mkdir()
        self.server = AirbyteServer(home, free_port())
        self.server.start()
        try:
            self._prepare(source)
        except BaseException:
            self.close()
            raise

    def _prepare(self, source: SourceServer) -> None:
        """A shop, its connection, and a first version of everything."""
        self._database = source.create()
        with self._database.connect("superuser") as connection:
            connection.execute(SHOP)
            for table in ("orders", "lines"):  # a cursor without zone would be read again for half a day
                connection.execute(f"alter table shop.{table} alter updated type timestamptz")
        self.config = load_settings(self.server.environ)
        made = connect(self.server, source_configuration(self._database), self.config.warehouse_path, STREAMS)
        self.versions = Versions(made, self._database)
        self.published = 0
        self.work("publish")
        self.work("backup")
        self.seconds = {name: self.work(name) for name in WORK}

    def close(self) -> None:
        self.server.stop()

    def run(self, seed: int, steps: int) -> None:
        """One history. Raises AssertionError for what does not hold."""
        chance = random.Random(seed)
        for _ in range(steps):
            fault = chance.choice(FAULTS)
            self.told[fault] += 1
            if fault in WORK:
                self.work(fault, kill_after=chance.uniform(0, 1.2 * self.seconds[fault]))
            else:
                self.sync(fault, chance)
            self.check()
        self.versions.advance()
        assert self.versions.made.sync()["status"] == "succeeded"
        assert self.versions.check("succeeded")
        for name in WORK:
            self.work(name)
        assert self.shown() == self.versions.number
        self.check_nothing_left()

    def sync(self, fault: str, chance: random.Random) -> None:
        """A sync that is disturbed: its job or the server killed, the source crashed, or the job stopped for a moment."""
        self.versions.advance()
        job_id = self.versions.made.start()
        time.sleep(chance.uniform(0, 1.5 * self.versions.seconds))
        processes = job_processes(self.server)
        if fault == "server":
            self.server.restart(signal.SIGKILL)
            wait_until(lambda: not any(runs(pid) for pid in processes))
        elif fault == "source":
            crash(self._source.cluster)
            self._source.cluster.start()
        else:
            for pid in processes:
                if fault == "job":
                    kill(pid)
                    continue
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(chance.uniform(0, 0.3))
                    os.kill(pid, signal.SIGCONT)
        status = self.server.wait(job_id)["status"]
        assert fault != "pause" or status == "succeeded", status
        new = self.versions.check(status)
        self.told[f"{fault}: {'new' if new else 'old'} data"] += 1

    def work(self, name: str, kill_after: float | None = None) -> float:
        """Publish or back up in a process of its own, which is killed after so many seconds; how long it took."""
        if name == "publish":
            with (
                lease(self.config.warehouse_path, "a history"),
                duckdb.connect(self.config.warehouse_path) as duck,
            ):
                duck.execute("create schema if not exists marts")
                duck.execute("create or replace table marts.orders as from raw_shop.orders")
        ready, child = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=work, args=(name, self.server.environ, child))
        process.start()
        child.close()
        ready.recv()
        started = time.monotonic()
        process.join(kill_after or 120)
        process.kill()
        process.join()
        code = process.exitcode
        assert code == 0 or (kill_after is not None and code == -signal.SIGKILL), code
        if name == "publish":
            shown = self.shown()
            assert shown in ((self.versions.held,) if code == 0 else (self.versions.held, self.published))
            self.published = shown
        self.told[f"{name}: {'done' if code == 0 else 'killed'}"] += 1
        return time.monotonic() - started

    def shown(self) -> int:
        """The version that analysts see, all of it."""
        if not self.config.serving_path.exists():
            return 0
        with duckdb.connect(self.config.serving_path, read_only=True) as duck:
            [(version, rows)] = duck.execute(
                "select total::integer, count(*) from marts.orders group by 1"
            ).fetchall()
            [(held,)] = duck.execute("select count(*) from marts.orders").fetchall()
        assert rows == held
        return version

    def check(self) -> None:
        """After a step: the warehouse is free, what is shown is whole, and so is every backup."""
        wait_until(lambda: holder(self.config.warehouse_path) is None, 30)
        assert self.shown() == self.published
        for folder in backup.backups(self.config):
            verify(folder)

    def check_nothing_left(self) -> None:
        """No process but the servers', no half version, no half backup."""
        serving = self.config.serving_path.parent.parent
        left = [
            path
            for folder in (serving, self.config.home / "backups")
            for path in folder.glob(".*")
            if path.is_dir()
        ]
        assert left == []
        ours = {
            self.server.process.pid,
            *(child.pid for child in psutil.Process(self.server.process.pid).children(True)),
        }
        mark = str(self.config.home)
        for process in psutil.process_iter(["pid"]):
            with suppress(psutil.Error):
                if process.pid not in (*ours, os.getpid()) and process.environ().get("ELT_HOME") == mark:
                    raise AssertionError(f"process {process.pid} is left: {' '.join(process.cmdline())}")
