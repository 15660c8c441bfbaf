"""Which tables there are, with columns, types and keys: one query of the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import psycopg

from airbyte_local.schema import Column, SourceStream
from airbyte_local.sources.base import GoneError
from airbyte_local.sources.postgres.connect import Address
from airbyte_local.sources.postgres.types import travel_type
from foundation.errors import EltError

# Each domain with the type below all domains, and the modifier that counts.
DOMAINS = """
domains (oid, base, typmod) as (
    select t.oid, t.typbasetype, t.typtypmod from pg_type t where t.typtype = 'd'
    union all
    select d.oid, t.typbasetype, coalesce(nullif(d.typmod, -1), t.typtypmod)
    from domains d join pg_type t on t.oid = d.base where t.typtype = 'd'
)
"""
OF_DOMAIN = """
left join domains d on d.oid = a.atttypid
    and not exists (select from pg_type x where x.oid = d.base and x.typtype = 'd')
join pg_type b on b.oid = coalesce(d.base, a.atttypid)
"""
# whether the type's cast to text is one of its own: any other gives the output form
OWN_CAST = "exists (select from pg_cast x where x.castsource = b.oid and x.casttarget = 'text'::regtype)"

# The key of a table: its primary key, a deferrable one, too; else the unique index, of columns that are never null, which deletes tell, or which has
# the fewest columns. An index may hold further columns, which are no part of its key.
KEY = """
select x.indisprimary, (x.indkey::int2[])[0:x.indnkeyatts - 1] as columns
from pg_index x
where x.indrelid = c.oid and (x.indisprimary or (
    x.indisunique and x.indimmediate and x.indisvalid and x.indpred is null and x.indexprs is null
    and not exists (
        select from pg_attribute k
        where k.attrelid = c.oid and k.attnum = any((x.indkey::int2[])[0:x.indnkeyatts - 1]) and not k.attnotnull
    )
))
order by x.indisprimary desc, x.indisreplident desc, x.indnkeyatts, x.indexrelid
limit 1
"""

# Tables, partitioned tables, views, materialised views, foreign tables: what the user may select from. A partition is
# read through its parent. Domains are followed to their base type.
CATALOGUE = f"""
with recursive {DOMAINS}
select n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    case when b.oid < 16384 then b.typname else '' end, coalesce(d.typmod, a.atttypmod),
    not a.attnotnull, array_position(i.columns, a.attnum), a.attrelid || '.' || a.attnum, {OWN_CAST}, i.indisprimary
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
{OF_DOMAIN}
left join lateral ({KEY}) i on true
where n.nspname = any(%s) and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and has_schema_privilege(n.oid, 'usage') and has_column_privilege(c.oid, a.attnum, 'select')
order by n.nspname, c.relname, a.attnum
"""

REFERENCES = """
select n.nspname, c.relname, pn.nspname, p.relname
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_class p on p.oid = k.confrelid
join pg_namespace pn on pn.oid = p.relnamespace
where k.contype = 'f' and k.conparentid = 0 and k.conrelid <> k.confrelid and n.nspname = any(%s)
"""

RELATIONS = frozenset("rpvmf")
# of a relation: its kind, the table that it is a partition of, whether it has columns, whether some can be read
WHAT_IT_IS = """
select c.relkind::text, p.relnamespace::regnamespace || '.' || p.relname,
    exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
    has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select')
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join lateral (
    select r.relnamespace, r.relname from pg_partition_root(c.oid) as root join pg_class r on r.oid = root
) as p on c.relispartition
where n.nspname = %s and c.relname = %s
"""


def discover(connection: psycopg.Connection, schemas: Sequence[str]) -> dict[tuple[str, str], SourceStream]:
    """The readable streams of `schemas`, by (schema, table)."""
    rows = connection.execute(CATALOGUE, [list(schemas)]).fetchall()
    references = defaultdict(set)
    for namespace, name, *parent in connection.execute(REFERENCES, [list(schemas)]):
        references[namespace, name].add(tuple(parent))
    found = {}
    for (namespace, name), group in groupby(rows, itemgetter(0, 1)):
        columns, key, declared = [], {}, True
        for _, _, column, source_type, typname, typmod, nullable, position, identity, casts, primary in group:
            travels_as, as_text = travel_type(typname, typmod)
            own_cast = casts and as_text
            columns.append(Column(column, source_type, travels_as, nullable, as_text, identity, own_cast))
            if position is not None:
                key[position], declared = column, primary
        primary_key = tuple(key[position] for position in sorted(key))
        found[namespace, name] = SourceStream(
            namespace,
            name,
            tuple(columns),
            primary_key,
            frozenset(references[namespace, name]),
            key_is_declared=declared,
        )
    return found


def why_missing(
    connection: psycopg.Connection, address: Address, schemas: Sequence[str], namespace: str, name: str
) -> EltError:
    """The exact reason why a configured stream was not discovered."""
    label = f"{namespace}.{name}"
    if namespace not in schemas:
        return EltError(
            f"stream {label}: the source reads only the schemas {', '.join(schemas)}",
            f"add {namespace} to the source's schemas, or take the stream out of the connection",
        )
    found = connection.execute(WHAT_IT_IS, [namespace, name]).fetchone()
    if found is not None:
        kind, parent, has_columns, may_read = found
        if kind not in RELATIONS:
            return EltError(
                f"stream {label}: it is no table ({address})", "take the stream out of the connection"
            )
        if parent is not None:
            return EltError(
                f"stream {label}: it is a partition, whose rows are read through {parent} ({address})",
                f"put the stream {parent} in its place",
            )
        if not has_columns:
            return EltError(
                f"stream {label}: the table has no columns ({address})",
                "take the stream out of the connection",
            )
        if may_read:  # it was made after the streams were read
            return EltError(f"stream {label}: it was not there a moment ago ({address})", "sync again")
        return EltError(
            f"stream {label}: {address} may not read it",
            f"run as its owner: grant usage on schema and select on {label} to {address.username}",
        )
    return GoneError(
        f"stream {label}: there is no such table ({address})",
        "create it, or take the stream out of the connection",
    )
