"""What dbt's builds have left: the results of the last one of the DAG, and of each until the monitoring tables have them."""

from __future__ import annotations

import json
from pathlib import Path

from foundation.settings import Settings
from transformation.project import read_manifest


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


def failed_tests(settings: Settings, run_id: str) -> list[tuple[str, str, int | None]]:
    """Name, status and failing rows of the tests that failed in a run's build, most rows first; empty: none, or no results."""
    try:
        artifact = json.loads((artifacts_path(settings) / "run_results.json").read_text())
    except FileNotFoundError:
        return []
    if artifact["metadata"]["env"].get("RUN_ID") != run_id:
        return []  # dbt ended before it had any
    nodes = read_manifest(settings)["nodes"]
    failed = [
        (
            nodes.get(result["unique_id"], {}).get("name") or result["unique_id"].split(".")[2],
            result["status"],
            result.get("failures"),
        )
        for result in artifact["results"]
        if result["unique_id"].startswith("test.") and result["status"] in ("fail", "error")
    ]
    return sorted(failed, key=lambda test: -(test[2] or 0))
