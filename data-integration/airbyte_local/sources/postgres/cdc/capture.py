"""The slot and its messages as the sync sees them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from airbyte_local.failures import Failures, Key
from airbyte_local.schema import StreamPlan
from airbyte_local.sources.postgres.cdc import slot as slots
from airbyte_local.sources.postgres.cdc.check import check_server, check_tables
from airbyte_local.sources.postgres.connect import Address

if TYPE_CHECKING:
    from airbyte_local.sources.postgres.cdc.slot_reader import SlotReader

log = logging.getLogger(__name__)


class Capture:
    """Change data capture from one source. Entering the source has checked server and publication."""

    def __init__(self, connection: psycopg.Connection, address: Address, method: dict[str, Any]) -> None:
        self._connection, self._address = connection, address
        self.slot, self.publication = method["replication_slot"], method["publication"]
        check_server(connection, address, self.publication)

    def check_tables(self, plans: Iterable[StreamPlan], failures: Failures) -> None:
        """Captured streams whose changes would not come whole go to `failures`."""
        captured = [plan for plan in plans if plan.captured]
        check_tables(self._connection, self.publication, captured, failures)

    def publishes(self, key: Key) -> bool:
        """Whether a table (schema, name) is in the publication."""
        found = self._connection.execute(
            "select from pg_publication_tables where pubname = %s and schemaname = %s and tablename = %s",
            [self.publication, *key],
        )
        return found.rowcount > 0

    def ready(self, since: int | None) -> None:
        """See that the slot is there and goes on at the saved position `since`.

        When everything is read as a whole (None), a slot that is lost is made again. Raises EltError when changes were missed.
        """
        name, found = self.slot, slots.idle_slot(self._connection, self.slot)
        if found is not None and found.lost:
            if since is not None:
                raise slots.gap(
                    name, self._address, f"was invalidated ({found.invalidation or found.wal_status})"
                )
            slots.drop_slot(self._connection, name)
            found = None
        if found is not None:
            slots.check_slot(found, name, self._address)
            if found.holds_back_much:
                log.warning("the slot %s %s: %s", name, found.holds_back(), slots.SYNC_OFTEN)
        if found is None:
            if since is not None:
                raise slots.gap(name, self._address, "is gone")
            slots.create_slot(self._connection, name, self._address)
        elif since is not None and (found.confirmed is None or found.confirmed > since):
            raise slots.gap(name, self._address, "was moved on by somebody else")

    def end(self) -> tuple[int, datetime]:
        """The position that this sync goes up to, and the time."""
        return slots.current_end(self._connection), datetime.now(UTC)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Any, int, datetime]]:
        """A snapshot of the source, its position, and the time."""
        from airbyte_local.sources.postgres.snapshot import Snapshot

        with slots.positioned_snapshot(self._address) as (snapshot, position):
            yield Snapshot(snapshot, self._address), position, datetime.now(UTC)

    def changes(self, plans: Iterable[StreamPlan], since: int, until: int) -> SlotReader:
        """What happened to these streams from one position to the other."""
        from airbyte_local.sources.postgres.cdc.slot_reader import SlotReader

        return SlotReader(self._address, self.slot, self.publication, plans, since, until)

    def leave(self, slot: str) -> None:
        """Drop the slot that this connection was captured through before a refresh under another name."""
        try:
            if (
                found := slots.read_slot(self._connection, slot)
            ) and found.database == self._address.database:
                slots.drop_slot(self._connection, slot)
                log.info("the slot %s is not used any more: dropped", slot)
        except psycopg.Error as error:
            log.warning("the slot %s is not used any more, but was not dropped: %s", slot, str(error).strip())

    def advance(self, position: int) -> None:
        """Let the server forget what is committed in the warehouse. A failure is no harm: the next sync passes over it."""
        try:
            slots.advance_slot(self._connection, self.slot, position)
        except psycopg.Error as error:
            log.warning("the slot %s was not moved on: %s", self.slot, str(error).strip())
