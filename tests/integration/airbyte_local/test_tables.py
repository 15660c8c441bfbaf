"""Types, names, modes and changes of tables, from a real PostgreSQL into a real DuckDB."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import duckdb
import psycopg
import pytest

from airbyte_local.destinations.duckdb import session
from foundation.errors import EltError
from foundation.lease import lease
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local import every_type
from tests.integration.airbyte_local.conftest import Engine, source_configuration, stream
from tests.integration.airbyte_local.every_type import EVERY_TYPE

pytestmark = pytest.mark.promise

TYPES_PAGE = Path(__file__).parents[3] / "docs" / "types.md"


def test_every_type_arrives_lossless(engine: Engine) -> None:
    engine.write(
        *every_type.made(),
        f"insert into shop.types values (1, {every_type.VALUES})",
        "insert into shop.types values (2)",
    )
    engine.sync(stream("shop.types", "full_refresh_overwrite"))
    types = dict(
        engine.raw(
            "select column_name, data_type from duckdb_columns() where table_name = 'types' order by column_index"
        )
    )
    shown = ", ".join(f"{name}::varchar" for name in every_type.COLUMNS)
    row = engine.raw(f"select {shown} from raw_shop.types where id = 1")[0]
    found = {name: (types[f"c{index}"], row[index]) for index, name in enumerate(EVERY_TYPE)}
    assert found == {name: (type_, text) for name, (type_, _, text) in EVERY_TYPE.items()}
    assert engine.raw(f"select {shown} from raw_shop.types where id = 2") == [(None,) * len(EVERY_TYPE)]


def test_the_page_of_types_gives_every_type_its_own() -> None:
    section = TYPES_PAGE.read_text().partition("\n## PostgreSQL\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| ")]
    for name, (warehouse, _, _) in EVERY_TYPE.items():
        base = name.partition("(")[0]
        if base.startswith("shop.") or base in ("integer[]", "int4range", "bit", "point"):
            continue  # they are known by their sort
        told = {type_ for types, type_ in rows if f"`{base}`" in types or f"`{base}(" in types}
        assert any(warehouse.partition("(")[0] in type_ for type_ in told), (name, told)


def test_a_merge_sees_a_change_in_any_type(engine: Engine) -> None:
    engine.write(
        *every_type.made("updated timestamp"),
        "insert into shop.types (id, updated) select i, '2024-01-01' from generate_series(0, 99) i",
    )
    engine.sync(stream("shop.types"))
    for index, (_, value, _) in enumerate(EVERY_TYPE.values()):
        engine.write(f"update shop.types set c{index} = {value} where id = {index}")
    assert engine.sync(stream("shop.types"))["types"] == (100, len(EVERY_TYPE))
    assert engine.sync(stream("shop.types"))["types"] == (100, 0)


def test_a_value_that_the_decimal_cannot_hold_fails_by_name(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, total) values (1, 'NaN')")
    with pytest.raises(
        EltError,
        match=r'stream shop\.orders: a value does not fit .*string "NaN" to DECIMAL\(12,4\).* column total',
    ):
        engine.sync()


def test_only_selected_columns_leave_the_source(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, customer, updated) values (1, 'secret', now())")
    fields = [{"fieldPath": [name]} for name in ("id", "total", "updated")]
    engine.sync(stream("shop.orders", selectedFields=fields))
    columns = [
        row[0] for row in engine.raw("select column_name from duckdb_columns() where table_name = 'orders'")
    ]
    assert columns[:3] == ["id", "total", "updated"]
    assert "customer" not in columns
    assert b"secret" not in engine.warehouse.read_bytes()


@pytest.mark.parametrize(
    ("configured", "found"),
    [
        (stream("shop.nope"), "stream shop.nope: there is no such table"),
        (stream("hidden.t"), "the source reads only the schemas shop"),
        (stream("shop.orders", cursorField=["nope"]), "the source has no column nope"),
        (stream("shop.orders", cursorField=["customer"]), "customer is character varying(50), which cannot be a cursor"),
        (stream("shop.orders_seq"), "stream shop.orders_seq: it is no table"),
        (stream("shop.by_year_2024"), "it is a partition, whose rows are read through shop.by_year"),
        (stream("shop.bare"), "stream shop.bare: the table has no columns"),
        (stream("shop.closed"), "may not read it"),
        (stream("shop.orders", primaryKey=[["customer"]]), "its key is id in the source, and the connection names customer"),
        (stream("shop.keyless"), "no primary key, in the source or in the connection"),
        (stream("shop.orders", selectedFields=[{"fieldPath": ["id"]}]), "updated is its key or cursor, but not selected"),
        ({**stream("shop.nope"), "namespace": None}, "stream nope has no namespace, and the source has no such table"),
    ],
)  # fmt: skip
def test_a_configuration_that_does_not_fit_the_source_fails_by_name(
    engine: Engine, configured: dict, found: str
) -> None:
    engine.write(
        "create table shop.keyless (v text, updated timestamp)",
        "create sequence shop.orders_seq",
        "create table shop.by_year (year integer, updated timestamp) partition by list (year)",
        "create table shop.by_year_2024 partition of shop.by_year for values in (2024)",
        "create table shop.bare ()",
        "create table shop.closed (id integer primary key, updated timestamp)",
        "revoke select on shop.closed from airbyte_reader",
    )
    with pytest.raises(EltError) as error:
        engine.sync(configured)
    assert found in str(error.value)
    assert not engine.warehouse.exists()


def test_an_unknown_selected_column_is_answered_with_those_that_there_are(engine: Engine) -> None:
    fields = [{"fieldPath": [name]} for name in ("id", "updated", "nope")]
    with pytest.raises(EltError, match=r"no column nope .* there are: id, customer, total, placed, updated"):
        engine.sync(stream("shop.orders", selectedFields=fields))


@pytest.mark.parametrize(
    ("key", "rows", "said"),
    [
        ("v", "('a', 1), (null, 2), (null, 3)", "its key v is null in some rows"),
        ("v, n", "('a', null), ('b', 1), ('a', null)", "its key n is null in some rows"),
        ("v, n", "('a', null), ('b', 1)", "its key n is null in some rows"),  # the next one is to come yet
        ("v, n", "(null, 1), ('a', null)", "its key v, n is null in some rows"),
    ],
)
def test_rows_without_a_whole_key_do_not_become_one_row(
    either: Engine, key: str, rows: str, said: str
) -> None:
    either.write(
        "create table shop.nullkey (v text, n integer, note integer, updated timestamp)",
        f"insert into shop.nullkey (v, n) values {rows}",
        "insert into shop.orders (id) values (1)",
    )
    keyed = stream("shop.nullkey", primaryKey=[[name] for name in key.split(", ")])
    with pytest.raises(EltError, match=rf"stream shop\.nullkey: {said}; the other stream is loaded"):
        either.sync(keyed, stream("shop.orders"))
    assert either.raw("select count(*) from raw_shop.orders") == [(1,)]
    tables = either.raw("select lower(table_name) from information_schema.tables")
    assert ("nullkey",) not in tables or either.raw("select count(*) from raw_shop.nullkey") == [(0,)]


def test_a_key_that_becomes_null_in_part_is_refused_and_the_table_stays(either: Engine) -> None:
    either.write(
        "create table shop.nullkey (v text, n integer, updated timestamp)",
        "insert into shop.nullkey values ('a', 1, '2024-01-01'), ('b', 1, '2024-01-01')",
    )
    keyed = stream("shop.nullkey", primaryKey=[["v"], ["n"]])
    either.sync(keyed)
    either.write("insert into shop.nullkey values ('a', null, '2024-02-01'), ('c', 1, '2024-02-01')")
    with pytest.raises(EltError, match=r"stream shop\.nullkey: its key n is null in some rows"):
        either.sync(keyed)
    assert either.raw("select v, n from raw_shop.nullkey order by v") == [("a", 1), ("b", 1)]
    either.write("update shop.nullkey set n = 2 where n is null")
    either.sync(keyed)
    assert either.raw("select v, n from raw_shop.nullkey order by v, n") == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("c", 1),
    ]


def test_a_stream_without_a_namespace_is_found_when_it_is_the_only_one(engine: Engine) -> None:
    engine.write("insert into shop.orders (id) values (1)")
    assert engine.sync({**stream("shop.orders"), "namespace": None})["orders"] == (1, 1)


@pytest.mark.parametrize(
    ("changes", "table"),
    [
        ({"namespaceDefinition": "source", "prefix": "x_"}, "shop.x_orders"),
        ({"namespaceDefinition": "destination"}, "main.orders"),
        ({"namespaceFormat": "fixed"}, "fixed.orders"),
    ],
)
def test_namespace_and_prefix_place_the_table(engine: Engine, changes: dict, table: str) -> None:
    engine.write("insert into shop.orders (id) values (1)")
    engine.sync(stream("shop.orders"), **changes)
    assert engine.raw(f"select count(*) from {table}") == [(1,)]


def test_names_that_are_one_in_duckdb_are_refused(engine: Engine) -> None:
    engine.write('create table shop."Orders" (id integer primary key)')
    with pytest.raises(
        EltError, match=r"shop\.orders and shop\.Orders would share the table raw_shop\.Orders"
    ):
        engine.sync(stream("shop.orders"), stream("shop.Orders", "full_refresh_overwrite"))
    engine.write('create table shop.cased (id integer primary key, "ID" integer)')
    with pytest.raises(EltError, match=r"stream shop\.cased: the column name id is used twice"):
        engine.sync(stream("shop.cased", "full_refresh_overwrite"))


def test_a_table_of_another_program_is_not_touched(engine: Engine) -> None:
    with duckdb.connect(engine.warehouse) as connection:
        connection.execute("create schema raw_shop; create table raw_shop.orders (id integer)")
    with pytest.raises(EltError, match="another program made it"):
        engine.sync()


def test_a_warehouse_in_use_says_by_whom(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(session.LEASE_WAIT_VARIABLE, "0.2")
    with lease(engine.warehouse, "dbt build"), pytest.raises(EltError, match="is in use by dbt build"):
        engine.sync()


def test_a_program_without_the_lease_is_waited_for_then_named(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess
    import sys

    monkeypatch.setenv(session.LEASE_WAIT_VARIABLE, "0.5")
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, engine.warehouse], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        started = time.monotonic()
        with pytest.raises(EltError, match=rf"is in use by .*\(process {other.pid}\)"):
            engine.sync()
        assert time.monotonic() - started >= 0.5
        other.stdin.close()
    engine.sync()


def test_a_full_disk_is_named_and_changes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """RLIMIT_FSIZE stands for the end of the disk: DuckDB's write fails in the same way."""
    import resource
    import signal

    engine.write("insert into shop.orders (id, customer, updated) values (1, 'x', '2024-01-01')")
    engine.sync()
    engine.write(
        "insert into shop.orders select i, md5(i::text), i, now(), '2024-01-02' from generate_series(2, 150000) i"
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (engine.warehouse.stat().st_size + (1 << 19), before[1]))
    try:
        with pytest.raises(EltError, match=f"the disk of the warehouse {engine.warehouse} is full"):
            engine.sync()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert engine.raw("select count(*) from raw_shop.orders") == [(1,)]
    assert engine.cursor_of("orders") == "2024-01-01 00:00:00"
    assert engine.sync()["orders"] == (150_000, 149_999)


def test_batches_larger_than_memory_ahead_arrive_whole(engine: Engine) -> None:
    engine.write(
        "insert into shop.orders select i, md5(i::text), i, now(), '2024-01-01' from generate_series(1, 150000) i"
    )
    assert engine.sync()["orders"] == (150_000, 150_000)
    engine.write("update shop.orders set customer = 'changed', updated = '2024-01-02' where id % 2 = 0")
    assert engine.sync()["orders"] == (150_000, 75_000)
    with engine.source.connect() as connection:
        expected = connection.execute(
            "select count(*), sum(total), count(distinct customer) from shop.orders"
        ).fetchone()
    assert engine.raw("select count(*), sum(total), count(distinct customer) from raw_shop.orders") == [
        expected
    ]


def warehouse_types(column: psycopg.Column) -> bool:
    """Whether the column travels as text while psycopg makes something else of it."""
    return column.type_code in (142, 1700) and not (column.precision or 0)


@pytest.mark.parametrize("table", ["salesorderdetail", "customer", "currencyrate"])
def test_raw_equals_source_after_a_first_and_a_second_sync(
    generated_source: SourceDatabase, tmp_path: Path, table: str
) -> None:
    source = generated_source.copy()
    engine = Engine(source, tmp_path / "warehouse.duckdb")
    configured = stream(f"sales.{table}", cursorField=["modifieddate"])
    configuration = source_configuration(source, schemas=["sales"])

    def same() -> None:
        with source.connect() as connection:
            cursor = connection.execute(f"select * from sales.{table}")
            names = [column.name for column in cursor.description]
            shown = ", ".join(
                f"{column.name}::text" if warehouse_types(column) else column.name
                for column in cursor.description
            )
            expected = set(connection.execute(f"select {shown} from sales.{table}").fetchall())
        found = engine.raw(f"select {', '.join(names)} from raw_sales.{table}")
        assert len(found) == len(set(found))
        assert set(found) == expected

    engine.sync(configured, source=configuration)
    same()
    with source.connect() as connection:
        connection.execute(
            f"update sales.{table} set modifieddate = clock_timestamp() where ctid in (select ctid from sales.{table} limit 50)"
        )
    read, written = engine.sync(configured, source=configuration)[table]
    assert written == 50
    assert read >= 50
    same()
    source.server.drop(source)


def test_decimals_are_exact(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, total, updated) values (1, 12345678.9012, now())")
    engine.sync()
    assert engine.raw("select total from raw_shop.orders") == [(Decimal("12345678.9012"),)]
