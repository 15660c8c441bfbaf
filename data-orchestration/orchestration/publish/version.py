"""What is known of a published version."""

from __future__ import annotations

import time
from dataclasses import dataclass

KEPT = 3  # versions that stay, the one shown among them


@dataclass(frozen=True)
class Version:
    """One published version: its number, who published it when, and rows by table."""

    number: int
    run: str
    published_at: str  # UTC, ISO 8601
    seconds: float
    tables: dict[str, int]
    current: bool = False

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


@dataclass(frozen=True)
class Hold:
    """A version that a rollback holds, and since when."""

    number: int
    since: str  # UTC, ISO 8601


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
