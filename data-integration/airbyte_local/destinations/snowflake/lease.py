"""What keeps two jobs of one connection apart, where no file can be locked.

A job takes the lease by writing its token into the connection's row; the last to do so has it. Its transaction begins by
changing that row: that is a lock until it ends, and fails when another job has taken the lease since. So of two jobs on
two servers the later one wins, the earlier one commits nothing. The state is only written while the transaction's
own mark is in that row, and the mark is looked for after the commit, so that a transaction that somebody aborted, or a
commit whose answer was lost, is never taken for the other.

A job that was killed may leave its transaction open, which holds locks until the session's idle timeout. Its name says whose
it is; the connection's next job on that machine ends it.
"""

from __future__ import annotations

import os
import re
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress

from airbyte_local.destinations.snowflake.account import Link
from airbyte_local.destinations.snowflake.state import INTERNAL
from foundation.errors import EltError

TAKE = f"""
merge into {INTERNAL}.LEASES as t using (select %s as CONNECTION_ID, %s as TOKEN, %s as HOLDER) as s
on t.CONNECTION_ID = s.CONNECTION_ID
when matched then update set TOKEN = s.TOKEN, HOLDER = s.HOLDER, TAKEN_AT = current_timestamp()
when not matched then insert (CONNECTION_ID, TOKEN, HOLDER, TAKEN_AT)
    values (s.CONNECTION_ID, s.TOKEN, s.HOLDER, current_timestamp())
"""
# the last ten transactions of the connection that were committed, and in an open one its own mark at the end
ATTEMPT = (
    f"update {INTERNAL}.LEASES set ATTEMPTS = right(coalesce(ATTEMPTS, '') || ' ' || %s, 330)"
    " where CONNECTION_ID = %s and TOKEN = %s"
)
HELD = f"select count_if(TOKEN = %s), count(*), max(HOLDER) from {INTERNAL}.LEASES where CONNECTION_ID = %s"
ARRIVED = f"select count(*) from {INTERNAL}.LEASES where CONNECTION_ID = %s and contains(ATTEMPTS, %s)"


class Lease:
    """The right of one job to write for its connection."""

    def __init__(self, link: Link, connection_id: str, job_id: int) -> None:
        self._link, self._connection_id, self._job_id = link, connection_id, job_id
        self._token = uuid.uuid4().hex
        host = socket.gethostname()
        self._holder = f"job {job_id}, process {os.getpid()} on {host}"
        self._prefix = f"AIRBYTE__{safe(connection_id)}__{safe(host)}__"
        self.attempt = ""
        self._taken = False

    def take(self) -> None:
        """From now on only this job commits, until another one takes the lease."""
        self.end_dead_transactions()
        take = [self._connection_id, self._token, self._holder]
        self._link.safely(TAKE, take)
        self._taken = True

    def end_dead_transactions(self) -> None:
        """End the open transactions of this connection's jobs whose processes are gone from this machine."""
        self._end_transactions(lambda pid: not runs(pid))

    def end_own_transaction(self) -> None:
        """End the transaction that this process began in a session that is lost."""
        self._end_transactions(lambda pid: pid == str(os.getpid()))

    def _end_transactions(self, whose: Callable[[str], bool]) -> None:
        """Roll back what processes have begun; one that has ended meanwhile is no matter."""
        shown = self._link.repeated(lambda: self._link.run("show transactions"))
        names = [column.name.lower() for column in shown.description]
        for row in shown.fetchall():
            found = dict(zip(names, row, strict=True))
            name = str(found["name"])
            if name.startswith(self._prefix) and whose(name.removeprefix(self._prefix)):
                with suppress(EltError):
                    self._link.safely(f"select system$abort_transaction({int(found['id'])})")

    def begin(self) -> None:
        """Begin the transaction; others wait for its end. Raises EltError when another job has the lease."""
        self.attempt = uuid.uuid4().hex
        self._link.run(f"begin name {self._prefix}{os.getpid()}")
        changed = self._link.run(ATTEMPT, [self.attempt, self._connection_id, self._token])
        if changed.rowcount != 1:
            raise self.lost()

    def lost(self) -> EltError:
        """Who has the lease now."""
        _, _, holder = self._link.run(HELD, [self._token, self._connection_id]).fetchone()
        return EltError(
            f"another job of this connection has begun since ({holder}): this one commits nothing",
            "let only one server run the connection",
        )

    def is_held(self) -> bool:
        """Whether no other job has taken it since; a lease that was never taken is not lost."""
        if not self._taken:
            return True
        mine, all_, _ = self._link.run(HELD, [self._token, self._connection_id]).fetchone()
        return bool(mine == all_ > 0)

    def has_arrived(self) -> bool:
        """Whether the last attempt is committed."""
        ((found,),) = self._link.rows(ARRIVED, [self._connection_id, self.attempt])
        return bool(found > 0)

    def wait_for_lock(self) -> None:
        """Wait for the end of a transaction that may still be about to commit."""
        self._link.safely(
            f"update {INTERNAL}.LEASES set HOLDER = HOLDER where CONNECTION_ID = %s", [self._connection_id]
        )


def safe(text: str) -> str:
    """A text as part of a name without quotes."""
    return re.sub(r"[^A-Za-z0-9]", "_", text).upper()


def runs(pid: str) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
