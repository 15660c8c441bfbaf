"""The shape of a stream: part of its state, to notice changes that neither the log nor a cursor shows.

Operations on definitions can change the values of rows, or which rows there are, without a change of any row. Of each of
them something stays in the catalogue:

| operation | what is different then |
|---|---|
| ATTACH, DETACH, DROP of a partition | the tree: its nodes, and the transaction that joined each to its parent |
| a rewrite (ALTER COLUMN … TYPE … USING, SET EXPRESSION, SET UNLOGGED for a while, TRUNCATE) | the file node of a leaf |
| a view, or a virtual column, that is redefined | its definition or expression |
| ALTER TYPE … RENAME VALUE | the label of an enum's value, wherever in the column's type that enum is |
| a column added to a table whose row type is a column's type | the parts of the composite type |
| another `lc_monetary` (money) or `search_path` (regclass and its like) | the setting that the column's text depends on |
| the publication is made again or altered, the table taken out of it for a while | their rows in the catalogue |

A shape is read before the rows are. So what happens between the two is a difference for the next sync: a stream may be
read once too often, never once too few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import psycopg

from airbyte_local.schema import StreamPlan
from foundation.rows import one_row

Shape = dict[str, Any]
Key = tuple[str, str]

# A partition that is being detached concurrently (from 14 on) is none any more for those who begin to read now.
NODES = """
with recursive tree (root, oid, parent, edge) as (
    select root, root, 0::oid, '' from unnest(%s::oid[]) as root
    union all
    select t.root, i.inhrelid, i.inhparent, i.xmin::text
    from tree t
    join pg_class p on p.oid = t.oid and p.relkind = 'p'
    join pg_inherits i on i.inhparent = t.oid
    where not coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false)
)
select t.root::bigint, t.oid::bigint, t.parent::bigint, t.edge, coalesce(pg_relation_filenode(t.oid), 0)::bigint
from tree t
order by t.root, t.oid
"""

# CREATE TABLE … PARTITION OF joins the new table to its parent three steps after it describes its columns, in the same
# transaction (13 to 18; a system column's description never changes later); CREATE TABLE and ATTACH are two or more steps
# further apart. `born` false is safe: an attached one is read if it has rows.
BORN = """
select c.oid::text, c.relkind = 'p', i.xmin = a.xmin and i.cmin::text::bigint - a.cmin::text::bigint = 3,
    pg_relation_size(c.oid) > 0, n.nspname || '.' || c.relname
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_inherits i on i.inhrelid = c.oid
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tableoid'
where c.oid = any(%s::oid[])
"""

COLUMNS = """
with recursive used (relation, number, oid) as (
    select attrelid, attnum, atttypid from pg_attribute
    where attrelid = any(%s::oid[]) and attnum > 0 and not attisdropped
    union
    select u.relation, u.number, part.oid
    from used u
    join pg_type t on t.oid = u.oid
    cross join lateral (
        select t.typbasetype as oid
        union all
        select t.typelem
        union all
        select r.rngsubtype from pg_range r
        where r.rngtypid = t.oid or (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid
        union all
        select a.atttypid from pg_attribute a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) as part
    where part.oid <> 0
)
select relation::bigint, number, 'expression', '', pg_get_expr(d.adbin, d.adrelid)
from (select distinct relation, number from used) u
join pg_attribute a on a.attrelid = relation and a.attnum = number and a.attgenerated <> ''
join pg_attrdef d on d.adrelid = relation and d.adnum = number
union all
select relation::bigint, number, 'labels', e.oid::text, e.enumlabel
from used join pg_enum e on e.enumtypid = used.oid
union all
select relation::bigint, number, 'parts', a.attrelid || '.' || a.attnum, a.atttypid::text
from used join pg_type t on t.oid = used.oid and t.typtype = 'c'
join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
union all
select distinct relation::bigint, number, 'settings', setting, current_setting(setting)
from used
join pg_type t on t.oid = used.oid and t.typnamespace = 'pg_catalog'::regnamespace
join (values ('money', 'lc_monetary'), ('reg%%', 'search_path')) as s (type, setting) on t.typname like s.type
"""

DEFINITIONS = (
    "select oid::bigint, md5(pg_get_viewdef(oid)) from pg_class where oid = any(%s::oid[]) and relkind = 'v'"
)

PUBLICATION = "select oid::bigint, oid || '.' || xmin, puballtables from pg_publication where pubname = %s"
TABLE_MEMBERS = (
    "select prrelid::bigint, 'table ' || oid || '.' || xmin from pg_publication_rel"
    " where prpubid = %(publication)s and prrelid = any(%(tables)s::oid[])"
)
SCHEMA_MEMBERS = (  # new in 15
    " union all select c.oid::bigint, 'schema ' || s.oid || '.' || s.xmin from pg_publication_namespace s"
    " join pg_class c on c.relnamespace = s.pnnspid where s.pnpubid = %(publication)s and c.oid = any(%(tables)s::oid[])"
)


def table_of(plan: StreamPlan) -> int:
    """The table's number in the server: its name may have been another's for a while."""
    return int(plan.columns[0].identity.partition(".")[0])


def read_shapes(
    connection: psycopg.Connection, plans: Iterable[StreamPlan], publication: str | None
) -> dict[Key, Shape]:
    """What each stream is made of now, as it is kept in its state; `publication`: of captured streams."""
    by_table = {table_of(plan): plan for plan in plans}
    tables = list(by_table)
    shapes: dict[int, Shape] = {table: {"nodes": {}, "columns": {}} for table in tables}
    for root, oid, parent, edge, file in connection.execute(NODES, [tables]):
        shapes[root]["nodes"][str(oid)] = [parent, edge, file]
    columns: dict[tuple[int, int], dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for table, number, what, which, value in connection.execute(COLUMNS, [tables]):
        columns[table, number][what][which] = value
    for table, plan in by_table.items():
        for column in plan.columns:
            found = dict(columns.get((table, int(column.identity.partition(".")[2])), {}))
            if column.own_cast:
                found["form"] = {"": "output"}
            if found:
                shapes[table]["columns"][column.name] = found
    for table, definition in connection.execute(DEFINITIONS, [tables]):
        shapes[table]["definition"] = definition
    if publication is not None:
        captured = [table for table, plan in by_table.items() if plan.captured]
        for table, marks in _publication(connection, publication, captured).items():
            shapes[table] |= marks
    return {plan.key: shapes[table] for table, plan in by_table.items()}


def _publication(connection: psycopg.Connection, name: str, tables: list[int]) -> dict[int, Shape]:
    """By what each table is published: the publication, and what makes it a member."""
    oid, mark, everything = one_row(connection.execute(PUBLICATION, [name]))
    members: dict[int, list[str]] = {table: ["all tables"] if everything else [] for table in tables}
    query = TABLE_MEMBERS + (SCHEMA_MEMBERS if connection.info.server_version >= 150000 else "")
    for table, member in connection.execute(query, {"publication": oid, "tables": tables}):
        members[table].append(member)
    return {table: {"publication": mark, "members": sorted(members[table])} for table in tables}


def difference(
    connection: psycopg.Connection, plan: StreamPlan, saved: Shape | None, now: Shape
) -> str | None:
    """Why the stream has to be read as a whole, in words; None when its rows can be gone on with."""
    if saved is None:  # an older version kept none, and took some values in another form
        forms = [name for name, column in now["columns"].items() if "form" in column]
        return f"values of {', '.join(forms)} were kept in another form" if forms else None
    return (
        _publication_difference(saved, now)
        or _column_difference(saved, now)
        or _file_difference(saved, now)
        or _tree_difference(connection, plan, saved, now)
    )


def _publication_difference(saved: Shape, now: Shape) -> str | None:
    if "publication" not in now or "publication" not in saved:
        return None
    if saved["publication"] != now["publication"]:
        return "its publication was altered, or made again"
    if not set(saved["members"]) & set(now["members"]):
        return "it was taken out of its publication for a while, or published otherwise"
    return None


def _column_difference(saved: Shape, now: Shape) -> str | None:
    if saved.get("definition") != now.get("definition"):
        return "the view was redefined"
    for name, column in now["columns"].items():
        before = saved["columns"].get(name)
        if before is None:
            continue  # a new column, or one of another type: that is noticed by itself
        for what, said in (
            ("expression", "is computed by another expression"),
            ("parts", "has a type with other parts"),
            ("settings", "depends on a setting that has changed"),
            ("form", "was kept in another form"),
        ):
            if before.get(what) != column.get(what):
                return f"{name} {said}"
        labels = column.get("labels", {})
        if any(labels.get(value, label) != label for value, label in before.get("labels", {}).items()):
            return f"a value of {name}'s type has another name"
    return None


def _file_difference(saved: Shape, now: Shape) -> str | None:
    nodes, before = now["nodes"], saved["nodes"]
    if any(nodes[oid][2] != before[oid][2] for oid in nodes.keys() & before.keys()):
        return "its table was rewritten (its file node changed)"
    return None


def _tree_difference(
    connection: psycopg.Connection, plan: StreamPlan, saved: Shape, now: Shape
) -> str | None:
    nodes, before = now["nodes"], saved["nodes"]
    if plan.captured and before.keys() - nodes.keys():
        return "a partition was detached or dropped"
    joined = {oid for oid, node in nodes.items() if node[:2] != before.get(oid, [])[:2]}
    found = {oid: rest for oid, *rest in connection.execute(BORN, [list(joined)])} if joined else {}
    for oid, (is_parent, born, has_rows, name) in found.items():
        if is_parent or not has_rows:
            continue  # whatever comes into an empty one comes through its parents
        while born and (oid := str(nodes[oid][0])) in joined:
            born = found[oid][1]
        if not born:
            return f"the partition {name} was attached with rows"
    return None
