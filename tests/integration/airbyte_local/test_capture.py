"""Change data capture: from a real slot of a real PostgreSQL into a real DuckDB."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from airbyte_local.destinations.duckdb.session import DuckdbSession
from airbyte_local.destinations.snowflake.session import SnowflakeSession
from airbyte_local.sources.postgres.cdc import slot as slots
from foundation.errors import EltError
from tests.fixtures.source import FAST, SourceDatabase, SourceServer, make_server
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import (
    SHOP,
    Engine,
    SnowflakeEngine,
    source_configuration,
    stream,
)
from tests.integration.airbyte_local.test_tables import EVERY_TYPE
from tests.snowflake.leaning import ddl_inside, leaning, transactions

pytestmark = pytest.mark.promise

ORDERS, LINES = stream("shop.orders"), stream("shop.lines")


class Capturing:
    """An engine whose source has a publication and is read through a slot."""

    slot = "elt_test"

    def configuration(self, **changes: Any) -> dict[str, Any]:
        method = {"method": "CDC", "replication_slot": self.slot, "publication": "shop_publication"}
        return source_configuration(self.source, replication_method=method | changes)

    def task(
        self, *streams: dict[str, Any], source: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        return super().task(*streams, source=source or self.configuration(), **changes)

    def superuser(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.source.connect("superuser", autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def live(self, columns: str = "id") -> list[tuple[Any, ...]]:
        """The rows of orders that are not deleted."""
        return self.raw(f"select {columns} from raw_shop.orders where _ab_cdc_deleted_at is null order by id")


class CapturingEngine(Capturing, Engine):
    """Into DuckDB."""

    session = DuckdbSession
    instead: ClassVar[dict[str, str]] = {}


class CapturingSnowflakeEngine(Capturing, SnowflakeEngine):
    """Into the emulated Snowflake, which does not hold every moment."""

    session = SnowflakeSession
    instead: ClassVar[dict[str, str]] = {
        "timestamp": "'0001-01-01 00:00:00.000001'",
        "timestamptz": "'9999-12-31 23:59:59.999999+00'",
        "date": "'9999-12-31'",
        "time": "'23:59:59.999999'",
    }


@pytest.fixture(params=["engine", pytest.param("snow", marks=pytest.mark.slow)])
def capturing(
    shop: SourceDatabase, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[CapturingEngine | CapturingSnowflakeEngine]:
    if request.param == "engine":
        engine = CapturingEngine(shop, tmp_path / "warehouse.duckdb")
    else:
        emulator = request.getfixturevalue("snowflake_emulator")
        engine = CapturingSnowflakeEngine(shop, tmp_path / "unused", emulator=emulator)
    engine.superuser("create publication shop_publication for all tables")
    yield engine
    for (slot,) in engine.superuser(
        "select slot_name from pg_replication_slots where database = current_database()"
    ):
        engine.superuser("select pg_drop_replication_slot(%s)", slot)


def confirmed(engine: CapturingEngine) -> int:
    query = "select (confirmed_flush_lsn - '0/0')::bigint from pg_replication_slots where slot_name = %s"
    return engine.superuser(query, engine.slot)[0][0]


# -- what arrives


def test_inserts_updates_and_deletes_arrive(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, total) values (1, 1), (2, 2), (3, 3)")
    assert engine.sync()["orders"] == (3, 3)
    engine.write(
        "insert into shop.orders (id, total) values (4, 4)",
        "update shop.orders set total = 20 where id = 2",
        "delete from shop.orders where id = 3",
    )
    assert engine.sync()["orders"] == (3, 3)
    assert engine.live("id, total") == [(1, 1), (2, 20), (4, 4)]
    assert engine.sync()["orders"] == (0, 0)


def test_a_deleted_row_stays_with_its_key_and_the_time(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, customer) values (1, 'somebody')")
    engine.sync()
    engine.write("delete from shop.orders where id = 1")
    engine.sync()
    query = "select id, customer, _ab_cdc_deleted_at = _ab_cdc_updated_at, _ab_cdc_lsn > 0, _airbyte_generation_id from raw_shop.orders"
    assert engine.raw(query) == [(1, None, True, True, 0)]
    engine.write("insert into shop.orders (id, customer) values (1, 'again')")
    engine.sync()
    assert engine.live("id, customer") == [(1, "again")]


def test_many_changes_of_one_key_come_down_to_the_last(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id) values (1), (2)")
    engine.sync()
    engine.write(
        "update shop.orders set total = 1 where id = 1",
        "delete from shop.orders where id = 1",
        "insert into shop.orders (id, total) values (1, 2), (9, 9)",
        "update shop.orders set total = 3 where id = 1",
        "delete from shop.orders where id in (2, 9)",
    )
    engine.sync()
    assert engine.live("id, total") == [(1, 3)]
    assert engine.raw("select count(*) from raw_shop.orders where id = 9") == [
        (0,)
    ]  # it never was there for us


def test_a_rolled_back_transaction_leaves_nothing(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.sync()
    with engine.source.connect() as connection:
        connection.execute("insert into shop.orders (id) values (1)")
        connection.rollback()
        connection.execute("savepoint one")
    engine.write("insert into shop.orders (id) values (2)")
    engine.sync()
    assert engine.live() == [(2,)]


def test_a_transaction_that_is_open_over_several_syncs_arrives_when_it_commits(
    capturing: CapturingEngine,
) -> None:
    engine = capturing
    engine.sync()
    with engine.source.connect(autocommit=False) as late:
        late.execute("insert into shop.orders (id, updated) values (1, '2000-01-01')")
        for number in (2, 3):
            engine.write(f"insert into shop.orders (id) values ({number})")
            engine.sync()
        assert engine.live() == [(2,), (3,)]
        late.commit()
    engine.sync()
    assert engine.live() == [(1,), (2,), (3,)]


def test_a_key_that_changes_is_one_row_deleted_and_one_written(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, customer) values (1, 'a'), (2, 'b')")
    engine.sync()
    engine.write("update shop.orders set id = id + 10", "update shop.orders set id = 20 where id = 12")
    engine.sync()
    assert engine.live("id, customer") == [(11, "a"), (20, "b")]
    assert engine.raw("select id from raw_shop.orders where _ab_cdc_deleted_at is not null order by id") == [
        (1,),
        (2,),
    ]


def test_a_truncated_table_is_empty_and_fills_again(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write(
        "insert into shop.orders (id) values (1), (2)", "insert into shop.lines values (1, 1, 1, now())"
    )
    engine.sync()
    engine.write(
        "update shop.orders set total = 5",
        "insert into shop.orders (id) values (3)",
        "truncate shop.orders cascade",
        "insert into shop.orders (id, total) values (2, 7)",
    )
    engine.sync()
    assert engine.live("id, total") == [(2, 7)]
    assert engine.raw("select count(*) from raw_shop.lines where _ab_cdc_deleted_at is null") == [(0,)]


BIG = "(select string_agg(md5(i::text), '') from generate_series(1, 5000) i)"


@pytest.fixture
def large(capturing: CapturingEngine) -> CapturingEngine:
    """With a value in `note` that is stored apart, so that an update which leaves it alone does not send it."""
    capturing.write(
        "alter table shop.orders add column note text",
        f"insert into shop.orders (id, total, note) values (1, 1, {BIG}), (2, 2, {BIG}), (3, 3, 'small')",
    )
    capturing.sync()
    return capturing


def notes(engine: CapturingEngine) -> list[tuple[Any, ...]]:
    with engine.source.connect() as connection:
        expected = connection.execute("select id, total, md5(note) from shop.orders order by id").fetchall()
    found = engine.live("id, total, md5(note)")
    assert found == [(id_, total, digest) for id_, total, digest in expected]
    return found


def test_a_large_value_that_an_update_leaves_alone_keeps_its_value(large: CapturingEngine) -> None:
    large.write("update shop.orders set total = total + 1")
    large.sync()
    assert [row[1] for row in notes(large)] == [2, 3, 4]


def test_a_large_value_that_was_changed_before_in_the_same_sync_is_the_one_that_stays(
    large: CapturingEngine,
) -> None:
    large.write(
        f"update shop.orders set note = reverse({BIG}) where id = 1",
        "update shop.orders set total = 50 where id = 1",
        "update shop.orders set note = null where id = 2",
        "update shop.orders set total = 60 where id = 2",
        "delete from shop.orders where id = 3",
        f"insert into shop.orders (id, note) values (3, {BIG})",
        "update shop.orders set total = 70 where id = 3",
    )
    large.sync()
    assert [row[1] for row in notes(large)] == [50, 60, 70]


def test_a_large_value_moves_with_its_row_to_another_key(large: CapturingEngine) -> None:
    large.write(
        "update shop.orders set id = id + 100",
        "update shop.orders set id = id + 100 where id = 101",
        "update shop.orders set total = 5 where id = 201",
        f"insert into shop.orders (id, note) values (1, {BIG} || 'x')",
        "update shop.orders set id = 7 where id = 1",
        "update shop.orders set id = 1 where id = 102",
    )
    large.sync()
    assert [row[0] for row in notes(large)] == [1, 7, 103, 201]


def test_many_rows_move_with_their_large_values(large: CapturingEngine) -> None:
    large.write(
        f"insert into shop.orders (id, note) select i, {BIG} || i from generate_series(10, 400) i",
        "update shop.orders set id = id + 1000",
    )
    large.sync()
    assert len(notes(large)) == 394


def test_every_type_is_the_same_from_the_log_as_from_the_table(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write(
        "create type shop.mood as enum ('so so')",
        "create domain shop.price as numeric(10,2)",
        "create domain shop.sale_price as shop.price",
        "create table shop.wide (id integer primary key, "
        + ", ".join(f"c{index} {type_}" for index, type_ in enumerate(EVERY_TYPE))
        + ")",
    )
    ordinary = {type_: value for type_, (_, value, _) in EVERY_TYPE.items()} | engine.instead
    values = ", ".join(ordinary.values())
    extremes = {
        "real": "'-Infinity'", "double precision": "'1e-310'", "timestamp": "'infinity'", "timestamptz": "'-infinity'",
        "date": "'0044-03-15 BC'", "bytea": "''", "text": "''",
    } | engine.instead  # fmt: skip
    others = ", ".join(extremes.get(type_, "null") for type_ in EVERY_TYPE)
    christ = {
        "timestamp": "'0044-03-15 12:00:00.5 BC'",
        "timestamptz": "'0044-03-15 12:00:00 BC'",
        "date": "'infinity'",
    } | engine.instead
    before = ", ".join(christ.get(type_, "null") for type_ in EVERY_TYPE)
    wide = stream("shop.wide")
    rows = (values, others, before)
    engine.write(
        "insert into shop.wide values " + ", ".join(f"({index}, {row})" for index, row in enumerate(rows))
    )
    engine.sync(wide)
    engine.write(
        "insert into shop.wide values " + ", ".join(f"({index + 3}, {row})" for index, row in enumerate(rows))
    )
    assert engine.sync(wide)["wide"] == (3, 3)
    columns = ", ".join(f"c{index}" for index in range(len(EVERY_TYPE)))
    for index in range(3):
        (from_table,) = engine.raw(f"select {columns} from raw_shop.wide where id = {index}::integer")
        (from_log,) = engine.raw(f"select {columns} from raw_shop.wide where id = {index + 3}::integer")
        assert [str(value) for value in from_log] == [str(value) for value in from_table]


@pytest.mark.parametrize("capturing", ["snow"], indirect=True)
def test_changes_go_into_snowflake_without_ddl_in_the_transaction(
    capturing: CapturingSnowflakeEngine,
) -> None:
    """Inserts, updates that keep a large value, another key, deletes and a truncate, in one sync after another."""
    engine = capturing
    engine.write(
        "create table shop.notes (id integer primary key, title text, body text, doc json)",
        "alter table shop.notes alter column body set storage external",
        "insert into shop.notes select n, 't', repeat('x', 5000), '{}' from generate_series(1, 5) n",
    )
    notes = stream("shop.notes")
    engine.sync(notes)
    engine.write(
        "update shop.notes set title = 'u' where id = 1",
        "update shop.notes set body = repeat('y', 5000) where id = 2",
        "update shop.notes set title = 'v' where id = 2",
        "update shop.notes set id = 30 where id = 3",
        "delete from shop.notes where id = 4",
        "insert into shop.notes values (6, 'n', null, '[1]')",
    )
    engine.sync(notes)
    found = engine.raw(
        "select ID, TITLE, left(BODY, 1), length(BODY) from RAW_SHOP.NOTES where _AB_CDC_DELETED_AT is null order by 1"
    )
    assert found == [
        (1, "u", "x", 5000),
        (2, "v", "y", 5000),
        (5, "t", "x", 5000),
        (6, "n", None, None),
        (30, "t", "x", 5000),
    ]
    engine.write("truncate shop.notes", "insert into shop.notes values (7, 'after', 'z', null)")
    engine.sync(notes)
    assert engine.raw("select ID from RAW_SHOP.NOTES where _AB_CDC_DELETED_AT is null") == [(7,)]
    inside = transactions(engine.statements())
    assert len(inside) == 3
    assert ddl_inside(inside) == []
    assert leaning(engine.statements()) == []


# -- where it goes on


def test_the_slot_moves_on_only_after_the_commit(
    capturing: CapturingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = capturing
    engine.sync()
    before = confirmed(engine)
    engine.write("insert into shop.orders (id) values (1)")
    with monkeypatch.context() as patch:
        patch.setattr(engine.session, "commit", lambda *_: (_ for _ in ()).throw(EltError("killed")))
        with pytest.raises(EltError, match="killed"):
            engine.sync()
    assert confirmed(engine) == before
    assert engine.sync()["orders"] == (1, 1)
    assert confirmed(engine) > before


def test_what_was_committed_but_not_confirmed_is_not_taken_twice(
    capturing: CapturingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airbyte_local.sources.postgres.cdc import Capture

    engine = capturing
    engine.sync()
    engine.write("insert into shop.orders (id) values (1)")
    with monkeypatch.context() as patch:
        patch.setattr(Capture, "advance", lambda *_: None)
        assert engine.sync()["orders"] == (1, 1)
    engine.write("insert into shop.orders (id) values (2)")
    assert engine.sync()["orders"] == (1, 1)
    assert engine.live() == [(1,), (2,)]


def test_a_stream_that_is_added_is_read_as_a_whole_and_the_others_go_on(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write(
        "insert into shop.orders (id) values (1), (2)", "insert into shop.lines values (1, 1, 1, now())"
    )
    engine.sync(ORDERS)
    engine.write("delete from shop.orders where id = 2", "insert into shop.lines values (1, 2, 1, now())")
    assert engine.sync(ORDERS, LINES) == {"orders": (1, 1), "lines": (2, 2)}
    assert engine.live() == [(1,)]
    engine.write("delete from shop.lines where line = 1")
    assert engine.sync(ORDERS, LINES) == {"orders": (0, 0), "lines": (1, 1)}


def test_a_stream_that_was_away_comes_back_whole(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id) values (1), (2)")
    engine.sync(ORDERS, LINES)
    engine.write("delete from shop.orders where id = 2", "insert into shop.orders (id) values (3)")
    engine.sync(LINES)
    engine.sync(ORDERS, LINES)
    assert engine.live() == [(1,), (3,)]
    assert engine.raw("select id from raw_shop.orders where _ab_cdc_deleted_at is not null") == [(2,)]


def test_from_cursor_to_capture_finds_the_deletes_of_before(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, updated) values (1, now()), (2, now())")
    engine.sync(source=source_configuration(engine.source))
    engine.write("delete from shop.orders where id = 2")
    assert engine.sync()["orders"][0] == 1
    assert engine.live() == [(1,)]
    assert engine.raw("select count(*) from raw_shop.orders where _ab_cdc_deleted_at is not null") == [(1,)]
    engine.write("insert into shop.orders (id, updated) values (3, now())")
    assert engine.sync(source=source_configuration(engine.source))["orders"] == (2, 1)


def test_an_added_column_has_the_values_of_old_rows_and_remembers_the_deleted(
    capturing: CapturingEngine,
) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id) values (1), (2), (3)")
    engine.sync()
    engine.write("delete from shop.orders where id = 3")
    engine.sync()
    engine.write(
        "alter table shop.orders add column channel text default 'web'",
        "delete from shop.orders where id = 2",
    )
    engine.sync()
    assert engine.live("id, channel") == [(1, "web")]
    assert engine.raw("select id from raw_shop.orders where _ab_cdc_deleted_at is not null order by id") == [
        (2,),
        (3,),
    ]


def test_a_column_that_is_dropped_between_changes_does_no_harm(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, customer) values (1, 'a')")
    engine.sync()
    engine.write(
        "insert into shop.orders (id, customer) values (2, 'b')",
        "alter table shop.orders drop column customer",
        "insert into shop.orders (id, total) values (3, 3)",
    )
    engine.sync()
    assert engine.live("id, total, customer") == [(1, None, "a"), (2, None, None), (3, 3, None)]


def test_full_refresh_streams_end_at_the_same_position(capturing: CapturingEngine) -> None:
    engine = capturing
    lines = stream("shop.lines", "full_refresh_overwrite")
    engine.write("insert into shop.orders (id) values (1)", "insert into shop.lines values (1, 1, 1, now())")
    engine.sync(ORDERS, lines)
    engine.write("insert into shop.orders (id) values (2)", "insert into shop.lines values (2, 1, 1, now())")
    assert engine.sync(ORDERS, lines) == {"orders": (1, 1), "lines": (2, 2)}


def test_a_refresh_reads_all_and_remembers_the_deleted(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id) values (1), (2)")
    engine.sync()
    engine.write("delete from shop.orders where id = 2")
    assert engine.sync(jobType="refresh")["orders"] == (1, 2)
    assert engine.raw(
        "select id, _airbyte_generation_id, _ab_cdc_deleted_at is null from raw_shop.orders order by id"
    ) == [
        (1, 1, True),
        (2, 1, False),
    ]
    engine.write("insert into shop.orders (id) values (3)")
    assert engine.sync()["orders"] == (1, 1)


# -- while others write


def test_writers_that_never_pause_leave_no_gap_and_no_overlap(capturing: CapturingEngine) -> None:
    """During the first load, the switch-over and after it; what is moved from row to row is never seen half moved."""
    engine, rows, writers = capturing, 30_000, 3
    engine.write(
        f"insert into shop.orders (id, total) select n, 100 from generate_series(1, {rows}) as n",
        "insert into shop.lines values (1, 1, 1, now())",
    )
    stopped = threading.Event()

    def write(number: int) -> int:
        first, turn = number * 10_000_000, 0
        with engine.source.connect(autocommit=True) as connection:
            while not stopped.is_set():
                turn += 1
                here, there = (turn * 7919 + number) % rows + 1, (turn * 104_729 + number) % rows + 1
                a, b = sorted((here, there))
                with connection.transaction():
                    for id_, amount in ((a, 1), (b, -1)):
                        connection.execute(
                            f"update shop.orders set total = total + {amount} where id = {id_}"
                        )
                connection.execute(f"insert into shop.orders (id, total) values ({first + turn}, 0)")
                if turn % 5 == 0:
                    connection.execute(f"delete from shop.orders where id = {first + turn - 1}")
                if turn % 7 == 0:
                    connection.execute(
                        f"update shop.orders set id = id + 5000000 where id = {first + turn - 3}"
                    )
        return turn

    with ThreadPoolExecutor(writers) as threads:
        turns = [threads.submit(write, number) for number in range(1, writers + 1)]
        try:
            for _ in range(6):
                engine.sync()
                live = "from raw_shop.orders where _ab_cdc_deleted_at is null"
                assert engine.raw(f"select sum(total) {live} and id <= {rows}") == [(rows * 100,)]
        finally:
            stopped.set()
        assert min(turn.result() for turn in turns) > 20
    engine.sync()
    checksum = "select count(*), md5(string_agg(id || ' ' || total, ',' order by id)) from"
    with engine.source.connect() as connection:
        expected = connection.execute(f"{checksum} shop.orders").fetchall()
    assert engine.raw(f"{checksum} raw_shop.orders where _ab_cdc_deleted_at is null") == expected
    assert engine.raw("select count(*) - count(distinct id) from raw_shop.orders") == [(0,)]


# -- what is refused, and what puts it right


def slot_is_dropped(engine: CapturingEngine) -> None:
    engine.superuser("select pg_drop_replication_slot(%s)", engine.slot)


def slot_is_dropped_and_made_again(engine: CapturingEngine) -> None:
    slot_is_dropped(engine)
    engine.write("insert into shop.orders (id) values (100)")
    engine.superuser("select pg_create_logical_replication_slot(%s, 'pgoutput')", engine.slot)


def slot_is_moved_on(engine: CapturingEngine) -> None:
    engine.superuser("checkpoint")
    engine.superuser("select pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", engine.slot)


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        (slot_is_dropped, "is gone: changes were missed"),
        (slot_is_dropped_and_made_again, "was moved on by somebody else: changes were missed"),
        (slot_is_moved_on, "was moved on by somebody else: changes were missed"),
    ],
)
def test_a_slot_that_was_tampered_with_fails_clearly_and_a_refresh_puts_it_right(
    capturing: CapturingEngine, break_it: Any, found: str
) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id) values (1), (2)")
    engine.sync()
    engine.write("delete from shop.orders where id = 2", "insert into shop.orders (id) values (3)")
    break_it(engine)
    with pytest.raises(EltError, match=f"{found}.* refresh the connection"):
        engine.sync()
    engine.sync(jobType="refresh")
    with engine.source.connect() as connection:
        expected = connection.execute("select id from shop.orders order by id").fetchall()
    assert engine.live() == expected
    assert engine.raw("select id from raw_shop.orders where _ab_cdc_deleted_at is not null") == [(2,)]
    engine.write("insert into shop.orders (id) values (4)")
    assert engine.sync()["orders"] == (1, 1)


@pytest.mark.parametrize(
    ("changes", "statement", "found"),
    [
        (
            {"publication": "nope"},
            "select 1",
            r"there is no publication nope — run as the owner .* create publication",
        ),
        (
            {},
            "alter publication shop_publication set (publish = 'insert')",
            "leaves out some kinds of change",
        ),
        ({}, "alter role airbyte_reader noreplication", r"the user may not replicate — .* alter role"),
    ],
)
def test_a_source_that_cannot_be_captured_says_why(
    capturing: CapturingEngine, changes: dict, statement: str, found: str
) -> None:
    try:
        capturing.superuser(statement)
        with pytest.raises(EltError, match=found):
            capturing.sync(source=capturing.configuration(**changes))
    finally:
        capturing.superuser("alter role airbyte_reader replication")


def test_a_stream_that_is_not_published_or_has_no_key_is_named_and_the_others_are_loaded(
    capturing: CapturingEngine,
) -> None:
    engine = capturing
    engine.superuser("drop publication shop_publication")
    engine.superuser("create publication shop_publication for table shop.orders")
    engine.write(
        "insert into shop.orders (id) values (1)",
        "create table shop.keyless (a integer not null, b integer, unique (a))",
        "alter table shop.orders replica identity default",
    )
    with pytest.raises(
        EltError, match=r"shop\.lines: it is not in the publication .* add table \"shop\"\.\"lines\""
    ):
        engine.sync()
    assert engine.live() == [(1,)]
    engine.superuser("alter publication shop_publication add table shop.keyless")
    with pytest.raises(
        EltError, match=r"shop\.keyless: deletes do not tell its key \(a\); .* replica identity full"
    ):
        engine.sync(ORDERS, stream("shop.keyless", primaryKey=[["a"]]))
    engine.write(
        "alter table shop.keyless replica identity full", "insert into shop.keyless values (1, 1), (2, 2)"
    )
    keyless = stream("shop.keyless", primaryKey=[["a"]])
    engine.sync(ORDERS, keyless)
    engine.write("delete from shop.keyless where a = 1", "update shop.keyless set a = 5 where a = 2")
    engine.sync(ORDERS, keyless)
    assert engine.raw("select a from raw_shop.keyless where _ab_cdc_deleted_at is null") == [(5,)]


def test_a_slot_that_another_connection_uses_is_refused(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.sync()
    with pytest.raises(
        EltError, match=f"the replication slot elt_test belongs to the connection {engine.connection_id}"
    ):
        engine.sync(connectionId="another")
    with pytest.raises(EltError, match="captured through the slot elt_test, and its source names other now"):
        engine.sync(source=engine.configuration(replication_slot="other"))


def test_a_refresh_under_another_slot_drops_the_one_before(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id) values (1)")
    engine.sync()
    other = engine.configuration(replication_slot="elt_test_other")
    engine.sync(source=other, jobType="refresh")
    names = "select slot_name::text from pg_replication_slots where database = current_database()"
    assert engine.superuser(names) == [("elt_test_other",)]
    engine.write("delete from shop.orders")
    assert engine.sync(source=other)["orders"] == (1, 1)


@pytest.mark.parametrize("captured", [True, False], ids=["capture", "cursor"])
def test_a_source_in_another_encoding_is_read_in_its_own_letters(
    source_server: SourceServer, tmp_path: Path, captured: bool
) -> None:
    with source_server.superuser() as connection:
        connection.execute(
            "create database latin owner adventureworks_owner encoding 'LATIN1' template template0"
            " locale_provider libc locale 'C'"
        )
    source = SourceDatabase(source_server, "latin", "latin")
    try:
        with source.connect("superuser") as connection:
            connection.execute(SHOP)
            connection.execute("reset role; create publication shop_publication for all tables")
        engine = CapturingEngine(source, tmp_path / "warehouse.duckdb")
        by_cursor = {} if captured else {"source": source_configuration(source)}
        for id_, name in ((1, "Café"), (2, "Größe")):
            engine.write(f"insert into shop.orders (id, customer, updated) values ({id_}, '{name}', now())")
            engine.sync(ORDERS, **by_cursor)
        assert engine.raw("select customer from raw_shop.orders order by id") == [("Café",), ("Größe",)]
    finally:
        source_server.drop(source)


def test_a_slot_of_another_database_is_refused(
    capturing: CapturingEngine, source_server: SourceServer
) -> None:
    other = source_server.create()
    try:
        with other.connect("superuser", autocommit=True) as connection:
            connection.execute("select pg_create_logical_replication_slot('elt_test', 'pgoutput')")
            with pytest.raises(EltError, match=f"elt_test is of plugin pgoutput, database {other.database}"):
                capturing.sync()
            connection.execute("select pg_drop_replication_slot('elt_test')")
    finally:
        source_server.drop(other)


def test_a_slot_in_use_is_waited_for_and_names_the_process_when_that_takes_too_long(
    capturing: CapturingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = capturing
    engine.sync()
    reader = psycopg.connect(**engine.source.dsn("superuser"), autocommit=True, replication="database")
    try:
        start = f"START_REPLICATION SLOT {engine.slot} LOGICAL 0/0 (proto_version '1', publication_names 'shop_publication')"
        reader.pgconn.send_query(start.encode())
        busy = "select 1 from pg_replication_slots where active_pid is not null and slot_name = %s"
        wait_until(lambda: engine.superuser(busy, engine.slot))
        with monkeypatch.context() as patch:
            patch.setattr(slots, "BUSY_SECONDS", 0.1)
            with pytest.raises(
                EltError, match=r"is in use by the server's process [0-9]+ — give each connection"
            ):
                engine.sync()
        threading.Timer(0.5, reader.close).start()
        engine.write("insert into shop.orders (id) values (1)")
        assert engine.sync()["orders"] == (1, 1)
    finally:
        reader.close()


def test_a_stream_that_failed_is_read_as_a_whole_when_it_is_mended(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write(
        "insert into shop.orders (id, total) values (1, 1)", "insert into shop.lines values (1, 1, 1, now())"
    )
    engine.sync()
    engine.write(
        "alter table shop.lines alter column quantity type text", "insert into shop.orders (id) values (2)"
    )
    with pytest.raises(EltError, match="quantity is text in the source now"):
        engine.sync()
    assert engine.live() == [(1,), (2,)]
    engine.write("delete from shop.lines", "insert into shop.lines values (2, 1, '4', now())")
    with pytest.raises(EltError, match="quantity is text"):
        engine.sync()
    engine.write("alter table shop.lines alter column quantity type integer using quantity::integer")
    engine.sync()
    rows = "select order_id, quantity from raw_shop.lines where _ab_cdc_deleted_at is null"
    assert engine.raw(rows) == [(2, 4)]


# -- tables that are not plain


def rows_of(engine: CapturingEngine, table: str, columns: str) -> list[tuple[Any, ...]]:
    return engine.raw(f"select {columns} from raw_shop.{table} where _ab_cdc_deleted_at is null order by 1")


def test_columns_may_be_called_as_the_engine_calls_its_own(capturing: CapturingEngine) -> None:
    names = ("op", "lsn", "at", "seq", "c0", "k0", "v0", "unchanged")
    columns = ", ".join(f"{name} text" for name in names[1:])
    capturing.write(
        f"create table shop.odd (op integer primary key, {columns})",
        f"insert into shop.odd values (1, 'a', 'b', 'c', 'd', 'e', 'f', {BIG})",
    )
    odd = stream("shop.odd")
    capturing.sync(odd)
    capturing.write(
        "insert into shop.odd values (3, 'g', 'h')",
        "update shop.odd set at = 'new', lsn = 'new' where op = 1",
    )
    capturing.sync(odd)
    columns = 'op, lsn, "at", seq, c0, k0, v0, length(unchanged)'
    assert rows_of(capturing, "odd", columns) == [
        (1, "new", "new", "c", "d", "e", "f", 160_000),
        (3, "g", "h", None, None, None, None, None),
    ]


def test_a_table_that_had_another_name_for_a_while_loses_nothing(capturing: CapturingEngine) -> None:
    capturing.write("insert into shop.orders (id, customer) values (1, 'a'), (2, 'b')")
    capturing.sync(ORDERS)
    capturing.write(
        "alter table shop.orders rename to away",
        "create table shop.orders (like shop.away including all)",
        "insert into shop.orders (id) values (9)",
        "drop table shop.orders",
        "update shop.away set customer = 'z' where id = 1",
        "alter table shop.away rename to orders",
    )
    capturing.sync(ORDERS)
    assert capturing.live("id, customer") == [(1, "z"), (2, "b")]


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (
            (
                "alter table shop.orders rename customer to away",
                "update shop.orders set away = 'z'",
                "alter table shop.orders rename away to customer",
            ),
            "without the column customer",
        ),
        (
            (
                "alter table shop.orders add column code integer not null unique default 7",
                "alter table shop.orders replica identity using index orders_code_key",
                "delete from shop.orders",
                "alter table shop.orders replica identity default",
                "alter table shop.orders drop column code",
            ),
            r"deletes did not tell its key \(id\)",
        ),
    ],
    ids=["column", "identity"],
)
def test_changes_that_do_not_tell_all_fail_clearly_and_a_refresh_puts_it_right(
    capturing: CapturingEngine, statements: tuple[str, ...], found: str
) -> None:
    capturing.write("insert into shop.orders (id, customer) values (1, 'a')")
    capturing.sync(ORDERS)
    capturing.write(*statements)
    with pytest.raises(EltError, match=f"{found}.* refresh the connection"):
        capturing.sync(ORDERS)
    capturing.sync(ORDERS, jobType="refresh")
    with capturing.source.connect() as connection:
        expected = connection.execute("select id, customer from shop.orders").fetchall()
    assert capturing.live("id, customer") == expected


def test_a_column_that_was_new_before_the_slot_could_move_does_no_harm(
    capturing: CapturingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot still holds rows from before the table had its columns, and they do not count any more."""
    from airbyte_local.sources.postgres.cdc import Capture

    engine = capturing
    engine.sync(ORDERS)
    engine.write("insert into shop.orders (id) values (1)")
    engine.write("alter table shop.orders add column note text default 'n'")
    with monkeypatch.context() as patch:
        patch.setattr(Capture, "advance", lambda *_: None)
        engine.sync(ORDERS)
    engine.write("insert into shop.orders (id) values (2)")
    assert engine.sync(ORDERS)["orders"] == (1, 1)
    assert engine.live("id, note") == [(1, "n"), (2, "n")]


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["create table shop.kid () inherits (shop.orders)"], "those of the tables that inherit from it"),
        (
            [
                "drop publication shop_publication",
                "create publication shop_publication for table shop.orders where (id < 10)",
            ],
            r"leaves out some of its rows \(where …\)",
        ),
        (
            [
                "alter table shop.orders drop constraint orders_pkey cascade",
                "alter table shop.orders add primary key (id) deferrable",
                "alter table shop.orders replica identity full",
            ],
            r"its key \(id\) is not unique at every moment",
        ),
    ],
    ids=["inherited", "filtered", "deferrable"],
)
def test_a_table_whose_changes_would_not_come_whole_is_refused(
    capturing: CapturingEngine, statements: list[str], found: str
) -> None:
    for statement in statements:
        capturing.superuser(statement)
    with pytest.raises(EltError, match=found):
        capturing.sync(ORDERS)


def test_a_partitioned_table_is_captured_through_its_root(capturing: CapturingEngine) -> None:
    engine, parts = capturing, stream("shop.parts")
    engine.write(
        "create table shop.parts (id integer primary key, note text) partition by range (id)",
        "create table shop.low partition of shop.parts for values from (0) to (10)",
        "create table shop.high (note text, id integer not null)",  # another order of columns
        "alter table shop.parts attach partition shop.high for values from (10) to (20)",
        f"insert into shop.parts values (1, {BIG}), (2, 'b'), (11, 'c')",
    )
    with pytest.raises(EltError, match="publish_via_partition_root = true"):
        engine.sync(parts)
    engine.superuser("alter publication shop_publication set (publish_via_partition_root = true)")
    engine.sync(parts)
    engine.write(
        "update shop.parts set id = 12 where id = 1", "update shop.parts set note = 'd' where id = 11"
    )
    engine.sync(parts)
    assert rows_of(engine, "parts", "id, length(note)") == [(2, 1), (11, 1), (12, 160_000)]


def test_a_slot_whose_log_is_gone_fails_clearly_and_a_refresh_puts_it_right(tmp_path: Path) -> None:
    server = make_server(tmp_path / "own", **FAST, max_slot_wal_keep_size="1MB", min_wal_size="32MB")
    server.cluster.start()
    try:
        source = server.create()
        with source.connect("superuser") as connection:
            connection.execute(SHOP)
        engine = CapturingEngine(source, tmp_path / "warehouse.duckdb")
        engine.superuser("create publication shop_publication for all tables")
        engine.write("insert into shop.orders (id) values (1), (2)")
        engine.sync()
        engine.write("delete from shop.orders where id = 2", "insert into shop.orders (id) values (3)")
        for _ in range(3):
            engine.superuser(
                "select pg_logical_emit_message(false, 'fill', repeat('x', 1000000)), pg_switch_wal()"
            )
        engine.superuser("checkpoint")
        status = "select wal_status from pg_replication_slots where slot_name = %s"
        assert engine.superuser(status, engine.slot) == [("lost",)]
        for _ in range(2):
            with pytest.raises(
                EltError, match=r"was invalidated .*: changes were missed — refresh the connection"
            ):
                engine.sync()
        engine.sync(jobType="refresh")
        assert engine.live() == [(1,), (3,)]
        assert engine.raw("select id from raw_shop.orders where _ab_cdc_deleted_at is not null") == [(2,)]
        engine.write("insert into shop.orders (id) values (4)")
        assert engine.sync()["orders"] == (1, 1)
    finally:
        server.cluster.stop()


def test_a_deleted_row_that_is_there_again_is_live_when_the_source_is_read_by_cursor_from_then_on(
    capturing: CapturingEngine,
) -> None:
    engine, visits = capturing, stream("shop.visits")
    engine.write("create table shop.visits (id integer, updated timestamp, primary key (id, updated))")
    insert = "insert into shop.visits values (1, '2024-01-01')"
    for change in (insert, "delete from shop.visits"):
        engine.write(change)
        engine.sync(visits)
    assert rows_of(engine, "visits", "id") == []
    engine.write(insert)
    engine.sync(visits, source=source_configuration(engine.source))
    assert rows_of(engine, "visits", "id") == [(1,)]


def test_a_column_called_as_one_of_the_capture_is_refused_by_name(capturing: CapturingEngine) -> None:
    capturing.write("alter table shop.orders add column _ab_cdc_lsn bigint")
    with pytest.raises(EltError, match=r"stream shop\.orders: the column name _ab_cdc_lsn is used twice"):
        capturing.sync()
