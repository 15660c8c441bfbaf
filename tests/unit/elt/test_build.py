"""`elt build` before dbt starts: its arguments, its environment, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from elt.build import dbt_arguments, timing_report
from foundation.lease import WarehouseInUseError, holder, lease
from foundation.settings import load_settings
from tests.fixtures import warm
from transformation.dbt_lease import hold
from transformation.run import environment as dbt_environment


def run_build(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"ELT_HOME": str(home), "ELT_LEASE_WAIT_SECONDS": "0.1"}
    return warm.run("elt", "build", *arguments, environ=environ)


def test_selectors_are_passed_through() -> None:
    assert dbt_arguments() == ["build"]
    assert dbt_arguments(("a+", "tag:b"), ("c",), full_refresh=True) == [
        *("build", "--select", "a+", "tag:b", "--exclude", "c", "--full-refresh")
    ]


def test_dbt_leaves_its_files_under_elt_home_and_tells_nobody(tmp_path: Path) -> None:
    environment = dbt_environment(load_settings({"ELT_HOME": str(tmp_path)}))
    assert Path(environment["DBT_TARGET_PATH"]).is_relative_to(tmp_path)
    assert Path(environment["DBT_LOG_PATH"]).is_relative_to(tmp_path)
    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert Path(environment["DBT_PROJECT_DIR"], "dbt_project.yml").exists()


def test_missing_warehouse_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    done = run_build(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == f"elt: there is no warehouse at {tmp_path}/warehouse.duckdb — run `elt sync` first\n"
    )


def test_unknown_option_and_target_are_usage_errors(tmp_path: Path) -> None:
    for arguments in (["--selct", "x"], ["--target", "mars"]):
        done = run_build(tmp_path, *arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert arguments[-2] in done.stderr


def test_warehouse_in_use_names_its_writer(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").touch()
    with lease(tmp_path / "warehouse.duckdb", "sync job 12"):
        done = run_build(tmp_path)
    assert done.returncode == 2
    waiting, refused = done.stderr.splitlines()
    assert waiting.startswith("waiting for the warehouse: in use by sync job 12")
    assert "is in use by sync job 12" in refused


def test_a_reader_without_the_lease_is_waited_for_then_named(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    duckdb.connect(warehouse).close()
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, warehouse], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        reader.stdout.readline()
        started = time.monotonic()
        done = run_build(tmp_path, "--wait", "0.5")
        assert time.monotonic() - started >= 0.5
        reader.stdin.close()
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"PID {reader.pid}" in done.stderr
    hold(warehouse, "dbt build", wait_seconds=0)


def test_snowflake_without_its_account_says_which_variable_is_missing(tmp_path: Path) -> None:
    done = run_build(tmp_path, "--target", "snowflake")
    assert done.returncode == 2
    assert "SNOWFLAKE_ACCOUNT" in done.stderr.splitlines()[-1]


def test_one_process_takes_the_lease_once(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    hold(warehouse, "dbt build", wait_seconds=0)
    hold(warehouse, "dbt build", wait_seconds=0)
    assert holder(warehouse).startswith("dbt build")
    with pytest.raises(WarehouseInUseError, match="in use by dbt build"), lease(warehouse, "sync", 0.1):
        pass


def test_timing_lists_the_slowest_model_first_and_leaves_tests_out() -> None:
    ran = [
        ("model", "dim_date", 0.5),
        ("test", "unique_dim_date", 3.0),
        ("snapshot", "history", 1.25),
        ("unit_test", "x", 1.0),
        ("exposure", "dashboard", 0.0),
    ]
    results = [
        SimpleNamespace(node=SimpleNamespace(resource_type=kind, name=name), execution_time=seconds)
        for kind, name, seconds in ran
    ]
    assert timing_report(results).splitlines() == [
        "    1.25 s  history",
        "    0.50 s  dim_date",
        "    1.75 s  in all, for 2 models, seeds and snapshots",
        "    4.00 s  for their tests",
    ]
