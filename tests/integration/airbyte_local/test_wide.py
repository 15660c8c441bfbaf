"""Very many columns with little memory: tables are written as drafts, and take their places in one commit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airbyte_local.destinations.duckdb.memory import VARIABLE
from foundation.errors import EltError
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local.conftest import Engine, stream
from tests.integration.airbyte_local.test_capture import BIG, CapturingEngine

TABLES, COLUMNS = 5, 100
NAMES = [f"w{number}" for number in range(TABLES)]
FIELDS = ", ".join(f"c{number}" for number in range(COLUMNS))
STREAMS = [stream(f"shop.{name}") for name in NAMES]


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "128")


def fill(source: SourceDatabase) -> None:
    """Some tables of which all together are too much."""
    columns = ", ".join(f"c{number} {('text', 'integer')[number % 2]}" for number in range(COLUMNS))
    values = ", ".join(["n"] * COLUMNS)
    with source.connect() as connection:
        for name in NAMES:
            table = f"shop.{name}"
            connection.execute(
                f"create table {table} (id integer primary key, {columns}, note text, updated timestamp default '2024-01-01')"
            )
            connection.execute(
                f"insert into {table} select n, {values}, {BIG} from generate_series(1, 5) as n"
            )


@pytest.fixture
def capturing(shop: SourceDatabase, tmp_path: Path) -> Iterator[CapturingEngine]:
    fill(shop)
    engine = CapturingEngine(shop, tmp_path / "warehouse.duckdb")
    engine.superuser("create publication shop_publication for all tables")
    yield engine
    engine.superuser("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active and database = current_database()")  # fmt: skip


@pytest.fixture
def by_cursor(shop: SourceDatabase, tmp_path: Path) -> Engine:
    fill(shop)
    return Engine(shop, tmp_path / "warehouse.duckdb")


def differing(engine: Engine, condition: str = "true") -> list[str]:
    """The tables whose live rows are not the source's."""
    columns = f"id, {FIELDS}, md5(note)"
    with engine.source.connect() as connection:
        return [
            name
            for name in NAMES
            if connection.execute(f"select {columns} from shop.{name} order by id").fetchall()
            != engine.raw(f"select {columns} from raw_shop.{name} where {condition} order by id")
        ]


def tables(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.raw("select table_name from duckdb_tables() where schema_name = 'raw_shop' order by 1")


LIVE = "_ab_cdc_deleted_at is null"


def change(engine: Engine) -> None:
    for name in NAMES:
        engine.write(
            f"update shop.{name} set c0 = 'x', c1 = -1, updated = '2024-01-02' where id = 2",
            f"delete from shop.{name} where id = 3",
            f"insert into shop.{name} (id, c0) values (6, 'new')",
        )


def test_changes_of_more_columns_than_memory_holds_arrive(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.sync(*STREAMS)
    assert differing(engine, LIVE) == []
    change(engine)
    engine.write("truncate shop.w1", "insert into shop.w1 (id, c0) values (9, 'after')")
    engine.write("update shop.w2 set id = 20, c0 = 'moved' where id = 2")
    figures = engine.sync(*STREAMS)
    assert figures["w0"] == (3, 3)
    assert differing(engine, LIVE) == []
    gone = engine.raw(f"select id, c0 from raw_shop.w0 where not {LIVE}")
    assert gone == [(3, None)]
    assert [name for (name,) in tables(engine)] == NAMES
    assert engine.sync(*STREAMS)["w0"] == (0, 0)


@pytest.mark.slow
def test_a_large_table_is_written_in_place(
    capturing: CapturingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airbyte_local.destinations.duckdb.drafts.SMALL_ROWS", 5)
    engine, number = capturing, "select table_oid from duckdb_tables() where table_name = 'w0'"
    engine.write("insert into shop.w0 (id, c0) values (7, 'more')")
    engine.sync(*STREAMS)
    before = engine.raw(number)
    change(engine)
    engine.sync(*STREAMS)
    assert engine.raw(number) == before
    assert differing(engine, LIVE) == []


@pytest.mark.slow
def test_rows_of_a_table_that_is_read_as_a_whole_again_are_kept_or_deleted(
    capturing: CapturingEngine,
) -> None:
    engine = capturing
    engine.sync(*STREAMS)
    engine.superuser("drop publication shop_publication")
    change(engine)
    for name in NAMES:
        engine.write(f"alter table shop.{name} add column extra text default 'e'")
    engine.superuser("create publication shop_publication for all tables")
    figures = engine.sync(*STREAMS)
    assert figures["w0"][0] == 5
    assert differing(engine, LIVE) == []
    assert engine.raw(f"select id, extra from raw_shop.w4 where {LIVE} order by id")[0] == (1, "e")
    assert engine.raw(f"select id from raw_shop.w4 where not {LIVE}") == [(3,)]


@pytest.mark.parametrize(
    "mode", ["incremental_deduped_history", pytest.param("incremental_append", marks=pytest.mark.slow)]
)
def test_rows_are_read_by_cursor(by_cursor: Engine, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "256")  # appended rows are compared by all columns
    engine, streams = by_cursor, [stream(f"shop.{name}", mode) for name in NAMES]
    engine.sync(*streams)
    change(engine)
    for name in NAMES:
        engine.write(f"alter table shop.{name} add column extra text")
    engine.sync(*streams)
    found = engine.raw("select id, c0 from raw_shop.w4 where id in (2, 6) order by id, c0 desc")
    assert found == [(2, "x"), *([] if "dedup" in mode else [(2, "2")]), (6, "new")]
    assert engine.column_types("w4")["extra"] == "VARCHAR"
    assert [name for (name,) in tables(engine)] == NAMES


KILLED = """
import json, os, sys
from airbyte_local.destinations.duckdb.session import DuckdbSession
from airbyte_local.jobs.report import Report
from airbyte_local.sync import run
from airbyte_local.task import Task
DuckdbSession.commit = lambda *_: os._exit(9)
run(Task.of(json.load(sys.stdin)), Report(os.open(os.devnull, os.O_WRONLY)))
"""


def test_a_job_that_is_killed_before_its_commit_changes_nothing(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.sync(*STREAMS)
    before = [engine.raw(f"select * from raw_shop.{name} order by id") for name in NAMES]
    change(engine)
    task = json.dumps(engine.task(*STREAMS))
    assert subprocess.run([sys.executable, "-c", KILLED], input=task, text=True).returncode == 9
    assert [engine.raw(f"select * from raw_shop.{name} order by id") for name in NAMES] == before
    assert len(tables(engine)) > TABLES  # it was killed between its parts
    engine.sync(*STREAMS)
    assert differing(engine, LIVE) == []
    assert [name for (name,) in tables(engine)] == NAMES


def test_a_stream_that_fails_late_leaves_no_draft(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.sync(*STREAMS)
    change(engine)
    engine.write("create table shop.x (id integer primary key, v numeric(12,4))", "insert into shop.x values (1, 'NaN')")  # fmt: skip
    with pytest.raises(EltError, match=r"the other 5 streams are loaded"):
        engine.sync(*STREAMS, stream("shop.x"))
    assert differing(engine, LIVE) == []
    assert [name for (name,) in tables(engine)] == NAMES


def test_a_job_that_cannot_fit_names_the_setting(engine: Engine) -> None:
    columns = ", ".join(f"c{number} text" for number in range(1_500))
    engine.write(f"create table shop.widest (id integer primary key, {columns}, updated timestamp)")
    engine.write("insert into shop.widest (id, c1) values (1, 'a')")
    with pytest.raises(EltError, match=r"not enough memory .* raise AIRBYTE_JOB_MEMORY_MB \(it is 128\)"):
        for _ in range(2):
            engine.sync(stream("shop.widest"))
            engine.write("update shop.widest set c1 = 'b', updated = now()")
