"""Publishing: write, audit, publish. The marts that were built and tested become what analysts see, all at once.

A run calls `prepare` before it builds (from then on the warehouse is its own, and its marts are as published), `publish`
when all tests have passed, and `give_back` at its end, whatever that was. Each warehouse has a module that does it.
"""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from foundation.errors import EltError
from foundation.settings import Settings
from orchestration.publish.version import HeldError, Hold, Version, not_kept, unless_held

__all__ = [
    "HeldError",
    "Hold",
    "Version",
    "build_environment",
    "give_back",
    "held",
    "leave",
    "prepare",
    "publish",
    "renew",
    "resume",
    "rollback",
    "tidy",
    "versions",
]

MODULES = {"duckdb": "on_duckdb", "snowflake": "on_snowflake", "ci": "on_snowflake"}  # by dbt target


class Publisher(Protocol):
    """What a module of a warehouse has; the functions below say what each does."""

    BUILD_ENVIRONMENT: dict[str, str]

    def prepare(self, settings: Settings, run: str, wait_seconds: float) -> str: ...
    def publish(self, settings: Settings, run: str, wait_seconds: float, prepared: str | None) -> Version: ...
    def leave(self, settings: Settings, prepared: str) -> Version | None: ...
    def give_back(self, settings: Settings, run: str) -> None: ...
    def renew(self, settings: Settings, run: str) -> bool: ...
    def versions(self, settings: Settings) -> list[Version]: ...
    def held(self, settings: Settings) -> Hold | None: ...
    def rollback(self, settings: Settings, number: int, wait_seconds: float) -> Version: ...
    def resume(self, settings: Settings) -> None: ...
    def tidy(self, settings: Settings) -> int: ...


def _publisher(settings: Settings) -> Publisher:
    try:
        name = MODULES[settings.dbt_target]
    except KeyError:
        raise EltError(
            f"nothing is published from the dbt target {settings.dbt_target}",
            f"set DBT_TARGET to one of: {', '.join(MODULES)}",
        ) from None
    return cast(Publisher, importlib.import_module(f"orchestration.publish.{name}"))


def prepare(settings: Settings, run: str, wait_seconds: float = 600.0) -> str:
    """Take the lease for `run` until `publish` or `give_back`, and see that it builds on the published version.

    Returns what was done, in a line. Raises EltError when another writer keeps the warehouse for `wait_seconds`.
    """
    return _publisher(settings).prepare(settings, run, wait_seconds)


def publish(
    settings: Settings, run: str, wait_seconds: float = 600.0, prepared: str | None = None
) -> Version:
    """Publish the marts of the configured target; `run` says on whose behalf ("scheduled__…", "elt publish").

    `prepared`: the run that `prepare` was called for. Raises HeldError when a rollback holds the version that is shown,
    EltError when there is nothing to publish, a rollback has come since `prepare`, the disk is full, another writer keeps the warehouse for `wait_seconds`, or one has had it
    since `prepare`. Whatever goes wrong, the last version is still shown.
    """
    publisher = _publisher(settings)
    unless_held(publisher.held(settings))  # before any waiting; a hold that comes later takes the lease
    return publisher.publish(settings, run, wait_seconds, prepared)


def leave(settings: Settings, prepared: str) -> Version | None:
    """The version that is shown, for a run that has built nothing: it stays, and is what the next run builds upon.

    None when nothing is shown yet. `prepared`: as in `publish`. Raises HeldError, or EltError when a rollback came in between.
    """
    publisher = _publisher(settings)
    unless_held(publisher.held(settings))
    return publisher.leave(settings, prepared)


def give_back(settings: Settings, run: str) -> None:
    """End the lease that `prepare` took; nothing when it has ended."""
    _publisher(settings).give_back(settings, run)


def renew(settings: Settings, run: str) -> bool:
    """Keep the lease between the run's tasks alive; False when somebody else has had it."""
    return _publisher(settings).renew(settings, run)


def build_environment(settings: Settings) -> dict[str, str]:
    """What tells dbt to build where no analyst looks."""
    return _publisher(settings).BUILD_ENVIRONMENT


def versions(settings: Settings) -> list[Version]:
    """The versions that are kept, oldest first; the one that analysts see is marked `current`."""
    return _publisher(settings).versions(settings)


def held(settings: Settings) -> Hold | None:
    """The version that a rollback holds; None when the next run publishes."""
    return _publisher(settings).held(settings)


def rollback(settings: Settings, number: int | None = None, wait_seconds: float = 60.0) -> Version:
    """Show an earlier version again (the one before, when no number is given) and hold it until `resume`.

    Raises EltError when that version is not kept.
    """
    kept = versions(settings)
    current = next((version.number for version in kept if version.current), None)
    earlier = [v.number for v in kept if current is not None and v.number < current]
    wanted = number if number is not None else max(earlier, default=None)
    numbers = [version.number for version in kept]
    if wanted is None or wanted not in numbers:
        raise not_kept(wanted, numbers)
    return _publisher(settings).rollback(settings, wanted, wait_seconds)


def resume(settings: Settings) -> None:
    """Let the next run publish again."""
    _publisher(settings).resume(settings)


def tidy(settings: Settings) -> int:
    """Remove what killed publishes have left; how many drafts."""
    return _publisher(settings).tidy(settings)
