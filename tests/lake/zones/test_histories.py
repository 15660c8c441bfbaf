"""Random histories: what the lake has, what was loaded from it, what a sync lands in the warehouse directly, and the source agree."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lake.compact import compact
from tests.fixtures.lake import CapturingLakeEngine
from tests.integration.airbyte_local.conftest import Engine
from tests.integration.airbyte_local.test_capture import CapturingEngine

HISTORIES = 50
STEPS = 8
STREAMS = [
    {"namespace": "shop", "name": name, "syncMode": "incremental_append"} for name in ("orders", "lines")
]


class Direct(CapturingEngine):
    """The same source straight into a warehouse, through a slot of its own."""

    slot = "elt_direct"


@pytest.fixture
def direct(capturing: CapturingLakeEngine, tmp_path: Path) -> Iterator[Direct]:
    engine = Direct(capturing.source, tmp_path / "direct.duckdb", connection_id="direct")
    yield engine


def change(engine: Engine, chance: random.Random) -> None:
    """A transaction of a few statements."""
    key = chance.randint(1, 12)
    statements = [
        f"insert into shop.orders (id, customer, total) values ({key}, 'c{chance.random()}', {chance.randint(0, 9999)}) on conflict (id)"
        " do update set customer = excluded.customer",
        f"update shop.orders set total = {chance.choice(['null', '1.25', '-0.0001'])}, placed = now() where id % 3 = {key % 3}",
        f"insert into shop.lines select {key}, {key}, {key}, now() where exists (select 1 from shop.orders where id = {key})"
        " on conflict do nothing",
        f"update shop.lines set quantity = quantity + 1 where order_id >= {key}",
        f"delete from shop.lines where order_id = {key}",
        f"delete from shop.orders where id = {key} and not exists (select 1 from shop.lines where order_id = {key})",
        f"update shop.orders set id = id + 100 where id = {key} and not exists (select 1 from shop.lines where order_id = {key})",
    ]
    engine.write("; ".join(chance.sample(statements, chance.randint(1, 3))))


def versions(engine: Engine, table: str) -> list[tuple[object, ...]]:
    """Every version that the warehouse has, without what differs from sync to sync."""
    columns = f"select columns(c -> not starts_with(c, '_airbyte') and c <> '_ab_cdc_lsn' and c <> '_ab_cdc_updated_at') from raw_shop.{table}"
    return engine.raw(f"from ({columns}) order by all")


def in_the_lake(engine: CapturingLakeEngine, table: str, folder: Path) -> list[tuple[object, ...]]:
    """Ids of the rows in the landing zone."""
    found: list[tuple[object, ...]] = []
    for number in engine.log.numbers():
        for part in engine.log.read(number).parts:
            for file in part.landing if part.table == table else ():
                path = folder / "landing.parquet"
                engine.store.download(file.key, path, file.sha256)
                query = f"select _airbyte_raw_id::uuid from read_parquet('{path}')"
                found += duckdb.connect().execute(query).fetchall()
    return sorted(found)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_lake_warehouse_and_source_agree(
    capturing: CapturingLakeEngine, direct: Direct, tmp_path: Path, seed: int
) -> None:
    engine, chance = capturing, random.Random(seed)
    for _ in range(chance.randint(0, 4)):
        change(engine, chance)
    engine.sync(*STREAMS)
    direct.sync(*STREAMS)
    for _ in range(STEPS):
        for _ in range(chance.randint(0, 3)):
            change(engine, chance)
        engine.sync(*STREAMS)
        if chance.random() < 0.4:
            direct.sync(*STREAMS)
        if chance.random() < 0.3:
            engine.load()
        if chance.random() < 0.15:
            compact(engine.store, engine.log, "shop", engine.lake.config, whole=True)
    direct.sync(*STREAMS)
    engine.load()
    for table, key in (("orders", "id"), ("lines", "order_id, line")):
        assert versions(engine, table) == versions(direct, table)
        newest = (
            f"select * exclude (n) from (select {key}, row_number() over (partition by {key} order by _ab_cdc_lsn desc) as n,"
            f" _ab_cdc_deleted_at from raw_shop.{table}) where n = 1 and _ab_cdc_deleted_at is null"
        )
        with engine.source.connect() as connection:
            rows = connection.execute(f"select {key} from shop.{table} order by {key}").fetchall()
        assert engine.raw(f"select {key} from ({newest}) order by {key}") == rows
        ids = engine.raw(f"select _airbyte_raw_id from raw_shop.{table} order by 1")
        assert ids == in_the_lake(engine, table, tmp_path)
    before = {
        table: engine.raw(f"from raw_shop.{table} order by _airbyte_raw_id") for table in ("orders", "lines")
    }
    engine.replay()
    assert before == {
        table: engine.raw(f"from raw_shop.{table} order by _airbyte_raw_id") for table in before
    }
