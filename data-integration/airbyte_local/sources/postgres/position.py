"""The server's identity and position, to notice that it is not the one that the saved state was taken from.

The write-ahead log of one server only grows. A server restored from an older copy is behind where it was, one recovered to
a point in time or promoted from a standby is on another timeline, a database restored from a dump has another number: what
was synced since may not be there any more, and what came instead may lie before the saved cursors.
"""

from __future__ import annotations

from typing import Any

import psycopg

from airbyte_local.sources.postgres.connect import Address
from airbyte_local.states import REFRESH
from foundation.errors import EltError
from foundation.rows import one_row

POSITION = """
select c.system_identifier::text, left(pg_walfile_name(w.lsn), 8), d.oid::bigint, w.lsn::text
from pg_control_system() as c, pg_current_wal_insert_lsn() as w (lsn), pg_database as d
where d.datname = current_database()
"""


def read_position(connection: psycopg.Connection) -> dict[str, Any]:
    """The server (`system`), its `timeline`, the `database` and how far its log is (`lsn`)."""
    system, timeline, database, lsn = one_row(connection.execute(POSITION))
    return {"system": system, "timeline": timeline, "database": database, "lsn": lsn}


def check_position(address: Address, saved: dict[str, Any] | None, now: dict[str, Any]) -> None:
    """Raises EltError when the source cannot be what the state was saved from, only later."""
    if saved is None:
        return
    if (saved["system"], saved["database"]) != (now["system"], now["database"]):
        found = "this is another database than the last sync read"
    elif saved["timeline"] != now["timeline"]:
        found = "the server was restored to a point in time, or promoted, since the last sync"
    elif number(now["lsn"]) < number(saved["lsn"]):
        found = f"the server was restored from an older copy: its log is at {now['lsn']}, at the last sync it was at {saved['lsn']}"
    else:
        return
    raise EltError(f"{address}: {found}, so the saved positions do not hold", f"if that is meant, {REFRESH}")


def number(lsn: str) -> int:
    """A position in the log, `16/B374D848`, as a number of bytes."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn(position: int) -> str:
    """The other way round."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
