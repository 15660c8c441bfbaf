"""A shop's database, and engines that sync it into a lake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.lake import (
    CapturingLakeEngine,
    Lake,
    LakeEngine,
    either_lake,
    lake,
    made,
    moto_server,
    seaweed_server,
)
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local.conftest import shop

__all__ = ["either_lake", "lake", "moto_server", "seaweed_server", "shop"]


@pytest.fixture
def engine(shop: SourceDatabase, lake: Lake) -> LakeEngine:
    """By cursor."""
    return made(LakeEngine, shop, lake)


def captured(shop: SourceDatabase, lake: Lake) -> Iterator[CapturingLakeEngine]:
    engine = made(CapturingLakeEngine, shop, lake)
    engine.superuser("create publication shop_publication for all tables")
    yield engine
    slots = "select slot_name from pg_replication_slots where database = current_database()"
    for (slot,) in engine.superuser(slots):
        engine.superuser("select pg_drop_replication_slot(%s)", slot)


@pytest.fixture
def capturing(shop: SourceDatabase, lake: Lake) -> Iterator[CapturingLakeEngine]:
    """From the log."""
    yield from captured(shop, lake)


@pytest.fixture
def either(shop: SourceDatabase, either_lake: Lake) -> Iterator[CapturingLakeEngine]:
    """From the log, into each of the stores."""
    yield from captured(shop, either_lake)
