"""A source whose tables change under a connection."""

from __future__ import annotations

import pytest

from foundation.errors import EltError
from tests.integration.airbyte_local.conftest import Engine, stream

TWO_ORDERS = "insert into shop.orders (id, customer, total, updated) values (1, 'a', 1.5, '2024-01-01'), (2, 'b', 2.5, '2024-01-02')"


def column_type(engine: Engine, column: str) -> str:
    query = f"select data_type from duckdb_columns() where table_name = 'orders' and column_name = '{column}'"
    return engine.raw(query)[0][0]


def test_an_added_column_arrives_with_the_values_of_old_rows(engine: Engine) -> None:
    engine.write(TWO_ORDERS)
    engine.sync()
    engine.write("alter table shop.orders add column channel text default 'web'")
    assert engine.sync()["orders"] == (2, 2)
    assert engine.raw("select id, channel from raw_shop.orders order by id") == [(1, "web"), (2, "web")]
    assert engine.sync()["orders"] == (1, 0)


def test_a_dropped_column_stays_and_is_null_in_what_is_written_then(engine: Engine) -> None:
    engine.write(TWO_ORDERS)
    engine.sync()
    engine.write(
        "alter table shop.orders drop column customer",
        "update shop.orders set total = 9, updated = '2024-01-03' where id = 1",
        "insert into shop.orders (id, updated) values (3, '2024-01-04')",
    )
    assert engine.sync()["orders"] == (3, 2)
    assert engine.raw("select id, customer from raw_shop.orders order by id") == [
        (1, None),
        (2, "b"),
        (3, None),
    ]
    assert engine.sync()["orders"] == (1, 0)


def test_a_dropped_column_that_was_selected_by_name_stays_too(engine: Engine) -> None:
    engine.write(TWO_ORDERS)
    orders = stream(
        "shop.orders", selectedFields=[{"fieldPath": [name]} for name in ("id", "customer", "updated")]
    )
    engine.sync(orders)
    engine.write("alter table shop.orders drop column customer")
    assert engine.sync(orders)["orders"] == (1, 0)
    with pytest.raises(EltError, match="the source has no column nope"):
        engine.sync(
            stream(
                "shop.orders", selectedFields=[{"fieldPath": [name]} for name in ("id", "nope", "updated")]
            )
        )


def test_a_column_that_comes_back_is_filled_for_every_row(engine: Engine) -> None:
    engine.write(TWO_ORDERS)
    engine.sync()
    engine.write("alter table shop.orders drop column customer")
    engine.sync()
    engine.write("alter table shop.orders add column customer varchar(50) default 'x'")
    assert engine.sync()["orders"] == (2, 2)
    assert engine.raw("select distinct customer from raw_shop.orders") == [("x",)]


@pytest.mark.parametrize(
    ("before", "after", "value", "type_", "text"),
    [
        ("smallint", "integer", "70000", "INTEGER", "70000"),
        ("integer", "bigint", "3000000000", "BIGINT", "3000000000"),
        ("integer", "numeric(14,2)", "3000000000.25", "DECIMAL(14,2)", "3000000000.25"),
        ("numeric(8,2)", "numeric(12,4)", "12345678.1234", "DECIMAL(12,4)", "12345678.1234"),
        ("numeric(12,4)", "numeric(12,6)", "1.123456", "DECIMAL(14,6)", "1.123456"),
        ("numeric(30,2)", "numeric(38,30)", "1.1", "VARCHAR", "1.100000000000000000000000000000"),
        ("numeric(8,2)", "numeric", "'NaN'", "VARCHAR", "NaN"),
        ("bigint", "numeric", "10 ^ 30", "VARCHAR", "1000000000000000000000000000000"),
        ("real", "double precision", "0.1", "DOUBLE", "0.1"),
        ("varchar(3)", "text", "'longer'", "VARCHAR", "longer"),
        ("date", "timestamp", "'2024-01-01 10:00'", "TIMESTAMP", "2024-01-01 10:00:00"),
        ("double precision", "real", "0.1", "DOUBLE", "0.1"),
        ("bigint", "integer", "5", "BIGINT", "5"),
        ("numeric", "numeric(8,2)", "1.5", "VARCHAR", "1.50"),
    ],
)  # fmt: skip
def test_a_type_that_is_widened_is_widened(
    engine: Engine, before: str, after: str, value: str, type_: str, text: str
) -> None:
    first = "'2024-01-01'" if before == "date" else "1"
    engine.write(
        f"alter table shop.orders add column v {before}",
        f"insert into shop.orders (id, v, updated) values (1, {first}, '2024-01-01')",
    )
    engine.sync()
    engine.write(
        f"alter table shop.orders alter column v type {after}",
        f"insert into shop.orders (id, v, updated) values (2, {value}, '2024-01-02')",
    )
    assert engine.sync()["orders"][0] == 2
    assert column_type(engine, "v") == type_
    assert engine.raw("select v::varchar from raw_shop.orders where id = 2") == [(text,)]
    with engine.source.connect() as connection:
        old = connection.execute("select v::text from shop.orders where id = 1").fetchone()[0]
    shown = engine.raw("select v::varchar from raw_shop.orders where id = 1")[0][0]
    assert float(shown) == float(old) if type_ == "DOUBLE" else shown == old
    assert engine.sync()["orders"] == (1, 0)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("alter table shop.orders alter column total type text", "total is text in the source now (VARCHAR), but DECIMAL(12,4)"),
        ("alter table shop.orders alter column customer type integer using 1", "customer is integer in the source now (INTEGER), but VARCHAR"),
        ("alter table shop.orders alter column placed type text", "placed is text"),
        ("drop table shop.orders cascade", "stream shop.orders: there is no such table"),
        ("revoke select on shop.orders from airbyte_reader", "stream shop.orders: PostgreSQL at 127.0.0.1"),
        ("alter table shop.orders rename column updated to changed", "no column updated"),
        ("alter table shop.orders drop constraint orders_pkey cascade", "no primary key, in the source or in the connection"),
    ],
)  # fmt: skip
def test_a_change_that_does_not_fit_stops_the_stream_and_its_children_and_the_others_are_loaded(
    engine: Engine, change: str, found: str
) -> None:
    engine.write(
        "create table shop.notes (order_id integer, line smallint, note text, primary key (order_id, line), "
        "foreign key (order_id, line) references shop.lines)",
        "create table shop.stores (id integer primary key, updated timestamp)",
        "insert into shop.orders (id, updated) values (1, '2024-01-01')",
    )
    streams = [
        stream("shop.lines"),
        stream("shop.notes", "full_refresh_overwrite"),
        stream("shop.orders"),
        stream("shop.stores"),
    ]
    engine.sync(*streams)
    engine.write(
        "insert into shop.lines values (1, 1, 1, '2024-01-01')",
        "insert into shop.notes values (1, 1, 'x')",
        "insert into shop.stores values (7, '2024-01-01')",
        change,
    )
    with pytest.raises(EltError) as error:
        engine.sync(*streams)
    assert found in error.value.message
    assert error.value.remedy
    counts = {
        name: engine.raw(f"select count(*) from raw_shop.{name}")[0][0]
        for name in ("orders", "lines", "notes", "stores")
    }
    parted = change.startswith("drop table") or "drop constraint" in change  # the foreign key went with it
    assert counts == {"orders": 1, "lines": int(parted), "notes": int(parted), "stores": 1}
    statuses = {item["streamName"]: item["status"] for item in engine.figures}
    held = "complete" if parted else "failed"
    assert statuses == {"orders": "failed", "lines": held, "notes": held, "stores": "complete"}
    if not parted:
        assert "held back with it, by foreign key: shop.lines, shop.notes" in error.value.message
        assert "the other stream is loaded" in error.value.message


def test_what_was_held_back_arrives_when_the_change_is_undone(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, total, updated) values (1, 1, '2024-01-01')")
    engine.sync()
    engine.write(
        "alter table shop.orders alter column total type text",
        "insert into shop.lines values (1, 1, 1, '2024-01-01')",
    )
    with pytest.raises(EltError, match="undo that change, or refresh the connection"):
        engine.sync()
    engine.write("alter table shop.orders alter column total type numeric(12,4) using total::numeric")
    assert engine.sync() == {"orders": (1, 0), "lines": (1, 1)}


def test_a_refresh_takes_the_table_as_it_is_now(engine: Engine) -> None:
    engine.write(TWO_ORDERS)
    engine.sync()
    engine.write("alter table shop.orders alter column total type text")
    assert engine.sync(jobType="refresh")["orders"] == (2, 2)
    assert column_type(engine, "total") == "VARCHAR"
    assert engine.sync()["orders"] == (1, 0)


def test_another_primary_key_fails_with_the_remedy(engine: Engine) -> None:
    engine.write(TWO_ORDERS)
    engine.sync()
    engine.write(
        "alter table shop.orders drop constraint orders_pkey cascade, add primary key (id, customer)"
    )
    with pytest.raises(
        EltError, match=r"the primary key was id and is now id, customer.* refresh the connection"
    ):
        engine.sync()
    assert engine.sync(jobType="refresh")["orders"] == (2, 2)
    assert engine.sync()["orders"] == (1, 0)


def test_a_key_other_than_the_sources_is_refused(engine: Engine) -> None:
    with pytest.raises(
        EltError,
        match=r"its key is id in the source, and the connection names customer; nothing was loaded — leave primaryKey",
    ):
        engine.sync(stream("shop.orders", primaryKey=[["customer"]]))
