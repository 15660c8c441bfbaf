"""What a reader that has come up to some commit has still to read, from compactions and from the commits after them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from airbyte_local.destinations.lake.manifests import (
    COMPACTION,
    File,
    Log,
    Manifest,
    Table,
    TableKey,
)
from airbyte_local.destinations.lake.store import Store
from foundation.errors import EltError


@dataclass(frozen=True)
class Step:
    """Rows of one table. `begins`: those that are there go first. `after`: rows up to that extraction time are there already."""

    number: int
    key: TableKey
    begins: bool
    files: tuple[File, ...]
    after: str | None = None

    def is_over(self, table: Table) -> bool:
        """Whether the table has begun again since."""
        return self.number < table.began


@dataclass(frozen=True)
class Commit:
    """A manifest that the reader has not seen, with its SHA-256 and its steps."""

    manifest: Manifest
    digest: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Unread:
    """All that is new to a reader: the newest manifest (None: nothing was ever committed), and the commits in their order."""

    latest: Manifest | None
    commits: Sequence[Commit] = field(default_factory=tuple)

    @property
    def tables(self) -> dict[TableKey, Table]:
        """As of the newest manifest."""
        return {table.key: table for table in self.latest.tables} if self.latest else {}

    @property
    def files(self) -> list[File]:
        """The files of all steps that count still, each once."""
        tables = self.tables
        steps = [step for commit in self.commits for step in commit.steps]
        found = {
            file.key: file for step in steps if not step.is_over(tables[step.key]) for file in step.files
        }
        return list(found.values())


def unread(log: Log, number: int = 0, extracted_at: str = "") -> Unread:
    """What comes after the commit with this number and time."""
    latest = log.latest()
    if latest is None or latest.number <= number:
        return Unread(latest)
    commits = []
    if latest.compaction:
        compaction, digest = log.read_with_digest(latest.compaction)
        if compaction.through > number:
            commits.append(Commit(compaction, digest, tuple(_merged(compaction, number, extracted_at))))
        number = max(number, compaction.through)
    for following in range(number + 1, latest.number + 1):
        manifest, digest = log.read_with_digest(following)
        if manifest.kind != COMPACTION:
            commits.append(Commit(manifest, digest, tuple(_steps(manifest))))
    return Unread(latest, commits)


def _merged(compaction: Manifest, number: int, extracted_at: str) -> Iterable[Step]:
    for one in compaction.merged:
        begins = one.began > number
        files = tuple(file for file in one.files if begins or file.last > extracted_at)
        if begins or files:
            yield Step(compaction.through, one.table_key, begins, files, None if begins else extracted_at)


def _steps(manifest: Manifest) -> Iterable[Step]:
    for part in manifest.parts:
        if part.replaces or part.processed:
            yield Step(manifest.number, part.table_key, part.replaces, part.processed)


def logs(store: Store, name: str | None = None) -> dict[str, Log]:
    """The connections of a lake, by name; or the one of that name or id. Raises EltError when there is none of that name."""
    found: dict[str, Log] = {}
    for connection_id in store.folders("manifests/"):
        log = Log(store, connection_id)
        latest = log.latest()
        if latest is None:
            continue
        label = latest.connection_name or connection_id
        if name in (None, label, connection_id):
            found[label if label not in found else connection_id] = log
    if name is not None and not found:
        raise EltError(
            f"the lake {store.place.label} has nothing of a connection {name}",
            f"sync it first: elt sync --connection {name}",
        )
    return found
