"""One history: a small shop, its syncs, publishes, backups and restores, and what happens to them at random moments.

Processes are killed, jobs stopped or left with no more memory or descriptors than they have, the source crashes, the clock of the
server and its jobs jumps (where Debian's package libfaketime is installed), the disk is full for a while, a folder of it
can only be read (real mounts: where this process may).

After each step the warehouse holds the rows of one version, old or new, whole; what is published is one version, whole;
every backup is as it was made. At the end of a history the next sync, publish and backup succeed, raw equals the source, and no
process, lock or half version is left.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import duckdb
import httpx
import psutil

from foundation.errors import EltError
from foundation.lease import holder, lease
from foundation.settings import load_settings
from orchestration import backup
from orchestration.sealed import verify
from tests.faults.work import PROCESSES, work
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.small_disk import mount, read_only, unmount
from tests.fixtures.source import SourceServer, free_port
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import SHOP, connect, source_configuration, stream
from tests.integration.airbyte_local.histories import kill
from tests.integration.airbyte_local.test_faults import Versions, crash
from tests.integration.airbyte_local.test_jobs import job_processes, runs

STREAMS = [stream("shop.orders"), stream("shop.lines")]
WORK = ("publish", "backup", "restore")
LIMITS = {"memory": psutil.RLIMIT_AS, "descriptors": psutil.RLIMIT_NOFILE}  # of the processes of a job
DISK_MB = 256
DAY_SECONDS = 86_400
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def limit(pid: int, fault: str, chance: random.Random) -> None:
    """From here on a process gets hardly any more memory (bytes) or descriptors than it has."""
    process = psutil.Process(pid)
    if fault == "memory":
        most = process.memory_info().vms + chance.randint(0, 64 << 20)
    else:
        most = process.num_fds() + chance.randint(0, 4)
    _, allowed = process.rlimit(LIMITS[fault])  # less than all where it was forked from one that has a limit
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    process.rlimit(LIMITS[fault], (most, most))


class History:
    """What stays from history to history: a source server, an Airbyte server and their home."""

    def __init__(self, source: SourceServer, home: Path) -> None:
        self._source = source
        self.told: Counter[str] = Counter()
        home.mkdir()
        self._home = home
        self._has_disk = not mount(home, DISK_MB)
        home.chmod(0o700)
        secrets = home / "secrets.env"  # a restore asks for that of its backup
        secrets.touch(mode=0o600)
        secrets.write_text("AIRBYTE_CLIENT_SECRET=test-client-secret\n")
        self.faults = ["job", "server", "source", "pause", *LIMITS, *WORK]
        self.faults += ["full disk", "read-only disk"] if self._has_disk else []
        self._offset = home.with_name(f"{home.name}-clock")  # of the server's clock, in seconds
        self._offset.write_text("+0")
        clock = {}
        if FAKETIME:
            self.faults.append("clock")
            clock = {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self._offset),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "PYTHONPATH": str(Path(__file__).with_name("fake_clock")),
            }
        self.server = AirbyteServer(home, free_port(), extra=clock)
        try:
            self.server.start()
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
        if self.server.process.poll() is None:
            self.server.stop()
        if self._has_disk:
            unmount(self._home)

    def run(self, seed: int, steps: int) -> None:
        """One history. Raises AssertionError for what does not hold."""
        chance = random.Random(seed)
        for _ in range(steps):
            fault = chance.choice(self.faults)
            self.told[fault] += 1
            if fault in WORK:
                self.work(fault, kill_after=chance.uniform(0, 1.2 * self.seconds[fault]))
            elif fault == "read-only disk":
                self.work_without_writing(chance)
            else:
                self.sync(fault, chance)
            self.check()
        self.versions.advance()
        assert self.versions.made.sync()["status"] == "succeeded"
        assert self.versions.check("succeeded")
        for name in ("publish", "backup"):
            self.work(name)
        assert self.shown() == self.versions.number
        self.check_nothing_left()

    def sync(self, fault: str, chance: random.Random) -> None:
        """A sync that is disturbed, and what the warehouse holds then."""
        self.versions.advance()
        moment = chance.uniform(0, 1.5 * self.versions.seconds)
        if fault == "full disk":
            status = self.sync_on_a_full_disk(moment, chance.choice((0, 4096, 100_000, 1_000_000)))
        else:
            job_id = self.versions.made.start()
            time.sleep(moment)
            self.disturb(fault, chance)
            job = self.server.wait(job_id)
            status = job["status"]
            assert fault != "pause" or status == "succeeded", status
            if status == "failed" and fault in LIMITS:
                assert job["failureReason"] and "\n" not in job["failureReason"], job
        new = self.versions.check(status)
        self.told[f"{fault}: {'new' if new else 'old'} data"] += 1

    def disturb(self, fault: str, chance: random.Random) -> None:
        """Do it to the server, the source, or the processes of the job that runs."""
        processes = job_processes(self.server)
        if fault == "server":
            self.server.restart(signal.SIGKILL)
            wait_until(lambda: not any(runs(pid) for pid in processes))
        elif fault == "source":
            crash(self._source.cluster)
            self._source.cluster.start()
        elif fault == "clock":
            self._offset.write_text(f"{chance.uniform(-2, 2) * DAY_SECONDS:+.0f}")
        else:
            for pid in processes:
                if fault == "job":
                    kill(pid)
                    continue
                with suppress(ProcessLookupError, psutil.NoSuchProcess):
                    if fault in LIMITS:
                        limit(pid, fault, chance)
                        continue
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(chance.uniform(0, 0.3))
                    os.kill(pid, signal.SIGCONT)

    def sync_on_a_full_disk(self, seconds: float, free: int) -> str:
        """The status of a sync that has so many bytes of disk for some seconds, and enough afterwards."""
        ballast = self._home / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, psutil.disk_usage(str(self._home)).free - free)
        try:
            job_id = self.versions.made.start()
            time.sleep(seconds)
        except httpx.HTTPStatusError as refused:
            assert refused.response.status_code == httpx.codes.INSUFFICIENT_STORAGE, refused.response.text
            return "refused"
        finally:
            ballast.unlink()
        return self.server.wait(job_id)["status"]

    def work_without_writing(self, chance: random.Random) -> None:
        """Publish or back up where that folder can only be read: refused in a line, and nothing changes."""
        name, folder = chance.choice(
            [("publish", self.config.serving_path.parent.parent), ("backup", self.config.home / "backups")]
        )
        with read_only(folder):
            self.work(name, refused=True)

    def work(self, name: str, kill_after: float | None = None, refused: bool = False) -> float:
        """Publish, back up or restore in a process of its own, which is killed after so many seconds; how long it took.

        `refused`: it has to end with an error of one line.
        """
        if name == "restore":
            self.server.stop()
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
        if refused:
            assert code == EltError.exit_code, code
            self.told[f"{name}: refused"] += 1
            return 0
        assert code == 0 or (kill_after is not None and code == -signal.SIGKILL), code
        if name == "restore":
            if code:  # what a killed one left is half of it, until it is repeated
                self.work("restore")
            else:
                self.server.start()
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
        server, mark = self.server.process.pid, str(self.config.home)
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("ELT_HOME") != mark:
                    continue
                family = {process.pid, *(parent.pid for parent in process.parents())}
                if server not in family and process.pid != os.getpid():
                    raise AssertionError(f"process {process.pid} is left: {' '.join(process.cmdline())}")
