"""The lease: one writer of the warehouse, known by name, gone with its process."""

import os
import subprocess
import sys
import time

import pytest

from foundation.lease import (
    RESERVED_SECONDS,
    WarehouseInUseError,
    acquire,
    give_back,
    holder,
    lease,
    renew,
    reserve,
)

HOLD = """
import sys, time
from pathlib import Path
from foundation.lease import acquire
lock = acquire(Path(sys.argv[1]), "sync job 12")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other_writer(tmp_path):
    """A process that holds the lease on `tmp_path/warehouse.duckdb` as sync job 12."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "warehouse.duckdb")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_writer_learns_who_holds_the_warehouse(tmp_path, other_writer):
    warehouse = tmp_path / "warehouse.duckdb"
    with pytest.raises(
        WarehouseInUseError, match=rf"in use by sync job 12 \(process {other_writer.pid}, since "
    ):
        acquire(warehouse, "dbt build", wait_seconds=0.2)
    assert holder(warehouse).startswith("sync job 12 ")


def test_a_killed_owner_leaves_nothing_to_clean_up(tmp_path, other_writer):
    other_writer.kill()
    other_writer.wait()
    warehouse = tmp_path / "warehouse.duckdb"
    assert holder(warehouse) is None
    with lease(warehouse, "publish", wait_seconds=1):
        pass


def test_the_lease_ends_with_its_block_even_when_that_fails(tmp_path):
    warehouse = tmp_path / "folder that is not there yet" / "warehouse.duckdb"
    with pytest.raises(ZeroDivisionError), lease(warehouse, "publish"):
        1 / 0  # noqa: B018 - the failure is the point
    assert holder(warehouse) is None


def test_between_its_processes_a_run_keeps_the_lease_and_others_learn_which(tmp_path, monkeypatch):
    warehouse = tmp_path / "warehouse.duckdb"
    with lease(warehouse, "prepare", run="elt run 1"):
        reserve(warehouse, "elt run 1")
    with pytest.raises(WarehouseInUseError, match="in use by the run elt run 1, between two of its tasks"):
        acquire(warehouse, "sync job 12", wait_seconds=0.3)
    with lease(warehouse, "publish", wait_seconds=0, run="elt run 1"):
        assert holder(warehouse).startswith("publish ")
    monkeypatch.setenv("ELT_RUN", "elt run 1")  # as dbt's process has it
    with lease(warehouse, "dbt build", wait_seconds=0):
        pass
    monkeypatch.setenv("ELT_RUN", "elt run 2")
    with pytest.raises(WarehouseInUseError):
        acquire(warehouse, "dbt build", wait_seconds=0)
    give_back(warehouse, "elt run 2")  # which has nothing to give back
    assert "elt run 1" in holder(warehouse)
    give_back(warehouse, "elt run 1")
    assert holder(warehouse) is None
    with lease(warehouse, "dbt build", wait_seconds=0):
        pass


def test_a_reservation_that_nobody_renews_is_over_and_its_run_learns_whether_another_came_between(tmp_path):
    warehouse = tmp_path / "warehouse.duckdb"
    with lease(warehouse, "prepare", run="elt run 1"):
        reserve(warehouse, "elt run 1")
    past = time.time() - RESERVED_SECONDS - 1
    os.utime(warehouse.with_name("warehouse.duckdb.reserved.json"), (past, past))
    assert holder(warehouse) is None
    assert renew(warehouse, "elt run 1")  # late, but nobody came between
    with pytest.raises(WarehouseInUseError):
        acquire(warehouse, "sync job 12", wait_seconds=0)
    os.utime(warehouse.with_name("warehouse.duckdb.reserved.json"), (past, past))
    with lease(warehouse, "sync job 12", wait_seconds=0):
        pass
    assert not renew(warehouse, "elt run 1")
    assert holder(warehouse) is None
