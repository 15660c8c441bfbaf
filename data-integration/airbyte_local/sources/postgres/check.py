"""What must hold before anything is read, each with its remedy."""

from __future__ import annotations

import psycopg
from psycopg import sql

from airbyte_local.sources.postgres.connect import Address
from foundation.errors import EltError


def check(connection: psycopg.Connection, address: Address, by_cursor: bool) -> None:
    """Raises EltError on a standby, or when other sessions' transactions cannot be seen and the cursor method needs it.

    Both would make the cursor rule unsound: a standby shows none of the primary's sessions, and without
    `pg_read_all_stats` the start of another user's transaction reads as null.
    """
    standby, sees_all = connection.execute(
        "select pg_is_in_recovery(), pg_has_role(current_user, 'pg_read_all_stats', 'usage')"
    ).fetchone()
    if standby:
        raise EltError(
            f"{address}: this server is a standby, which cannot show the transactions open on its primary",
            "point the source at the primary",
        )
    if by_cursor and not sees_all:
        grant = sql.SQL("grant pg_read_all_stats to {}").format(sql.Identifier(address.username))
        raise EltError(
            f"{address}: the user may not see other sessions' transactions, so rows committed late could be missed",
            f"run as a superuser: {grant.as_string()}",
        )
