"""Changes since the marts were last built: raw streams, the project, the day. So a build can leave the rest.

Every complete build notes what it was built from (data-transformation/macros/built_from.sql). If anything is not known
for certain, everything is built.
"""

# ruff: noqa: S608 - names are the manifest's, texts are literals

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from foundation.errors import EltError
from foundation.quoting import literal
from foundation.settings import Settings
from foundation.warehouse import first_line, open_read_only
from transformation.project import is_manifest_of, project_digest, read_manifest

TABLE = "built_from"
BESIDE = "intermediate"  # the schema of the second one, which does not travel with the marts
BUILD_DAY = "macro.adventureworks.build_day"
PROJECT, DAY = "project", "day"  # rows that are no streams
EXTRACTED_AT = "_airbyte_extracted_at"
STREAM = ("rows", "newest", "generation", "columns")  # what a version says of a stream
# what holds rows; a view is made again only if the columns beneath it are others
KEPT = (
    "config.materialized:table",
    "config.materialized:incremental",
    "resource_type:snapshot",
    "resource_type:test",
    "resource_type:unit_test",
)
BUILT = ("model", "seed", "snapshot")

Ask = Callable[[str], list[tuple]]
Manifest = dict[str, Any]
Versions = dict[str, str]
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Changes:
    """What a build finds: the versions now, what there is built from, and what of the project that concerns."""

    now: Versions
    built: Versions
    selectors: list[str] | None  # dbt's, of what descends from what differs; None: everything has to be built
    reason: str  # why everything
    difference: dict[str, Any]  # see there

    @property
    def changed(self) -> list[str]:
        """The raw streams (and `day`) that differ."""
        return sorted(name for name, version in self.now.items() if self.built.get(name) != version)


def look(settings: Settings, ask: Ask, target: str | None = None, marts: str = "marts") -> Changes:
    """What has changed for a build in the schema `marts`; sources and models are those of dbt's manifest."""
    digest = project_digest(settings, target)
    manifest = read_manifest(settings, target)
    now = versions(manifest, ask) | {PROJECT: digest, DAY: f"{datetime.now(UTC):%Y-%m-%d}"}
    there = relations(manifest, ask)
    before = built(manifest, ask, there, marts)
    reason = why_everything(before, now)
    if not reason and not is_manifest_of(settings, digest, target):
        reason = "dbt's manifest is of other files"
    if not reason and (gone := sorted({place(node["relation_name"]) for node in _built(manifest)} - there)):
        reason = f"{gone[0][1]}.{gone[0][2]} is not there"
    if reason:
        return Changes(now, before, None, reason, {})
    return Changes(now, before, selectors(manifest, before, now), "", difference(manifest, before, now))


def why_everything(built: Versions, now: Versions) -> str:
    """Why a selection could be wrong; empty when it can be made."""
    if not built:
        return "no complete build is on record"
    if built[PROJECT] != now[PROJECT]:
        return "the project has changed"
    if unknown := sorted(now.keys() ^ built.keys()):
        return f"the last complete build knows nothing of {unknown[0]}"
    return ""


def selectors(manifest: Manifest, built: Versions, now: Versions) -> list[str] | None:
    """dbt's selectors of what descends from what differs; None: everything has to be built."""
    if why_everything(built, now):
        return None
    found = []
    for unique_id, _, before, after in _differing(manifest, built, now):
        descendants = f"{unique_id.replace('.', ':', 1)}+"
        found += (
            [descendants] if _other_columns(before, after) else [f"{descendants},{kind}" for kind in KEPT]
        )
    if now[DAY] != built[DAY]:
        found += [
            f"{node['name']}+"
            for node in manifest["nodes"].values()
            if BUILD_DAY in node.get("depends_on", {}).get("macros", [])
        ]
    return sorted(found)


def difference(manifest: Manifest, built: Versions, now: Versions) -> dict[str, Any]:
    """What the models get to know of the streams that differ (macros/touched.sql).

    `since`: per stream, the newest _airbyte_extracted_at that the marts know, which the others' rows exceed; None if rows may
    have gone without a trace, or if any may have changed. `below`: the names of the models that descend from them.
    `other_columns`: is one of them another table than it was?
    """
    differing = _differing(manifest, built, now)
    below: set[str] = set()
    above = [unique_id for unique_id, *_ in differing]
    while above:
        children = set(manifest["child_map"].get(above.pop(), ())) - below
        below |= children
        above += children
    return {
        "since": {name: _known_until(before, after) for _, name, before, after in differing},
        "below": sorted(node.split(".")[2] for node in below if node.startswith("model.")),
        "other_columns": any(_other_columns(before, after) for *_, before, after in differing),
    }


def _differing(manifest: Manifest, built: Versions, now: Versions) -> list[tuple[str, str, str, str]]:
    """The streams that differ: dbt's id, name, version before and now."""
    named = [(unique_id, _name(source)) for unique_id, source in _streams(manifest).items()]
    return [
        (unique_id, name, built[name], now[name]) for unique_id, name in named if built[name] != now[name]
    ]


def _known_until(before: str, now: str) -> str | None:
    """The moment up to which all rows of a stream are as they were; None when nothing tells."""
    then, later = json.loads(before), json.loads(now)
    comparable = then.get("newest") and later.get("newest") and then["generation"] == later["generation"]
    if not comparable or _other_columns(before, now) or then["rows"] > later["rows"]:
        return None
    return then["newest"]


def versions(manifest: Manifest, ask: Ask) -> Versions:
    """The content of each raw stream, as JSON that is another one whenever a sync has changed something: {} for a stream that
    is not there, else its rows, the newest _airbyte_extracted_at (UTC), its generation, and a digest of its columns.
    """
    streams = _streams(manifest)
    columns: dict[Place, dict[str, str]] = {}
    for database in sorted({place(source["relation_name"])[0] for source in streams.values()}):
        rows = ask(
            "select table_schema, table_name, column_name, data_type"
            f" from {_catalog(manifest, database)}.columns order by 1, 2, ordinal_position"
        )
        for schema, table, column, data_type in rows:
            columns.setdefault((database, schema.lower(), table.lower()), {})[column.lower()] = data_type
    found, queries = {}, []
    for source in streams.values():
        name, present = _name(source), columns.get(place(source["relation_name"]))
        if present is None:
            found[name] = "{}"
        elif EXTRACTED_AT not in present:  # not Airbyte's: nothing tells whether it has changed
            found[name] = json.dumps({"not known at": datetime.now(UTC).isoformat()})
        else:
            generation = "max(_airbyte_generation_id)" if "_airbyte_generation_id" in present else "null"
            # staging depends on the columns, too: a sync may add one, or change its type
            kinds = hashlib.sha256(json.dumps(present).encode()).hexdigest()[:8]
            queries.append(
                f"select {literal(name)}, count(*), max({EXTRACTED_AT}), {generation}, {literal(kinds)}"
                f" from {source['relation_name']}"
            )
    for name, rows, newest, generation, kinds in ask(" union all ".join(queries)) if queries else []:
        if isinstance(newest, datetime) and newest.tzinfo:
            newest = newest.astimezone(UTC).replace(tzinfo=None)  # as staging has it
        values = (rows, str(newest) if newest else None, generation, kinds)
        found[name] = json.dumps(dict(zip(STREAM, values, strict=True)))
    return found


def _other_columns(before: str, now: str) -> bool:
    """Do two versions of a stream differ in its columns? They do if it was not there, or is not Airbyte's."""
    columns = json.loads(before).get("columns"), json.loads(now).get("columns")
    return None in columns or columns[0] != columns[1]


def relations(manifest: Manifest, ask: Ask) -> set[Place]:
    """The tables and views in the databases that dbt builds in."""
    databases = sorted({place(node["relation_name"])[0] for node in _built(manifest)})
    return {
        (database, schema.lower(), name.lower())
        for database in databases
        for schema, name in ask(f"select table_schema, table_name from {_catalog(manifest, database)}.tables")
    }


def built(manifest: Manifest, ask: Ask, there: set[Place], marts: str) -> Versions:
    """What the marts were built from; empty when that is not known, or views, seeds and snapshots are another project's."""
    [database] = {place(node["relation_name"])[0] for node in _built(manifest)}
    if not {(database, schema.lower(), TABLE) for schema in (marts, BESIDE)} <= there:
        return {}
    of_marts, beside = (
        dict(ask(f"select name, version from {database}.{schema}.{TABLE}")) for schema in (marts, BESIDE)
    )
    return of_marts if of_marts[PROJECT] == beside[PROJECT] else {}


def place(relation_name: str) -> Place:
    """Database (as SQL writes it), schema and name of a relation of the manifest, comparable with the catalog's."""
    database, schema, name = relation_name.rsplit(".", 2)
    return database, schema.strip('"').lower(), name.strip('"').lower()


def _catalog(manifest: Manifest, database: str) -> str:
    """The information schema of a database; DuckDB has one for the file that is open."""
    own = manifest["metadata"]["adapter_type"] != "duckdb"
    return f"{database}.information_schema" if own else "information_schema"


def _streams(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """The sources from which something is built or tested."""
    read = {
        name for node in manifest["nodes"].values() for name in node.get("depends_on", {}).get("nodes", [])
    }
    return {unique_id: source for unique_id, source in manifest["sources"].items() if unique_id in read}


def _name(source: dict[str, Any]) -> str:
    return f"{source['source_name']}.{source['name']}"


def _built(manifest: Manifest) -> list[dict[str, Any]]:
    """What dbt makes a table or a view of."""
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] in BUILT and node["config"]["materialized"] != "ephemeral"
    ]


def forget(duck: duckdb.DuckDBPyConnection) -> None:
    """Make the next build one of everything: to be called after a change of rows that dbt has read or written."""
    duck.execute(f"drop table if exists marts.{TABLE}")


@contextmanager
def asking(settings: Settings, reader: str, target: str | None = None, leased: bool = True) -> Iterator[Ask]:
    """Ask the warehouse of a dbt target. `leased=False`: the caller has its lease. Raises EltError."""
    if (target or settings.dbt_target) == "duckdb":
        with open_read_only(settings.warehouse_path, reader, leased=leased) as duck:
            duck.execute("set timezone = 'UTC'")
            try:
                yield lambda query: duck.execute(query).fetchall()
            except duckdb.Error as error:
                raise EltError(
                    f"{reader}: the warehouse can't be read: {first_line(error)}",
                    "is a table missing? `elt sync` brings the raw ones, `elt build` makes all others",
                ) from error
    else:
        from transformation.snowflake_session import ask, dbt_session

        with dbt_session(settings, target or settings.dbt_target, "reading what has changed") as session:
            yield lambda query: ask(session, query)
