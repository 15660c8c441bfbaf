"""The registry of shapes: a change of a table's columns is told with the column, and follows the rules of the sync."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foundation.errors import EltError
from lake.status import schema_changes
from tests.fixtures.lake import Lake, LakeEngine
from tests.integration.airbyte_local.conftest import stream
from tests.lake.zones.small import INTEGER, TEXT, Writer

ORDERS, LINES = stream("shop.orders", "incremental_append"), stream("shop.lines", "incremental_append")
CHANGES = (
    "select table_name, change, column_name, was, now from airbyte_internal.lake_schema_changes"
    " order by number, change, column_name"
)


def test_an_added_column_arrives_a_dropped_one_stays_and_a_wider_one_widens(
    engine: LakeEngine, caplog
) -> None:
    engine.write("insert into shop.orders (id, customer, updated) values (1, 'a', '2024-01-01')")
    engine.synced(ORDERS)
    engine.write(
        "alter table shop.orders add column channel text",
        "alter table shop.orders drop column customer",
        "alter table shop.orders alter column id type bigint",
        "alter table shop.orders alter column total type numeric(14,6)",
        "insert into shop.orders (id, channel, total, updated) values (5000000000, 'web', 1.000001, '2024-01-02')",
    )
    engine.synced(ORDERS)
    engine.write("alter table shop.orders add column customer varchar(50) default 'new'")
    engine.write("insert into shop.orders (id, updated) values (3, '2024-01-03')")
    engine.synced(ORDERS)
    assert engine.raw(CHANGES) == [
        ("orders", "added", "channel", None, "VARCHAR"),
        ("orders", "dropped", "customer", "character varying(50)", None),
        ("orders", "widened", "id", "INTEGER", "BIGINT"),
        ("orders", "widened", "total", "DECIMAL(12,4)", "DECIMAL(14,6)"),
        ("orders", "back", "customer", None, "VARCHAR"),
    ]
    assert "the column customer is gone from the source" in caplog.text
    query = "select id, customer, channel, total from raw_shop.orders where updated >= '2024-01-01' order by updated, id"
    found = engine.raw(query)
    assert (1, "a", None, None) in found and any(row[0] == 5000000000 and row[2] == "web" for row in found)
    lines = list(schema_changes(engine.lake.config, "shop", "raw_shop.orders"))
    assert len(lines) == 5
    assert any("raw_shop.orders: the column channel is new (VARCHAR)" in line for line in lines)
    before = engine.raw("select * from raw_shop.orders order by _airbyte_raw_id")
    engine.replay()
    assert engine.raw("select * from raw_shop.orders order by _airbyte_raw_id") == before


def test_a_change_is_told_once_by_a_sync_of_several_commits(lake: Lake) -> None:
    writer = Writer(lake)
    writer.write((1, "a"), (2, "b"), each=True)
    other = replace(TEXT, name="other")
    writer.write((3, "c"), (4, "d"), columns=(INTEGER, other), each=True)
    assert [line.partition("shop.items: ")[2] for line in schema_changes(lake.config, "small", None)] == [
        "the column other is new (VARCHAR)",
        "the column label is gone from the source; it stays, empty in new rows",
    ]


def test_an_incompatible_column_stops_that_table_alone_and_is_told(engine: LakeEngine) -> None:
    engine.write(
        "insert into shop.orders (id, customer, updated) values (1, '1', '2024-01-01')",
        "create table shop.notes (id integer primary key, updated timestamp)",
        "insert into shop.notes values (1, '2024-01-01')",
    )
    notes = stream("shop.notes", "incremental_append")
    engine.synced(ORDERS, notes)
    engine.write(
        "alter table shop.orders alter column customer type integer using customer::integer",
        "insert into shop.notes values (2, '2024-01-02')",
    )
    with pytest.raises(
        EltError, match=r"the column customer is integer in the source now.*the other stream is loaded"
    ):
        engine.sync(ORDERS, notes)
    engine.load()
    assert engine.raw("select count(*) from raw_shop.notes") == [(2,)]
    assert engine.raw(CHANGES) == [("shop.orders", "refused", "customer", "VARCHAR", "INTEGER")]
