"""Reading what a replication slot holds, without taking it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from psycopg import sql

from airbyte_local.schema import StreamPlan
from airbyte_local.sources.base import Apply, ChangeBatch, Truncated
from airbyte_local.sources.postgres.cdc.pgoutput import Decoder
from airbyte_local.sources.postgres.connect import Address
from airbyte_local.sources.postgres.position import lsn
from airbyte_local.sources.postgres.snapshot import Reading

log = logging.getLogger(__name__)

PEEK = """
select (lsn - '0/0')::bigint, data
from pg_logical_slot_peek_binary_changes(
    {}, {}::pg_lsn, null, 'proto_version', '1', 'publication_names', {}
)
"""


class SlotReader(Reading):
    """The changes of some streams from position `since` to `until`. `read` may be called in another thread, once."""

    def __init__(
        self,
        address: Address,
        slot: str,
        publication: str,
        plans: Iterable[StreamPlan],
        since: int,
        until: int,
    ) -> None:
        super().__init__(address)
        self._slot = slot
        names = sql.Identifier(publication).as_string()  # the plugin reads a list of identifiers
        self._query = sql.SQL(PEEK).format(sql.Literal(slot), sql.Literal(lsn(until)), sql.Literal(names))
        self._decoder = Decoder(plans, since, until)

    def read(self) -> Iterator[ChangeBatch | Truncated | Apply]:
        """The changes in the order of their commits, a batch per stream. Raises EltError."""
        try:
            yield from self._decoder.decode(self._messages())
        except AdbcError as error:
            raise self._failed(error, f"replication slot {self._slot}") from None
        except OSError as error:
            found = self._asked_again(self._query) or error
            raise self._failed(found, f"replication slot {self._slot}") from None
        log.info(
            "%s transactions, %s changes", f"{self._decoder.transactions:,}", f"{self._decoder.changes:,}"
        )

    def _messages(self) -> Iterator[pa.RecordBatch]:
        with self._cursor() as cursor:
            cursor.execute(self._query.as_string())
            yield from cursor.fetch_record_batch()
