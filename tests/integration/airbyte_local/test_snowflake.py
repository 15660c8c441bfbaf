"""The Snowflake destination, from a real PostgreSQL into the emulated Snowflake (tests/snowflake)."""

from __future__ import annotations

import json
import re
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from adventureworks.schema import tables
from airbyte_local.destinations.snowflake import files
from foundation.errors import EltError
from foundation.quoting import quoted
from tests.fixtures.snowflake import Snowflake
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local import every_type
from tests.integration.airbyte_local.conftest import Engine, SnowflakeEngine, source_configuration, stream
from tests.integration.airbyte_local.every_type import EVERY_TYPE
from tests.snowflake.leaning import ddl_inside, leaning, transactions

TWO_ORDERS = "insert into shop.orders (id, customer, total, updated) values (1, 'a', 1.5, '2024-01-01'), (2, 'b', 2.5, '2024-01-02')"


# -- types

SNOWFLAKE_TYPES = {
    "SMALLINT": "NUMBER(5,0)",
    "INTEGER": "NUMBER(10,0)",
    "BIGINT": "NUMBER(19,0)",
    "FLOAT": "FLOAT",
    "DOUBLE": "FLOAT",
    "VARCHAR": "TEXT",
    "UUID": "TEXT",
    "JSON": "VARIANT",
    "BLOB": "BINARY",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ",
}

# what each type can hold at its ends, in both destinations
EXTREMES = {
    "smallint": "32767", "integer": "-2147483648", "bigint": "9223372036854775807", "real": "'-Infinity'",
    "double precision": "'1e-300'", "numeric(8,2)": "-999999.99", "numeric(18,0)": "0", "numeric": "1e-20",
    "text": "'it''s \\ \"\" %s'", "char(5)": "''", "timestamp": "'0001-01-01'",
    "timestamptz": "'9999-12-31 23:59:59.999999+00'", "date": "'9999-12-31'", "time": "'23:59:59.999999'",
    "uuid": "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "bytea": "''", "json": "'null'",
    "jsonb": """'{"b": [1, "x", null, {"a": 1.5}], "a": "it''s"}'""", "boolean": "false",
}  # fmt: skip


def write_every_type(engine: Engine) -> None:
    """A table of every type, with ordinary values, the greatest or least, and none."""
    engine.write(
        *every_type.made("updated timestamp"),
        *(f"insert into shop.types values ({row}, '2024-01-01', {type_values(row)})" for row in (1, 2, 3)),
    )


def type_values(row: int) -> str:
    if row == 3:
        return ", ".join(["null"] * len(EVERY_TYPE))
    ordinary = {type_: value for type_, (_, value, _) in EVERY_TYPE.items()} | {"time": "'12:34:56.7'"}
    return ", ".join(ordinary[type_] if row == 1 else EXTREMES.get(type_, "null") for type_ in EVERY_TYPE)


def normal(value: Any, is_json: bool = False) -> Any:
    """A value as both clients mean it."""
    if is_json and value is not None:
        return json.loads(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC)
    if isinstance(value, float) and value != value:
        return "NaN"
    return bytes(value) if isinstance(value, bytearray) else value


def same_rows(one: Engine, other: Engine, table: str, columns: list[str]) -> list[tuple]:
    """The rows of a raw table, which are equal in both."""
    kinds = one.column_types(table)
    found = []
    for engine in (one, other):
        rows = engine.raw(f"select {', '.join(columns)} from raw_shop.{table} order by id")
        found.append(
            [
                tuple(normal(value, kinds[name] == "JSON") for name, value in zip(columns, row, strict=True))
                for row in rows
            ]
        )
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    "mode", ["full_refresh_overwrite", "incremental_deduped_history", "incremental_append"]
)
def test_every_type_arrives_as_in_duckdb(engine: Engine, snow: SnowflakeEngine, mode: str) -> None:
    write_every_type(engine)
    for one in (engine, snow):
        one.sync(stream("shop.types", mode))
    columns = ["id", *(f"c{index}" for index in range(len(EVERY_TYPE)))]
    assert len(same_rows(engine, snow, "types", columns)) == 3
    expected = {
        name.upper(): SNOWFLAKE_TYPES.get(type_, type_.replace("DECIMAL", "NUMBER"))
        for name, type_ in engine.column_types("types").items()
    }
    assert snow.column_types("types") == expected
    engine.write(
        f"update shop.types set (id, updated, {', '.join(columns[1:])}) = (3, '2024-01-02', {type_values(2)}) where id = 3"
    )
    again = [one.sync(stream("shop.types", mode))["types"] for one in (engine, snow)]
    assert again[0] == again[1]
    assert same_rows(engine, snow, "types", columns[:1])


REFUSED = {
    "timestamp": ("'infinity'", "infinity"),
    "timestamptz": ("'-infinity'", "-infinity"),
    "date": ("'0044-03-15 BC'", "a moment before the year 1|0044-03-15 BC"),
    "timestamp(0)": ("'10000-01-01'", "a moment after the year 9999|10000-01-01"),
    "time": ("'24:00:00'", "24:00:00"),
    "numeric(8,2)": ("'NaN'", "NaN"),
}


@pytest.mark.parametrize(("type_", "value", "found"), [(type_, *rest) for type_, rest in REFUSED.items()])
def test_a_value_that_snowflake_cannot_hold_is_refused_by_name(
    snow: SnowflakeEngine, type_: str, value: str, found: str
) -> None:
    snow.write(
        f"create table shop.odd (id integer primary key, v {type_})",
        f"insert into shop.odd values (1, null), (2, {value})",
    )
    with pytest.raises(
        EltError,
        match=rf"stream shop\.odd: .*(the column v .* cannot: .*({found})|({found}).* column v of a row)",
    ) as error:
        snow.sync(stream("shop.odd", "full_refresh_overwrite"))
    assert "selectedFields" in error.value.remedy
    snow.write("delete from shop.odd where id = 2")
    assert snow.sync(stream("shop.odd", "full_refresh_overwrite"))["odd"] == (1, 1)


@pytest.mark.parametrize(
    ("before", "after", "value", "type_", "text", "written"),
    [
        ("smallint", "integer", "70000", "NUMBER(10,0)", "70000", 1),
        ("integer", "bigint", "3000000000", "NUMBER(19,0)", "3000000000", 1),
        ("integer", "numeric(14,2)", "3000000000.25", "NUMBER(14,2)", "3000000000.25", 1),
        ("numeric(12,4)", "numeric(12,6)", "1.123456", "NUMBER(14,6)", "1.123456", 1),
        ("numeric(30,2)", "numeric(38,30)", "1.1", "TEXT", "1.100000000000000000000000000000", 2),
        ("numeric(8,2)", "numeric", "'NaN'", "TEXT", "NaN", 1),
        ("real", "double precision", "0.1", "FLOAT", "0.1", 1),
        ("date", "timestamp", "'2024-01-01 10:00'", "TIMESTAMP_NTZ", "2024-01-01 10:00:00", 1),
        ("bigint", "integer", "5", "NUMBER(19,0)", "5", 1),
        ("numeric", "numeric(8,2)", "1.5", "TEXT", "1.50", 2),
    ],
)  # fmt: skip
def test_a_type_that_is_widened_is_widened_and_the_rows_stay(
    snow: SnowflakeEngine, before: str, after: str, value: str, type_: str, text: str, written: int
) -> None:
    """Snowflake cannot alter most of these in place: the rows move into a successor of the table."""
    first = "'2024-01-01'" if before == "date" else "1"
    append = stream("shop.orders", "incremental_append")  # old rows are not read again
    snow.write(
        f"alter table shop.orders add column v {before}",
        f"insert into shop.orders (id, v, updated) values (1, {first}, '2024-01-01')",
    )
    snow.sync(append)
    snow.write(
        f"alter table shop.orders alter column v type {after}",
        f"insert into shop.orders (id, v, updated) values (2, {value}, '2024-01-02')",
    )
    assert snow.sync(append)["orders"] == (
        2,
        written,
    )  # the old row again where its text has another form now
    assert snow.column_types("orders")["V"] == type_
    assert [str(value) for (value,) in snow.raw("select V from RAW_SHOP.ORDERS where ID = 2")] == [text]
    snow.sync(append)
    assert snow.raw("select count(*) from RAW_SHOP.ORDERS") == [(1 + written,)]


def test_names_become_upper_case_and_those_that_would_be_one_are_refused(snow: SnowflakeEngine) -> None:
    snow.write(
        'create table shop."Odd Names" (id integer primary key, "select" text, "a %s \\ b" text)',
        """insert into shop."Odd Names" values (1, 'x', 'y')""",
    )
    odd = stream("shop.Odd Names", "full_refresh_overwrite")
    snow.sync(odd)
    names = snow.raw(
        "select column_name from information_schema.columns where table_name = 'ODD NAMES' order by ordinal_position"
    )
    assert [name for (name,) in names][:3] == ["ID", "SELECT", "A %S \\ B"]
    odd_row = snow.raw('select ID, "SELECT", "A %S \\ B" from RAW_SHOP."ODD NAMES"')
    assert odd_row == [(1, "x", "y")]
    snow.write('create table shop."Orders" (id integer primary key)')
    with pytest.raises(
        EltError, match=r"shop\.orders and shop\.Orders would share the table raw_shop\.Orders"
    ):
        snow.sync(stream("shop.orders"), stream("shop.Orders", "full_refresh_overwrite"))


# -- one transaction


def test_no_ddl_is_inside_the_transaction(snow: SnowflakeEngine) -> None:
    """New tables, a full refresh, an added column, a widened one, another shape: whatever happens to tables."""
    snow.write(TWO_ORDERS, "insert into shop.lines values (1, 1, 1, '2024-01-01')")
    streams = (stream("shop.orders"), stream("shop.lines", "full_refresh_overwrite"))
    snow.sync(*streams)
    snow.write("alter table shop.orders add column channel text default 'web'")
    snow.sync(*streams)
    snow.write(
        "alter table shop.orders alter column total type numeric(12,6)",
        "alter table shop.lines add column note text",
    )
    snow.sync(*streams)
    snow.sync(*streams, jobType="refresh")
    snow.sync(*streams, jobType="clear")
    found = transactions(snow.statements())
    assert len(found) == 5
    assert ddl_inside(found) == []
    written = [sql.partition("(")[0] for sql in found[2]]
    for part in (
        'insert into "AIRBYTE_INTERNAL"."SUCCESSOR_',
        "insert into AIRBYTE_INTERNAL.STATE",
        "insert into AIRBYTE_INTERNAL.SYNCS",
    ):
        assert any(sql.startswith(part) for sql in written), part
    outside = [each["sql"] for each in snow.statements() if not each["in_transaction"]]
    assert {"create", "alter", "put", "copy", "drop"} <= {sql.split()[0] for sql in outside}
    assert not [
        sql for sql in outside if re.match("(merge|insert|update|delete)", sql) and '"RAW_SHOP"' in sql
    ]


def test_state_and_record_are_those_of_the_data(snow: SnowflakeEngine) -> None:
    snow.write(TWO_ORDERS)
    snow.sync()
    (record,) = snow.raw(
        "select JOB_ID, CONNECTION_NAME, ROWS_READ, ROWS_WRITTEN, STREAMS from AIRBYTE_INTERNAL.SYNCS"
    )
    assert record[:4] == (1, "shop", 2, 2)
    assert {item["streamName"]: item["rowsWritten"] for item in json.loads(record[4])} == {
        "orders": 2,
        "lines": 0,
    }
    assert snow.cursor_of("orders") == "2024-01-02 00:00:00"
    same = snow.raw(
        "select count(*) from RAW_SHOP.ORDERS as o, AIRBYTE_INTERNAL.SYNCS as s"
        " where o._AIRBYTE_EXTRACTED_AT = s.EXTRACTED_AT and o._AIRBYTE_META:sync_id::int = s.JOB_ID"
    )
    assert same == [(2,)]
    snow.sync()
    moments = [row[0] for row in snow.raw("select EXTRACTED_AT from AIRBYTE_INTERNAL.SYNCS order by JOB_ID")]
    assert moments[0] < moments[1]


def test_every_statement_says_whose_it_is(snow: SnowflakeEngine) -> None:
    snow.write(TWO_ORDERS)
    snow.sync()
    tags = [json.loads(each["query_tag"]) for each in snow.statements()]
    assert {(tag["job"], tag["connection"]) for tag in tags} == {(1, snow.connection_id)}
    (merge,) = [
        each for each in snow.statements() if each["sql"].startswith('insert into "RAW_SHOP"."ORDERS"')
    ]
    assert json.loads(merge["query_tag"])["stream"] == "shop.orders"


def test_files_are_bounded_and_none_is_left(snow: SnowflakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILE_BYTES", 200_000)
    snow.write(
        "insert into shop.orders (id, customer, updated)"
        " select n, md5(n::text), '2024-01-01' from generate_series(1, 400000) n"
    )
    left = Path(tempfile.gettempdir()) / f"elt-job-snowflake-killed-{snow.connection_id}"
    left.mkdir()
    assert snow.sync(stream("shop.orders"))["orders"] == (400000, 400000)
    puts = {
        each["sql"].split(" @")[0]
        for each in snow.statements()
        if each["sql"].startswith("put ") and "/elt-job-snowflake-" in each["sql"]
    }
    assert len(puts) > 3
    assert snow.raw("select count(*), count(distinct ID) from RAW_SHOP.ORDERS") == [(400000, 400000)]
    files_of_rows = [Path(put.removeprefix("put ").strip("'").removeprefix("file://")) for put in puts]
    assert not any(path.parent.exists() for path in (*files_of_rows, left / "any"))


def test_a_table_of_another_program_is_left_alone(snow: SnowflakeEngine) -> None:
    with snow.emulator.connect(database=snow.database) as session:
        for statement in (
            "create schema RAW_SHOP",
            "create table RAW_SHOP.ORDERS (ID int)",
            "insert into RAW_SHOP.ORDERS values (7)",
        ):
            session.cursor().execute(statement)
    with pytest.raises(EltError, match="another program made it"):
        snow.sync(stream("shop.orders"))
    assert snow.raw("select ID from RAW_SHOP.ORDERS") == [(7,)]


def test_the_destination_leans_on_nothing_that_the_emulator_does_otherwise(snow: SnowflakeEngine) -> None:
    """Every way of writing, looked at in the list of statements."""
    write_every_type(snow)
    snow.write(TWO_ORDERS, "create table shop.pairs (a integer, b integer, note text, updated timestamp)")
    pairs = stream(
        "shop.pairs", primaryKey=[["a"], ["b"]]
    )  # the source does not promise that these are unique
    for streams in (
        (stream("shop.types"), stream("shop.orders"), pairs),
        (stream("shop.types"), stream("shop.orders"), pairs),
        (stream("shop.types", "full_refresh_overwrite"), stream("shop.orders", "incremental_append")),
    ):
        snow.write("insert into shop.pairs values (1, 2, 'x', '2024-01-01'), (1, 2, 'y', '2024-01-02')")
        snow.write("alter table shop.orders add column c" + uuid.uuid4().hex + " json")
        snow.sync(*streams)
    snow.sync(stream("shop.orders"), jobType="refresh")
    assert len(snow.statements()) > 100
    assert leaning(snow.statements()) == []


# -- the original data


@pytest.mark.slow
def test_the_original_data_is_equal_in_both(
    original_source: SourceDatabase, snowflake_emulator: Snowflake, tmp_path: Path
) -> None:
    """All 68 tables, every column; the second sync reads the boundaries again and writes nothing."""
    namespaces = sorted({name.partition(".")[0] for name in tables()})
    streams = [stream(name, cursorField=["modifieddate"]) for name in sorted(tables())]
    source = source_configuration(original_source, schemas=namespaces)
    duck = Engine(original_source, tmp_path / "warehouse.duckdb")
    snow = SnowflakeEngine(original_source, tmp_path / "unused", emulator=snowflake_emulator)
    figures = []
    for one in (duck, snow):
        first = one.sync(*streams, source=source, namespaceFormat="adventureworks_${SOURCE_NAMESPACE}")
        again = one.sync(*streams, source=source, namespaceFormat="adventureworks_${SOURCE_NAMESPACE}")
        figures.append((first, {name: read for name, (read, _) in again.items()}))
        assert {written for _, written in again.values()} == {0}
    assert figures[0] == figures[1]
    assert sum(read for read, _ in figures[0][0].values()) > 750_000
    with duckdb.connect(duck.warehouse, read_only=True) as check:
        for name, table in tables().items():
            schema, _, short = name.partition(".")
            assert (
                different(
                    check, snow, f"adventureworks_{schema}.{short}", [column.name for column in table.columns]
                )
                == 0
            ), name


def different(check: duckdb.DuckDBPyConnection, snow: SnowflakeEngine, table: str, columns: list[str]) -> int:
    """How many rows of a table are in one warehouse only."""
    with snow.emulator.connect(database=snow.database) as session:
        query = f"select {', '.join(quoted(name.upper()) for name in columns)} from {table.upper()}"
        batches = list(session.cursor().execute(query).fetch_arrow_batches())  # all at once needs pandas
    if not batches:
        return check.execute(f"select count(*) from {table}").fetchone()[0]
    check.register("arrived", pa.concat_tables(batches))
    types = dict(check.execute(f"select column_name, column_type from (describe {table})").fetchall())
    typed = ", ".join(f"cast({quoted(name.upper())} as {types[name]}) as {quoted(name)}" for name in columns)
    ours = f"select {', '.join(map(quoted, columns))} from {table}"
    theirs = f"select {typed} from arrived"
    count = f"select count(*) from (({ours} except all {theirs}) union all ({theirs} except all {ours}))"
    return check.execute(count).fetchone()[0]
