"""dbt slim CI without a credential: the base is built, then what the change modifies, and all after it, deferring to it.

Both are built in one DuckDB file: the base in the schemas that production has, the change in schemas of its own (target
`dev`). The base's manifest is the state; its folder is never dbt's `target/`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from elt.ci import raw_layer
from elt.ci.clone import checked_out
from foundation.errors import EltError
from foundation.quoting import quoted
from foundation.settings import ROOT, load_settings
from transformation.run import apart, plain, reason_in

PROJECT = "data-transformation"
DEVELOPER = "change"  # the prefix of the change's schemas
BUILT = ("model", "seed", "snapshot")
NO_TESTS = ("--exclude", "resource_type:test", "resource_type:unit_test")
Say = Callable[[str], object]


@dataclass(frozen=True)
class Relation:
    """The relation of one node after this change and in the base. A row count is None where the relation does not exist."""

    name: str
    changed: bool
    rows: int | None
    rows_before: int | None
    columns_added: list[str] = field(default_factory=list)
    columns_gone: list[str] = field(default_factory=list)


@dataclass
class Slim:
    """What came of it."""

    base: str
    relations: list[Relation] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    deferred: int = 0
    tests: dict[str, int] = field(default_factory=dict)  # status → how many
    failures: list[str] = field(default_factory=list)  # one line each
    dashboards: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """The folder in which both are built."""

    home: Path

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def target(self) -> Path:
        return self.home / "target"

    def dbt(self, root: Path, artifacts: Path, *words: str, target: str = "duckdb") -> tuple[int, str]:
        """dbt on the project of the clone at `root`; its exit code and what it printed."""
        # the generator has no other source: models of further ones are not built
        here = {"ELT_HOME": str(self.home), "ELT_SOURCES": "adventureworks", "DBT_DEVELOPER": DEVELOPER}
        settings = load_settings(os.environ | here)
        done = apart(settings, *words, target=target, project=root / PROJECT, artifacts=artifacts)
        return done.returncode, done.stdout + done.stderr


def slim(base: str, folder: Path, scale: float, cache: Path | None, say: Say) -> Slim:
    """Build the commit `base`, or take it from `cache`, and what differs from it; everything stays under `folder`."""
    place = Place(folder)
    kept = cache / f"{base}-{scale:g}" if cache else None
    if kept and kept.is_dir():
        say(f"base {base[:12]}: taken from {kept}")
        shutil.copytree(kept, place.home, dirs_exist_ok=True)
    else:
        say(f"base {base[:12]}: its models at scale {scale:g}")
        _build_base(base, place, scale)
        if kept:
            _keep(place, kept)
    raw_layer.land(place.warehouse, raw_layer.streams(ROOT), scale)
    return _build_change(base, place, say)


def _build_base(base: str, place: Place, scale: float) -> None:
    with checked_out(base, place.home / "base") as root:
        raw_layer.land(place.warehouse, raw_layer.streams(root), scale)
        code, output = place.dbt(root, place.state, "build", *NO_TESTS)
    if code:
        raise EltError(f"the base {base[:12]} does not build: {reason_in(output)}", "mend it there first")


def _keep(place: Place, kept: Path) -> None:
    """Store the base; the folder appears whole or not at all."""
    draft = kept.with_name(f"{kept.name}.{os.getpid()}")
    (draft / "state").mkdir(parents=True)
    shutil.copyfile(place.warehouse, draft / place.warehouse.name)
    shutil.copyfile(place.state / "manifest.json", draft / "state" / "manifest.json")
    shutil.rmtree(kept, ignore_errors=True)
    draft.replace(kept)


def _build_change(base: str, place: Place, say: Say) -> Slim:
    state = ("--state", str(place.state))
    kinds = [word for kind in (*BUILT, "unit_test") for word in ("--resource-type", kind)]
    listing = ("--quiet", "ls", "--select", "state:modified", *state, *kinds, "--output", "json")
    code, output = place.dbt(ROOT, place.target, *listing, "--output-keys", "unique_id", target="dev")
    if code:
        return Slim(base, failures=[f"dbt could not read the project: {reason_in(output)}"])
    listed = [json.loads(line)["unique_id"] for line in output.splitlines() if line.startswith("{")]
    # dbt runs a unit test with its model only: that counts as changed, too
    tested = {_name(key) for key in listed if key.startswith("unit_test.")}
    changed = {key for key in listed if not key.startswith("unit_test.")}
    changed |= {f"model.adventureworks.{name}" for name in tested}
    before, after = _nodes(place.state), _nodes(place.target)
    found = Slim(base, removed=sorted(node["name"] for key, node in before.items() if key not in after))

    say(f"changed: {', '.join(sorted(map(_name, changed))) or 'no model'}")
    build = ("build", "--select", "state:modified+", *sorted(tested), "--defer", *state)
    (place.target / "run_results.json").unlink(missing_ok=True)
    code, output = place.dbt(ROOT, place.target, *build, target="dev")
    results = place.target / "run_results.json"
    if not results.exists():
        nothing = code == 0 and "Nothing to do" in output
        found.failures += [] if nothing else [f"dbt could not build: {reason_in(output)}"]
        found.deferred = len(after)
        return found

    manifest = json.loads((place.target / "manifest.json").read_text())
    built = _judge(found, json.loads(results.read_text())["results"], manifest)
    found.relations = _compare(place.warehouse, built, changed, before, after)
    found.deferred = len(set(after) - built)
    found.dashboards = sorted(
        exposure["label"] or exposure["name"]
        for exposure in manifest["exposures"].values()
        if built & set(exposure["depends_on"]["nodes"])
    )
    return found


def _nodes(artefacts: Path) -> dict[str, dict[str, Any]]:
    """Models, seeds and snapshots of a manifest, by id."""
    nodes = json.loads((artefacts / "manifest.json").read_text())["nodes"]
    return {key: node for key, node in nodes.items() if node["resource_type"] in BUILT}


def _name(key: str) -> str:
    return key.split(".")[2]


def _judge(found: Slim, results: list[dict[str, Any]], manifest: dict[str, Any]) -> set[str]:
    """Count the tests, name the failures; the ids of the nodes that were built, or should have been."""
    built: set[str] = set()
    for result in results:
        key, status = result["unique_id"], result["status"]
        kind = key.split(".")[0]
        if kind in BUILT:
            built.add(key)
        elif kind in ("test", "unit_test"):
            found.tests[status] = found.tests.get(status, 0) + 1
        if status in ("error", "fail"):
            found.failures.append(_failure(result, manifest))
    return built


def _failure(result: dict[str, Any], manifest: dict[str, Any]) -> str:
    """One line: file, node, what is wrong with it."""
    key = result["unique_id"]
    node = manifest["nodes"].get(key) or manifest["unit_tests"][key]
    kind = key.split(".")[0]
    what = f"unit test {node['name']} of {node['model']}" if kind == "unit_test" else f"{kind} {node['name']}"
    if result["status"] == "fail" and kind == "test":
        reason = f"{result['failures']} rows fail"
    elif result["status"] == "fail":
        reason = "fails: the rows are not those that it expects"
    else:
        reason = plain(result["message"])
    return f"{PROJECT}/{node['original_file_path']}: {what}: {reason}"


def _compare(
    warehouse: Path,
    built: set[str],
    changed: set[str],
    before: dict[str, dict[str, Any]],
    after: dict[str, dict[str, Any]],
) -> list[Relation]:
    """Rows and columns of each node that was built, in the base and now; changed ones first."""
    relations = []
    with duckdb.connect(warehouse, read_only=True) as connection:
        for key in sorted(built, key=lambda key: (key not in changed, _name(key))):
            rows, columns = _look(connection, after[key])
            old = before.get(key)
            rows_before, columns_before = _look(connection, old) if old else (None, [])
            both = rows is not None and rows_before is not None
            relations.append(
                Relation(
                    name=_name(key),
                    changed=key in changed,
                    rows=rows,
                    rows_before=rows_before,
                    columns_added=[name for name in columns if name not in columns_before] if both else [],
                    columns_gone=[name for name in columns_before if name not in columns] if both else [],
                )
            )
    return relations


def _look(connection: duckdb.DuckDBPyConnection, node: dict[str, Any]) -> tuple[int | None, list[str]]:
    """Rows and columns of a node's relation; None when it is not there, or does not bind."""
    place = f"{quoted(node['schema'])}.{quoted(node['alias'])}"
    try:
        counted = connection.execute(f"select count(*) from {place}")  # noqa: S608 - quoted names
        [(rows,)] = counted.fetchall()
        described = connection.execute(f"describe {place}").fetchall()
    except duckdb.Error:
        return None, []
    return rows, [row[0] for row in described]
