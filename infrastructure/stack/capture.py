"""Check change data capture at the source: the slot, the publication, and how much log the server keeps."""

from __future__ import annotations

from adventureworks.database import connect_reader, readable_errors
from airbyte_local.sources.postgres.cdc.health import examine
from airbyte_local.sources.postgres.connect import Address
from foundation.settings import Settings


def capture_health(config: Settings) -> list[tuple[str, str]]:
    """What change data capture finds at the source, each with the remedy. Raises EltError when it can't be asked."""
    place = {"host": config.source_host, "port": config.source_port, "database": config.source_database}
    address = Address.of(place | {"username": config.source_reader})
    with connect_reader(config) as connection, readable_errors():
        return list(examine(connection, address, config.source_publication, config.source_slot))
