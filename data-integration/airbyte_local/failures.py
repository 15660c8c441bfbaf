"""Streams that cannot be loaded, those that go with them, and how a job that loaded only the others ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from airbyte_local.schema import StreamPlan, label
from foundation.errors import EltError

Key = tuple[str, str]


class StreamError(EltError):
    """One stream (`key`) cannot be loaded; the others can. `unfit`: a value in it is none of its column's type in the warehouse."""

    def __init__(self, key: Key, message: str, remedy: str, *, unfit: bool = False) -> None:
        self.key, self.unfit = key, unfit
        super().__init__(message, remedy)


class Failures:
    """What stopped which stream: found before anything is loaded, or by an attempt to load it that came to nothing."""

    def __init__(self) -> None:
        self.roots: dict[Key, EltError] = {}
        self.dependents: dict[Key, Key] = {}  # stream: the failed stream that it refers to

    @contextmanager
    def of(self, key: Key) -> Iterator[None]:
        """An EltError within is this stream's end, not the job's."""
        try:
            yield
        except EltError as error:
            self.roots[key] = error

    def remaining(self, plans: Iterable[StreamPlan]) -> list[StreamPlan]:
        """The plans to go on with: neither failed nor, directly or not, referring by foreign key to one that did.

        A child is held back because it would arrive without its parent.
        """
        left = [plan for plan in plans if plan.key not in self.failed]
        while held := {plan.key: min(found) for plan in left if (found := plan.references & self.failed)}:
            self.dependents |= held
            left = [plan for plan in left if plan.key not in held]
        return left

    @property
    def failed(self) -> frozenset[Key]:
        return frozenset(self.roots) | frozenset(self.dependents)

    def reasons(self) -> dict[Key, str]:
        """Why each stream was not loaded."""
        held = {
            key: f"refers to {label(*parent)}, which is not loaded" for key, parent in self.dependents.items()
        }
        return {key: str(error) for key, error in self.roots.items()} | held

    def end(self, loaded: int) -> None:
        """Raises the EltError that ends the job when a stream failed; `loaded` streams were."""
        if not self.roots:
            return
        message = "; ".join(error.message for error in self.roots.values())
        if self.dependents:
            held = ", ".join(label(*key) for key in sorted(self.dependents))
            message += f"; held back with it, by foreign key: {held}"
        others = {0: "nothing was loaded", 1: "the other stream is loaded"}
        rest = others.get(loaded, f"the other {loaded} streams are loaded")
        remedies = list(dict.fromkeys(error.remedy for error in self.roots.values() if error.remedy))
        raise EltError(f"{message}; {rest}", "; ".join(remedies))


def row_of(plan: StreamPlan, key: Iterable[object]) -> str:
    """A row by its key."""
    named = ", ".join(f"{name}={value}" for name, value in zip(plan.primary_key, key, strict=True))
    return f"the row with {named}" if named else "a row"
