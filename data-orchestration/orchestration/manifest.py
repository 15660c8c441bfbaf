"""dbt's manifest: what the DAG is drawn from. Written before Airflow starts, and again when the project has changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from elt.errors import EltError
from elt.settings import ROOT, Settings

PROJECT = ROOT / "data-transformation"


def manifest_path(settings: Settings) -> Path:
    """Where the DAG finds dbt's manifest."""
    return settings.home / "dbt" / "target" / "manifest.json"


def read_manifest(settings: Settings) -> dict[str, Any]:
    """dbt's manifest; do not change it, it is kept. Raises EltError when there is none."""
    path = manifest_path(settings)
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise EltError(f"there is no dbt manifest at {path}", "`elt up airflow` writes it") from None


@lru_cache(maxsize=1)
def _parsed(path: Path, changed_at: int) -> dict[str, Any]:
    return json.loads(path.read_text())


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
    note = manifest.parent / "project.sha256"
    digest = project_digest(settings)
    if manifest.exists() and note.exists() and note.read_text() == digest:
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
    note.write_text(digest)
    return True


def project_digest(settings: Settings) -> str:
    """A digest of the dbt project's files, and of the target and the sources that they are parsed for."""
    digest = hashlib.sha256(f"{settings.dbt_target} {settings.sources}".encode())
    for folder, folders, files in os.walk(PROJECT):
        folders[:] = sorted(name for name in folders if name not in ("target", "logs", "dbt_packages"))
        for name in sorted(name for name in files if not name.startswith(".")):
            path = Path(folder, name)
            digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
