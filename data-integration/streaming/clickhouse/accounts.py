"""Who may log in: one user that writes, and one that only reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from foundation.settings import Settings


@dataclass(frozen=True)
class Account:
    """A user of the front."""

    name: str
    password: str = field(repr=False)
    writes: bool


def accounts(config: Settings) -> tuple[Account, ...]:
    """The users that the settings name."""
    return tuple(Account(*config.stream_clickhouse_login(writes=writes), writes) for writes in (True, False))
