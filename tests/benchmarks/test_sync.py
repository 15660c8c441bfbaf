"""The sync benchmark at a tiny size: it runs, its figures have their form, its copies are exact, it leaves nothing.

Of the contestants only those two that need no package index; the peers are left to a run by hand.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.benchmarks.contestants import CONTESTANTS, Load, within

SCRIPT = Path(__file__).with_name("sync.py")


def command(cache: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPT), "--json", "--cache", str(cache), *arguments]


def figures(cache: Path, *arguments: str) -> dict:
    """Standard output of the benchmark, which is JSON and nothing else; what it started and wrote is gone."""
    answer = subprocess.run(command(cache, *arguments), capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert list(cache.iterdir()) == []
    return json.loads(answer.stdout)


@pytest.mark.slow
def test_rates_of_the_limit_and_the_engine(tmp_path: Path) -> None:
    rates = figures(tmp_path, "--rows", "20000", "--only", "copy_discard,airbyte_local")["rows_per_second"]
    assert list(rates) == list(CONTESTANTS)
    assert rates["copy_discard"] > rates["airbyte_local"] > 0
    assert {rates[name] for name in CONTESTANTS if name.startswith(("dlt", "py", "mel"))} == {None}


@pytest.mark.slow
def test_an_increment_is_what_has_changed(tmp_path: Path) -> None:
    full, part = figures(tmp_path, "--rows", "20000", "--increment")["increment"]
    assert (full["rows"], part["changed"]) == (20_000, 200)
    assert 200 <= part["rows"] < 5_000  # and the lines that share the cursor's greatest value
    assert part["exact"]


@pytest.mark.slow
def test_growing_loads_are_exact_and_their_memory_is_seen(tmp_path: Path) -> None:
    rows = figures(tmp_path, "--linear", "0.02,0.05")["linear"]
    assert [row["rows"] for row in rows] == [20_000, 50_000]
    assert all(row["exact"] and row["peak_mib"] > 50 for row in rows)


@pytest.mark.slow
def test_a_large_value_arrives_as_it_is(tmp_path: Path) -> None:
    assert [row["exact"] for row in figures(tmp_path, "--large-value", "3")["large_value"]] == [True, True]


@pytest.mark.slow
def test_changes_of_many_columns_are_exact(tmp_path: Path) -> None:
    found = figures(tmp_path, "--wide", "integers")["wide_integers"]
    assert found["exact"]
    assert found["rows"] == 500
    assert 50 < found["peak_mib"] < 1024


@pytest.mark.slow
@pytest.mark.parametrize(("order", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, order: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        command(tmp_path, "--rows", "1000000", "--only", "airbyte_local"), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr.readline().startswith("filling the source")
    started = psutil.Process(process.pid).children(recursive=True)
    assert any("postgres" in child.name() for child in started)
    time.sleep(1)
    process.send_signal(order)
    assert process.wait(30) == code
    assert list(tmp_path.iterdir()) == []
    gone, alive = psutil.wait_procs(started, timeout=10)
    assert (len(gone), alive) == (len(started), [])


def test_an_unknown_contestant_is_refused_before_anything_starts(tmp_path: Path) -> None:
    answer = subprocess.run(command(tmp_path, "--only", "sqoop"), capture_output=True, text=True)
    assert answer.returncode == 2
    assert "unknown contestant sqoop — choose of copy_discard" in " ".join(answer.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_a_slow_peer_gets_what_fits_with_its_start() -> None:
    # ten seconds to start, a thousand rows a second from then on
    assert within(60, Load(2_000, 12), Load(20_000, 30)) == 50_000
    assert within(60, Load(2_000, 70), Load(20_000, 88)) == 20_000
    assert within(60, Load(2_000, 5), Load(20_000, 4)) == 300_000
