"""What sources and destinations tell each other: types, columns, streams. Neither knows the other's dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airbyte_local.enums import SyncMode
from foundation.quoting import encodable, visible

if TYPE_CHECKING:
    from airbyte_local.mappers.mapping import Mapping


class Kind(StrEnum):
    """The kinds of value that travel. A type without a kind of its own travels as text."""

    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    REAL = "real"
    DOUBLE = "double"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TEXT = "text"
    JSON = "json"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    UUID = "uuid"
    BINARY = "binary"


TIME_CURSOR_KINDS = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE})
CURSOR_KINDS = TIME_CURSOR_KINDS | {Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT}
WITHOUT_ORDER = frozenset({Kind.JSON, Kind.BOOLEAN})  # of a union or an object not even a text's


@dataclass(frozen=True)
class DataType:
    """A kind, and for decimals their digits."""

    kind: Kind
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True)
class Column:
    """A column of the source: its type there in words, the type it travels as, whether it may be null, and whether
    the source has to hand it over in its text form. Two columns that had one name after another differ in `identity`.
    `own_cast`: its cast to text is another text than the source's output form.
    """

    name: str
    source_type: str
    type: DataType
    nullable: bool
    as_text: bool
    identity: str = ""
    own_cast: bool = False

    @property
    def has_order(self) -> bool:
        """Whether a greater value is a later one. A time with its zone travels as text, whose order is another one."""
        return self.type.kind not in WITHOUT_ORDER and self.source_type != "time_with_timezone"


@dataclass(frozen=True)
class SourceStream:
    """A table that can be read, or what a connector offers as a stream: then it says itself which cursor it has, whether it
    chooses that (`own_cursor`), and whether it can be read incrementally, or as a whole.
    """

    namespace: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    references: frozenset[tuple[str, str]] = frozenset()  # the tables that its foreign keys point to
    cursors: tuple[str, ...] | None = None  # of a connector's stream: its default cursor, if it has one
    key_paths: tuple[
        tuple[str, ...], ...
    ] = ()  # of a connector's stream: its key, which may be within an object
    cursor_path: tuple[str, ...] = ()  # its default cursor, likewise
    own_cursor: bool = False
    incremental: bool | None = None
    full_refresh: bool = True
    key_is_declared: bool = (
        True  # as its primary key; another unique index is one of several that may be the key
    )

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def noted(self) -> list[str]:
        """Its namespace and name as a connection remembers them."""
        return [encodable(self.namespace), encodable(self.name)]

    @property
    def cursor_candidates(self) -> tuple[str, ...]:
        """Columns whose order can say what is new; time stamps first, the last one defined before the others."""
        if self.cursors is not None:
            return self.cursors
        able = [column for column in self.columns if column.type.kind in CURSOR_KINDS]
        able.sort(key=lambda column: column.type.kind in TIME_CURSOR_KINDS)
        return tuple(column.name for column in reversed(able))


@dataclass(frozen=True)
class StreamPlan:
    """A stream as this job reads and writes it: selected columns, key, cursor, target.

    `missing`: columns that are selected but not (or no longer) in the source. `primary_key` is empty where rows are not
    deduplicated.
    """

    namespace: str
    name: str
    mode: SyncMode
    columns: tuple[Column, ...]
    missing: tuple[str, ...]
    primary_key: tuple[str, ...]
    key_is_unique: bool
    cursor: Column | None
    target_schema: str
    target_table: str
    references: frozenset[tuple[str, str]] = frozenset()
    captured: bool = False  # its changes come from the source's log
    appends: bool = False  # each of these changes is to be a row of its own
    logged: bool = False  # what comes now are such changes: text in the source's output form
    emitted: bool = (
        False  # its rows come one by one from a connector, in an order, and may have been changed on the way
    )
    cursor_path: tuple[str, ...] = ()  # the cursor field as a connector gets it
    offered: tuple[str, ...] = ()  # every column of the stream, also those that are not selected
    source: StreamPlan | None = None  # of a stream with mappers: the plan by which its source reads it
    mapping: Mapping | None = None  # and what happens to its rows between the two
    selects: bool = False  # its columns are chosen by name in the connection
    rows: str = ""  # which rows the mappers keep, in words that are the same for the same rows

    @property
    def read(self) -> StreamPlan:
        """The plan by which the source reads the stream: the same, unless it has mappers."""
        return self.source or self

    @property
    def own_cursor(self) -> Column:
        """The cursor of a stream that is read by one. Raises LookupError for any other stream."""
        if self.cursor is None:
            raise LookupError(f"stream {self.label} has no cursor")
        return self.cursor

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def label(self) -> str:
        return label(self.namespace, self.name)


def label(namespace: str, name: str) -> str:
    """A stream's name for people; a connector's stream need not have a namespace."""
    return f"{visible(namespace)}.{visible(name)}" if namespace else visible(name)


@dataclass
class StreamState:
    """How far a stream was read: the cursor's text form (of a connector: its `blob`), and what position and table depend on.

    `columns`, `identities`: the columns of the last sync with their types in the source, and which columns they were;
    None in a state that an older version left.
    """

    cursor: str | None = None
    cursor_field: str | None = None
    primary_key: list[str] = field(default_factory=list)
    generation_id: int = 0
    mode: SyncMode | None = None
    columns: dict[str, str] | None = None
    identities: dict[str, str] | None = None
    captured: bool = False
    blob: Any = None  # what a connector wants back to go on from here
    shape: dict[str, Any] | None = (
        None  # what the source said the stream is made of; None of an older version
    )
    rows: str = ""  # which rows the mappers kept


@dataclass
class ConnectionState:
    """The saved state of a connection: each stream's by (namespace, name), and the source's position as a whole.

    `position` is the source's own: Airbyte's shared state. None before the first sync.
    """

    streams: dict[tuple[str, str], StreamState] = field(default_factory=dict)
    position: dict[str, Any] | None = None
