"""Backups are whole or not there, and a restore brings back what a loss took: histories, sync state, metadata, configuration."""

from __future__ import annotations

import shutil
import sqlite3

import duckdb
import pytest

from foundation.errors import EltError
from foundation.lease import WarehouseInUseError, lease
from foundation.settings import load_settings
from orchestration import backup as backups
from orchestration import publish as publishing
from orchestration.sealed import seal, verify
from stack import postgres
from tests.fixtures.source import free_port


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An ELT_HOME with a running metadata PostgreSQL."""
    folder = tmp_path_factory.mktemp("backup") / "elt home"
    config = load_settings({"ELT_HOME": str(folder), "METADATA_PORT": str(free_port())})
    cluster = postgres.metadata_cluster(config)
    cluster.initialise()
    cluster.start()
    yield config
    cluster.stop()


@pytest.fixture
def config(home):
    """The same with content of its own, and no backup."""
    for old in backups.backups(home):
        shutil.rmtree(old)
    home.warehouse_path.unlink(missing_ok=True)
    with duckdb.connect(home.warehouse_path) as duck:
        duck.execute(
            "create schema snapshots; create schema airbyte_internal; create schema adventureworks_sales"
        )
        duck.execute(
            "create table snapshots.customers as select range as id, 'as it was' as name from range(100)"
        )
        duck.execute("create table airbyte_internal.state as select 'position 7' as state")
        duck.execute("create table adventureworks_sales.customer as select 1 as id")
        duck.execute("create schema marts; create table marts.fct as select 1 as id")
    metadata(home, "drop table if exists runs; create table runs as select 'run 1' as id")
    store = home.home / "airbyte" / "airbyte.sqlite"
    store.parent.mkdir(exist_ok=True)
    with sqlite3.connect(store) as connection:
        connection.execute("drop table if exists connections")
        connection.execute("create table connections as select 'adventureworks' as name")
    return home


def metadata(config, statement):
    cluster = postgres.metadata_cluster(config)
    with cluster.connect("airflow", "airflow", config.metadata_password.get_secret_value()) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def warehouse(config, query):
    with duckdb.connect(config.warehouse_path) as duck:
        return duck.execute(query).fetchall()


def test_a_restore_brings_back_what_was_lost(config):
    folder = backups.backup(config)
    assert oct(folder.stat().st_mode)[-3:] == "700" and all(
        oct(f.stat().st_mode)[-3:] == "600" for f in folder.iterdir()
    )
    warehouse(config, "update snapshots.customers set name = 'spoilt'")
    warehouse(config, "create table marts.built_from as select 'day' as name")
    warehouse(config, "drop table airbyte_internal.state")
    metadata(config, "delete from runs")
    with sqlite3.connect(config.home / "airbyte" / "airbyte.sqlite") as connection:
        connection.execute("delete from connections")
    said = []
    assert backups.restore(config, report=said.append) == folder
    assert warehouse(config, "select count(*), min(name) from snapshots.customers") == [(100, "as it was")]
    assert warehouse(config, "select state from airbyte_internal.state") == [("position 7",)]
    assert metadata(config, "select id from runs") == [("run 1",)]
    metadata(config, "insert into runs values ('run 2')")  # it is still Airflow's own table
    with sqlite3.connect(config.home / "airbyte" / "airbyte.sqlite") as connection:
        assert connection.execute("select name from connections").fetchall() == [("adventureworks",)]
    assert "warehouse: snapshots.customers" in said and "metadata: airflow" in said
    # the marts were built from other histories: the next build begins with none of them
    assert warehouse(config, "from duckdb_tables() where schema_name = 'marts'") == []


def test_without_the_rows_that_it_speaks_of_the_sync_state_stays_away(config):
    backups.backup(config)
    config.warehouse_path.unlink()
    backups.restore(config)
    tables = warehouse(config, "select schema_name || '.' || table_name from duckdb_tables()")
    assert tables == [("snapshots.customers",)]  # so the next sync reads everything


def test_a_state_that_is_there_is_newer_and_stays(config):
    backups.backup(config)
    warehouse(config, "update airbyte_internal.state set state = 'position 8'")
    backups.restore(config)
    assert warehouse(config, "select state from airbyte_internal.state") == [("position 8",)]


def test_the_last_seven_stay_and_a_failed_one_leaves_nothing(config, monkeypatch):
    for hour in range(9):
        monkeypatch.setattr(backups, "_name", lambda known, hour=hour: f"2026-03-01T{hour:02}0000Z")
        backups.backup(config)
    assert [path.name[11:13] for path in backups.backups(config)] == [f"{hour:02}" for hour in range(2, 9)]
    monkeypatch.setattr(backups, "_name", lambda known: "2026-03-02T000000Z")
    with lease(config.warehouse_path, "sync job 12"), pytest.raises(WarehouseInUseError, match="sync job 12"):
        backups.backup(config, wait_seconds=0.1)
    assert len(backups.backups(config)) == 7
    assert not list((config.home / "backups").glob(".*"))


def test_backups_within_a_second_and_before_a_wrong_clock_all_stay(config):
    """Each is the newest when it is made, so the one that goes at the eighth is the oldest."""
    made = [backups.backup(config) for _ in range(3)]
    late = made[-1].rename(made[-1].with_name("2999-01-01T000000Z"))  # made while the clock was wrong
    newest = backups.backup(config)
    assert backups.backups(config) == [*made[:2], late, newest]


def test_other_secrets_or_no_backup_are_refused_with_what_to_do(config):
    with pytest.raises(EltError, match="there is no backup — there is: none"):
        backups.restore(config)
    folder = backups.backup(config)
    (folder / "secrets.env").write_text("AIRFLOW_FERNET_KEY=another\n")
    seal(folder)
    with pytest.raises(EltError, match="are not those of this ELT_HOME"):
        backups.restore(config)
    with pytest.raises(EltError, match="there is no backup yesterday's"):
        backups.restore(config, "yesterday's")


@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_damaged_or_linked_backup_changes_nothing(config, tmp_path):
    """Whatever is wrong with one of its files: the restore says which, before it touches anything."""
    folder = backups.backup(config)
    store = config.home / "airbyte" / "airbyte.sqlite"
    before = {path: path.read_bytes() for path in (config.warehouse_path, store)}
    elsewhere = tmp_path / "elsewhere"
    file = folder / "airbyte.sqlite"
    good = file.read_bytes()

    def refused(match):
        with pytest.raises(EltError, match=match):
            backups.restore(config)
        assert {path: path.read_bytes() for path in before} == before

    file.write_bytes(good[:-1] + b"?")
    refused("airbyte.sqlite is damaged")
    file.write_bytes(good)
    elsewhere.write_bytes(good)
    file.unlink()
    refused("airbyte.sqlite is missing")
    file.symlink_to(elsewhere)
    refused("airbyte.sqlite is no plain file")
    file.unlink()
    file.write_bytes(good)
    (folder / "monitoring.duckdb").write_bytes(b"")
    refused("monitoring.duckdb is not in the manifest")
    (folder / "monitoring.duckdb").unlink()
    (folder / "manifest.json").rename(elsewhere)
    refused("has no manifest.json")
    elsewhere.rename(folder / "manifest.json")
    folder.rename(tmp_path / folder.name)
    folder.symlink_to(tmp_path / folder.name)
    refused("there is no backup")
    folder.unlink()
    assert backups.backups(config) == []


@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_restore_replaces_a_link_and_does_not_follow_it(config, tmp_path):
    backups.backup(config)
    store, other = config.home / "airbyte" / "airbyte.sqlite", tmp_path / "another's"
    other.write_text("another's")
    store.unlink()
    store.symlink_to(other)
    backups.restore(config)
    assert other.read_text() == "another's" and not store.is_symlink()


def everything(config):
    """What a restore may replace, to compare: each file and each row of the metadata."""
    paths = (config.warehouse_path, config.home / "airbyte" / "airbyte.sqlite", config.home / "secrets.env")
    return [path.read_bytes() for path in paths], metadata(config, "select id from runs")


def test_a_restore_that_lacks_something_says_all_of_it_and_changes_nothing(config):
    backups.backup(config)
    warehouse(config, "update snapshots.customers set name = 'newer'")
    before = everything(config)
    cluster = postgres.metadata_cluster(config)
    cluster.stop()
    try:
        with lease(config.warehouse_path, "sync job 12"), pytest.raises(EltError) as refused:
            backups.restore(config, obstacles=["airflow runs"], wait_seconds=0)
    finally:
        cluster.start()
    for part in ("airflow runs", "sync job 12", "PostgreSQL", str(config.metadata_port)):
        assert part in str(refused.value)
    assert everything(config) == before


def test_a_metadata_dump_that_does_not_go_in_whole_does_not_go_in_at_all(config):
    metadata(config, "create table if not exists workers as select 1 as id")
    backups.backup(config)
    metadata(config, "update runs set id = 'newer'")
    metadata(config, "create view upon_it as select id from runs")  # what a restore can't drop
    with pytest.raises(EltError, match="pg_restore airflow"):
        backups.restore(config)
    assert metadata(config, "select id from upon_it, (select from workers) as others") == [("newer",)]
    metadata(config, "drop view upon_it")
    backups.restore(config)
    assert metadata(config, "select id from runs") == [("run 1",)]


def test_what_was_built_and_published_from_newer_histories_is_never_built_upon(config):
    backups.backup(config)
    published = publishing.publish(config, "run 2")
    backups.restore(config)
    # runs that end in the middle, as often as one likes: each next one begins with nothing
    for run in ("run 3", "run 4"):
        assert "nothing" in publishing.prepare(config, run)
        assert warehouse(config, "from duckdb_tables() where schema_name = 'marts'") == []
        warehouse(config, "create schema if not exists marts; create table marts.fct as select 2 as id")
        publishing.give_back(config, run)
    assert [v.number for v in publishing.versions(config) if v.current] == [published.number]  # still shown
    assert publishing.publish(config, "run 5").number > published.number
    assert publishing.prepare(config, "run 6") == "the marts are as published"
    assert warehouse(config, "from marts.fct") == [(2,)]
    publishing.give_back(config, "run 6")
    publishing.rollback(config, published.number)
    assert "nothing" in publishing.prepare(config, "run 7")
    publishing.give_back(config, "run 7")
    publishing.resume(config)


def test_a_backup_killed_at_any_moment_leaves_no_half_one(config, monkeypatch):
    """Neither a draft of its own nor an old one that it was removing: the next backup clears both away."""
    for hour in range(7):
        monkeypatch.setattr(backups, "_name", lambda known, hour=hour: f"2026-03-01T{hour:02}0000Z")
        backups.backup(config)
    (config.home / "backups" / ".2026-02-01T100000Z").mkdir()  # a killed draft
    remove = shutil.rmtree

    def killed(path, **options):
        if "T00" in path.name:
            (path / "manifest.json").unlink()
            raise KeyboardInterrupt
        remove(path, **options)

    monkeypatch.setattr(backups, "_name", lambda known: "2026-03-01T070000Z")
    monkeypatch.setattr(backups.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        backups.backup(config)
    for folder in backups.backups(config):
        verify(folder)
    monkeypatch.setattr(backups.shutil, "rmtree", remove)
    monkeypatch.setattr(backups, "_name", lambda known: "2026-03-01T080000Z")
    backups.backup(config)
    assert len(backups.backups(config)) == 7
    assert not [path for path in (config.home / "backups").glob(".*") if path.is_dir()]
