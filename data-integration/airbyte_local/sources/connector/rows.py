"""Records as typed columns: many lines of JSON in one statement of a DuckDB that lives in memory.

That statement knows the plain forms of values, which nearly all have, and of which nothing is lost. Any other value marks
its row, and the rules of `values.py` read that row, value by value. So the rules are in one place, and cost only
where they are needed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airbyte_local.exact import Digits
from airbyte_local.schema import Column, Kind, StreamPlan
from airbyte_local.sources.base import CHANGES, ODD, SEQUENCE
from airbyte_local.sources.connector.messages import excerpt, form_of, shortened
from airbyte_local.sources.connector.values import FORMS, TABLE, Pairs, Rule, by_name, parsed, read
from foundation.errors import EltError
from foundation.quoting import literal, quoted, visible

log = logging.getLogger(__name__)

LINES = "lines"  # the registered Arrow table
AS_JSON = frozenset({Kind.JSON, Kind.BOOLEAN})  # whose form in JSON tells whether they fit

ZONE = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
# the plain forms, and what DuckDB makes of them: the same as values.py
PLAIN = {
    Kind.BIGINT: (r"-?[0-9]{1,18}", "bigint"),
    Kind.DATE: (DATE, "date"),
    Kind.TIMESTAMP: (rf"{DATE}[T ]{CLOCK}", "timestamp"),
    Kind.TIMESTAMPTZ: (rf"{DATE}[T ]{CLOCK}{ZONE}?", "timestamptz"),
    Kind.TIME: (CLOCK, "time"),
    Kind.DOUBLE: (r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?", "double"),
}
NAMES = 5  # of fields that the schema does not declare, in one line of the log
MOST_NAMES = 100  # of them that are looked for
NAME_LENGTH = 60
DOUBLE_DIGITS = 15  # that any number of them survives
# DuckDB reads a JSON number with a fraction or an exponent as a double, and its text is another then, where one looks like this:
# with many digits, or so small that it may be zero
LONG_NUMBER = r"[:,\[][ \t]*-?([0-9.]{17,}|[0-9.]+[eE]-[0-9]{3})"
WITH_FRACTION = r"-?[0-9]+(\.[0-9]+([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)"
FRACTION = r"(^|[:,\[])(-?[0-9]+[.eE]|-?Infinity|NaN)"

FIELDS = f"select distinct unnest(json_keys(line, '/record/data')) from {LINES}"


def parser() -> duckdb.DuckDBPyConnection:
    """What reads JSON, for all streams of a job. One thread: more would take a third more of the processors for a block."""
    connection = duckdb.connect(
        config={"memory_limit": "256MB", "autoload_known_extensions": "false", "threads": 1}
    )
    connection.execute("set TimeZone = 'UTC'")
    return connection


class Typed:
    """Makes one stream's records typed, and numbers them."""

    def __init__(self, plan: StreamPlan, connector: str, connection: duckdb.DuckDBPyConnection) -> None:
        self._plan, self._connector, self._connection = plan, connector, connection
        self._next = 0
        # DuckDB reads fields that differ by case as one; a mapper may have renamed one
        self._plain_names = len({column.name.casefold() for column in plan.columns}) == len(plan.columns)
        self._query = query(plan)
        self._known = {
            *plan.offered,
            *(column.name for column in plan.columns),
        }  # fields that need no more word
        self._odd_fields = 0
        self._unclear_is_said = False
        self._has_short_cursor = False
        empty = self._plain(b"")
        if empty is None:
            raise RuntimeError(f"stream {plan.label}: the statement that reads its records is wrong")
        self.schema = empty.drop_columns(ODD).schema

    def table(self, lines: bytes) -> pa.Table:
        """The records of these lines. Raises EltError: the first one which is not JSON; a key that does not fit."""
        found = self._plain(lines) if self._plain_names else None
        if found is None or pc.any(found[ODD]).as_py():
            found = self._with_odd(found, lines.split(b"\n")[:-1])
        else:
            found = found.drop_columns(ODD)
        self._check_keys(found)
        self._next += found.num_rows
        return found

    def _plain(self, lines: bytes) -> pa.Table | None:
        """The rows as DuckDB reads them, the odd ones marked so; None when it does not even know all of it as JSON."""
        texts = split(lines)
        try:
            texts.validate(full=True)  # that it is UTF-8
            numbers = pa.array(np.arange(self._next, self._next + len(texts)))
            self._connection.register(LINES, pa.table({"line": texts, SEQUENCE: numbers}))
            found = self._connection.execute(self._query).to_arrow_table()
            if self._odd_fields < MOST_NAMES:
                self._look_for_undeclared(name for (name,) in self._connection.execute(FIELDS).fetchall())
            return found
        except (duckdb.Error, pa.ArrowInvalid):
            return None
        finally:
            self._connection.unregister(LINES)

    def _with_odd(self, found: pa.Table | None, lines: list[bytes]) -> pa.Table:
        """The rows, the odd ones (without `found`: all) read by the rules."""
        if found is None:
            return self.by_rules(lines, range(self._next, self._next + len(lines)))
        odd = found[SEQUENCE].filter(found[ODD]).to_pylist()
        plain = found.filter(pc.invert(found[ODD])).drop_columns(ODD)
        ruled = self.by_rules([lines[number - self._next] for number in odd], odd)
        return pa.concat_tables([plain, ruled]).sort_by(SEQUENCE)

    def by_rules(self, lines: Iterable[bytes], numbers: Iterable[int]) -> pa.Table:
        """Records by the rules of `values.py` alone."""
        said: list[str | None] = []
        columns: list[tuple[Column, dict[type, Rule], list[Any]]] = [
            (column, TABLE[column.source_type], []) for column in self._plan.columns
        ]
        for line in lines:
            try:
                record = by_name(by_name(parsed(line))["record"])
                data, changes = by_name(record["data"]), source_changes(record.get("meta"))
            except (KeyError, ValueError) as error:
                raise self._broken(line, error) from None
            if self._odd_fields < MOST_NAMES:
                self._look_for_undeclared(data)
            if changes is None:
                if not self._unclear_is_said:
                    self._warn(
                        "a record has a meta.changes that is no list of the protocol's; it is left out"
                    )
                self._unclear_is_said = True
                changes = []
            for column, rules, values in columns:
                value = data.get(column.name)
                if value is None:
                    values.append(None)
                    continue
                typed, loss = rules[type(value)](value)
                values.append(typed)
                if loss is not None:
                    self._check(column, value, typed)
                    changes.append({"field": column.name, "change": loss.change, "reason": loss.reason})
            said.append(json.dumps(changes, separators=(",", ":"), ensure_ascii=False) if changes else None)
        fields = [field for field in self.schema if field.name not in (SEQUENCE, CHANGES)]
        arrays = [arrow(values, field.type) for (_, _, values), field in zip(columns, fields, strict=True)]
        arrays += [pa.array(list(numbers), pa.int64()), pa.array(said, pa.string())]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _look_for_undeclared(self, names: Iterable[str]) -> None:
        """Says which fields have no column, as the schema does not have them; Airbyte's destinations leave them out, too."""
        if new := sorted(set(names) - self._known):
            self._known.update(new)
            self._odd_fields += len(new)
            shown = ", ".join(shortened(visible(name), NAME_LENGTH) for name in new[:NAMES])
            more = f" and {len(new) - NAMES} more" if len(new) > NAMES else ""
            self._warn(
                f"records have fields that its schema does not declare: {shown}{more}; they are left out"
            )
            if self._odd_fields >= MOST_NAMES:
                self._warn(f"{self._odd_fields} such fields so far; the log does not name further ones")

    def _warn(self, text: str) -> None:
        log.warning("%s, stream %s: %s", self._connector, self._plan.label, text)

    def _check(self, column: Column, value: object, typed: object) -> None:
        """Raises EltError for a key that lost something: rows of different keys would become one; and for a cursor that is not
        there any more: the newer row would count as the oldest. A cursor that lost a part is said once."""
        is_key = column.name in self._plan.primary_key
        if not is_key and not (self._plan.primary_key and column is self._plan.cursor):
            return
        if not is_key and typed is not None:
            if not self._has_short_cursor:
                self._has_short_cursor = True
                self._warn(
                    f"its cursor {visible(column.name)} holds more than a {column.source_type}; of records that differ only in that,"
                    " the one that is sent later counts"
                )
            return
        shape = ""
        if isinstance(value, str) and type(value) in (str, Digits):
            shape = f" of the form {shape_of(value)}"
        what = "key" if is_key else "cursor"
        raise EltError(
            f"{self._connector}, stream {self._plan.label}: its {what} {visible(column.name)} is declared as {column.source_type}, and a"
            f" record has a JSON {FORMS[type(value)]}{shape} there, which does not fit",
            f"give the stream another {what}, or sync it with full_refresh_overwrite or incremental_append",
        )

    def _check_keys(self, rows: pa.Table) -> None:
        """Raises EltError when a record has no key at all: all of them would be one row."""
        if not self._plan.primary_key:
            return
        columns = [rows[name] for name in self._plan.primary_key]
        if not all(column.null_count for column in columns):
            return
        missing = pc.is_null(columns[0])
        for column in columns[1:]:
            missing = pc.and_(missing, pc.is_null(column))
        if count := pc.sum(missing).as_py():
            raise EltError(
                f"{self._connector}, stream {self._plan.label}: {count} records have no value for the key"
                f" {', '.join(map(visible, self._plan.primary_key))}; they would become one row",
                "give the stream another primaryKey, or sync it with full_refresh_overwrite or incremental_append",
            )

    def _broken(self, line: bytes, error: Exception) -> EltError:
        reason = f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        return EltError(
            f"{self._connector}, stream {self._plan.label}: a record is not valid JSON ({reason}):"
            f" {excerpt(line.decode(errors='replace'))}",
            "report it to the connector's maintainer; what was committed before stays",
        )


def source_changes(meta: object) -> list[object] | None:
    """What the source says that it changed; None where that is no list."""
    changes = by_name(meta).get("changes") if type(meta) is Pairs else meta
    if changes is None:
        return []
    return [json.loads(read("any", one)[0] or "null") for one in changes] if type(changes) is list else None


def shape_of(text: str) -> str:
    """The form of a value, shortened."""
    return f'"{form_of(text[:30])}"' + ("…" if len(text) > 30 else "")


def arrow(values: list[object], type_: pa.DataType) -> pa.Array:
    """Values as the rules give them: of times the microseconds, of dates the days."""
    if pa.types.is_date32(type_):
        return pa.array(values, pa.int32()).view(type_)
    if pa.types.is_timestamp(type_) or pa.types.is_time64(type_):
        return pa.array(values, pa.int64()).view(type_)
    return pa.array(values, type_)


def split(lines: bytes) -> pa.Array:
    """Lines as an array of texts, without copying them; whether they are UTF-8 is not looked at."""
    data = np.frombuffer(lines, np.uint8)
    offsets = np.concatenate(([0], np.flatnonzero(data == ord("\n")) + 1)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(lines)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def query(plan: StreamPlan) -> str:
    """From `lines` to the plan's columns, the number of the row, its changes (none yet) and whether it is odd."""
    fields = {column.name: "JSON" if column.type.kind in AS_JSON else "VARCHAR" for column in plan.columns}
    record = {"data": fields, "meta": "JSON"} if fields else {"meta": "JSON"}
    shape = literal(json.dumps({"record": record}))
    each = list(enumerate(plan.columns))
    raw = [f"m.record.data.{quoted(column.name)} as v{i}" for i, column in each]
    typed = [f"{plain(column, f'v{i}')} as t{i}" for i, column in each]
    columns = [f"t{i} as {quoted(column.name)}" for i, column in each]
    number = quoted(SEQUENCE)
    odd = [
        "json_array_length(meta, '$.changes') > 0",
        "json_type(meta, '$.changes') not in ('ARRAY', 'NULL')",
    ]
    odd.append("json_type(meta) not in ('OBJECT', 'NULL')")
    odd += [is_odd(column, f"v{i}", f"t{i}") for i, column in each]
    marked = f"coalesce({' or '.join(odd)}, false) as {quoted(ODD)}"
    return (
        f"with messages as (select from_json(line, {shape}) as m, line, {number} from {LINES}),"
        f" fields as (select {', '.join([*raw, 'm.record.meta as meta', 'm', 'line', number])} from messages),"
        f" typed as (select {', '.join(['*', *typed])} from fields)"
        f" select {', '.join([*columns, number, f'null::varchar as {quoted(CHANGES)}', marked])} from typed"
    )


def plain(column: Column, v: str) -> str:
    """The value as its type, null where it is not plain; `v`: as text, of AS_JSON as JSON."""
    kind = column.type.kind
    if kind == Kind.JSON:
        opening = {"object": "{", "array": "["}.get(column.source_type)
        return (
            f"case when starts_with({v}, '{opening}') then {v}::varchar end" if opening else f"{v}::varchar"
        )
    if kind == Kind.BOOLEAN:
        return f"case {v}::varchar when 'true' then true when 'false' then false end"
    if kind not in PLAIN:
        return v
    pattern, type_ = PLAIN[kind]
    short = f" and length({v}) <= {DOUBLE_DIGITS}" if kind == Kind.DOUBLE else ""
    return f"case when regexp_full_match({v}, '{pattern}'){short} then try_cast({v} as {type_}) end"


def is_odd(column: Column, v: str, t: str) -> str:
    """Whether the value is not plain: no plain form of its type, or a number in it has another text than it came with."""
    kind = column.type.kind
    if (
        kind == Kind.TEXT
    ):  # most begin with a letter; one that looks like a number or JSON may be a string all the same
        pointer = literal("/record/data/" + column.name.replace("~", "~0").replace("/", "~1"))
        number = both(f"{v} >= '-' and {v} < ':'", f"regexp_full_match({v}, '{WITH_FRACTION}')")
        like_json = f"(starts_with({v}, '[') or starts_with({v}, '{{'))"
        suspect = f"case when {v} < ':' then {number} when {v} >= '[' then {like_json} else false end"
        return both(suspect, f"json_type(line, {pointer}) <> 'VARCHAR'")
    missing = f"({v} is not null and {t} is null)"
    if kind == Kind.JSON:
        return f"{missing} or regexp_matches({t}, '{FRACTION}')"
    if kind == Kind.DOUBLE:
        return missing + " or " + both(f"contains({v}, '.')", f"regexp_matches(line, '{LONG_NUMBER}')")
    return missing


def both(first: str, second: str) -> str:
    """A conjunction whose second part is only looked at where the first holds: DuckDB's own looks at both everywhere."""
    return f"case when {first} then {second} else false end"
