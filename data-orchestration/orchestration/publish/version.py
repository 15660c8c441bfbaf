"""What is known of a published version."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from foundation.errors import EltError, Kind
from foundation.settings import Settings


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


class HeldError(EltError):
    """A rollback holds a version: nothing is published."""


def unless_held(hold: Hold | None) -> None:
    """Raises HeldError when a rollback holds a version: then nothing is published."""
    if hold:
        raise HeldError(
            f"version {hold.number} is held since {hold.since} by a rollback",
            "`elt publish --resume` ends that",
        )


def not_kept(number: int | None, kept: list[int]) -> EltError:
    """What to raise about a version that can't be shown again."""
    missing = "there is no earlier version" if number is None else f"version {number} is not kept"
    return EltError(missing, f"kept are: {', '.join(map(str, kept)) or 'none'}")


def rolled_back() -> EltError:
    """What to raise when another version is shown than the one that a run has built upon."""
    return EltError(
        "a rollback has changed what is shown since this run began; that version is still shown",
        "the next run builds upon it",
        kind=Kind.RETRY,
    )


def superseded(settings: Settings, published: Iterable[tuple[int, str]]) -> set[int]:
    """Of versions (number, published when), those that need not stay.

    The last PUBLISHED_VERSIONS stay, and the last one of each of the PUBLISHED_DAYS days (UTC) up to today.
    """
    known = sorted(published)
    stay = {number for number, _ in known[-settings.published_versions :]}
    since = (datetime.now(UTC) - timedelta(days=settings.published_days)).date().isoformat()
    stay |= set({day: number for number, moment in known if (day := moment[:10]) > since}.values())
    return {number for number, _ in known} - stay


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
