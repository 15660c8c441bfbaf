"""The spare process: ready for the next job, replaced when it died or is out of date, never left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_local.jobs import processes
from airbyte_local.jobs.processes import Processes, dismiss

WAITS = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the code on disk, and processes that only wait for their end."""
    file = tmp_path / "module.py"
    file.write_text("")
    monkeypatch.setattr(processes, "CODE", [tmp_path])
    monkeypatch.setattr(
        processes,
        "spawn",
        lambda: subprocess.Popen(WAITS, stdin=subprocess.PIPE, stdout=subprocess.PIPE),
    )
    return file


@pytest.fixture
def kept(code: Path) -> Iterator[Processes]:
    ready = Processes()
    yield ready
    ready.close()


def spare_of(ready: Processes) -> subprocess.Popen[bytes]:
    ready.keep_spare()
    return ready._spare


def test_the_spare_is_handed_out_once(kept: Processes) -> None:
    spare = spare_of(kept)
    assert spare_of(kept) is spare
    first, second = kept.take(), kept.take()
    assert (first is spare, second is spare) == (True, False)
    dismiss(first)
    dismiss(second)


def test_a_spare_that_died_is_replaced(kept: Processes) -> None:
    dead = spare_of(kept)
    dead.kill()
    dead.wait()
    taken = kept.take()
    assert taken.pid != dead.pid
    assert taken.poll() is None
    dismiss(taken)
    dead = spare_of(kept)
    dead.kill()
    dead.wait()
    assert spare_of(kept).poll() is None


def test_a_spare_with_old_code_is_replaced(kept: Processes, code: Path) -> None:
    old = spare_of(kept)
    os.utime(code, (1, 1))
    taken = kept.take()
    assert taken is not old
    assert old.poll() is not None
    dismiss(taken)


def test_after_the_end_there_is_no_spare(kept: Processes) -> None:
    spare = spare_of(kept)
    kept.close()
    assert spare.poll() is not None
    assert spare_of(kept) is None
