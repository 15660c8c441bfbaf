"""What must hold on every PostgreSQL that people run: a server of each version that is here, by capture and by cursor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_local.sources.postgres.cdc.health import examine
from airbyte_local.sources.postgres.connect import Address
from foundation.errors import EltError
from tests.fixtures.postgres_versions import Servers, every_version
from tests.integration.airbyte_local.conftest import SHOP, Engine, stream
from tests.integration.airbyte_local.test_capture import CapturingEngine

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


def test_the_health_of_the_capture_is_told(capturing: CapturingEngine) -> None:
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
