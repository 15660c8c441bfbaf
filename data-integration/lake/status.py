"""What is in the lake, for people: connections, tables, and the history of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airbyte_local.destinations.lake.manifests import Change, Manifest, moment_of
from airbyte_local.destinations.lake.shapes import sentence
from foundation.settings import Settings
from lake.compact import live
from lake.place import store as store_of
from lake.reading import logs
from lake.warehouse import reached


@dataclass(frozen=True)
class Status:
    """A connection in the lake. `loaded`: the number of the last commit that the warehouse has; `other`: it is one of another lake."""

    connection: str
    commits: int
    committed_at: str
    tables: int
    rows: int
    files: int
    bytes: int
    loaded: int
    other: bool = False

    @property
    def sentence(self) -> str:
        """In one line."""
        behind = self.commits - self.loaded
        load = "loaded" if behind <= 0 else f"{behind} commits to load"
        if self.other:
            load = f"the warehouse has another lake's (elt lake load {self.connection})"
        return (
            f"{self.connection}: commit {self.commits} of {self.committed_at}, {self.tables} tables, {self.rows:,} rows"
            f" in {self.files:,} files of {self.bytes / 1e6:,.1f} MB; {load}"
        )


def status(config: Settings) -> list[Status]:
    """Every connection of the lake."""
    found = []
    for name, log in logs(store_of(config)).items():
        latest, tables = live(log)
        if latest is None:
            continue
        files = [file for one in tables.values() for file in one.files]
        at = reached(config.warehouse_path, log.connection_id)
        loaded = at.number
        if loaded >= latest.number or (latest.compaction == latest.number and loaded >= latest.through):
            loaded = latest.number
        found.append(
            Status(
                name,
                latest.number,
                moment_of(latest.committed_at).strftime("%Y-%m-%d %H:%M:%S UTC"),
                len(tables),
                sum(file.rows for file in files),
                len(files),
                sum(file.bytes for file in files),
                loaded,
                log.has_another(latest, at.number, at.extracted_at),
            )
        )
    return found


def schema_changes(config: Settings, connection: str | None, table: str | None) -> Iterator[str]:
    """The changes of columns, oldest first; `table`: of this one alone (`schema.table`, or the stream's name)."""
    for name, log in logs(store_of(config), connection).items():
        for number in reversed(list(log.numbers())):
            manifest = log.read(number)
            for where, change in _changes(manifest):
                if table in (None, where):
                    at = moment_of(manifest.extracted_at).strftime("%Y-%m-%d %H:%M:%S")
                    yield f"{name} commit {number} {at}: {where}: {sentence(change)}"


def _changes(manifest: Manifest) -> Iterator[tuple[str, Change]]:
    for part in manifest.parts:
        for change in part.changes:
            yield f"{part.schema}.{part.table}", change
    yield from manifest.refused
