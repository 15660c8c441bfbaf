"""A source that is not what it was: restored from an older copy, or another database under the same address."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.errors import EltError
from tests.fixtures.source import FAST, SourceDatabase, make_server
from tests.integration.airbyte_local.conftest import SHOP, Engine


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Engine]:
    """An engine with a server of its own, which a test may stop and set back."""
    server = make_server(tmp_path / "own", **FAST)
    server.cluster.start()
    try:
        database = server.create()
        with database.connect("superuser") as connection:
            connection.execute(SHOP)
        yield Engine(database, tmp_path / "warehouse.duckdb")
    finally:
        server.cluster.stop()


def write_orders(engine: Engine, *numbers: int) -> None:
    engine.write(*(f"insert into shop.orders (id, updated) values ({n}, clock_timestamp())" for n in numbers))


def ids(engine: Engine) -> list[int]:
    return [row[0] for row in engine.raw("select id from raw_shop.orders order by id")]


def test_a_source_restored_from_an_older_copy_fails_clearly_and_a_refresh_puts_it_right(own: Engine) -> None:
    cluster = own.source.server.cluster
    write_orders(own, 1)
    own.sync()
    cluster.stop()
    copy = cluster.data_dir.with_name("copy")
    subprocess.run(["cp", "-a", cluster.data_dir, copy], check=True)
    cluster.start()
    write_orders(own, 2, 3, 4)
    own.sync()
    cluster.stop()
    shutil.rmtree(cluster.data_dir)
    copy.rename(cluster.data_dir)
    cluster.start()
    write_orders(own, 5)
    with pytest.raises(EltError, match=r"restored from an older copy.* refresh the connection"):
        own.sync()
    assert ids(own) == [1, 2, 3, 4]
    own.sync(jobType="refresh")
    assert ids(own) == [1, 5]
    write_orders(own, 6)
    own.sync()
    assert ids(own) == [1, 5, 6]


def test_a_restarted_source_goes_on(own: Engine) -> None:
    write_orders(own, 1)
    own.sync()
    own.source.server.cluster.stop()
    own.source.server.cluster.start()
    write_orders(own, 2)
    assert own.sync()["orders"] == (2, 1)


def test_another_database_under_the_same_name_fails_clearly(engine: Engine) -> None:
    write_orders(engine, 1)
    engine.sync()
    server = engine.source.server
    other: SourceDatabase = server.create()
    with other.connect("superuser") as connection:
        connection.execute(SHOP)
    try:
        moved = Engine(other, engine.warehouse)
        with pytest.raises(
            EltError, match=r"another database than the last sync read.* refresh the connection"
        ):
            moved.sync()
    finally:
        server.drop(other)
    assert ids(engine) == [1]
