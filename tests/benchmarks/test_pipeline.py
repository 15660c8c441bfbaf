"""The pipeline benchmark at a tiny size: it runs, its figures have their form, it leaves no process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stack.processes import stack_processes

SCRIPT = Path(__file__).with_name("pipeline.py")


@pytest.mark.slow
def test_a_run_after_a_trading_day_is_timed_step_by_step(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [
        sys.executable,
        str(SCRIPT),
        "--json",
        "--scale",
        "0.02",
        "--minutes",
        "0",
        "--home",
        str(home),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["incremental_run_seconds"] > found["sync_seconds"] + found["dbt_seconds"] > 0
    assert found["freshness_p95_seconds"] is None
    assert set(found["run"]) > {"sync", "reconcile", "publish", "between the tasks"}
    assert found["demo_seconds"] > found["first_run_seconds"] > 0
    assert 0 < found["unchanged_run_seconds"] < found["incremental_run_seconds"]
    idle, peak = found["idle_memory_mib"], found["peak_memory_mib"]
    assert {"source", "metadata", "airflow-scheduler", "superset", "supervisord"} <= idle.keys()
    assert 0 < idle["in all"] < peak["in all"]
    assert list(stack_processes(home)) == []
