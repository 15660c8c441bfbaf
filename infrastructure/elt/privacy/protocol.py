"""The protocol of an erasure: `ELT_HOME/privacy/customer-ID.json`, one file per customer, one entry per run.

It says when, and how many rows of which table of the source, the warehouse and each published version; numbers only, nothing
about the person. While a run is under way its entry also holds the plan, so that a run that was killed is taken up again: what
belonged to the person can no longer be read in the source then.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adventureworks.erasure import Subject
from foundation.settings import Settings
from foundation.state import read_state

Counts = dict[str, int]


@dataclass
class Run:
    """One entry. `finished` is None until everything is done."""

    begun: str
    plan: dict[str, Any] | None
    finished: str | None = None
    source: Counts = field(default_factory=dict)
    warehouse: Counts = field(default_factory=dict)
    published: dict[str, Counts] = field(default_factory=dict)  # by version, and by backup

    @property
    def subject(self) -> Subject:
        if self.plan is None:
            raise ValueError("an entry that is over has no plan any more")
        return Subject(**self.plan)

    @property
    def rows(self) -> int:
        return sum(
            map(sum, (part.values() for part in (self.source, self.warehouse, *self.published.values())))
        )


@dataclass
class Protocol:
    """The file of one customer."""

    path: Path
    customer: int
    runs: list[Run] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Settings, customer: int) -> Protocol:
        """As it is on disk; without a run when there is none yet."""
        path = settings.home / "privacy" / f"customer-{customer}.json"
        try:
            runs = read_state(
                path,
                lambda notes: [Run(**run) for run in notes["runs"]],
                "put the file back from a copy: it says what is still to be erased",
            )
        except FileNotFoundError:
            runs = []
        return cls(path, customer, runs)

    @property
    def open_run(self) -> Run | None:
        """The run that did not come to its end."""
        return self.runs[-1] if self.runs and self.runs[-1].finished is None else None

    def begin(self, subject: Subject) -> Run:
        """A new entry, on disk before anything is touched."""
        run = Run(begun=now(), plan=subject.as_dict())
        self.runs.append(run)
        self.write()
        return run

    def finish(self, run: Run) -> None:
        """The entry is complete; what the plan said is no longer needed."""
        run.finished, run.plan = now(), None
        self.write()

    def write(self) -> None:
        """All of it, at once and for good."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {"customer": self.customer, "runs": [vars(run) for run in self.runs]}
        draft = self.path.with_suffix(".tmp")
        with draft.open("w") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
