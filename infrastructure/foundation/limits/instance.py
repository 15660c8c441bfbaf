"""Which stack a server belongs to: what a health check asks, so that another program on the port is not taken for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

INSTANCE = "elt-instance"  # the header of every answer


def instance(home: Path, program: str) -> str:
    """What tells a program of this ELT_HOME from any other. No secret."""
    return hashlib.sha256(f"{program}\0{home}".encode()).hexdigest()[:16]
