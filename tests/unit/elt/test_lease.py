"""The lease: one writer of the warehouse, known by name, gone with its process."""

import subprocess
import sys

import pytest

from elt.lease import WarehouseInUseError, acquire, holder, lease

HOLD = """
import sys, time
from pathlib import Path
from elt.lease import acquire
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


def test_a_second_writer_is_told_who_holds_the_warehouse(tmp_path, other_writer):
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
