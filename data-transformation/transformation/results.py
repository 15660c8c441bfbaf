"""Results of dbt's builds: those of the last one of the DAG, and of each until the monitoring tables have them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from foundation.settings import Settings
from transformation.changed_inputs import asking
from transformation.project import read_manifest

KEYS = 5  # so many rows of a failed test are named


def artifacts_path(settings: Settings) -> Path:
    """Where the DAG leaves the artifacts of its last dbt build (run_results.json)."""
    return settings.home / "dbt" / "last"


def results_path(settings: Settings) -> Path:
    """Where each dbt process leaves its results until the monitoring tables have taken them."""
    return settings.home / "dbt" / "results"


def keep(artifact: Path, last: Path, results: Path) -> None:
    """Keep what a dbt build left (run_results.json, if there is one) as the last build's, and for the monitoring tables."""
    if artifact.exists():
        content = artifact.read_bytes()
        invocation = json.loads(content)["metadata"]["invocation_id"]
        for path in (last / artifact.name, results / f"{invocation}.json"):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}")
            draft.write_bytes(content)
            draft.replace(path)


def counts(settings: Settings, run_id: str) -> Counter[tuple[str, str]] | None:
    """How many nodes of a kind ended how in a run's build, as `["model", "success"]`; None when it has left no results."""
    results = _results(settings, run_id)
    if results is None:
        return None
    return Counter((result["unique_id"].partition(".")[0], result["status"]) for result in results)


def failed_tests(settings: Settings, run_id: str) -> list[tuple[str, str, int | None]]:
    """Name, status and failing rows of the tests that failed in a run's build, most rows first; empty: none, or no results."""
    results = _results(settings, run_id)
    if results is None:
        return []
    nodes = read_manifest(settings)["nodes"]
    failed = [
        (
            nodes.get(result["unique_id"], {}).get("name") or result["unique_id"].split(".")[2],
            result["status"],
            result.get("failures"),
        )
        for result in results
        if result["unique_id"].startswith("test.") and result["status"] in ("fail", "error")
    ]
    return sorted(failed, key=lambda test: -(test[2] or 0))


def keys_of_failures(settings: Settings, run_id: str) -> dict[str, str]:
    """The first rows that failed, by the name of the test, where the test names keys and stores its failures.

    The caller's run has the warehouse's lease. Raises EltError when the warehouse can't be read.
    """
    nodes = read_manifest(settings)["nodes"]
    found = {}
    for result in _results(settings, run_id) or []:
        test = nodes.get(result["unique_id"], {})
        arguments = test.get("test_metadata", {}).get("kwargs", {})
        meta = test.get("config", {}).get("meta", {})  # a test in a file of its own has no arguments
        keys = list(arguments.get("keys", meta.get("keys", [])))
        if result["status"] == "fail" and result.get("relation_name") and keys:
            columns = ", ".join(keys)
            # the names of columns and of the table are dbt's
            query = f"select {columns} from {result['relation_name']} order by {columns} limit {KEYS + 1}"  # noqa: S608
            with asking(settings, "a message", leased=False) as ask:
                rows = ["/".join(map(str, row)) for row in ask(query)]
            found[test["name"]] = (
                f"{'/'.join(keys)} {', '.join(rows[:KEYS])}{' …' if len(rows) > KEYS else ''}"
            )
    return found


def _results(settings: Settings, run_id: str) -> list[dict[str, Any]] | None:
    """The results of a run's build; None when it ended before it had any."""
    try:
        artifact = json.loads((artifacts_path(settings) / "run_results.json").read_text())
    except FileNotFoundError:
        return None
    results: list[dict[str, Any]] = artifact["results"]
    return results if artifact["metadata"]["env"].get("RUN_ID") == run_id else None
