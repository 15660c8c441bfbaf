"""A disk that is full for a while costs lines of logs, and neither supervisord nor a program."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from stack.parts import Part
from stack.program import Program
from stack.supervision import start_supervisord, supervised, supervisor
from tests.fixtures.small_disk import small_disk
from tests.fixtures.waiting import wait_until

TALKS = (
    "import itertools, time\nfor n in itertools.count(): print(n, '.' * 500, flush=True); time.sleep(0.005)"
)


def running(home: Path) -> int:
    """The program's process; 0 when supervisord, or it, does not run."""
    found = (supervised(home) or {}).get("talker", {})
    return found["pid"] if found.get("statename") == "RUNNING" else 0


@pytest.mark.threat("a full disk")
def test_a_full_disk_ends_neither_supervisord_nor_a_program(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    script = tmp_path / "talker.py"
    script.write_text(TALKS)
    talker = Program("talker", (sys.executable, str(script)))
    with small_disk(home, 8):
        start_supervisord(home, [Part("talker", (talker,), (), "", lambda: True)])
        supervisord = psutil.Process(int((home / "run" / "supervisord.pid").read_text()))
        try:
            supervised_by = supervisord.create_time()
            supervisor(home).supervisor.startProcess("talker")
            pid, log, fill = running(home), home / "logs" / "talker.log", home / "fill"
            assert pid
            with suppress(OSError), fill.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            full = log.stat().st_size
            written = psutil.Process(pid).io_counters().write_chars
            wait_until(lambda: psutil.Process(pid).io_counters().write_chars > written + 200_000, 60)
            assert (running(home), supervisord.create_time()) == (pid, supervised_by)
            fill.unlink()
            wait_until(lambda: log.stat().st_size > full + 100_000, 60)
            assert running(home) == pid
        finally:
            for process in (*supervisord.children(recursive=True), supervisord):
                process.kill()
