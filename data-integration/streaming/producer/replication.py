"""PostgreSQL's log as it is written: a replication slot that remembers what was not confirmed, and a connection that streams it.

psycopg's own calls do not speak the replication protocol; libpq's, which it exposes, do.
"""

from __future__ import annotations

import select
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq, sql

from foundation.errors import EltError, Kind
from foundation.settings import Settings
from streaming.producer.pgoutput import EPOCH

STATUS_SECONDS = 5.0  # between two words to the server, which gives up after 60 s
BUSY_SECONDS = 60.0  # a reader that was killed may hold the slot until the server notices
DATA, KEEPALIVE = b"w", b"k"


@dataclass(frozen=True)
class Piece:
    """A message of the log. Empty: there is none for now; all before `position` was sent."""

    position: int
    data: bytes


class Log:
    """One reader of the source's log, through one slot. Use it in a `with` block."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._slot, self._publication = config.stream_slot, config.source_publication
        self._connection: Any = None
        self._confirmed, self._told_at = 0, 0.0
        self.system = ""  # which cluster this is

    def __enter__(self) -> Log:
        config = self._config
        try:
            self._connection = psycopg.connect(
                host=config.source_host,
                port=config.source_port,
                dbname=config.source_database,
                user=config.source_reader,
                password=config.source_reader_password.get_secret_value(),
                sslmode=config.source_ssl_mode,
                replication="database",
                connect_timeout=10,
                application_name="stream_orders",
                client_encoding="UTF8",
                options="-c DateStyle=ISO -c wal_sender_timeout=60s",
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise self._away(str(error)) from None
        self.system = self._ask("IDENTIFY_SYSTEM")[0][0]
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def place(self) -> str:
        return f"{self._config.source_host}:{self._config.source_port}"

    def exists(self) -> bool:
        """Whether the slot is there. Raises EltError: it is lost, or of another kind."""
        query = sql.SQL(
            "select plugin, coalesce(database, ''), coalesce(wal_status, '') from pg_replication_slots where slot_name = {}"
        ).format(sql.Literal(self._slot))
        for plugin, database, status in self._ask(query.as_string(None)):
            if plugin != "pgoutput" or database != self._config.source_database:
                raise EltError(
                    f"the replication slot {self._slot} of {self.place} is of plugin {plugin}, database {database or 'none'}",
                    "set STREAM_SLOT to another name",
                )
            if status == "lost":
                raise self._gap("was given up by the server, which kept its log for too long")
            return True
        return False

    def create(self) -> int:
        """Make the slot; where it begins."""
        (row,) = self._ask(f"CREATE_REPLICATION_SLOT {self._slot} LOGICAL pgoutput NOEXPORT_SNAPSHOT")
        return position(row[1])

    def drop(self) -> None:
        """Let the server forget the slot, if it has one."""
        result = self._connection.pgconn.exec_(f"DROP_REPLICATION_SLOT {self._slot} WAIT".encode())
        reason = (result.error_message or b"").decode(errors="replace")
        if result.status != pq.ExecStatus.COMMAND_OK and "does not exist" not in reason:
            raise self._away(reason)

    def see_that_it_goes_on(self, since: int) -> None:
        """Raises EltError: the slot is gone, or somebody moved it beyond the position that the topics have."""
        if not self.exists():
            raise self._gap("is gone")
        query = sql.SQL("select confirmed_flush_lsn from pg_replication_slots where slot_name = {}")
        ((confirmed,),) = self._ask(query.format(sql.Literal(self._slot)).as_string(None))
        if position(confirmed) > since:
            raise self._gap("was moved on by somebody else")

    def _gap(self, found: str) -> EltError:
        return EltError(
            f"the replication slot {self._slot} of {self.place} {found}: orders since then are in no event",
            "elt stream forget orders: the events go on from now",
        )

    def stream(self, since: int) -> Iterator[Piece]:
        """Every message after a position, for ever; an empty piece each time that there is none. Raises EltError."""
        names = sql.Identifier(self._publication).as_string(None)
        start = (
            f"START_REPLICATION SLOT {self._slot} LOGICAL {lsn(since)}"
            f" (proto_version '1', publication_names {sql.Literal(names).as_string(None)})"
        )
        deadline = time.monotonic() + BUSY_SECONDS
        while (result := self._connection.pgconn.exec_(start.encode())).status != pq.ExecStatus.COPY_BOTH:
            reason = (result.error_message or b"").decode(errors="replace").strip().partition("\n")[0]
            if "is active for PID" not in reason or time.monotonic() > deadline:
                raise self._away(reason)
            time.sleep(0.2)
        self._confirmed = since
        while True:
            size, data = self._connection.pgconn.get_copy_data(1)
            if size > 0:
                yield from self._piece(bytes(data))
            elif size == 0:
                self._tell()
                yield Piece(0, b"")
            else:
                raise self._away(self._connection.pgconn.error_message.decode(errors="replace"))

    def wait(self, seconds: float) -> None:
        """Until the server sends something, or so long."""
        select.select([self._connection.pgconn.socket], [], [], max(0.0, seconds))
        self._connection.pgconn.consume_input()

    def confirm(self, position: int) -> None:
        """All before it is in the topics: the server may forget it."""
        if position > self._confirmed:
            self._confirmed = position

    def _piece(self, data: bytes) -> Iterator[Piece]:
        if data[:1] == DATA:
            (start,) = struct.unpack_from(">q", data, 1)
            yield Piece(start, data[25:])
        elif data[:1] == KEEPALIVE:
            end, _, wants_answer = struct.unpack_from(">qqb", data, 1)
            if wants_answer:
                self._told_at = 0.0
            yield Piece(end, b"")

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at < STATUS_SECONDS:
            return
        self._told_at = now
        micros = int((time.time() - EPOCH.timestamp()) * 1e6)
        message = struct.pack(">cqqqqb", b"r", self._confirmed, self._confirmed, self._confirmed, micros, 0)
        try:
            self._connection.pgconn.put_copy_data(message)
            self._connection.pgconn.flush()
        except psycopg.Error as error:
            raise self._away(str(error)) from None

    def _ask(self, command: str) -> list[tuple[str, ...]]:
        result = self._connection.pgconn.exec_(command.encode())
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise self._away((result.error_message or b"").decode(errors="replace"))
        return [
            tuple((result.get_value(row, column) or b"").decode() for column in range(result.nfields))
            for row in range(result.ntuples)
        ]

    def _away(self, message: str) -> EltError:
        reason = next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")
        return EltError(
            f"the log of the source {self.place} can't be read: {reason.rpartition('FATAL:')[2].strip()}",
            "check that it runs (here: elt up postgres), and SOURCE_READER; then try again",
            kind=Kind.RETRY,
        )


def position(text: str) -> int:
    """PostgreSQL's 16/B374D848 as a number."""
    high, _, low = text.partition("/")
    return (int(high or "0", 16) << 32) + int(low or "0", 16)


def lsn(position: int) -> str:
    """And back."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
