"""The processed zone as Iceberg tables in a REST catalogue: the same files, by name. Snowflake, Spark, ClickHouse and DuckDB read them.

The Iceberg client lives in an environment of its own (infrastructure/lake); what this process hands it on standard input says
which files belong to which table.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from airbyte_local.destinations.lake.conform import file_types
from airbyte_local.destinations.lake.manifests import Log
from airbyte_local.destinations.lake.store import Store
from foundation.errors import EltError, Kind
from foundation.own_environment import LAKE
from foundation.settings import ROOT, Settings
from lake.place import catalogue, credentials
from lake.place import store as store_of
from lake.reading import logs, unread

PROGRAM = ROOT / "infrastructure" / "lake" / "tables.py"


def publish(config: Settings, connection: str | None = None) -> dict[str, int]:
    """Bring the Iceberg tables of a connection (of all) up to date; returns the files that each took, by `namespace.table`.

    A table's files and the note of its commits are one commit of the catalogue. Raises EltError: the catalogue can't be reached, or
    a table could not be brought up to date.
    """
    store = store_of(config)
    return {
        one["table"]: one["files"]
        for log in logs(store, connection).values()
        for one in _published(config, store, log)
    }


def published(config: Settings, store: Store, log: Log) -> int | None:
    """Publish a connection; returns the compaction with which all its tables agree. None where there is no catalogue."""
    if not config.lake_catalog_base:
        return None
    return min((one["compaction"] for one in _published(config, store, log)), default=0)


def _published(config: Settings, store: Store, log: Log) -> list[dict[str, Any]]:
    tables = [one | {"keep_hours": config.lake_unused_hours} for one in _wanted(store, log)]
    LAKE.install()
    done = subprocess.run(
        [str(LAKE.python), str(PROGRAM)],
        input=json.dumps({"catalog": catalogue(config), "tables": tables}),
        env=os.environ | credentials(config),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EltError(
            f"the catalogue {config.lake_catalog_base} can't be used: {last[:300]}",
            "check LAKE_CATALOG and that it runs (here: elt up lake), then try again",
            kind=Kind.RETRY,
        ) from None
    if answer["failed"]:
        raise EltError(
            f"the catalogue {config.lake_catalog_base}: {'; '.join(answer['failed'])}",
            "the other tables are up to date",
        )
    found: list[dict[str, Any]] = answer["done"]
    return found


def _wanted(store: Store, log: Log) -> list[dict[str, Any]]:
    """Each table with its columns, the files of the newest compaction, and those of the commits after it."""
    latest = log.latest()
    if latest is None:
        return []
    compaction = log.read(latest.compaction) if latest.compaction else None
    through = compaction.through if compaction else 0
    after = unread(log, through, "").commits if through < latest.number else ()
    times = {through: compaction.extracted_at} if compaction else {}
    times |= {commit.manifest.number: commit.manifest.extracted_at for commit in after}
    wanted = []
    for table in latest.tables:
        merged = compaction.merged if compaction else ()
        base = [store.uri(file.key) for one in merged if one.table_key == table.key for file in one.files]
        steps = [
            {
                "number": step.number,
                "begins": step.begins,
                "files": [store.uri(file.key) for file in step.files],
            }
            for commit in after
            for step in commit.steps
            if step.key == table.key
        ]
        wanted.append(
            {
                "namespace": table.schema.lower(),
                "name": table.table.lower(),
                "columns": file_types(table.columns),
                "began": table.began,
                "compaction": latest.compaction,
                "through": through,
                "base": base,
                "steps": steps,
                "latest": max((commit.manifest.number for commit in after), default=through),
                "times": times,
            }
        )
    return wanted
