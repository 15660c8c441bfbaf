"""Tables that appear in the source: a connection whose rule is `propagate_fully` takes them, in the modes that Airbyte gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foundation.errors import EltError
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local.conftest import Connection, Engine, connect, source_configuration, stream
from tests.integration.airbyte_local.test_capture import CapturingEngine, capturing

__all__ = ["capturing"]

FULLY = {"nonBreakingSchemaUpdatesBehavior": "propagate_fully"}
BEFORE = {"offeredStreams": [["shop", "lines"], ["shop", "orders"]]}
NOTES = [
    "create table shop.notes (id integer primary key, note text, updated timestamp)",
    "insert into shop.notes values (1, 'a', '2024-01-01'), (2, 'b', '2024-01-01')",
]
ORDER = "insert into shop.orders (id, updated) values (1, '2024-01-01')"


def write(source: SourceDatabase, *statements: str) -> None:
    with source.connect() as connection:
        for statement in statements:
            connection.execute(statement)


def streams_of(made: Connection) -> dict[str, dict[str, Any]]:
    """The connection's streams as the server answers them."""
    answer = made.server.http.get(f"/connections/{made.id}").raise_for_status().json()
    assert "offeredStreams" not in answer
    return {one["name"]: one for one in answer["configurations"]["streams"]}


def tables(made: Connection | Engine) -> set[str]:
    query = "select lower(table_name) from information_schema.tables where lower(table_schema) = 'raw_shop'"
    return {name for (name,) in made.raw(query)}


@pytest.mark.parametrize("rule", ["propagate_fully", "propagate_columns"])
def test_a_table_that_appears_joins_the_connection_where_the_rule_takes_all(
    airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path, rule: str
) -> None:
    orders = [stream("shop.orders")]
    configuration = source_configuration(shop)
    made = connect(
        airbyte, configuration, tmp_path / "w.duckdb", orders, nonBreakingSchemaUpdatesBehavior=rule
    )
    write(shop, ORDER, *NOTES)
    assert made.sync()["status"] == "succeeded"
    taken = {"notes"} if rule == "propagate_fully" else set()
    assert tables(made) == {"orders"} | taken  # lines were there, and not chosen
    assert streams_of(made).keys() == {"orders"} | taken
    if taken:
        assert streams_of(made)["notes"] == {
            "name": "notes",
            "namespace": "shop",
            "syncMode": "full_refresh_overwrite",
        }
        write(shop, "delete from shop.notes where id = 1")
        made.sync()
        assert made.raw("select id from raw_shop.notes") == [(2,)]


def test_a_stream_that_was_taken_out_again_stays_out(
    airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    orders = [stream("shop.orders")]
    made = connect(airbyte, source_configuration(shop), tmp_path / "w.duckdb", orders)
    write(shop, ORDER, *NOTES)
    for change in (FULLY, {"configurations": {"streams": orders}}, {"name": "renamed"}):
        airbyte.http.patch(f"/connections/{made.id}", json=change).raise_for_status()
        assert made.sync()["status"] == "succeeded"
        assert streams_of(made).keys() == {"orders"}  # it was there when the rule was given
    write(shop, "create table shop.more (id integer)")
    assert made.sync()["status"] == "succeeded"
    assert streams_of(made).keys() == {"orders", "more"}


def test_a_table_that_appears_is_read_as_a_whole(either: Engine) -> None:
    engine = either
    engine.write(ORDER, *NOTES)
    read = engine.sync(stream("shop.orders"), **FULLY, **BEFORE)
    assert read == {"orders": (1, 1), "notes": (2, 2)}
    assert tables(engine) == {"orders", "notes"}
    only = {"chosen": [{"namespace": "shop", "name": "orders"}]}
    assert engine.sync(stream("shop.orders"), **FULLY, **BEFORE, **only).keys() == {"orders"}


@pytest.mark.parametrize("published", [True, False])
def test_by_capture_a_table_that_appears_is_captured_if_it_is_published(
    capturing: CapturingEngine, published: bool
) -> None:
    engine = capturing
    if not published:
        engine.superuser("drop publication shop_publication")
        engine.superuser("create publication shop_publication for table shop.orders, shop.lines")
    engine.write(ORDER)
    engine.sync(stream("shop.orders"))
    engine.write(*NOTES, "create table shop.keyless (id integer)")
    assert engine.sync(stream("shop.orders"), **FULLY, **BEFORE)["notes"] == (2, 2)
    engine.write("delete from shop.notes where id = 1")
    engine.sync(stream("shop.orders"), **FULLY, **BEFORE)
    live = "where _ab_cdc_deleted_at is null" if published else ""
    assert engine.raw(f"select id from raw_shop.notes {live}") == [(2,)]
    assert tables(engine) == {"orders", "notes", "keyless"}


def test_a_table_that_is_dropped_is_left_out_where_the_rule_takes_all(engine: Engine) -> None:
    line = "insert into shop.lines values (1, 1, 1, '2024-01-01')"
    engine.write(ORDER, line)
    assert engine.sync(**FULLY, **BEFORE).keys() == {"orders", "lines"}
    engine.write("drop table shop.lines")
    assert engine.sync(**FULLY, **BEFORE).keys() == {"orders"}
    assert engine.raw("select order_id from raw_shop.lines") == [(1,)]
    engine.write(
        "create table shop.lines (order_id integer)", "revoke select on shop.lines from airbyte_reader"
    )
    with pytest.raises(EltError, match=r"shop\.lines: .* may not read it"):
        engine.sync(**FULLY, **BEFORE)


def test_by_capture_a_table_that_was_left_out_is_read_as_a_whole_when_it_is_back(
    capturing: CapturingEngine,
) -> None:
    engine = capturing
    engine.write(ORDER)
    streams = [stream("shop.orders"), stream("shop.lines")]
    engine.sync(*streams, **FULLY, **BEFORE)
    engine.write("alter table shop.lines rename to away", "insert into shop.orders (id) values (2)")
    assert engine.sync(*streams, **FULLY, **BEFORE)["orders"] == (1, 1)
    engine.write("insert into shop.away values (1, 1, 1, '2024-01-01')")
    engine.sync(*streams, **FULLY, **BEFORE)
    engine.write("alter table shop.away rename to lines")
    engine.sync(*streams, **FULLY, **BEFORE)
    live = "where _ab_cdc_deleted_at is null"
    assert engine.raw(f"select order_id, line from raw_shop.lines {live}") == [(1, 1)]
