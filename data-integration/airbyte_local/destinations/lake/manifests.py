"""Manifests: what each commit has put into the lake, and the state of its connection. What none names is not there.

A connection's manifests are numbered. The next number is written with a condition (`If-None-Match`), so that of two jobs only one
commits, and all of its files or none are visible. An object's name begins with the number counted down, so that a list has the
newest first.

    manifests/<connection>/<count down>-<number>.json
    landing/<connection>/<schema>.<table>/extracted_at=<time>/…parquet      what was read
    processed/<connection>/<schema>.<table>/extracted_at=<time>/…parquet    the same rows as the warehouse has them
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, StringConstraints, TypeAdapter

from airbyte_local.destinations.lake.store import Store
from airbyte_local.schema import ConnectionState, Kind, StreamState
from airbyte_local.states import packed, unpacked
from foundation.errors import EltError
from foundation.errors import Kind as ErrorKind

FORMAT = 1
DIGITS = 10
SYNC, COMPACTION = "sync", "compaction"
RESTORE = "restore it from the store's backup"
TRIES = 100  # of a commit that meets compactions

TableKey = tuple[str, str]  # schema, name


def told(moment: datetime) -> str:
    """A time as manifests and folders write it: in UTC, to the microsecond, in an order that is theirs."""
    return moment.strftime("%Y-%m-%dT%H-%M-%S.%fZ")


def moment_of(text: str) -> datetime:
    """The time again."""
    return datetime.strptime(f"{text[:-1]}+0000", "%Y-%m-%dT%H-%M-%S.%f%z")


def _time(text: str) -> str:
    moment_of(text)
    return text


def _kind(text: str) -> str:
    return Kind(text).value


# what a manifest may say: its words become keys of objects, names of files here, and SQL
Time = Annotated[str, AfterValidator(_time)]
Key = Annotated[str, StringConstraints(pattern=r"^(landing|processed)/[^/]")]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Type = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z ]*(\([0-9]{1,2},[0-9]{1,2}\))?$")]


@dataclass(frozen=True)
class File:
    """A parquet file; `first`, `last`: the extraction times of its rows, as the manifests write them."""

    key: Key
    rows: int
    bytes: int
    sha256: Sha256
    first: Time
    last: Time


@dataclass(frozen=True)
class Field:
    """A column as it was read (`kind`, `precision`, `scale`; `source_type` in the source's words) and as its table has it."""

    name: str
    source_type: str
    kind: Annotated[str, AfterValidator(_kind)]
    precision: int
    scale: int
    type: Type


@dataclass(frozen=True)
class Change:
    """What is new in a table's columns: `added`, `dropped`, `widened`, `back`, or `refused`."""

    change: str
    column: str | None
    was: str | None = None
    now: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Part:
    """What a commit has of one stream. `replaces`: the table begins with these rows. `known`: the file of rows that may be
    read again at the cursor, of which `processed` has none twice."""

    namespace: str
    name: str
    schema: str
    table: str
    mode: str
    generation: int
    replaces: bool
    logged: bool
    emitted: bool
    rows_read: int
    fields: tuple[Field, ...]
    meta: str
    landing: tuple[File, ...] = ()
    processed: tuple[File, ...] = ()
    known: File | None = None
    changes: tuple[Change, ...] = ()

    @property
    def table_key(self) -> TableKey:
        return self.schema, self.table

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.processed)


@dataclass(frozen=True)
class Table:
    """A table as of a commit: its columns with the warehouse's types, in order; how many rows it has; the number of the commit
    with which it began; the file of rows that the next sync may read again."""

    schema: str
    table: str
    columns: dict[str, Type]
    rows: int = 0
    began: int = 0
    known: File | None = None

    @property
    def key(self) -> TableKey:
        return self.schema, self.table


@dataclass(frozen=True)
class Merged:
    """Of a compaction: all the files of a table, in the order of their rows; `began`: the number of the commit with which it began."""

    schema: str
    table: str
    began: int
    files: tuple[File, ...]

    @property
    def table_key(self) -> TableKey:
        return self.schema, self.table


@dataclass(frozen=True)
class Manifest:
    """One commit. `compaction`: the number of the newest compaction up to here, 0 without one; `through`: of a compaction, the last
    number that it stands for. `record`: the sync as the history of syncs has it. `refused`: changes that stopped a stream, by
    its name."""

    kind: str
    number: int
    connection_id: str
    connection_name: str
    job_id: int
    extracted_at: Time
    committed_at: Time
    state: ConnectionState
    tables: tuple[Table, ...] = ()
    parts: tuple[Part, ...] = ()
    merged: tuple[Merged, ...] = ()
    compaction: int = 0
    through: int = 0
    record: dict[str, Any] | None = None
    refused: tuple[tuple[str, Change], ...] = ()
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)

    def table(self, key: TableKey) -> Table | None:
        return next((table for table in self.tables if table.key == key), None)

    def text(self) -> bytes:
        """As it is stored."""
        values = asdict(self)
        rows = [[*key, packed(asdict(state))] for key, state in self.state.streams.items()]
        position = None if self.state.position is None else packed(self.state.position)
        values["state"] = {"streams": rows, "position": position}
        return json.dumps({"format": FORMAT, **values}, indent=1).encode()


def parsed(text: bytes) -> Manifest:
    """Raises EltError for a manifest that another version wrote, ValueError and others for what is none."""
    values = json.loads(text)
    if values.pop("format") != FORMAT:
        raise EltError(
            "a manifest of the lake has another format than this version writes", "update this project"
        )
    state = values.pop("state")
    streams = {
        (namespace, name): StreamState(**unpacked(saved)) for namespace, name, saved in state["streams"]
    }
    position = None if state["position"] is None else unpacked(state["position"])
    manifest = _form().validate_python(values | {"state": ConnectionState(streams, position)})
    held = {part.table_key for part in manifest.parts if part.processed} | {
        one.table_key for one in manifest.merged
    }
    if not held <= {table.key for table in manifest.tables}:
        raise ValueError("it has rows of a table that it does not describe")
    return manifest


@lru_cache(maxsize=1)
def _form() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def folder(zone: str, connection_id: str, table: TableKey, extracted_at: str) -> str:
    """Where a commit's files of a table are."""
    schema, name = (quote(part, safe="") for part in table)
    return f"{zone}/{quote(connection_id, safe='')}/{schema}.{name}/extracted_at={extracted_at}/"


class Log:
    """The manifests of one connection."""

    def __init__(self, store: Store, connection_id: str) -> None:
        self._store, self.connection_id = store, connection_id
        self._folder = f"manifests/{quote(connection_id, safe='')}/"

    def key(self, number: int) -> str:
        """The name of the manifest with that number."""
        return f"{self._folder}{10**DIGITS - number:0{DIGITS}d}-{number:0{DIGITS}d}.json"

    def numbers(self, limit: int | None = None) -> Iterator[int]:
        """The numbers that are there, the newest first; among the first `limit` objects."""
        for found in self._store.objects(self._folder, limit):
            number = re.search(r"-([0-9]+)\.json$", found.key)
            if number and found.key == self.key(int(number[1])):  # else somebody else's
                yield int(number[1])

    def latest(self) -> Manifest | None:
        """The newest manifest; None when nothing was committed yet."""
        number = next(self.numbers(limit=1), None) or next(self.numbers(), None)
        return None if number is None else self.read(number)

    def read(self, number: int) -> Manifest:
        """Raises EltError when it is not there, or damaged."""
        manifest, _ = self.read_with_digest(number)
        return manifest

    def has_another(self, latest: Manifest | None, number: int, extracted_at: str) -> bool:
        """Whether these are not the commits of which a reader had the one with this number and time: they are those of an older copy of
        the lake, or of a new lake. A manifest that was let go says nothing."""
        if not number:
            return False
        if latest is None or latest.number < number:
            return True
        if latest.number > number and self._store.get(self.key(number)) is None:
            return False
        found = latest if latest.number == number else self.read(number)
        return found.extracted_at != extracted_at

    def read_with_digest(self, number: int) -> tuple[Manifest, str]:
        """The manifest, and its SHA-256."""
        text, place = self._store.get(self.key(number)), self._store.uri(self.key(number))
        if text is None:
            raise EltError(f"{place} is missing", RESTORE)
        try:
            manifest = parsed(text)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise EltError(f"{place} is {'damaged' if text else 'empty'}", RESTORE) from None
        if (manifest.connection_id, manifest.number) != (self.connection_id, number):
            raise EltError(f"{place} is the manifest of another commit", RESTORE)
        return manifest, hashlib.sha256(text).hexdigest()

    def commit(self, manifest: Manifest) -> Manifest:
        """Write the next manifest; returns it with the number that it got: a compaction may have come before it.

        Raises EltError when another job has committed since: nothing of this one is there then.
        """
        if manifest.number == 1:
            self._store.check_put_new()
        for _ in range(TRIES):
            if self._store.put_new(self.key(manifest.number), manifest.text()):
                return manifest
            taken = self.read(manifest.number)
            if taken.nonce == manifest.nonce:  # our own request, sent twice
                return manifest
            if taken.kind == manifest.kind:
                raise _overtaken(taken)
            manifest = following(manifest, taken)
        raise EltError("the lake is compacted all the time", "let one `elt lake compact` run at a time")


def _overtaken(taken: Manifest) -> EltError:
    if taken.kind == COMPACTION:
        return EltError("the lake was compacted meanwhile", "nothing is to be done", kind=ErrorKind.RETRY)
    return EltError(
        f"job {taken.job_id} has committed this connection's rows meanwhile; nothing of this job is in the lake",
        "run one sync of a connection at a time, then sync again",
        kind=ErrorKind.RETRY,
    )


def following(manifest: Manifest, taken: Manifest) -> Manifest:
    """The manifest as the one after `taken`, which is a compaction or comes before one."""
    if manifest.kind == COMPACTION:  # state and tables are the newer ones
        return replace(
            manifest,
            number=taken.number + 1,
            compaction=taken.number + 1,
            state=taken.state,
            tables=taken.tables,
            connection_name=taken.connection_name,
            extracted_at=taken.extracted_at,
        )
    moved = tuple(
        replace(table, began=taken.number + 1) if table.began == manifest.number else table
        for table in manifest.tables
    )
    return replace(manifest, number=taken.number + 1, compaction=taken.number, tables=moved)
