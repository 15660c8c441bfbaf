"""What must hold before changes can be captured, each with its remedy."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

import psycopg
from psycopg import sql

from airbyte_local.failures import Failures
from airbyte_local.schema import StreamPlan
from airbyte_local.sources.postgres.connect import Address
from airbyte_local.sources.postgres.shape import table_of
from foundation.errors import EltError
from foundation.rows import one_row

SERVER = """
select current_setting('wal_level'), (select rolreplication or rolsuper from pg_roles where rolname = current_user)
"""
PUBLICATION = (
    "select pubinsert and pubupdate and pubdelete and pubtruncate from pg_publication where pubname = %s"
)
# By way of jsonb: before 15 there are neither lists of columns (all but generated ones come) nor row filters.
TABLES = """
select c.schemaname, c.tablename,
    coalesce(
        (select array_agg(name) from jsonb_array_elements_text(to_jsonb(c) -> 'attnames') as name),
        (
            select array_agg(a.attname::text) from pg_attribute a
            where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        )
    ),
    t.relreplident::text,
    coalesce(array(
        select a.attname::text from pg_index i
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
        where i.indrelid = t.oid
            and case t.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end
    ), '{}'),
    to_jsonb(c) ->> 'rowfilter' is not null,
    t.relkind = 'r' and exists (select from pg_inherits where inhparent = t.oid),
    array(
        select (
            select json_agg(a.attname) from pg_attribute a
            where a.attrelid = i.indrelid and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
        )::text
        from pg_index i
        where i.indrelid = t.oid and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
            and i.indexprs is null
    )
from pg_publication_tables c
join pg_namespace n on n.nspname = c.schemaname
join pg_class t on t.relname = c.tablename and t.relnamespace = n.oid
where c.pubname = %s
"""

# an update or delete is logged by the partition it happens in, with that one's replica identity
LEAVES = """
with recursive tree (root, oid) as (
    select root, root from unnest(%s::oid[]) as root
    union all
    select t.root, i.inhrelid from tree t
    join pg_class p on p.oid = t.oid and p.relkind = 'p'
    join pg_inherits i on i.inhparent = t.oid
)
select t.root::bigint, c.relnamespace::regnamespace::text, c.relname,
    case when c.relkind = 'f' then 'is a foreign table' when c.relpersistence <> 'p' then 'is unlogged' end,
    c.relreplident::text,
    coalesce(array(
        select a.attname::text from pg_index i
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
        where i.indrelid = c.oid
            and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end
    ), '{}')
from tree t
join pg_class c on c.oid = t.oid and c.relkind <> 'p'
where t.oid <> t.root
"""


def check_server(connection: psycopg.Connection, address: Address, publication: str) -> None:
    """Raises EltError when the server or the role does not allow logical replication, or the publication is not there."""
    wal_level, may = one_row(connection.execute(SERVER))
    if wal_level != "logical":
        raise EltError(
            f"{address}: wal_level is {wal_level}, and change data capture needs logical",
            "run as a superuser: alter system set wal_level = logical; then restart the server",
        )
    if not may:
        grant = sql.SQL("alter role {} replication").format(sql.Identifier(address.username))
        raise EltError(f"{address}: the user may not replicate", f"run as a superuser: {grant.as_string()}")
    found = connection.execute(PUBLICATION, [publication]).fetchone()
    name = sql.Identifier(publication).as_string()
    if found is None:
        raise EltError(
            f"{address}: there is no publication {publication}",
            f"run as the owner of the tables: create publication {name} for table …",
        )
    if not found[0]:
        raise EltError(
            f"{address}: the publication {publication} leaves out some kinds of change",
            f"run as its owner: alter publication {name} set (publish = 'insert, update, delete, truncate')",
        )


def check_tables(
    connection: psycopg.Connection, publication: str, plans: Iterable[StreamPlan], failures: Failures
) -> None:
    """Streams whose changes would not come whole go to `failures`: not published, or their key does not come with deletes."""
    plans = list(plans)
    leaves = defaultdict(list)
    for root, *described in connection.execute(LEAVES, [[table_of(plan) for plan in plans]]):
        leaves[root].append(described)
    published = {
        (schema, table): found for schema, table, *found in connection.execute(TABLES, [publication])
    }
    name = sql.Identifier(publication).as_string()
    for plan in plans:
        table = sql.Identifier(plan.namespace, plan.name).as_string()
        with failures.of(plan.key):
            if plan.key not in published:
                raise EltError(
                    f"stream {plan.label}: it is not in the publication {publication}",
                    f"run as its owner: alter publication {name} add table {table}; a partitioned table needs also:"
                    f" alter publication {name} set (publish_via_partition_root = true)",
                )
            columns, identity, key, filtered, inherited, unique = published[plan.key]
            if filtered or inherited:
                raise EltError(
                    f"stream {plan.label}: the publication {publication} leaves out some of its rows"
                    + (" (where …)" if filtered else ", those of the tables that inherit from it"),
                    (
                        "publish it as a whole"
                        if filtered
                        else "read it with the mode full_refresh_overwrite, or make its tables streams of their own"
                    ),
                )
            if left_out := [column.name for column in plan.columns if column.name not in columns]:
                raise EltError(
                    f"stream {plan.label}: the publication {publication} leaves out {', '.join(left_out)}",
                    "publish those columns too, or leave them out with selectedFields",
                )
            if identity != "f" and not set(plan.primary_key) <= set(key):
                raise EltError(
                    f"stream {plan.label}: deletes do not tell its key ({', '.join(plan.primary_key)})",
                    f"run as its owner: alter table {table} replica identity full; or give it a primary key",
                )
            if not any(set(plan.primary_key).issuperset(json.loads(index)) for index in unique):
                raise EltError(
                    f"stream {plan.label}: its key ({', '.join(plan.primary_key)}) is not unique at every moment",
                    f"run as its owner: create a unique index on {table} that is not deferrable, or choose another primaryKey",
                )
            for schema, name_of_leaf, unlogged, leaf_identity, leaf_key in leaves[table_of(plan)]:
                leaf = sql.Identifier(schema, name_of_leaf).as_string()
                if unlogged:
                    raise EltError(
                        f"stream {plan.label}: changes of its partition {name_of_leaf}, which {unlogged}, are not in the log",
                        "read it with the mode full_refresh_overwrite, or detach that partition",
                    )
                if leaf_identity != "f" and not set(plan.primary_key) <= set(leaf_key):
                    raise EltError(
                        f"stream {plan.label}: deletes in its partition {name_of_leaf} do not tell its key"
                        f" ({', '.join(plan.primary_key)})",
                        f"run as its owner: alter table {leaf} replica identity full",
                    )
