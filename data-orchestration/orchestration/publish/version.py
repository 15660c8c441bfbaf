"""What is known of a published version."""

from __future__ import annotations

import time
from dataclasses import dataclass

from foundation.errors import EltError

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


def unless_held(hold: Hold | None) -> None:
    """Raises EltError when a rollback holds a version: then nothing is published."""
    if hold:
        raise EltError(
            f"version {hold.number} is held since {hold.since} by a rollback",
            "`elt publish --resume` ends that",
        )


def not_kept(number: int | None, kept: list[int]) -> EltError:
    """What to raise about a version that can't be shown again."""
    missing = "there is no earlier version" if number is None else f"version {number} is not kept"
    return EltError(missing, f"kept are: {', '.join(map(str, kept)) or 'none'}")


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
