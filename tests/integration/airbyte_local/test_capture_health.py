"""Faults of a capture on the source's side show before they hurt: in the job, in `elt doctor` and `elt status`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_local.sources.postgres.cdc import slot as slots
from airbyte_local.sources.postgres.cdc.health import examine
from airbyte_local.sources.postgres.connect import Address
from foundation.errors import EltError
from tests.fixtures.source import FAST, SourceServer, make_server
from tests.integration.airbyte_local.conftest import SHOP
from tests.integration.airbyte_local.test_capture import CapturingEngine


@pytest.fixture
def frugal(tmp_path: Path) -> Iterator[CapturingEngine]:
    """An engine on a server that gives a slot up soon."""
    server = make_server(tmp_path / "own", **FAST, max_slot_wal_keep_size="32MB", min_wal_size="32MB")
    yield from engine_on(server, tmp_path)


def engine_on(server: SourceServer, folder: Path) -> Iterator[CapturingEngine]:
    server.cluster.start()
    try:
        source = server.create()
        with source.connect("superuser") as connection:
            connection.execute(SHOP)
        engine = CapturingEngine(source, folder / "warehouse.duckdb")
        engine.superuser("create publication shop_publication for all tables")
        yield engine
    finally:
        server.cluster.stop()


def told(engine: CapturingEngine, publication: str = "shop_publication") -> list[tuple[str, str]]:
    """What `elt doctor` would say of this source."""
    with engine.source.connect("reader", autocommit=True) as reader:
        address = Address.of(engine.configuration())
        return list(examine(reader, address, publication, engine.slot))


def write_log(engine: CapturingEngine, segments: int) -> None:
    """Let the server's log grow by so many segments of 16 MB."""
    for _ in range(segments):
        engine.superuser("select pg_logical_emit_message(false, 'fill', 'x'), pg_switch_wal()")


def test_a_server_without_logical_log_is_refused_with_the_remedy(tmp_path: Path) -> None:
    server = make_server(tmp_path / "own", **FAST, wal_level="replica")
    for engine in engine_on(server, tmp_path):
        with pytest.raises(
            EltError, match=r"wal_level is replica, .* needs logical — .* alter system set wal"
        ):
            engine.sync()
        assert "wal_level is replica" in told(engine)[0][0]


def test_log_that_waits_for_a_slot_is_reported_with_the_figure_before_the_slot_is_given_up(
    frugal: CapturingEngine, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(frugal)[1] == (f"no slot {frugal.slot} yet: the first sync makes it", "")
    assert "there is no publication other" in told(frugal, "other")[0][0]
    frugal.write("insert into shop.orders (id) values (1)")
    frugal.sync()
    [_, (calm, remedy)] = told(frugal)
    assert calm.startswith(f"the slot {frugal.slot} holds back ") and remedy == ""

    write_log(frugal, 2)
    [_, (heavy, remedy)] = told(frugal)
    held = int(heavy.partition("holds back ")[2].partition(" MB")[0])
    assert 16 <= held <= 48 and "MB more and it is lost" in heavy
    assert remedy == "sync more often, or drop a slot that is not used"
    with caplog.at_level(logging.WARNING):
        frugal.write("insert into shop.orders (id) values (2)")
        frugal.sync()
    assert f"the slot {frugal.slot} holds back {held} MB" in caplog.text
    for _ in range(2):  # the slot goes from one of the server's checkpoints to the next
        frugal.superuser("checkpoint")
        frugal.sync()
    assert told(frugal)[1][1] == ""

    write_log(frugal, 4)
    frugal.superuser("checkpoint")
    lost, remedy = told(frugal)[1]
    assert "was invalidated (wal_removed)" in lost and remedy.startswith("refresh the connection")


def test_a_gigabyte_is_much_on_a_server_that_would_keep_it_for_ever() -> None:
    def much(retained: int | None, safe: int | None) -> bool:
        return slots.Slot("pgoutput", "d", None, "extended", None, 1, retained, safe).holds_back_much

    assert (much(None, None), much(1 << 30, None), much((1 << 30) + 1, None)) == (False, False, True)
    assert (much(10, 11), much(11, 10)) == (False, True)


def test_a_first_sync_makes_a_lost_slot_again(frugal: CapturingEngine) -> None:
    frugal.sync()
    write_log(frugal, 4)
    frugal.superuser("checkpoint")
    frugal.warehouse.unlink()
    frugal.write("insert into shop.orders (id) values (1)")
    frugal.sync()
    frugal.write("delete from shop.orders")
    assert frugal.sync()["orders"] == (1, 1)
