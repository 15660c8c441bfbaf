"""From a stream as its source reads it to the stream as it lands: fields hashed, encrypted, renamed or left out, rows left out.

A field that is hashed or encrypted is read as text: from PostgreSQL in its output form, which the log gives, too; of a
connector's record as a text field has it. So a value gives the same text whichever way it comes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airbyte_local.enums import SyncMode
from airbyte_local.failures import StreamError
from airbyte_local.mappers.models import (
    DropMapper,
    EncryptMapper,
    Equal,
    FilterMapper,
    HashMapper,
    Mappers,
    RenameMapper,
)
from airbyte_local.mappers.secrecy import Secrecy, encrypted, hashed
from airbyte_local.schema import Column, DataType, Kind, StreamPlan
from airbyte_local.sources.base import CHANGES, Apply, ChangeBatch, Truncated
from foundation.errors import EltError
from foundation.quoting import quoted, visible

WHOLE = frozenset({Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT})
TRUTH = {"true": ("true", "t"), "false": ("false", "f")}  # in JSON and in PostgreSQL
FIXED = 5  # columns of a batch of changes before its keys
UPSERT, DELETE = 0, 1


@dataclass(frozen=True)
class Field:
    """A field as it lands: which column that is read it comes from (by number), and what happens to its text."""

    column: Column
    at: int
    origin: Column
    secrecy: tuple[Secrecy, ...] = ()
    is_stable: bool = True  # one value always gives one text

    def values(self, columns: Sequence[pa.Array]) -> pa.Array:
        return self.changed(columns[self.at])

    def changed(self, values: pa.Array) -> pa.Array:
        for change in self.secrecy:
            texts = values.cast(pa.binary()).to_pylist()
            values = pa.array([None if text is None else change(text) for text in texts], pa.string())
        return values


@dataclass(frozen=True)
class Comparand:
    """A value of a filter, in each form in which the field's may come."""

    texts: tuple[str, ...]
    value: int | bool | bytes | None = None


@dataclass(frozen=True)
class Condition:
    """Rows of which one of the fields is equal to its comparand; `negated`: the others. Without a value nothing is equal."""

    equals: tuple[tuple[Field, Comparand], ...]
    negated: bool

    def holds(self, columns: Sequence[pa.Array]) -> pa.Array:
        found = [_equal(field.values(columns), comparand) for field, comparand in self.equals]
        any_ = reduce(pc.or_, (pc.fill_null(one, False) for one in found))
        return pc.invert(any_) if self.negated else any_


def _equal(values: pa.Array, comparand: Comparand) -> pa.Array:
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_string(values.type):
        return pc.is_in(values, pa.array(comparand.texts, pa.string()))
    if pa.types.is_integer(values.type):
        values = values.cast(pa.int64())
    return pc.equal(values, pa.scalar(comparand.value, values.type))


class Mapping:
    """What is done to a stream's batches between the source's plan (`read`) and the destination's (`fields`)."""

    def __init__(self, read: StreamPlan, fields: Sequence[Field], conditions: Sequence[Condition]) -> None:
        self._read, self._fields, self._conditions = read, tuple(fields), tuple(conditions)
        self._names = {field.origin.name: field.column.name for field in fields}
        places = [field.at for field in fields]
        self._places = None if places == list(range(len(read.columns))) else places

    def without(self, names: Collection[str]) -> Mapping:
        """The same without these fields."""
        fields = [field for field in self._fields if field.column.name not in names]
        return Mapping(self._read, fields, self._conditions)

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """Of the batches, once they are mapped."""
        fields = [
            pa.field(field.column.name, pa.string() if field.secrecy else schema.field(field.at).type)
            for field in self._fields
        ]
        return pa.schema(fields + [schema.field(at) for at in range(len(self._read.columns), len(schema))])

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Rows. Raises EltError when a value cannot be encrypted."""
        kept = self._kept(batch.columns)
        if kept is not None:
            batch = batch.filter(kept)
        with_changes = [
            self._renamed(values) if name == CHANGES else values
            for name, values in list(zip(batch.schema.names, batch.columns, strict=True))[
                len(self._read.columns) :
            ]
        ]
        arrays = [self._values(field, batch.columns) for field in self._fields] + with_changes
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema(batch.schema))

    def changes(self, change: ChangeBatch, plan: StreamPlan) -> ChangeBatch:
        """Captured changes; a row that the filter leaves out now is deleted, if it was there before.

        Raises StreamError when an update does not tell all of a row, of which the filter may have left out what was there before.
        """
        batch, keys = change.batch, len(self._read.primary_key)
        fixed = dict(zip(batch.schema.names[:FIXED], batch.columns, strict=False))
        columns = batch.columns[FIXED + keys :]
        kept = self._kept(columns)
        if kept is not None:
            told = pc.or_(pc.equal(fixed["op"], DELETE), pc.is_null(fixed["unchanged"]))
            if not pc.all(told).as_py():
                table = f"{quoted(self._read.namespace)}.{quoted(self._read.name)}"
                raise StreamError(
                    plan.key,
                    f"stream {plan.label}: an update does not tell its large values, and the row filter may have left them out before",
                    f"run as its owner: alter table {table} replica identity full; then refresh the stream",
                )
            upsert = pc.and_(pc.equal(fixed["op"], UPSERT), kept)
            fixed["op"] = pc.if_else(upsert, UPSERT, DELETE).cast(pa.int8())
        if self._places is not None:
            fixed["unchanged"] = self._flags(fixed["unchanged"])
        of_key = {field.origin.name: field for field in self._fields}
        arrays = {
            f"k{i}": of_key[name].changed(batch.column(FIXED + i))
            for i, name in enumerate(self._read.primary_key)
        }
        arrays |= {f"c{i}": self._values(field, columns) for i, field in enumerate(self._fields)}
        return ChangeBatch(plan, pa.RecordBatch.from_pydict(fixed | arrays))

    def _values(self, field: Field, columns: Sequence[pa.Array]) -> pa.Array:
        try:
            return field.values(columns)
        except ValueError as error:
            raise EltError(
                f"stream {self._read.label}: {visible(field.origin.name)}: {error}",
                "encrypt it with AES, or hash it",
            ) from None

    def _kept(self, columns: Sequence[pa.Array]) -> pa.Array | None:
        """Which rows stay; None: all."""
        if not self._conditions:
            return None
        return reduce(pc.and_, (condition.holds(columns) for condition in self._conditions))

    def _flags(self, flags: pa.Array) -> pa.Array:
        """Which of the fields a change left as they were."""
        return pa.array(
            [text and "".join(text[at] for at in self._places or ()) for text in flags.to_pylist()],
            pa.string(),
        )

    def _renamed(self, changes: pa.Array) -> pa.Array:
        """What was lost of fields, under the names that they have now."""
        if changes.null_count == len(changes):
            return changes
        return pa.array([text and self._renamed_list(text) for text in changes.to_pylist()], pa.string())

    def _renamed_list(self, text: str) -> str | None:
        found = [
            one | {"field": self._names.get(one.get("field"), one.get("field"))}
            for one in json.loads(text)
            if one.get("field") in self._names or one.get("field") not in _names(self._read.columns)
        ]
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False) if found else None


def mapped(plan: StreamPlan, mappers: Sequence[dict[str, Any]]) -> StreamPlan:
    """The stream as it lands; its `read` is how the source reads it.

    Raises EltError for a mapper that names a field that is not there, or makes one that is there already; a key or cursor
    that rows could not be compared by any more; a filter by a type that has no one form.
    """
    if not mappers:
        return plan
    building = _Building(plan)
    for mapper in Mappers.model_validate({"mappers": list(mappers)}).mappers:
        building.add(mapper)
    return building.plan(
        json.dumps([one for one in mappers if one["type"] == "row-filtering"], sort_keys=True)
    )


class _Building:
    """The fields of a stream, while one mapper after the other changes them."""

    def __init__(self, plan: StreamPlan) -> None:
        self._plan = plan
        self._fields = [Field(column, at, column) for at, column in enumerate(plan.columns)]
        self._conditions: list[Condition] = []
        self._as_text: set[int] = set()

    def add(self, mapper: Any) -> None:
        if isinstance(mapper, HashMapper):
            self._hide(
                mapper,
                hashed(mapper.mapper_configuration.method),
                f"{mapper.mapper_configuration.method} hash",
            )
        elif isinstance(mapper, EncryptMapper):
            try:
                cipher = encrypted(mapper.mapper_configuration)
            except ValueError as error:
                raise self._error(mapper, f"its key {error}", "correct it") from None
            self._hide(mapper, cipher, f"{mapper.mapper_configuration.algorithm} cipher text")
        elif isinstance(mapper, RenameMapper):
            names = mapper.mapper_configuration
            field = self._field(mapper, names.original_field_name)
            self._replace(mapper, field, replace(field.column, name=names.new_field_name))
        elif isinstance(mapper, DropMapper):
            self._fields.remove(self._field(mapper, mapper.mapper_configuration.target_field))
        elif isinstance(mapper, FilterMapper):
            stated = mapper.mapper_configuration.conditions
            equals = [stated] if isinstance(stated, Equal) else stated.conditions
            fields = [(self._field(mapper, one.field_name), one.comparison_value) for one in equals]
            found = tuple((field, self._comparand(mapper, field, value)) for field, value in fields)
            self._conditions.append(Condition(found, negated=not isinstance(stated, Equal)))

    def _hide(self, mapper: HashMapper | EncryptMapper, secrecy: Secrecy, word: str) -> None:
        configuration = mapper.mapper_configuration
        field = self._field(mapper, configuration.target_field)
        name = f"{configuration.target_field}{configuration.field_name_suffix}"
        column = Column(name, word, DataType(Kind.TEXT), field.column.nullable, False, field.column.identity)
        stable = field.is_stable and word != "RSA cipher text"
        self._as_text.add(field.at)
        self._replace(mapper, field, column, secrecy=(*field.secrecy, secrecy), is_stable=stable)

    def _replace(self, mapper: Any, field: Field, column: Column, **changes: Any) -> None:
        if column.name != field.column.name and column.name in _names(self._columns):
            raise self._error(
                mapper,
                f"makes the field {visible(column.name)}, which is there already",
                "give it another name",
            )
        self._fields[self._fields.index(field)] = replace(field, column=column, **changes)

    def _field(self, mapper: Any, name: str) -> Field:
        for field in self._fields:
            if field.column.name == name:
                return field
        raise self._error(
            mapper,
            f"names the field {visible(name)}, which is not there",
            f"correct it; there are: {', '.join(map(visible, _names(self._columns)))}",
        )

    @property
    def _columns(self) -> list[Column]:
        return [field.column for field in self._fields]

    def _error(self, mapper: Any, what: str, remedy: str) -> EltError:
        return EltError(f"stream {self._plan.label}: its {mapper.type} mapper {what}", remedy)

    def _comparand(self, mapper: Any, field: Field, text: str) -> Comparand:
        kind, source_type = field.origin.type, field.column.source_type
        made = Comparand((text,)) if field.secrecy else _FORMS.get(kind.kind, _no_form)(kind, text)
        if made is None:
            raise self._error(
                mapper,
                f"compares {visible(field.column.name)} ({source_type}) with {text!r}",
                "compare a text, a uuid, a whole or decimal number, or a boolean (true, false)",
            )
        return made

    def plan(self, rows: str) -> StreamPlan:
        """The finished plan."""
        plan = self._plan
        read = replace(
            plan,
            columns=tuple(
                _as_text(column, plan.emitted) if at in self._as_text else column
                for at, column in enumerate(plan.columns)
            ),
        )
        landed = {field.origin.name: field for field in self._fields}
        key = tuple(self._of_key(landed, name) for name in plan.primary_key)
        appends = plan.mode == SyncMode.INCREMENTAL_APPEND and not (plan.emitted or plan.captured)
        if appends and (random := [field.column.name for field in self._fields if not field.is_stable]):
            raise EltError(
                f"stream {plan.label}: {visible(random[0])} is encrypted with RSA, which gives another text each time, and rows that are"
                f" read again are compared in {plan.mode}",
                "encrypt it with AES",
            )
        return replace(
            plan,
            columns=tuple(self._columns),
            primary_key=key,
            cursor=self._cursor(landed),
            source=read,
            mapping=Mapping(read, self._fields, self._conditions),
            rows=rows if self._conditions else "",
        )

    def _of_key(self, landed: dict[str, Field], name: str) -> str:
        field = landed.get(name)
        if field is None or not field.is_stable:
            how = (
                "leaves it out"
                if field is None
                else "encrypts it with RSA, which gives another text each time"
            )
            raise EltError(
                f"stream {self._plan.label}: {visible(name)} is its key, and a mapper {how}",
                "hash it, encrypt it with AES, or sync the stream with full_refresh_overwrite",
            )
        return field.column.name

    def _cursor(self, landed: dict[str, Field]) -> Column | None:
        cursor, plan = self._plan.cursor, self._plan
        if cursor is None or (plan.emitted and not plan.primary_key):
            return None  # the destination compares nothing by it
        field = landed.get(cursor.name)
        if field is None or field.secrecy:
            raise EltError(
                f"stream {plan.label}: {visible(cursor.name)} is its cursor, and a mapper takes its order away",
                "leave the cursor as it is, or sync the stream with full_refresh_overwrite",
            )
        return field.column


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def _as_text(column: Column, emitted: bool) -> Column:
    """The column as it is read when its text is wanted."""
    if emitted:
        return replace(column, type=DataType(Kind.TEXT), source_type="string")
    if column.type.kind == Kind.TEXT:
        return column
    return replace(column, type=DataType(Kind.TEXT), as_text=True, own_cast=True)


def _whole(_: DataType, text: str) -> Comparand | None:
    try:
        value = int(text)
    except ValueError:
        return None
    return Comparand((str(value),), value) if -(2**63) <= value < 2**63 else None


def _decimal(type_: DataType, text: str) -> Comparand | None:
    try:
        value = Decimal(text)
        exact = value.quantize(Decimal(1).scaleb(-type_.scale))
    except InvalidOperation:
        return None
    return Comparand((f"{exact:f}",)) if exact == value else None


def _uuid(_: DataType, text: str) -> Comparand | None:
    try:
        value = uuid.UUID(text)
    except ValueError:
        return None
    return Comparand((str(value),), value.bytes)


def _truth(_: DataType, text: str) -> Comparand | None:
    return Comparand(TRUTH[text], text == "true") if text in TRUTH else None


def _text(_: DataType, text: str) -> Comparand | None:
    return Comparand((text,))


def _no_form(_: DataType, __: str) -> Comparand | None:
    return None


_FORMS: dict[Kind, Callable[[DataType, str], Comparand | None]] = {
    **dict.fromkeys(WHOLE, _whole),
    Kind.DECIMAL: _decimal,
    Kind.UUID: _uuid,
    Kind.BOOLEAN: _truth,
    Kind.TEXT: _text,
}


def landing(items: Any, plans: Sequence[StreamPlan]) -> Any:
    """Captured changes of these streams as they land."""
    by_key = {plan.key: plan for plan in plans}
    for item in items:
        plan = by_key[item.plan.key]
        if plan.mapping is None and not plan.appends:
            yield item
        elif isinstance(item, ChangeBatch):
            yield plan.mapping.changes(item, plan) if plan.mapping else ChangeBatch(plan, item.batch)
        else:
            yield Truncated(plan, item.lsn, item.at) if isinstance(item, Truncated) else Apply(plan)
