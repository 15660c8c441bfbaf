"""The replication slot: what it is like, making it, moving it, and a temporary one for a snapshot with its position."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import pq, sql

from airbyte_local.sources.postgres.connect import NEWER_LIMITS, READER_OPTIONS, Address, unreachable
from airbyte_local.sources.postgres.position import lsn, number
from airbyte_local.states import REFRESH
from foundation.errors import EltError
from foundation.rows import one_row

PLUGIN = "pgoutput"
SYNC_OFTEN = "sync more often, or drop a slot that is not used"
OPEN_SECONDS = 600  # a slot waits for the transactions that are open when it is made
# a job that was killed may still hold the slot until the server notices
BUSY_SECONDS = 30.0
# a commit that did not wait for the disk is there within three turns of the WAL writer
FLUSH_WAIT_SECONDS = 1.0

RETAINED_WARNING = 1 << 30  # bytes of the server's log that wait for one slot

# By way of jsonb what a server's version lacks is null: `wal_status` and `safe_wal_size` are new in 13, `two_phase` in 14,
# `invalidation_reason` in 17.
STATE = """
select slot_name::text, plugin, coalesce(database, ''), active_pid, told ->> 'wal_status', told ->> 'invalidation_reason',
    (confirmed_flush_lsn - '0/0')::bigint, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint,
    (told ->> 'safe_wal_size')::bigint, coalesce((told ->> 'two_phase')::boolean, false)
from pg_replication_slots as s, to_jsonb(s) as told
"""


@dataclass(frozen=True)
class Slot:
    """A slot as the server tells of it. Positions and sizes are in bytes; `safe` is None where WAL has no limit."""

    plugin: str
    database: str
    active_pid: int | None
    wal_status: str | None
    invalidation: str | None
    confirmed: int | None
    retained: int | None
    safe: int | None
    two_phase: bool = False

    @property
    def lost(self) -> bool:
        """Whether the server has thrown away what the slot would need."""
        return self.wal_status == "lost" or self.invalidation is not None

    @property
    def holds_back_much(self) -> bool:
        """Whether somebody should look after it, before the disk is full or the server gives the slot up."""
        if self.retained is None:
            return False
        return self.retained > RETAINED_WARNING or (self.safe is not None and self.safe < self.retained)

    def holds_back(self) -> str:
        """How much of the server's log waits for it, in words."""
        left = "" if self.safe is None else f"; {self.safe / 2**20:,.0f} MB more and it is lost"
        return f"holds back {(self.retained or 0) / 2**20:,.0f} MB of the server's log (pg_wal){left}"


def read_slots(connection: psycopg.Connection) -> dict[str, Slot]:
    """Every slot of the server, by name."""
    return {name: Slot(*row) for name, *row in connection.execute(STATE).fetchall()}


def read_slot(connection: psycopg.Connection, name: str) -> Slot | None:
    """The slot, or None when there is none of that name."""
    return read_slots(connection).get(name)


def idle_slot(connection: psycopg.Connection, name: str) -> Slot | None:
    """The slot as soon as nobody reads it any more, or as it is when that takes too long; None when there is none."""
    deadline = time.monotonic() + BUSY_SECONDS
    while (slot := read_slot(connection, name)) and slot.active_pid is not None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return slot


def check_slot(slot: Slot, name: str, address: Address) -> None:
    """Raises EltError when the slot is not one that this source can read."""
    if slot.plugin != PLUGIN or slot.database != address.database:
        raise EltError(
            f"{address}: the replication slot {name} is of plugin {slot.plugin}, database {slot.database or 'none'}",
            f"give the source another replication_slot, or drop that one: select pg_drop_replication_slot('{name}')",
        )
    if slot.two_phase:
        raise EltError(
            f"{address}: the replication slot {name} was made with two_phase, and gives prepared transactions out of order",
            f"drop it (select pg_drop_replication_slot('{name}')), then refresh the connection: the sync makes its own",
        )
    if slot.active_pid is not None:
        raise EltError(
            f"{address}: the replication slot {name} is in use by the server's process {slot.active_pid}",
            "give each connection a replication_slot of its own, or wait until the other reader ends",
        )


def create_slot(connection: psycopg.Connection, name: str, address: Address) -> None:
    """Make the slot that stays. Raises EltError when the server has no room for one, or transactions stay open for long."""
    try:
        with connection.transaction():
            connection.execute(sql.SQL("set local lock_timeout = {}").format(f"{OPEN_SECONDS}s"))
            connection.execute("select pg_create_logical_replication_slot(%s, %s)", [name, PLUGIN])
    except psycopg.errors.LockNotAvailable:
        raise still_open(address) from None
    except psycopg.Error as error:
        raise no_slot(address, error.diag.message_primary or str(error)) from None


def drop_slot(connection: psycopg.Connection, name: str) -> None:
    connection.execute("select pg_drop_replication_slot(%s)", [name])


def advance_slot(connection: psycopg.Connection, name: str, position: int) -> None:
    """Let the server forget what lies before the position."""
    connection.execute("select pg_replication_slot_advance(%s, %s::pg_lsn)", [name, lsn(position)])


def current_end(connection: psycopg.Connection) -> int:
    """The position up to which all that is committed now can be read."""
    query = (
        "select (pg_current_wal_insert_lsn() - '0/0')::bigint, (pg_current_wal_flush_lsn() - '0/0')::bigint"
    )
    wanted, flushed = one_row(connection.execute(query))
    deadline = time.monotonic() + FLUSH_WAIT_SECONDS
    while flushed < wanted and time.monotonic() < deadline:
        time.sleep(0.02)
        _, flushed = one_row(connection.execute(query))
    return int(flushed)


@contextmanager
def positioned_snapshot(address: Address) -> Iterator[tuple[str, int]]:
    """The id of an exported snapshot and its position: what was committed before is in it, nothing else is.

    A temporary slot makes it; both end with the block. Raises EltError when transactions stay open for too long.
    """
    options = f"{READER_OPTIONS} -c lock_timeout={OPEN_SECONDS}s"
    try:
        with address.conninfo(options) as conninfo:
            connection = psycopg.connect(f"{conninfo} replication=database", autocommit=True)
    except psycopg.OperationalError as error:
        raise unreachable(address, str(error)) from None
    try:
        name = f"elt_snapshot_{uuid.uuid4().hex}"
        # psycopg's own calls do not speak the replication protocol
        connection.pgconn.exec_(NEWER_LIMITS.encode())
        result = connection.pgconn.exec_(
            f"CREATE_REPLICATION_SLOT {name} TEMPORARY LOGICAL {PLUGIN} EXPORT_SNAPSHOT".encode()
        )
        if result.status != pq.ExecStatus.TUPLES_OK:
            reason = (result.error_message or b"").decode(errors="replace").strip().partition("\n")[0]
            raise still_open(address) if "lock timeout" in reason else no_slot(address, reason)
        position, snapshot = ((result.get_value(0, column) or b"").decode() for column in (1, 2))
        yield snapshot, number(position)
    finally:
        connection.close()


def still_open(address: Address) -> EltError:
    return EltError(
        f"{address}: a snapshot with a position waits for open transactions, and some are open for over {OPEN_SECONDS} s",
        "end them (select pid, xact_start, query from pg_stat_activity order by xact_start), then sync again",
    )


def no_slot(address: Address, reason: str) -> EltError:
    return EltError(
        f"{address}: no replication slot can be made: {reason.removeprefix('ERROR:').strip()}",
        "drop slots that are not used any more, or raise max_replication_slots and max_wal_senders",
    )


def gap(name: str, address: Address, found: str) -> EltError:
    """The slot does not go on where the warehouse ends."""
    return EltError(f"{address}: the replication slot {name} {found}: changes were missed", REFRESH)
