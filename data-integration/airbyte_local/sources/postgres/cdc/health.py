"""How the source's side of the capture is, for whoever looks after it between syncs."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from airbyte_local.sources.postgres.cdc.check import check_server
from airbyte_local.sources.postgres.cdc.slot import SYNC_OFTEN, read_slots
from airbyte_local.sources.postgres.connect import Address
from airbyte_local.states import REFRESH
from foundation.errors import EltError


def examine(
    connection: psycopg.Connection, address: Address, publication: str, slot: str
) -> Iterator[tuple[str, str]]:
    """What was found, and what to do about it ("" where all is well): server and publication, our slot, others that
    keep the server from forgetting its log.
    """
    try:
        check_server(connection, address, publication)
        yield f"wal_level logical, publication {publication}", ""
    except EltError as error:
        yield error.message, error.remedy
    found = read_slots(connection)
    if slot not in found:
        yield f"no slot {slot} yet: the first sync makes it", ""
    for name, each in found.items():
        if each.lost:
            reason = each.invalidation or each.wal_status
            yield f"the slot {name} was invalidated ({reason})", REFRESH if name == slot else "drop it"
        elif each.holds_back_much:
            yield f"the slot {name} {each.holds_back()}", SYNC_OFTEN
        elif name == slot:
            yield f"the slot {name} {each.holds_back()}", ""
