"""Jobs of some streams, the rule for new columns, and keys by a unique index."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from foundation.errors import EltError
from tests.integration.airbyte_local.conftest import Engine, stream
from tests.integration.airbyte_local.test_capture import CapturingEngine, capturing

__all__ = ["capturing"]

ORDERS = {"chosen": [{"namespace": "shop", "name": "orders"}]}
BOTH = [
    "insert into shop.orders (id, updated) values (1, '2024-01-01')",
    "insert into shop.lines values (1, 1, 1, '2024-01-01')",
]
MORE = [
    "insert into shop.orders (id, updated) values (2, '2024-02-01')",
    "insert into shop.lines values (2, 1, 1, '2024-02-01')",
]
GENERATIONS = "select max(_airbyte_generation_id) from raw_shop.{}"


def rows(engine: Engine, table: str) -> int:
    return engine.raw(f"select count(*) from raw_shop.{table}")[0][0]


def generation(engine: Engine, table: str) -> int:
    return engine.raw(GENERATIONS.format(table))[0][0]


def test_a_sync_of_one_stream_leaves_the_others_where_they_stood(engine: Engine) -> None:
    engine.write(*BOTH)
    engine.sync()
    engine.write(*MORE)
    assert set(engine.sync(**ORDERS)) == {"orders"}
    assert (rows(engine, "orders"), rows(engine, "lines")) == (2, 1)
    assert engine.sync()["lines"] == (2, 1)


def test_a_refresh_or_clear_of_one_stream_is_of_that_one_alone(engine: Engine) -> None:
    engine.write(*BOTH)
    engine.sync()
    before = generation(engine, "lines")
    engine.sync(jobType="refresh", **ORDERS)
    assert (generation(engine, "orders"), generation(engine, "lines")) == (before + 1, before)
    engine.sync(jobType="clear", **ORDERS)
    assert (rows(engine, "orders"), rows(engine, "lines")) == (0, 1)
    assert engine.sync()["orders"] == (1, 1)


def recorded(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.raw("select job_id, rows_read from airbyte_internal.syncs order by job_id")


def test_only_a_sync_of_every_stream_is_recorded_as_one_of_the_connection(either: Engine) -> None:
    engine = either
    engine.write(*BOTH)
    engine.sync()
    assert recorded(engine) == [(1, 2)]
    engine.write(*MORE)
    engine.sync(**ORDERS)
    engine.sync(jobType="refresh", **ORDERS)
    assert rows(engine, "orders") == 2
    engine.write("alter table shop.lines drop constraint lines_pkey")
    with pytest.raises(EltError, match=r"stream shop\.lines: .*; the other stream is loaded"):
        engine.sync()
    assert recorded(engine) == [(1, 2)]
    engine.write("alter table shop.lines add primary key (order_id, line)")
    engine.sync(chosen=[*ORDERS["chosen"], {"namespace": "shop", "name": "lines"}])
    assert [job for job, _ in recorded(engine)] == [1, 5]


def test_after_a_sync_of_one_stream_times_of_extraction_rise_too(engine: Engine) -> None:
    engine.write(*BOTH)
    engine.sync()
    with duckdb.connect(engine.warehouse) as connection:  # as if the clock had been ahead
        connection.execute("update airbyte_internal.syncs set extracted_at = extracted_at + interval '1 day'")
    moments = []
    for day in ("2025-01-01", "2025-01-02"):
        engine.write(f"update shop.orders set customer = '{day}', updated = '{day}'")
        engine.sync(**ORDERS)
        moments += engine.raw("select _airbyte_extracted_at from raw_shop.orders")
    assert moments[0] < moments[1]


def test_by_capture_one_stream_is_refreshed_while_the_others_take_their_changes(
    capturing: CapturingEngine,
) -> None:
    engine = capturing
    engine.write(*BOTH)
    engine.sync()
    before = generation(engine, "lines")
    engine.write(*MORE)
    read = engine.sync(jobType="refresh", **ORDERS)
    assert (read["orders"][0], read["lines"][0]) == (2, 1)
    assert (generation(engine, "orders"), generation(engine, "lines")) == (before + 1, before)
    assert (rows(engine, "orders"), rows(engine, "lines")) == (2, 2)
    with pytest.raises(EltError, match="syncs all its streams together"):
        engine.sync(**ORDERS)
    engine.sync(jobType="clear", **ORDERS)
    engine.write("delete from shop.lines where order_id = 2")
    engine.sync()
    assert rows(engine, "orders") == 2
    assert engine.raw("select count(*) from raw_shop.lines where _ab_cdc_deleted_at is null") == [(1,)]


@pytest.mark.parametrize(
    "mappers",
    [
        [],
        [
            {
                "type": "field-renaming",
                "mapperConfiguration": {"originalFieldName": "customer", "newFieldName": "who"},
            }
        ],
    ],
)
def test_a_new_column_is_ignored_until_a_refresh_where_the_rule_says_so(
    engine: Engine, mappers: list[Any]
) -> None:
    configured = stream("shop.orders", mappers=mappers)
    engine.write(*BOTH)
    engine.sync(configured, nonBreakingSchemaUpdatesBehavior="ignore")
    engine.write("alter table shop.orders add column color text default 'red'", *MORE[:1])
    assert engine.sync(configured, nonBreakingSchemaUpdatesBehavior="ignore")["orders"] == (2, 1)
    assert "color" not in engine.column_types("orders")
    engine.sync(configured, nonBreakingSchemaUpdatesBehavior="ignore", jobType="refresh", **ORDERS)
    assert engine.raw("select distinct color from raw_shop.orders") == [("red",)]
    engine.write("alter table shop.orders add column size text default 'big'")
    engine.sync(configured, nonBreakingSchemaUpdatesBehavior="propagate_columns")
    assert engine.raw("select distinct size from raw_shop.orders") == [("big",)]


def test_by_capture_changes_of_an_ignored_column_are_passed_over(capturing: CapturingEngine) -> None:
    engine, rule = capturing, {"nonBreakingSchemaUpdatesBehavior": "ignore"}
    engine.write(*BOTH)
    engine.sync(**rule)
    engine.write("alter table shop.orders add column color text default 'red'", *MORE)
    engine.sync(**rule)
    assert engine.live("id") == [(1,), (2,)]
    if isinstance(engine, CapturingEngine):
        assert "color" not in engine.column_types("orders")
    engine.sync(**rule, jobType="refresh")
    assert engine.live("id, color") == [(1, "red"), (2, "red")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("add column color text", "shop.orders has the new column color"),
        ("drop column total", "shop.orders has no column total any more"),
    ],
)
def test_a_changed_table_stops_the_connection_where_the_rule_says_so(
    engine: Engine, change: str, said: str
) -> None:
    rule = {"nonBreakingSchemaUpdatesBehavior": "disable_connection"}
    engine.write(*BOTH)
    engine.sync(**rule)
    engine.write(f"alter table shop.orders {change}", *MORE)
    with pytest.raises(EltError, match=f"{said}; the connection is disabled"):
        engine.sync(**rule)
    assert rows(engine, "orders") == 1
    engine.sync(**rule, jobType="refresh")
    engine.sync(**rule)
    assert rows(engine, "orders") == 2


# a unique index as key


def test_a_unique_index_of_columns_that_are_never_null_is_offered_as_key(engine: Engine) -> None:
    engine.write(
        "create table shop.codes (code text not null, part integer not null, other integer, updated timestamp)",
        "create unique index on shop.codes (other)",  # may be null
        "create unique index on shop.codes (part) where part > 5",  # not of all rows
        "create unique index on shop.codes (lower(code))",
        "create unique index on shop.codes (code, part) include (other)",
        "insert into shop.codes values ('a', 1, null, '2024-01-01'), ('b', 2, null, '2024-01-01')",
    )
    codes = stream("shop.codes")
    assert engine.sync(codes)["codes"] == (2, 2)
    engine.write("update shop.codes set other = 7, updated = '2024-02-01' where part = 2")
    assert engine.sync(codes)["codes"] == (2, 1)
    assert engine.raw("select code, part, other from raw_shop.codes order by part") == [
        ("a", 1, None),
        ("b", 2, 7),
    ]
    engine.write("create unique index on shop.codes (part)")
    chosen = stream("shop.codes", primaryKey=[["code"], ["part"]])
    assert engine.sync(chosen)["codes"][1] == 0  # another key than the shortest one may be named


def test_further_columns_of_the_primary_keys_index_are_no_part_of_the_key(engine: Engine) -> None:
    engine.write(
        "create table shop.wide (id integer, note text, updated timestamp, primary key (id) include (note))",
        "insert into shop.wide values (1, 'a', '2024-01-01')",
    )
    engine.sync(stream("shop.wide"))
    engine.write("update shop.wide set note = 'b', updated = '2024-02-01'")
    engine.sync(stream("shop.wide"))
    assert engine.raw("select id, note from raw_shop.wide") == [(1, "b")]


def test_by_capture_the_index_that_deletes_tell_is_the_key(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write(
        "create table shop.codes (code text not null, part integer not null, note text)",
        "create unique index on shop.codes (part)",
        "create unique index told on shop.codes (code)",
        "alter table shop.codes replica identity using index told",
        "insert into shop.codes values ('a', 1, 'x'), ('b', 2, 'x')",
    )
    codes = {"namespace": "shop", "name": "codes", "syncMode": "incremental_deduped_history"}
    engine.sync(codes)
    engine.write(
        "delete from shop.codes where code = 'a'", "update shop.codes set note = 'y' where code = 'b'"
    )
    engine.sync(codes)
    assert engine.raw("select code, note from raw_shop.codes where _ab_cdc_deleted_at is null") == [
        ("b", "y")
    ]
