"""How much memory a job may use for DuckDB; some 200 MB for the program and its batches come on top."""

from __future__ import annotations

import os

VARIABLE = "AIRBYTE_JOB_MEMORY_MB"
DEFAULT = 640


def megabytes() -> int:
    """What the setting says."""
    return int(os.environ.get(VARIABLE) or DEFAULT)
