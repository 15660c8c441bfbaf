"""What must hold on every PostgreSQL that people run: a server of each version that is here, by capture and by cursor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airbyte_local.sources.postgres import connect
from airbyte_local.sources.postgres.cdc import slot
from airbyte_local.sources.postgres.cdc.health import examine
from airbyte_local.sources.postgres.connect import Address
from foundation.errors import EltError
from tests.fixtures.postgres_versions import Servers, every_version
from tests.integration.airbyte_local.conftest import SHOP, Engine, stream
from tests.integration.airbyte_local.test_capture import BIG, CapturingEngine

ORDERS = stream("shop.orders")


@pytest.fixture(params=every_version())
def capturing(
    request: pytest.FixtureRequest, postgres_servers: Servers, tmp_path: Path
) -> Iterator[CapturingEngine]:
    """An engine that captures from a server of each version."""
    server = postgres_servers.of(request.param)
    database = server.create()
    with database.connect("superuser") as connection:
        connection.execute(SHOP)
    engine = CapturingEngine(database, tmp_path / "warehouse.duckdb")
    engine.superuser("create publication shop_publication for all tables")
    yield engine
    server.drop(database)


@pytest.fixture
def by_cursor(capturing: CapturingEngine) -> Engine:
    """The same source, read by cursor."""
    return Engine(capturing.source, capturing.warehouse, connection_id="by cursor")


def version(engine: Engine) -> int:
    with engine.source.connect() as connection:
        return connection.info.server_version // 10_000


def test_changes_are_captured(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, total) values (1, 1), (2, 2), (3, 3)")
    assert engine.sync()["orders"] == (3, 3)
    engine.write(
        "update shop.orders set total = 20 where id = 2",
        "delete from shop.orders where id = 3",
        "update shop.orders set id = 10 where id = 1",
    )
    engine.sync()
    assert engine.live("id, total") == [(2, 20), (10, 1)]
    engine.write("truncate shop.orders cascade", "insert into shop.orders (id) values (5)")
    engine.sync()
    assert engine.live() == [(5,)]


def test_the_health_of_the_capture_is_reported(capturing: CapturingEngine) -> None:
    capturing.sync()
    with capturing.source.connect("reader", autocommit=True) as connection:
        address = Address.of(capturing.configuration())
        told = list(examine(connection, address, "shop_publication", capturing.slot))
    assert [remedy for _, remedy in told] == ["", ""]
    assert told[1][0].startswith(f"the slot {capturing.slot} holds back")


def test_a_slot_with_two_phase_is_refused(capturing: CapturingEngine) -> None:
    """The server gives such a slot's reader prepared transactions by themselves, even one that has not asked for them."""
    if version(capturing) < 14:
        pytest.skip("two_phase is new in PostgreSQL 14")
    capturing.superuser(
        "select pg_create_logical_replication_slot(%s, 'pgoutput', false, true)", capturing.slot
    )
    with pytest.raises(EltError, match=r"made with two_phase.*pg_drop_replication_slot"):
        capturing.sync()


def test_rows_are_read_by_cursor(by_cursor: Engine) -> None:
    engine = by_cursor
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-02')")
    assert engine.sync()["orders"] == (2, 2)
    engine.write("update shop.orders set total = 5, updated = '2024-01-03' where id = 1")
    engine.sync()
    assert engine.raw("select id, total from raw_shop.orders order by id") == [(1, 5), (2, None)]


# -- what a stream is made of


def live(engine: Engine, table: str, columns: str = "id") -> list[tuple[Any, ...]]:
    """The rows of a raw table that are not deleted."""
    return engine.raw(f"select {columns} from raw_shop.{table} where _ab_cdc_deleted_at is null order by 1")


PARTED = (
    "create table shop.parted (id integer primary key, note text, updated timestamp not null default '2024-01-01')"
    " partition by range (id)",
    "create table shop.p1 partition of shop.parted for values from (0) to (10)",
    "insert into shop.parted values (1, 'a'), (2, 'b')",
)


@pytest.fixture
def parted(capturing: CapturingEngine) -> CapturingEngine:
    """With a partitioned table that has been synced."""
    capturing.superuser("alter publication shop_publication set (publish_via_partition_root = true)")
    capturing.write(*PARTED)
    capturing.sync(stream("shop.parted"))
    return capturing


def test_a_partition_that_is_attached_with_rows_arrives(
    parted: CapturingEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    parted.write(
        "create table shop.p2 (like shop.parted including all)",
        "insert into shop.p2 values (11, 'old')",
        "alter table shop.parted attach partition shop.p2 for values from (10) to (20)",
    )
    parted.sync(stream("shop.parted"))
    assert live(parted, "parted") == [(1,), (2,), (11,)]
    assert "shop.parted: read as a whole: the partition shop.p2 was attached with rows" in caplog.text


def test_a_partition_made_filled_and_attached_in_one_transaction_arrives(parted: CapturingEngine) -> None:
    with parted.source.connect() as connection:
        connection.execute("create table shop.sub (like shop.parted including all) partition by range (id)")
        connection.execute("create table shop.p2 partition of shop.sub for values from (10) to (20)")
        connection.execute("savepoint one")
        connection.execute("insert into shop.p2 values (11, 'old')")
        connection.execute("release one")
        connection.execute("alter table shop.parted attach partition shop.sub for values from (10) to (20)")
    parted.sync(stream("shop.parted"))
    assert live(parted, "parted") == [(1,), (2,), (11,)]


def test_a_partition_that_is_made_as_one_costs_nothing(parted: CapturingEngine) -> None:
    parted.write(
        "create table shop.p2 partition of shop.parted for values from (10) to (20)",
        "insert into shop.parted values (11, 'new')",
    )
    assert parted.sync(stream("shop.parted"))["parted"] == (1, 1)


@pytest.mark.parametrize(
    "how",
    ["alter table shop.parted detach partition shop.p1", "drop table shop.p1", "truncate shop.p1"],
)
def test_rows_of_a_partition_that_is_gone_are_deleted(parted: CapturingEngine, how: str) -> None:
    parted.write(
        "create table shop.p2 partition of shop.parted for values from (10) to (20)",
        "insert into shop.parted values (11, 'new')",
    )
    parted.sync(stream("shop.parted"))
    parted.write(how)
    parted.sync(stream("shop.parted"))
    assert live(parted, "parted") == [(11,)]


def test_a_partition_attached_with_rows_arrives_by_cursor(by_cursor: Engine) -> None:
    engine, table = by_cursor, stream("shop.parted")
    engine.write(*PARTED)
    engine.sync(table)
    engine.write(
        "create table shop.p2 (like shop.parted including all)",
        "insert into shop.p2 values (11, 'old', '2020-01-01')",
        "alter table shop.parted attach partition shop.p2 for values from (10) to (20)",
    )
    engine.sync(table)
    assert engine.raw("select id from raw_shop.parted order by id") == [(1,), (2,), (11,)]


CHANGES_OF_VALUES = {
    "using": (
        "alter table shop.made alter column price type numeric(12,4) using price * 10",
        "select id, price::text from {}.made",
    ),
    "enum": ("alter type shop.mood rename value 'sad' to 'blue'", "select id, moods::text from {}.made"),
}


@pytest.mark.parametrize("method", ["capture", "cursor"])
@pytest.mark.parametrize("change", CHANGES_OF_VALUES)
def test_values_that_ddl_changes_arrive(
    capturing: CapturingEngine, by_cursor: Engine, method: str, change: str
) -> None:
    engine, table = capturing if method == "capture" else by_cursor, stream("shop.made")
    statement, query = CHANGES_OF_VALUES[change]
    engine.write(
        "create type shop.mood as enum ('sad', 'happy')",
        "create type shop.pair as (one shop.mood, two integer)",
        "create table shop.made (id integer primary key, price numeric(12,4), moods shop.pair[],"
        " updated timestamp default '2024-01-01')",
        "insert into shop.made values (1, 1.5, '{\"(sad,1)\"}', default), (2, 2.5, null, '2024-01-02')",
    )
    engine.sync(table)
    engine.write(statement)
    engine.sync(table)
    with engine.source.connect() as connection:
        expected = connection.execute(query.format("shop")).fetchall()
    assert sorted(engine.raw(query.format("raw_shop"))) == sorted(expected)
    assert engine.sync(table)["made"][1] == 0


@pytest.mark.parametrize(
    "away",
    [
        ("drop publication shop_publication", "create publication shop_publication for all tables"),
        (
            "alter publication shop_publication drop table shop.orders",
            "alter publication shop_publication add table shop.orders",
        ),
        (
            "alter publication shop_publication set (publish = 'insert')",
            "alter publication shop_publication set (publish = 'insert, update, delete, truncate')",
        ),
    ],
)
def test_changes_while_a_table_is_not_published_arrive(
    capturing: CapturingEngine, away: tuple[str, str]
) -> None:
    engine = capturing
    if "drop table" in away[0]:
        engine.superuser("drop publication shop_publication")
        engine.superuser("create publication shop_publication for table shop.orders, shop.lines")
    engine.write("insert into shop.orders (id, total) values (1, 1), (2, 2)")
    engine.sync()
    engine.superuser(away[0])
    engine.write("delete from shop.orders where id = 1", "update shop.orders set total = 20")
    engine.write("insert into shop.orders (id) values (3)")
    engine.superuser(away[1])
    engine.write("insert into shop.orders (id) values (4)")
    engine.sync()
    assert engine.live("id, total") == [(2, 20), (3, None), (4, None)]


@pytest.mark.parametrize("method", ["capture", "cursor"])
def test_row_level_security_is_refused(capturing: CapturingEngine, by_cursor: Engine, method: str) -> None:
    engine = capturing if method == "capture" else by_cursor
    engine.write(
        "insert into shop.orders (id, updated) values (1, now()), (2, now())",
        "alter table shop.orders enable row level security",
        "create policy first_only on shop.orders using (id = 1)",
    )
    with pytest.raises(EltError, match=r"row level security hides rows.*alter role .* bypassrls"):
        engine.sync()


@pytest.mark.parametrize("method", ["capture", "cursor"])
def test_addresses_have_one_text(capturing: CapturingEngine, by_cursor: Engine, method: str) -> None:
    """Of a host the cast to text shows the mask, the output function (which the log uses) does not."""
    engine, table = capturing if method == "capture" else by_cursor, stream("shop.hosts")
    engine.write(
        "create table shop.hosts (a inet primary key, b cidr, c inet[], d xml, note text, updated timestamp default now())",
        f"insert into shop.hosts values ('10.0.0.1', '10.0.0.0/8', '{{10.0.0.1}}', null, {BIG})",
    )
    engine.sync(table)
    engine.write(
        "insert into shop.hosts values ('10.0.0.2', '10.0.0.0/8', '{10.0.0.1}')",
        "update shop.hosts set updated = now() where a = '10.0.0.1'",
    )
    engine.sync(table)
    found = engine.raw("select a, b, c, length(note) from raw_shop.hosts order by a")
    assert found == [
        ("10.0.0.1", "10.0.0.0/8", "{10.0.0.1}", 160_000),
        ("10.0.0.2", "10.0.0.0/8", "{10.0.0.1}", None),
    ]


@pytest.mark.parametrize("method", ["capture", "cursor"])
def test_settings_of_the_role_change_nothing(
    capturing: CapturingEngine, by_cursor: Engine, method: str
) -> None:
    engine = capturing if method == "capture" else by_cursor
    settings = {
        "quote_all_identifiers": "on", "bytea_output": "escape", "DateStyle": "German", "IntervalStyle": "iso_8601",
        "extra_float_digits": "-3", "TimeZone": "America/New_York", "standard_conforming_strings": "off",
    }  # fmt: skip
    for name, value in settings.items():
        engine.source.server.superuser().execute(f"alter role airbyte_reader set {name} = '{value}'")
    try:
        engine.write("insert into shop.orders (id, total, placed) values (1, 1.5, '2024-05-06 07:08:09')")
        engine.sync()
        engine.write("update shop.orders set total = 2.5, updated = now()")
        engine.sync()
        assert engine.raw("select id, total::text, placed::text from raw_shop.orders") == [
            (1, "2.5000", "2024-05-06 07:08:09")
        ]
    finally:
        engine.source.server.superuser().execute("alter role airbyte_reader reset all")


def test_a_partition_whose_deletes_do_not_tell_the_key_is_refused(parted: CapturingEngine) -> None:
    parted.write(
        "alter table shop.p1 alter column note set not null",
        "create unique index by_note on shop.p1 (note)",
        "alter table shop.p1 replica identity using index by_note",
    )
    with pytest.raises(
        EltError, match=r"deletes in its partition p1 do not tell its key.*replica identity full"
    ):
        parted.sync(stream("shop.parted"))


def test_a_table_that_others_inherit_from_is_refused_by_cursor(by_cursor: Engine) -> None:
    by_cursor.write("create table shop.children () inherits (shop.orders)")
    with pytest.raises(EltError, match=r"other tables inherit from it.*full_refresh_overwrite"):
        by_cursor.sync()


# -- a stream that cannot be loaded


UNFIT = {
    "nan": ("numeric(12,4)", "'NaN'", 'string "NaN" to DECIMAL(12,4): column v of the row with id=7'),
    "surrogate": (
        "json",
        """'["secret \\ud83d"]'""",
        'a string like "["aaaaaa \\aa99a"]" to JSON: column v of the row with id=7',
    ),
    "year": ("timestamp", "'294247-02-01'", "v holds a moment beyond the year 294246 in the row with id=7"),
}


@pytest.mark.parametrize("value", UNFIT)
@pytest.mark.parametrize("method", ["capture", "cursor"])
@pytest.mark.parametrize("first", [True, False])
def test_a_value_that_fits_no_column_stops_its_stream_alone(
    capturing: CapturingEngine, by_cursor: Engine, method: str, first: bool, value: str
) -> None:
    engine = capturing if method == "capture" else by_cursor
    type_, text, told = UNFIT[value]
    streams = stream("shop.odd"), ORDERS
    engine.write(
        f"create table shop.odd (id integer primary key, v {type_}, updated timestamp default now())"
    )
    engine.write("insert into shop.odd values (1, null)", "insert into shop.orders (id) values (1)")
    if not first:
        engine.sync(*streams)
    engine.write(f"insert into shop.odd values (7, {text})", "insert into shop.orders (id) values (2)")
    with pytest.raises(EltError, match=r"stream shop\.odd: .*the other stream is loaded") as failed:
        engine.sync(*streams)
    assert told in str(failed.value)
    assert "secret" not in str(failed.value)
    assert engine.raw("select count(*) from raw_shop.orders") == [(2,)]
    engine.write("update shop.odd set v = null, updated = now()")
    engine.sync(*streams)
    assert engine.raw("select id, v from raw_shop.odd order by id") == [(1, None), (7, None)]


@pytest.mark.parametrize("method", ["capture", "cursor"])
def test_an_error_while_rows_stream_stops_its_stream_alone(
    capturing: CapturingEngine, by_cursor: Engine, method: str
) -> None:
    engine = capturing if method == "capture" else by_cursor
    engine.write(
        "create view shop.shares as select id, 100 / (id - 200000) as share from generate_series(1, 300000) as id",
        "insert into shop.orders (id) values (1)",
    )
    with pytest.raises(EltError, match=r"stream shop\.shares: division by zero .*the other stream is loaded"):
        engine.sync(stream("shop.shares", "full_refresh_overwrite"), ORDERS)
    assert engine.raw("select count(*) from raw_shop.orders") == [(1,)]


def test_a_table_that_stays_locked_is_reported(
    capturing: CapturingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "READER_OPTIONS", connect.READER_OPTIONS.replace("60s", "100ms"))
    monkeypatch.setattr(slot, "OPEN_SECONDS", 1)  # a new slot waits for the transaction, too, before 16
    with capturing.source.connect() as other:
        other.execute("lock table shop.orders in access exclusive mode")
        with pytest.raises(EltError, match=r"(has locked a table|open transactions).*pg_stat_activity"):
            capturing.sync()
    assert capturing.sync()["orders"] == (0, 0)


def test_a_key_that_is_null_is_refused(capturing: CapturingEngine) -> None:
    engine = capturing
    engine.write(
        "create table shop.loose (id integer unique, updated timestamp)",
        "alter table shop.loose replica identity full",
        "insert into shop.loose values (1)",
    )
    table = stream("shop.loose", primaryKey=[["id"]])
    engine.sync(table)
    engine.write("insert into shop.loose values (null), (null)")
    with pytest.raises(EltError, match=r"its key|did not tell its key"):
        engine.sync(table)


def test_columns_may_be_called_anything(capturing: CapturingEngine) -> None:
    engine, table = capturing, stream("shop.named")
    names = ("#op", "#lsn", "#at", "#", "seq", "c0", "k0", "unchanged", "op", "s", "t", 'a "b"', "%s", "{}")
    columns = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}" integer' for name in names)
    engine.write(f"create table shop.named (id integer primary key, {columns}, note text)")
    values = ", ".join(map(str, range(1, len(names) + 1)))
    engine.write(f"insert into shop.named values (1, {values}, {BIG})")
    engine.sync(table)
    engine.write(
        f"insert into shop.named values (2, {values}, 'x')", 'update shop.named set "#op" = 99 where id = 1'
    )
    engine.sync(table)
    found = engine.raw("select * exclude (note) from raw_shop.named order by id")
    numbers = list(range(2, len(names) + 1))
    assert [list(row[: len(names) + 1]) for row in found] == [[1, 99, *numbers], [2, 1, *numbers]]


@pytest.mark.parametrize("zones", ["one", "two"])
def test_a_late_commit_of_a_writer_in_another_zone_arrives(by_cursor: Engine, zones: str) -> None:
    """A time stamp without zone holds the local time of its writer, which nothing tells."""
    engine = by_cursor
    with engine.source.connect() as writer, engine.source.connect(autocommit=True) as other:
        for session in (writer, other):
            session.execute("set timezone = 'America/New_York'")
        writer.execute("insert into shop.orders (id, updated) values (1, clock_timestamp())")
        other.execute("insert into shop.orders (id, updated) values (2, clock_timestamp())")
        engine.sync()
        writer.commit()
        if zones == "two":
            other.execute("set timezone = 'Pacific/Honolulu'")
            other.execute("insert into shop.orders (id, updated) values (3, clock_timestamp())")
    engine.sync()
    expected = [(1,), (2,)] + ([(3,)] if zones == "two" else [])
    assert engine.raw("select id from raw_shop.orders order by id") == expected
