"""The processed zone as Iceberg tables: another program reads the same rows from the catalogue."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from airbyte_local.destinations.lake.manifests import Log
from airbyte_local.destinations.lake.store import Store
from airbyte_local.schema import DataType, Kind
from foundation.errors import EltError
from foundation.own_environment import LAKE
from lake.compact import compact, retain
from lake.load import load
from lake.place import catalogue, credentials
from lake.publish import publish, published
from lake.upkeep import keep_up
from tests.fixtures.lake import CapturingLakeEngine, Lake
from tests.integration.airbyte_local import every_type
from tests.integration.airbyte_local.every_type import EVERY_TYPE
from tests.lake.zones.small import INTEGER, TEXT, Writer

READ = """
import json, sys
from pyiceberg.catalog import load_catalog
request = json.load(sys.stdin)
table = load_catalog("lake", **request["catalog"]).load_table(tuple(request["table"]))
import pyarrow.parquet as pq
pq.write_table(table.scan().to_arrow(), request["to"])
print(len(list(table.scan().plan_files())), len(table.metadata.snapshots))
"""


def from_catalogue(lake: Lake, namespace: str, table: str, to: Path) -> tuple[list[tuple[object, ...]], int]:
    """A table as pyiceberg reads it: its rows in the order of their ids, and how many files it has."""
    said = _read(lake, namespace, table, to)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        query = f"from read_parquet('{to}') order by _airbyte_raw_id"
        return connection.execute(query).fetchall(), int(said.split()[0])


def _read(lake: Lake, namespace: str, table: str, to: Path) -> str:
    request = {"catalog": catalogue(lake.config), "table": [namespace, table], "to": str(to)}
    done = subprocess.run(
        [str(LAKE.python), "-c", READ],
        input=json.dumps(request),
        env=os.environ | credentials(lake.config),
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr[-2000:]
    return done.stdout


def snapshots(lake: Lake, namespace: str, table: str, to: Path) -> int:
    """How many snapshots a table has."""
    return int(_read(lake, namespace, table, to).split()[1])


def in_warehouse(lake: Lake) -> list[tuple[object, ...]]:
    with duckdb.connect(lake.config.warehouse_path, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(
            "select * replace (_airbyte_raw_id::varchar as _airbyte_raw_id, _airbyte_meta::varchar as _airbyte_meta)"
            " from shop.items order by _airbyte_raw_id"
        ).fetchall()


def test_the_catalogue_has_the_rows_of_the_warehouse_through_compaction_and_retention(
    lake: Lake, tmp_path: Path
) -> None:
    writer, store = Writer(lake), Store(lake.place)
    log = Log(store, "small")
    for number in range(4):
        writer.write((number, f"row {number}"))
    assert publish(lake.config, "small") == {"shop.items": 4}
    assert publish(lake.config, "small") == {"shop.items": 0}
    load("small", lake.config)
    assert from_catalogue(lake, "shop", "items", tmp_path / "a") == (in_warehouse(lake), 4)
    writer.write((4, "row 4"))
    compact(store, log, "small", lake.config, whole=True)
    assert published(lake.config, store, log) == log.latest().number
    load("small", lake.config)
    assert from_catalogue(lake, "shop", "items", tmp_path / "b") == (in_warehouse(lake), 1)
    later = datetime.now(UTC) + timedelta(days=9)
    assert retain(store, log, lake.config, now=later, published=log.latest().number) == {"processed": 5}
    assert from_catalogue(lake, "shop", "items", tmp_path / "c")[1] == 1
    writer.write((9, "after"), again=True)
    at_once = replace(lake, environ=lake.environ | {"LAKE_UNUSED_HOURS": "0"})
    assert publish(at_once.config) == {"shop.items": 1}
    load("small", lake.config)
    assert from_catalogue(lake, "shop", "items", tmp_path / "d") == (in_warehouse(lake), 1)
    assert snapshots(lake, "shop", "items", tmp_path / "e") == 1, "older ones name files that are gone"


def test_columns_of_a_table_follow_and_a_type_that_iceberg_cannot_widen_asks_for_a_compaction(
    lake: Lake, tmp_path: Path
) -> None:
    writer = Writer(lake)
    writer.write((1, "a"))
    publish(lake.config)
    wide = replace(
        INTEGER, source_type="bigint", type=replace(INTEGER.type, kind=type(INTEGER.type.kind).BIGINT)
    )
    more = replace(TEXT, name="more")
    writer.write((5_000_000_000, "b", "c"), columns=(wide, TEXT, more))
    publish(lake.config)
    load("small", lake.config)
    rows, _ = from_catalogue(lake, "shop", "items", tmp_path / "a")
    assert sorted((row[0], row[1]) for row in rows) == [(1, "a"), (5_000_000_000, "b")]
    decimal = replace(INTEGER, source_type="numeric(20,2)", type=DataType(Kind.DECIMAL, 20, 2))
    writer.write(("1.25", "d", None), columns=(decimal, TEXT, more))
    with pytest.raises(EltError, match=r"shop\.items: .*id: the type has changed; run `elt lake compact`"):
        publish(lake.config)
    (done,) = keep_up(lake.config)
    assert done.after == 1
    load("small", lake.config)
    assert from_catalogue(lake, "shop", "items", tmp_path / "b") == (in_warehouse(lake), 1)


def test_a_table_that_begins_again_with_another_type_is_made_again(lake: Lake, tmp_path: Path) -> None:
    writer = Writer(lake)
    writer.write((1, "a"))
    publish(lake.config)
    writer.write((2, "between"))
    writer.write(("x", "b"), columns=(replace(TEXT, name="id"), TEXT), again=True)
    assert publish(lake.config) == {"shop.items": 1}
    load("small", lake.config)
    assert from_catalogue(lake, "shop", "items", tmp_path / "a") == (in_warehouse(lake), 1)


def test_every_type_is_readable_from_the_catalogue(capturing: CapturingLakeEngine, tmp_path: Path) -> None:
    engine, types = capturing, {"namespace": "shop", "name": "types", "syncMode": "incremental_append"}
    values = ", ".join(
        "'23:59:59'" if type_ == "time" else value for type_, (_, value, _) in EVERY_TYPE.items()
    )
    engine.write(*every_type.made(), f"insert into shop.types values (1, {values})")
    engine.synced(types)
    publish(engine.lake.config, "shop")
    (found,), _ = from_catalogue(engine.lake, "raw_shop", "types", tmp_path / "a")
    (wanted,) = engine.raw(
        "select * replace (_airbyte_raw_id::varchar as _airbyte_raw_id) from raw_shop.types"
    )
    assert [str(value) for value in found[:38]] == [str(value) for value in wanted[:38]]


def test_a_catalogue_that_is_away_is_named(lake: Lake) -> None:
    Writer(lake).write((1, "a"))
    away = replace(lake, environ=lake.environ | {"LAKE_CATALOG": "http://127.0.0.1:9"})
    with pytest.raises(EltError, match=r"the catalogue http://127\.0\.0\.1:9 can't be used"):
        publish(away.config)
