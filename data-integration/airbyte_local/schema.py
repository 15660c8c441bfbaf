"""What sources and destinations tell each other: types, columns, streams. Neither knows the other's dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from airbyte_local.enums import SyncMode


class Kind(StrEnum):
    """The kinds of value that travel. What has no kind of its own travels as text."""

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


@dataclass(frozen=True)
class DataType:
    """A kind, and for decimals their digits."""

    kind: Kind
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True)
class Column:
    """A column of the source: its type there in words, the type it travels as, whether it may be null, and whether
    the source has to hand it over in its text form."""

    name: str
    source_type: str
    type: DataType
    nullable: bool
    as_text: bool


@dataclass(frozen=True)
class SourceStream:
    """A table that can be read."""

    namespace: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    @property
    def cursor_candidates(self) -> tuple[str, ...]:
        """Columns whose order can say what is new; time stamps first, the last one defined before the others."""
        able = [column for column in self.columns if column.type.kind in CURSOR_KINDS]
        able.sort(key=lambda column: column.type.kind in TIME_CURSOR_KINDS)
        return tuple(column.name for column in reversed(able))


@dataclass(frozen=True)
class StreamPlan:
    """A stream as this job reads and writes it: selected columns, key, cursor, target."""

    namespace: str
    name: str
    mode: SyncMode
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    key_is_unique: bool
    cursor: Column | None
    target_schema: str
    target_table: str

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def label(self) -> str:
        return f"{self.namespace}.{self.name}"


@dataclass
class StreamState:
    """Where a stream stands: the cursor's text form, and what that position depends on."""

    cursor: str | None = None
    cursor_field: str | None = None
    primary_key: list[str] = field(default_factory=list)
    generation_id: int = 0
