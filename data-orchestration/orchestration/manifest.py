"""dbt's manifest: what the DAG is drawn from. Written before Airflow starts, and again when the project has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from foundation.errors import EltError
from foundation.settings import Settings
from transformation.project import PROJECT, is_manifest_of, manifest_path, note_manifest, project_digest


def artifacts_path(settings: Settings) -> Path:
    """Where the DAG leaves the artifacts of its last dbt build (run_results.json)."""
    return settings.home / "dbt" / "last"


def results_path(settings: Settings) -> Path:
    """Where each dbt process leaves its results until the monitoring tables have taken them."""
    return settings.home / "dbt" / "results"


def write_manifest(settings: Settings) -> bool:
    """Have dbt write its manifest, if the project has changed since it last did; True if so.

    Raises EltError with dbt's message when the project does not parse.
    """
    manifest = manifest_path(settings)
    digest = project_digest(settings)
    if is_manifest_of(settings, digest):
        return False
    manifest.parent.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("dbt")), "--quiet", "--no-use-colors", "parse"]
    command += [
        "--project-dir",
        str(PROJECT),
        "--profiles-dir",
        str(PROJECT),
        "--target",
        settings.dbt_target,
    ]
    command += ["--target-path", str(manifest.parent), "--log-path", str(settings.logs_dir / "dbt")]
    done = subprocess.run(
        command,
        env=os.environ
        | {
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "ELT_HOME": str(settings.home),
            "ELT_SOURCES": ",".join(settings.sources),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise EltError(f"dbt can't parse {PROJECT}: {' '.join(said)[:500]}", "mend the model or its YAML")
    note_manifest(settings, digest)
    return True
