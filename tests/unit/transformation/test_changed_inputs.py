"""Which part of the project a build needs, from what the last complete one was built from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from transformation.changed_inputs import (
    KEPT,
    Changes,
    built,
    difference,
    relations,
    selectors,
    versions,
    why_everything,
)
from transformation.project import PROJECT, files_of
from transformation.request import BuildRequest


def node(kind: str, name: str, *reads: str, macros: tuple[str, ...] = ()) -> dict[str, object]:
    return {
        "resource_type": kind,
        "name": name,
        "relation_name": f'"warehouse"."marts"."{name}"',
        "config": {"materialized": "table"},
        "depends_on": {"nodes": list(reads), "macros": list(macros)},
    }


def source(schema: str, name: str) -> dict[str, str]:
    return {
        "source_name": schema,
        "name": name,
        "relation_name": f'"warehouse"."{schema}"."{name}"',
    }


ORDERS, LINES = "source.adventureworks.shop.orders", "source.adventureworks.shop.lines"
MANIFEST = {
    "metadata": {"adapter_type": "duckdb"},
    "sources": {
        ORDERS: source("shop", "orders"),
        LINES: source("shop", "lines"),
        "source.adventureworks.airbyte_internal.syncs": source("airbyte_internal", "syncs"),
    },
    "nodes": {
        "model.adventureworks.fct": node("model", "fct", ORDERS, LINES),
        "model.adventureworks.dim_date": node(
            "model", "dim_date", macros=("macro.adventureworks.build_day",)
        ),
        "model.adventureworks.mart": node("model", "mart", "model.adventureworks.fct"),
        "test.adventureworks.unique_fct": node("test", "unique_fct", "model.adventureworks.fct"),
    },
    "child_map": {
        ORDERS: ["model.adventureworks.fct"],
        LINES: ["model.adventureworks.fct"],
        "model.adventureworks.fct": ["model.adventureworks.mart", "test.adventureworks.unique_fct"],
        "model.adventureworks.mart": [],
    },
}


def stream(
    rows: int, columns: str = "c1", newest: str | None = "2025-01-01 00:00:00", generation: int = 0
) -> str:
    return json.dumps({"rows": rows, "newest": newest, "generation": generation, "columns": columns})


BUILT = {"shop.orders": stream(3), "shop.lines": stream(9), "project": "a1", "day": "2025-06-01"}


def rows_below(name: str) -> list[str]:
    """Selectors of all that holds rows, or tests them, below a stream."""
    return sorted(f"source:adventureworks.{name}+,{kind}" for kind in KEPT)


def test_nothing_is_selected_when_nothing_differs() -> None:
    assert selectors(MANIFEST, BUILT, dict(BUILT)) == []


@pytest.mark.parametrize(
    ("now", "selected"),
    [
        ({"shop.orders": stream(4)}, rows_below("shop.orders")),
        ({"shop.orders": stream(4, "c2")}, ["source:adventureworks.shop.orders+"]),
        ({"shop.lines": "{}"}, ["source:adventureworks.shop.lines+"]),
        ({"shop.lines": '{"not known at": "noon"}'}, ["source:adventureworks.shop.lines+"]),
        ({"day": "2025-06-02"}, ["dim_date+"]),
        (
            {"shop.orders": stream(2), "shop.lines": stream(8), "day": "2025-06-02"},
            ["dim_date+", *rows_below("shop.lines"), *rows_below("shop.orders")],
        ),
    ],
)
def test_what_descends_from_what_differs_is_selected_and_views_only_when_the_columns_differ(
    now: dict[str, str], selected: list[str]
) -> None:
    assert selectors(MANIFEST, BUILT, BUILT | now) == selected


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        ({}, BUILT, "no complete build is on record"),
        (BUILT, BUILT | {"project": "b2"}, "the project has changed"),
        (BUILT, BUILT | {"web.events": stream(1)}, "the last complete build knows nothing of web.events"),
        (BUILT | {"web.events": stream(1)}, BUILT, "the last complete build knows nothing of web.events"),
    ],
)
def test_everything_is_built_when_a_selection_could_be_wrong(
    before: dict[str, str], now: dict[str, str], reason: str
) -> None:
    assert why_everything(before, now) == reason
    assert selectors(MANIFEST, before, now) is None


@pytest.mark.parametrize(
    ("now", "since"),
    [
        (stream(4, newest="2025-01-02 00:00:00"), "2025-01-01 00:00:00"),
        (stream(3, newest="2025-01-02 00:00:00"), "2025-01-01 00:00:00"),
        (stream(2, newest="2025-01-02 00:00:00"), None),  # a row has gone
        (stream(4, newest="2025-01-02 00:00:00", generation=1), None),
        (stream(4, "c2", newest="2025-01-02 00:00:00"), None),
        (stream(0, newest=None), None),
        ("{}", None),
        ('{"not known at": "noon"}', None),
    ],
)
def test_rows_are_newer_than_what_the_marts_know_unless_some_may_have_gone_without_a_trace(
    now: str, since: str | None
) -> None:
    found = difference(MANIFEST, BUILT, BUILT | {"shop.orders": now, "day": "2025-06-02"})
    assert found["since"] == {"shop.orders": since}


def test_what_descends_from_what_differs_is_known_and_whether_it_has_other_columns() -> None:
    nothing = {"since": {}, "below": [], "other_columns": False}
    assert difference(MANIFEST, BUILT, BUILT | {"day": "2025-06-02"}) == nothing
    found = difference(MANIFEST, BUILT, BUILT | {"shop.lines": stream(10)})
    assert (found["below"], found["other_columns"]) == (["fct", "mart"], False)
    assert difference(MANIFEST, BUILT, BUILT | {"shop.lines": stream(10, "c2")})["other_columns"]


def test_a_part_is_not_noted_and_what_has_changed_only_upon_what_it_was_chosen_from() -> None:
    told = {"since": {"x": None}, "below": [], "other_columns": False}
    found = Changes({"project": "a1", "x": "2"}, {"project": "a1", "x": "1"}, ["x+"], "", told)
    assert found.changed == ["x"]
    request = BuildRequest()
    part = request.knowing(found, complete=False, only_changed=False)
    assert part == BuildRequest(project="a1")
    whole = request.knowing(found, complete=True, only_changed=False)
    assert whole == BuildRequest(project="a1", building_from=found.now)
    changed = request.knowing(found, complete=True, only_changed=True)
    assert (changed.built_from, changed.changes, changed.select) == (found.built, told, ("x+",))


# ---------------------------------------------------------------------------------------------------- the warehouse


@pytest.fixture
def duck(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """A warehouse with one of the two streams."""
    connection = duckdb.connect(tmp_path / "warehouse.duckdb")
    connection.execute("set timezone = 'UTC'")
    connection.execute("create schema shop; create schema marts; create schema intermediate")
    connection.execute(
        "create table shop.orders as select 1 as id, timestamptz '2025-01-01 00:00:00+00' as _airbyte_extracted_at,"
        " 0 as _airbyte_generation_id"
    )
    return connection


def version(duck: duckdb.DuckDBPyConnection, name: str = "shop.orders") -> str:
    return versions(MANIFEST, lambda query: duck.execute(query).fetchall())[name]


def test_the_version_of_a_stream_has_rows_newest_generation_and_columns(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    told = json.loads(version(duck))
    assert len(told.pop("columns")) == 8
    assert told == {"rows": 1, "newest": "2025-01-01 00:00:00", "generation": 0}
    assert version(duck, "shop.lines") == "{}"
    assert "airbyte_internal.syncs" not in versions(MANIFEST, lambda query: duck.execute(query).fetchall())


@pytest.mark.parametrize(
    "change",
    [
        "insert into shop.orders values (2, timestamptz '2025-01-01 00:00:00+00', 0)",
        "update shop.orders set _airbyte_extracted_at = timestamptz '2025-01-01 00:00:00.000001+00'",
        "update shop.orders set _airbyte_generation_id = 1",
        "delete from shop.orders",
        "alter table shop.orders add column _ab_cdc_deleted_at varchar",
        "alter table shop.orders alter id type bigint",
        "drop table shop.orders",
    ],
)
def test_whatever_a_sync_does_is_another_version(duck: duckdb.DuckDBPyConnection, change: str) -> None:
    before = version(duck)
    duck.execute(change)
    assert version(duck) != before


def test_a_table_that_is_not_airbytes_has_always_changed(duck: duckdb.DuckDBPyConnection) -> None:
    duck.execute("create table shop.lines as select 1 as id")
    assert version(duck, "shop.lines") != version(duck, "shop.lines")


def test_what_is_noted_counts_only_when_views_and_seeds_are_the_same_projects(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    def ask(query: str) -> list[tuple]:
        return duck.execute(query).fetchall()

    def noted() -> dict[str, str]:
        return built(MANIFEST, ask, relations(MANIFEST, ask), "marts")

    assert noted() == {}
    duck.execute(
        "create table marts.built_from as from (values ('project', 'a1'), ('day', 'd')) as t (name, version)"
    )
    assert noted() == {}
    duck.execute("create table intermediate.built_from as from marts.built_from")
    assert noted() == {"project": "a1", "day": "d"}
    duck.execute("update intermediate.built_from set version = 'b2' where name = 'project'")
    assert noted() == {}


# ---------------------------------------------------------------------------------------------------- the project

CLOCK = re.compile(
    r"\b(?:current_(?:date|time|timestamp)\w*|now\s*\(|run_started_at|modules\.datetime|get_?date|sysdate|systimestamp|"
    r"localtime\w*|today\s*\(|get_current_timestamp|transaction_timestamp|random|uuid|invocation_id)",
    re.I,
)
MACRO = re.compile(r"{%-?\s*macro\s+(\w+).*?endmacro", re.S)


def test_nothing_but_build_day_reads_the_clock() -> None:
    """Else the rows `day` and `project` of what was built would not say all that a model depends on but its streams."""
    files = [
        path
        for folder in ("models", "snapshots", "macros", "tests")
        for path in files_of(folder, "*")
        if path.suffix in (".sql", ".yml")
    ]
    files.append(PROJECT / "dbt_project.yml")
    assert len(files) > 150
    readers = {str(path.relative_to(PROJECT)) for path in files if CLOCK.search(path.read_text())}
    # a copy of a snapshot is named after its moment, a source's freshness leaves out the future: nothing that is built depends on them
    assert readers == {
        "macros/snapshots.sql",
        "macros/time.sql",
        "sources/posts/models/staging/posts/_posts.yml",
    }
    macros = {
        match[1]: match[0]
        for path in (PROJECT / "macros").rglob("*.sql")
        for match in MACRO.finditer(path.read_text())
    }
    assert [name for name, text in macros.items() if CLOCK.search(text) and name != "fill_new_columns"] == [
        "build_day"
    ]
    # a model that used it through another macro would not name it in the manifest
    assert [name for name, text in macros.items() if re.search(r"\bbuild_day\b", text)] == ["build_day"]
