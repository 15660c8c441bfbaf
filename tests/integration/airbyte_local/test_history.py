"""Every change of the log as a row of its own: incremental_append under change data capture."""

from __future__ import annotations

import pytest

from foundation.errors import EltError
from tests.integration.airbyte_local import every_type
from tests.integration.airbyte_local.every_type import EVERY_TYPE
from tests.integration.airbyte_local.test_capture import CapturingEngine, capturing
from tests.unit.airbyte_local.test_mappers import hash_of, only

__all__ = ["capturing"]

ORDERS = {"namespace": "shop", "name": "orders", "syncMode": "incremental_append"}
HISTORY = "select id, customer, _ab_cdc_deleted_at is not null from raw_shop.orders order by _ab_cdc_lsn, id"


def test_each_change_is_a_row_of_its_own_in_the_order_of_the_log(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, customer) values (1, 'a'), (2, 'b')")
    assert engine.sync(ORDERS)["orders"] == (2, 2)
    engine.write(
        "update shop.orders set customer = 'c' where id = 1",
        "update shop.orders set customer = 'd' where id = 1",
        "delete from shop.orders where id = 2",
        "insert into shop.orders (id, customer) values (2, 'again')",
    )
    assert engine.sync(ORDERS)["orders"] == (4, 4)
    expected = [
        (1, "a", False),
        (2, "b", False),
        (1, "c", False),
        (1, "d", False),
        (2, None, True),
        (2, "again", False),
    ]
    assert engine.raw(HISTORY) == expected
    assert engine.sync(ORDERS)["orders"] == (0, 0)
    assert engine.raw(HISTORY) == expected
    engine.sync(ORDERS, jobType="refresh")
    assert engine.raw(HISTORY) == [(1, "d", False), (2, "again", False)]


def test_rows_that_are_read_as_a_whole_again_are_a_generation_of_their_own(
    capturing: CapturingEngine,
) -> None:
    """So a row that was deleted while the log passed the stream by can be told from one that is there."""
    engine, lines = capturing, ORDERS | {"name": "lines"}
    engine.write("insert into shop.orders (id) values (1), (2)")
    engine.sync(ORDERS, lines)
    engine.write("delete from shop.orders where id = 2")
    engine.sync(lines)
    engine.sync(ORDERS, lines)
    engine.write("insert into shop.orders (id) values (3)")
    engine.sync(ORDERS, lines)
    generations = "select id, _airbyte_generation_id from raw_shop.orders order by _ab_cdc_lsn, id"
    assert engine.raw(generations) == [(1, 0), (2, 0), (1, 1), (3, 1)]


def test_a_table_that_was_emptied_at_once_has_a_row_without_a_key_that_says_so(
    capturing: CapturingEngine,
) -> None:
    """The log tells no row of a TRUNCATE, and the snapshot after it has none."""
    engine = capturing
    engine.sync(ORDERS)
    engine.write("insert into shop.orders (id) values (1), (2)")
    engine.sync(ORDERS)
    engine.write("truncate shop.orders cascade")
    engine.sync(ORDERS)
    rows = (
        "select id, _airbyte_generation_id, _ab_cdc_deleted_at is not null, _ab_cdc_lsn > 0 from raw_shop.orders"
        " order by _airbyte_extracted_at, id"
    )
    emptied = [(1, 0, False, True), (2, 0, False, True), (None, 1, True, True)]
    assert engine.raw(rows) == emptied
    assert engine.sync(ORDERS)["orders"] == (0, 0)
    assert engine.raw(rows) == emptied
    engine.write("insert into shop.orders (id) values (3)")
    engine.sync(ORDERS)
    assert engine.raw(rows) == [*emptied, (3, 1, False, True)]


def test_a_change_tells_each_type_as_the_snapshot_does(capturing: CapturingEngine) -> None:
    engine = capturing
    values = ", ".join(engine.instead.get(type_, value) for type_, (_, value, _) in EVERY_TYPE.items())
    engine.write(
        *every_type.made(),
        f"insert into shop.types values (1, {values})",
    )
    types = {"namespace": "shop", "name": "types", "syncMode": "incremental_append"}
    engine.sync(types)
    engine.write(f"insert into shop.types values (2, {values})")
    engine.sync(types)
    first, second = engine.raw(f"select {', '.join(every_type.COLUMNS)} from raw_shop.types order by id")
    assert repr(first) == repr(second)


def test_a_history_is_hashed_as_rows_are_and_cannot_be_filtered(capturing: CapturingEngine) -> None:
    engine, hashed = capturing, ORDERS | {"mappers": [hash_of("customer", suffix="")]}
    engine.write("insert into shop.orders (id, customer) values (1, 'a')")
    engine.sync(hashed)
    engine.write("insert into shop.orders (id, customer) values (2, 'a')")
    engine.sync(hashed)
    ((one,), (two,)) = engine.raw("select customer from raw_shop.orders")
    assert one == two != "a"
    with pytest.raises(EltError, match="its rows are filtered, and each of its changes is to be a row"):
        engine.sync(ORDERS | {"mappers": [only("id", "1")]})


def test_an_update_that_does_not_tell_all_of_its_row_is_refused_with_the_remedy(
    capturing: CapturingEngine,
) -> None:
    engine = capturing
    engine.write(
        "alter table shop.orders add column note text",
        "insert into shop.orders (id, note) select 1, string_agg(md5(i::text), '') from generate_series(1, 900) i",
    )
    engine.sync(ORDERS)
    engine.write("update shop.orders set customer = 'x'")
    with pytest.raises(EltError, match=r"does not tell its large values.*replica identity full"):
        engine.sync(ORDERS)
    engine.write("alter table shop.orders replica identity full")
    engine.sync(ORDERS, jobType="refresh")
    engine.write("update shop.orders set customer = 'y'", "delete from shop.orders")
    engine.sync(ORDERS)
    found = "select customer, length(note), _ab_cdc_deleted_at is not null from raw_shop.orders order by _ab_cdc_lsn"
    assert engine.raw(found)[-2:] == [("y", 28800, False), ("y", 28800, True)]


def test_the_first_rows_of_an_empty_table_come_with_each_of_their_changes(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.sync(ORDERS)
    engine.write(
        "insert into shop.orders (id, customer) values (1, 'a')",
        "update shop.orders set customer = 'b'",
        "delete from shop.orders",
    )
    engine.sync(ORDERS)
    assert engine.raw(HISTORY) == [(1, "a", False), (1, "b", False), (1, None, True)]
