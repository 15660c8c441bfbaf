"""Removing what nobody needs any more."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from foundation.settings import Settings
from orchestration import monitoring, retention
from orchestration import publish as publishing

LOG_DAYS = 30
LARGEST_FILE = 100 << 20  # bytes


def tidy(settings: Settings) -> dict[str, int]:
    """Remove drafts of versions, old logs, old rows of the monitoring tables, rows past their retention, and keep up the lake where
    a source lands in it; how much of each.

    On Snowflake, whose raw layer dbt's role may only read, retention is done by hand.
    """
    by = retention.rules() if settings.dbt_target == "duckdb" else []
    gone = retention.remove(settings, by) if by else {}
    return {
        **{f"rows of {rule.table}": count for rule, count in gone.items()},
        "drafts of versions": publishing.tidy(settings),
        "log files": _remove_old(settings.logs_dir / "airflow", LOG_DAYS)
        + _remove_old(settings.logs_dir / "dbt", LOG_DAYS),
        "lineage files": _rotate(settings.logs_dir / "openlineage.jsonl"),
        "job logs": _remove_old(settings.home / "airbyte" / "jobs", LOG_DAYS),
        "runs in the monitoring tables": monitoring.prune(settings),
        **(_lake(settings) if settings.lake_in_use else {}),
    }


def _lake(settings: Settings) -> dict[str, int]:
    """Compact the lake and delete what its rules let go; how many objects, by zone."""
    from lake.upkeep import keep_up

    gone: Counter[str] = Counter()
    for done in keep_up(settings):
        gone += Counter(done.deleted)
    return {f"objects of the lake ({zone})": count for zone, count in gone.items()}


def _remove_old(folder: Path, days: int) -> int:
    """Remove files that nobody has written for so many days, and folders that are empty then; how many files."""
    before = time.time() - days * 86_400
    removed = 0
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder comes before it
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # one with something in it stays
            elif path.lstat().st_mtime < before:
                path.unlink()
                removed += 1
        except OSError:
            continue  # not empty, or gone meanwhile
    return removed


def _rotate(file: Path) -> int:
    """Begin a new file when this one is large; the one before goes. How many went aside."""
    if not file.exists() or file.stat().st_size < LARGEST_FILE:
        return 0
    file.replace(file.with_name(f"{file.name}.1"))
    return 1
