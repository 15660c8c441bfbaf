"""`elt build --dry-run`: what a build would add to the snapshots, the only tables that can't be built again.

The snapshots and what they read are built on a copy of the warehouse, which goes afterwards; so the answer holds for a changed
definition, too.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from foundation.errors import EltError
from foundation.lease import lease
from foundation.quoting import quoted
from foundation.settings import Settings
from foundation.warehouse import wait_until_writable
from transformation.project import manifest_path, target_path
from transformation.run import DbtError, apart, reason_in

SELECTION = ("--select", "+resource_type:snapshot", "--exclude", "resource_type:test resource_type:unit_test")
PARSED = "partial_parse.msgpack"  # dbt's parsed project: with it only what has changed is read


@dataclass(frozen=True)
class Versions:
    """What a build would do to one snapshot: versions that it would add and end, columns that it would add."""

    snapshot: str
    open_before: int
    added: int
    ended: int
    columns: tuple[str, ...]

    def __str__(self) -> str:
        columns = f"; new columns: {', '.join(self.columns)}" if self.columns else ""
        return f"{self.snapshot}: {self.added:,} new versions, {self.ended:,} of {self.open_before:,} open ones would end{columns}"


def snapshots_after_a_build(
    settings: Settings, wait_seconds: float, report: Callable[[str], None] = lambda line: None
) -> list[Versions]:
    """By snapshot, what a build would add. Takes the disk of a second warehouse for as long as it runs.

    Raises EltError: no warehouse, in use (by whom), disk full, a target other than DuckDB, models that do not build.
    """
    if settings.dbt_target != "duckdb":
        raise EltError(
            f"a dry run is not built for the dbt target {settings.dbt_target}",
            "set DBT_TARGET=duckdb, or build in a clone of the database",
        )
    if not settings.warehouse_path.exists():
        raise EltError(f"there is no warehouse at {settings.warehouse_path}", "run `elt sync` first")
    with TemporaryDirectory(prefix="dry-run-", dir=settings.home) as folder:
        home = Path(folder)
        copy = settings.model_copy(
            update={"elt_home": home, "home": home}
        )  # the settings keep `home` once asked
        with lease(settings.warehouse_path, "build --dry-run", wait_seconds):
            wait_until_writable(settings.warehouse_path, time.monotonic() + wait_seconds)
            report("copying the warehouse")
            _copy(settings, copy)
        report("building the snapshots on the copy")
        before = _versions(copy.warehouse_path)
        done = apart(copy, "--quiet", "build", *SELECTION)
        if done.returncode != 0:
            raise DbtError(
                f"the snapshots do not build: {reason_in(done.stdout + done.stderr)}",
                "mend the model it names",
            )
        after = _versions(copy.warehouse_path)
        nodes = json.loads(manifest_path(copy).read_text())["nodes"].values()
        found = [(node["schema"], node["name"]) for node in nodes if node["resource_type"] == "snapshot"]
        return [_compared(each[1], before.get(each, NONE), after[each]) for each in sorted(found)]


def _copy(settings: Settings, copy: Settings) -> None:
    try:
        with duckdb.connect(settings.warehouse_path) as connection:
            connection.execute("checkpoint")  # so that the file alone is all
        shutil.copyfile(settings.warehouse_path, copy.warehouse_path)
        target_path(copy).mkdir(parents=True)
        if (parsed := target_path(settings) / PARSED).exists():
            shutil.copyfile(parsed, target_path(copy) / PARSED)
    except OSError as error:
        raise EltError(f"the warehouse can't be copied: {error.strerror}", "free some disk space") from None


@dataclass(frozen=True)
class _Found:
    columns: frozenset[str]
    open: frozenset[str]
    ended: frozenset[str]


NONE = _Found(frozenset(), frozenset(), frozenset())  # the first build makes the table


def _compared(name: str, before: _Found, after: _Found) -> Versions:
    return Versions(
        name,
        open_before=len(before.open),
        added=len((after.open | after.ended) - (before.open | before.ended)),
        ended=len(before.open & after.ended),
        columns=tuple(sorted(after.columns - before.columns)) if before.columns else (),
    )


def _versions(warehouse: Path) -> dict[tuple[str, str], _Found]:
    """What every table of dbt's snapshots has, by schema and name."""
    found = {}
    with duckdb.connect(warehouse, read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name, list(column_name) from duckdb_columns()"
            " group by all having bool_or(column_name = 'dbt_scd_id')"
        ).fetchall()
        for schema, name, columns in tables:
            query = (
                f"select dbt_scd_id, dbt_valid_to is null from {quoted(schema)}.{quoted(name)}"  # noqa: S608
            )
            versions = connection.execute(query).fetchall()
            found[schema, name] = _Found(
                frozenset(columns),
                frozenset(version for version, is_open in versions if is_open),
                frozenset(version for version, is_open in versions if not is_open),
            )
    return found
