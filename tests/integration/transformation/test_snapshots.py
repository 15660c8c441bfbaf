"""A snapshot can't be built again: what changes its definition keeps its versions."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.integration.transformation.raw_layer import Warehouse
from transformation.project import PROJECT

VERSIONS = "select customer_id, dbt_valid_from, dbt_valid_to, dbt_scd_id from snapshots.customers_snapshot order by all"


def with_a_column(folder: Path) -> Path:
    """A copy of the project whose snapshot of customers has one column more, among those that it compares."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs", "transformation"))
    query = folder / "models" / "intermediate" / "int_customers.sql"
    text = query.read_text()
    query.write_text(
        text.replace(
            "        customers.account_number,\n",
            "        customers.account_number,\n        customers.territory_id,\n",
        )
    )
    snapshot = folder / "snapshots" / "customers_snapshot.yml"
    snapshot.write_text(
        snapshot.read_text().replace("check_cols:\n", "check_cols:\n        - territory_id\n")
    )
    assert text != query.read_text()
    return folder


def test_new_column_gives_nobody_a_new_version(first_build: Warehouse, tmp_path: Path) -> None:
    warehouse = first_build.copy(tmp_path / "home")
    before = warehouse.rows(VERSIONS)
    project = with_a_column(tmp_path / "project")
    for _ in range(2):  # and the next build finds nothing to add
        done = warehouse.dbt("snapshot", "--select", "customers_snapshot", project=project)
        assert done.returncode == 0, done.stdout
        assert warehouse.rows(VERSIONS) == before
    filled = "select distinct territory_id from snapshots.customers_snapshot where dbt_valid_to is null"
    assert warehouse.rows(filled) == [(1,)]
    backups = warehouse.rows(
        "select table_name, estimated_size from duckdb_tables() where table_name like 'customers_snapshot_before_%'"
    )
    assert [size for _, size in backups] == [len(before)]


@pytest.mark.slow  # two builds of the snapshots
def test_a_dry_run_says_how_many_versions_a_build_would_make_and_changes_nothing(
    first_build: Warehouse, tmp_path: Path
) -> None:
    warehouse = first_build.copy(tmp_path / "home")
    (people,) = warehouse.row("select count(*) from snapshots.customers_snapshot where dbt_valid_to is null")
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(
            "update adventureworks_person.person set lastname = 'Other' where businessentityid = ("
            "select personid from adventureworks_sales.customer where customerid = 1)"
        )
    before = warehouse.path.read_bytes()
    said = warehouse.elt("build", "--dry-run")
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines() == [
        f"customers_snapshot: 1 new versions, 1 of {people} open ones would end",
        "product_inventory_snapshot: 0 new versions, 0 of 2 open ones would end",
    ]
    assert warehouse.path.read_bytes() == before
    assert not list(warehouse.home.glob("dry-run-*"))
    refused = warehouse.elt("build", "--dry-run", "--changed")
    assert (refused.returncode, "--dry-run goes with --wait alone" in refused.stderr) == (2, True)
