"""What must hold before anything is read, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from airbyte_local.failures import Failures
from airbyte_local.schema import StreamPlan
from airbyte_local.sources.postgres.connect import Address
from airbyte_local.sources.postgres.shape import table_of
from foundation.errors import EltError
from foundation.rows import one_row


def check(connection: psycopg.Connection, address: Address, by_cursor: bool) -> None:
    """Raises EltError on a standby, or when other sessions' transactions cannot be seen and the cursor method needs it.

    Both would make the cursor rule unsound: a standby shows none of the primary's sessions, and without
    `pg_read_all_stats` the start of another user's transaction reads as null.
    """
    asked = "select pg_is_in_recovery(), pg_has_role(current_user, 'pg_read_all_stats', 'usage')"
    standby, sees_all = one_row(connection.execute(asked))
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


STREAMS = """
select c.oid::bigint, row_security_active(c.oid),
    c.relkind in ('r', 'f') and exists (select from pg_inherits where inhparent = c.oid)
from pg_class c
where c.oid = any(%s::oid[])
"""


def check_streams(
    connection: psycopg.Connection, address: Address, plans: Iterable[StreamPlan], failures: Failures
) -> None:
    """Streams of which a query would not show all rows, or not each key once, go to `failures`.

    Row level security does not apply to the log: a stream would hold some rows by the first load, and others by changes.
    The key of a table that others inherit from is unique in each of them only.
    """
    by_table = {table_of(plan): plan for plan in plans}
    for table, secured, inherited in connection.execute(STREAMS, [list(by_table)]):
        plan = by_table[table]
        with failures.of(plan.key):
            if secured:
                bypass = sql.SQL("alter role {} bypassrls").format(sql.Identifier(address.username))
                raise EltError(
                    f"stream {plan.label}: row level security hides rows of it from the user {address.username}",
                    f"run as a superuser: {bypass.as_string()}; or read it as another role",
                )
            if inherited and plan.primary_key and not plan.captured:
                raise EltError(
                    f"stream {plan.label}: other tables inherit from it, so its key ({', '.join(plan.primary_key)})"
                    " is not unique in what a query shows",
                    "read it with the mode full_refresh_overwrite, or make its tables streams of their own",
                )
