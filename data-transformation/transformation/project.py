"""The dbt project: where it is, what its files are, and the manifest that dbt wrote of them."""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from foundation.errors import EltError
from foundation.settings import ROOT, Settings

PROJECT = ROOT / "data-transformation"


def files_of(folder: str, pattern: str) -> list[Path]:
    """Files of the project that lie below a folder such as `models/marts`, and of each optional source below its own of that name."""
    folders = (PROJECT / folder, *sorted(PROJECT.glob(f"sources/*/{folder}")))
    return [path for each in folders for path in sorted(each.rglob(pattern))]


def target_path(settings: Settings, target: str | None = None) -> Path:
    """Where dbt leaves its artifacts. A target that is not the configured one has a folder of its own: the manifest, from
    which the DAG is drawn, is always the configured one's.
    """
    own = target and target != settings.dbt_target
    return settings.home / "dbt" / (f"target_{target}" if own else "target")


def manifest_path(settings: Settings, target: str | None = None) -> Path:
    """Where dbt's manifest is found."""
    return target_path(settings, target) / "manifest.json"


def read_manifest(settings: Settings, target: str | None = None) -> dict[str, Any]:
    """dbt's manifest; do not change it, it is kept. Raises EltError when there is none."""
    path = manifest_path(settings, target)
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise EltError(f"there is no dbt manifest at {path}", "`elt up airflow` writes it") from None


@lru_cache(maxsize=1)
def _parsed(path: Path, changed_at: int) -> dict[str, Any]:
    return json.loads(path.read_text())


def model_names(manifest: dict[str, Any]) -> list[str]:
    """Names of all models."""
    return sorted(node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "model")


def incremental_models(manifest: dict[str, Any]) -> list[str]:
    """Names of the models that a build only brings up to date."""
    return sorted(
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
    )


def project_digest(settings: Settings, target: str | None = None) -> str:
    """A digest of the dbt project's files, of the target and the sources that they are parsed for, and of dbt's versions."""
    dbt = [version(package) for package in ("dbt-core", "dbt-adapters", "dbt-duckdb", "dbt-snowflake")]
    digest = hashlib.sha256(f"{target or settings.dbt_target} {settings.sources} {dbt}".encode())
    for folder, folders, files in os.walk(PROJECT):
        folders[:] = sorted(
            name for name in folders if name not in ("target", "logs", "dbt_packages", "transformation")
        )
        for name in sorted(name for name in files if not name.startswith(".")):
            path = Path(folder, name)
            digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def note_manifest(settings: Settings, digest: str, target: str | None = None) -> None:
    """Note of which files the manifest is, which dbt has just written."""
    _note(settings, target).write_text(digest)


def is_manifest_of(settings: Settings, digest: str, target: str | None = None) -> bool:
    """Is there a manifest of these files?"""
    note = _note(settings, target)
    return manifest_path(settings, target).exists() and note.exists() and note.read_text() == digest


def _note(settings: Settings, target: str | None) -> Path:
    return target_path(settings, target) / "project.sha256"
