"""Incremental syncs against a real PostgreSQL and a real DuckDB: nothing lost, nothing twice, nothing rewritten."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from airbyte_local.destinations.duckdb import state
from airbyte_local.sources.postgres import opened
from airbyte_local.sources.postgres.cursor import WEST
from foundation.errors import EltError
from stack.postgres import Cluster
from tests.fixtures.source import free_port
from tests.integration.airbyte_local.conftest import Engine, source_configuration, stream

pytestmark = pytest.mark.promise

ORDERS = "select id, customer, total, updated from raw_shop.orders order by id"
TEN = "insert into shop.orders (id, customer, total, updated) select i, 'c' || i, i / 3.0, '2024-01-01'::timestamp + i * interval '1 h' from generate_series(1, 10) i"


def source_orders(engine: Engine) -> list[tuple]:
    with engine.source.connect() as connection:
        return connection.execute(
            "select id, customer, total, updated from shop.orders order by id"
        ).fetchall()


def test_first_sync_brings_every_row_and_the_next_only_what_changed(engine: Engine) -> None:
    engine.write(TEN)
    assert engine.sync()["orders"] == (10, 10)
    engine.write(
        "update shop.orders set total = 99, updated = '2024-02-01' where id = 3",
        "insert into shop.orders values (11, 'new', 1, '2024-02-01', '2024-02-02')",
    )
    # read: the two, and the row at the boundary, which is equal and so is not written
    assert engine.sync()["orders"] == (3, 2)
    assert engine.raw(ORDERS) == source_orders(engine)


def test_rows_that_share_the_boundary_value_are_not_lost(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-01')")
    engine.sync()
    engine.write("insert into shop.orders (id, updated) values (3, '2024-01-01')")
    assert engine.sync()["orders"] == (3, 1)
    assert engine.raw("select count(*) from raw_shop.orders") == [(3,)]


def test_an_equal_row_that_is_read_again_keeps_its_time_of_extraction(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-01')")
    engine.sync()
    query = "select id, _airbyte_raw_id, _airbyte_extracted_at::varchar from raw_shop.orders order by id"
    before = engine.raw(query)
    engine.write("update shop.orders set customer = 'x' where id = 2")
    engine.sync()
    after = engine.raw(query)
    assert after[0] == before[0]
    assert after[1][1] != before[1][1]
    assert after[1][2] > before[1][2]


def test_rows_without_a_cursor_value_are_read_every_time(engine: Engine) -> None:
    engine.write(TEN, "insert into shop.orders (id, customer) values (20, 'null')")
    engine.sync()
    engine.write("update shop.orders set customer = 'still null' where id = 20")
    assert engine.sync()["orders"] == (2, 1)
    assert engine.raw("select customer from raw_shop.orders where id = 20") == [("still null",)]


def test_without_the_position_no_row_is_kept_either(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and position are committed together: a job that ends between them has written neither."""
    engine.write(TEN)
    engine.sync()
    before = engine.raw(ORDERS), engine.cursor_of("orders")
    engine.write("update shop.orders set total = 99, updated = '2024-02-01' where id = 3")
    with monkeypatch.context() as patch:
        patch.setattr(state, "write", lambda *_: (_ for _ in ()).throw(EltError("killed")))
        with pytest.raises(EltError, match="killed"):
            engine.sync()
    assert (engine.raw(ORDERS), engine.cursor_of("orders")) == before
    assert engine.sync()["orders"] == (2, 1)
    assert engine.raw(ORDERS) == source_orders(engine)


def test_a_sync_that_reads_nothing_keeps_the_position(engine: Engine) -> None:
    engine.write(TEN)
    engine.sync()
    position = engine.cursor_of("orders")
    engine.write("delete from shop.orders where updated = (select max(updated) from shop.orders)")
    assert engine.sync()["orders"] == (0, 0)
    assert engine.cursor_of("orders") == position == "2024-01-01 10:00:00"


def test_an_empty_table_arrives_and_fills_later(engine: Engine) -> None:
    assert engine.sync()["orders"] == (0, 0)
    assert engine.raw(ORDERS) == []
    assert engine.cursor_of("orders") is None
    engine.write(TEN)
    assert engine.sync()["orders"] == (10, 10)


def test_a_row_committed_late_is_not_missed(engine: Engine) -> None:
    """Its cursor value is below one that an earlier sync has seen: only W keeps the position low enough."""
    with engine.source.connect() as late:
        late.execute("insert into shop.orders (id, customer, updated) values (1, 'late', clock_timestamp())")
        time.sleep(0.01)
        engine.write("insert into shop.orders (id, customer, updated) values (2, 'early', clock_timestamp())")
        engine.sync()
        assert engine.raw("select customer from raw_shop.orders") == [("early",)]
    engine.sync()
    assert engine.raw("select customer from raw_shop.orders order by id") == [("late",), ("early",)]


def test_a_prepared_transaction_holds_the_position(engine: Engine) -> None:
    allowed = engine.source.connect().execute("show max_prepared_transactions").fetchone()[0]
    if allowed == "0":
        pytest.skip("the test server has max_prepared_transactions = 0")
    engine.write("insert into shop.orders (id, updated) values (1, clock_timestamp())")
    engine.sync()
    position = engine.cursor_of("orders")
    with engine.source.connect(autocommit=True) as connection:
        connection.execute("begin")
        connection.execute("insert into shop.orders (id, updated) values (2, clock_timestamp())")
        connection.execute("prepare transaction 'late'")
    engine.write("insert into shop.orders (id, updated) values (3, clock_timestamp())")
    engine.sync()
    assert engine.cursor_of("orders") == position
    with engine.source.connect(autocommit=True) as connection:
        connection.execute("commit prepared 'late'")
    engine.sync()
    assert engine.raw("select list(id order by id) from raw_shop.orders") == [([1, 2, 3],)]


def test_a_cursor_in_the_future_does_not_hide_today(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '9999-12-31'), (2, 'infinity')")
    engine.sync()
    assert datetime.fromisoformat(engine.cursor_of("orders")) < datetime.now() + timedelta(minutes=1)
    engine.write("insert into shop.orders (id, updated) values (3, clock_timestamp())")
    assert engine.sync()["orders"] == (3, 1)


def test_infinite_moments_arrive_as_such(engine: Engine) -> None:
    engine.write(
        "create table shop.moments (id integer primary key, a timestamp, b timestamptz, c date)",
        "insert into shop.moments values (1, 'infinity', 'infinity', 'infinity'), (2, '-infinity', '-infinity',"
        " '-infinity'), (3, '0044-03-15 BC', '0044-03-15 BC', '0044-03-15 BC'), (4, null, null, null)",
    )
    engine.sync(stream("shop.moments", "full_refresh_overwrite"))
    assert engine.raw("select a::varchar, b::varchar, c::varchar from raw_shop.moments order by id") == [
        ("infinity", "infinity", "infinity"),
        ("-infinity", "-infinity", "-infinity"),
        ("0044-03-15 (BC) 00:00:00", "0044-03-15 (BC) 00:00:00+00", "0044-03-15 (BC)"),
        (None, None, None),
    ]


def test_a_moment_that_does_not_fit_fails_instead_of_becoming_another(engine: Engine) -> None:
    engine.write(
        "create table shop.moments (id integer primary key, a timestamp)",
        "insert into shop.moments values (1, '294276-12-31')",
    )
    with pytest.raises(EltError, match=r"stream shop\.moments: a holds a moment beyond the year 294246"):
        engine.sync(stream("shop.moments", "full_refresh_overwrite"))


def test_an_integer_can_be_the_cursor(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, customer) values (1, 'a'), (2, 'b')")
    by_id = stream("shop.orders", cursorField=["id"])
    assert engine.sync(by_id)["orders"] == (2, 2)
    engine.write("insert into shop.orders (id, customer) values (3, 'c')")
    assert engine.sync(by_id)["orders"] == (2, 1)
    assert engine.cursor_of("orders") == "3"


@pytest.mark.parametrize("type_", ["timestamptz", "date", "bigint", "smallint"])
def test_each_cursor_type_goes_on_where_it_was(engine: Engine, type_: str) -> None:
    value = {"timestamptz": "'2024-01-0{}'", "date": "'2024-01-0{}'"}.get(type_, "{}")
    engine.write(f"create table shop.t (id integer primary key, at {type_})")
    for number in (1, 2):
        engine.write(f"insert into shop.t values ({number}, {value.format(number)})")
        figures = engine.sync(stream("shop.t", cursorField=["at"]))
        assert figures["t"] == (number, 1)  # the new row, and from the second time on the one at the boundary


def test_another_cursor_reads_from_the_start(engine: Engine) -> None:
    engine.write(TEN)
    engine.sync()
    assert engine.sync(stream("shop.orders", cursorField=["placed"]), stream("shop.lines"))["orders"] == (
        10,
        0,
    )


def test_a_dropped_table_is_filled_again(engine: Engine) -> None:
    import duckdb

    engine.write(TEN)
    engine.sync()
    with duckdb.connect(engine.warehouse) as connection:
        connection.execute("drop table raw_shop.orders")
    assert engine.sync()["orders"] == (10, 10)


def test_a_child_never_arrives_without_its_parent(engine: Engine) -> None:
    """A writer commits orders with their lines all the time; the lines are read last, when there are more of them."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        with engine.source.connect() as connection:
            while not stop.is_set():
                number += 1
                connection.execute(
                    "insert into shop.orders (id, updated) values (%s, clock_timestamp())", [number]
                )
                connection.execute(
                    "insert into shop.lines select %s, i, 1, clock_timestamp() from generate_series(1, 3) i",
                    [number],
                )
                connection.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            engine.sync()
            orphans = "select count(*) from raw_shop.lines anti join raw_shop.orders on id = order_id"
            assert engine.raw(orphans) == [(0,)]
            counts = (
                "select (select count(*) from raw_shop.lines) - 3 * (select count(*) from raw_shop.orders)"
            )
            assert engine.raw(counts) == [(0,)]
    finally:
        stop.set()
        writer.join()
    engine.sync()
    with engine.source.connect() as connection:
        expected = connection.execute("select count(*) from shop.lines").fetchone()
    assert engine.raw("select count(*) from raw_shop.lines") == [expected]


def test_a_key_that_the_source_does_not_keep_unique_is_deduplicated(engine: Engine) -> None:
    engine.write(
        "create table shop.log (k integer, v text, updated timestamp)",
        "insert into shop.log values (1, 'old', '2024-01-01'), (1, 'new', '2024-01-02'), (1, 'none', null)",
    )
    keyed = stream("shop.log", primaryKey=[["k"]])
    engine.sync(keyed)
    assert engine.raw("select k, v from raw_shop.log order by k") == [(1, "new")]
    engine.write("insert into shop.log values (1, 'newest', '2024-01-03')")
    engine.sync(keyed)
    assert engine.raw("select k, v from raw_shop.log order by k") == [(1, "newest")]


def test_every_sync_is_recorded_with_its_watermark_and_rows(engine: Engine) -> None:
    engine.write(TEN)
    before = datetime.now(UTC)
    engine.sync()
    engine.sync()
    rows = engine.raw(
        "select job_id, connection_name, epoch(started_at), epoch(watermark), epoch(committed_at), rows_read,"
        " rows_written, streams -> 0 ->> 'streamName' from airbyte_internal.syncs order by job_id"
    )
    assert [(row[0], row[1], row[5], row[6], row[7]) for row in rows] == [
        (1, "shop", 10, 10, "orders"),
        (2, "shop", 1, 0, "orders"),
    ]
    for row in rows:
        assert before.timestamp() - 1 < row[2] <= row[3] + 1 < row[4] + 2


def test_times_of_extraction_rise_from_sync_to_sync(engine: Engine) -> None:
    import duckdb

    engine.write(TEN)
    engine.sync()
    with duckdb.connect(engine.warehouse) as connection:  # as if the clock had been ahead
        connection.execute("update airbyte_internal.syncs set extracted_at = extracted_at + interval '1 day'")
    engine.write("update shop.orders set customer = 'x', updated = '2025-01-01'")
    engine.sync()
    later = "select min(_airbyte_extracted_at) > now() + interval '23 hours' from raw_shop.orders"
    assert engine.raw(later) == [(True,)]


def test_metadata_columns_say_which_sync_wrote_a_row(engine: Engine) -> None:
    engine.write(TEN)
    engine.sync()
    engine.sync()
    row = "select distinct _airbyte_meta::varchar, _airbyte_generation_id, length(_airbyte_raw_id::varchar) from raw_shop.orders"
    assert engine.raw(row) == [('{"sync_id": 1, "changes": []}', 0, 36)]
    assert engine.raw("select count(distinct _airbyte_raw_id) from raw_shop.orders") == [(10,)]


def test_statistics_that_cannot_be_read_fail_with_the_remedy(engine: Engine) -> None:
    with engine.source.connect("superuser") as connection:
        connection.execute("create role blind login password 'blind pass'")
        connection.execute("grant usage on schema shop to blind")
        connection.execute("grant select on all tables in schema shop to blind")
    configuration = source_configuration(engine.source, username="blind", password="blind pass")
    try:
        with pytest.raises(EltError, match='grant pg_read_all_stats to "blind"'):
            engine.sync(source=configuration)
    finally:
        with engine.source.connect("superuser") as connection:
            connection.execute("drop owned by blind")
            connection.execute("drop role blind")


def test_a_standby_is_refused_with_the_remedy(tmp_path_factory: pytest.TempPathFactory) -> None:
    cluster = Cluster(tmp_path_factory.mktemp("standby") / "data", free_port(), "postgres", "standby pass")
    cluster.initialise()
    (cluster.data_dir / "standby.signal").touch()
    address = {"host": "127.0.0.1", "port": cluster.port, "database": "postgres", "username": "postgres"}
    with subprocess.Popen(
        cluster.command(), env=cluster.environment(), cwd=cluster.data_dir.parent, stderr=subprocess.DEVNULL
    ) as server:
        try:
            cluster.wait_ready()
            with pytest.raises(
                EltError, match=r"this server is a standby.* — point the source at the primary"
            ):
                opened({**address, "password": "standby pass"}).__enter__()
        finally:
            server.send_signal(signal.SIGINT)


def test_a_transaction_in_another_database_does_not_hold_the_position(engine: Engine) -> None:
    other = engine.source.server.create()
    with other.connect() as connection:
        began = connection.execute("select now()::timestamp").fetchone()[0]
        time.sleep(0.01)
        engine.write("insert into shop.orders (id, updated) values (1, clock_timestamp())")
        engine.sync()
        # a cursor without zone is taken as the westernmost clocks show it
        assert datetime.fromisoformat(engine.cursor_of("orders")) > began + WEST
    engine.source.server.drop(other)


def test_a_lost_server_is_named_and_changes_nothing(engine: Engine) -> None:
    engine.write(TEN)
    engine.sync()
    engine.write("update shop.orders set updated = '2025-01-01'")
    blocker = engine.source.connect()
    blocker.execute("lock table shop.lines in access exclusive mode")
    failure: list[BaseException] = []

    def sync() -> None:
        try:
            engine.sync()
        except EltError as error:
            failure.append(error)

    thread = threading.Thread(target=sync)
    thread.start()
    with engine.source.connect("superuser", autocommit=True) as connection:
        waiting = (
            "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
            " and datname = current_database()"
        )
        while not connection.execute(waiting).fetchall():
            time.sleep(0.02)
    thread.join()
    blocker.close()
    assert "terminating connection due to administrator command" in str(failure[0])
    assert "user airbyte_reader" in str(failure[0])
    assert engine.cursor_of("orders") == "2024-01-01 10:00:00"
    assert engine.sync()["orders"] == (10, 10)


def test_a_lock_in_the_source_is_waited_for_only_so_long(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airbyte_local.sources.postgres import snapshot

    monkeypatch.setattr(
        snapshot, "READER_OPTIONS", snapshot.READER_OPTIONS.replace("lock_timeout=60s", "lock_timeout=100ms")
    )
    with engine.source.connect() as blocker:
        blocker.execute("lock table shop.orders in access exclusive mode")
        with pytest.raises(EltError, match=r"stream shop\.orders: canceling statement due to lock timeout"):
            engine.sync()


def test_the_driver_is_not_confused_by_quotes_in_names(engine: Engine) -> None:
    engine.write(
        """create table shop."Odd ""name""; --" ("select" integer primary key, "ümläut %s {x}" text, updated timestamp)""",
        """insert into shop."Odd ""name""; --" values (1, 'v', now())""",
    )
    engine.sync(stream('shop.Odd "name"; --'))
    assert engine.raw("""select "select", "ümläut %s {x}" from raw_shop."Odd ""name""; --" """) == [(1, "v")]


def test_a_wrong_password_or_port_is_named_without_the_password(engine: Engine) -> None:
    for changes, found in (
        ({"password": "not it"}, "password authentication failed for user"),
        ({"port": 1}, "Connection refused"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"ssl_mode": {"mode": "require"}}, "server does not support SSL"),
        ({"host": "no-such-host.invalid"}, "host"),
    ):
        with pytest.raises(EltError) as error:
            engine.sync(source=source_configuration(engine.source, **changes))
        assert found in str(error.value)
        assert "not it" not in str(error.value)
        assert "user airbyte_reader" in str(error.value)
        assert error.value.remedy


def test_psycopg_and_the_engine_agree_on_what_is_null(engine: Engine) -> None:
    engine.write("insert into shop.orders (id) values (1)")
    engine.sync()
    with engine.source.connect(row_factory=psycopg.rows.tuple_row) as connection:
        expected = connection.execute("select id, customer, total, updated from shop.orders").fetchall()
    assert engine.raw(ORDERS) == expected == [(1, None, None, None)]
