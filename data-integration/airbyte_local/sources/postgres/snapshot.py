"""Reading all streams of a sync in one exported snapshot, as Arrow batches through ADBC.

The exporting transaction stays open until the last stream has been read: a child row never comes without its parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import StatementOptions
from adbc_driver_postgresql import dbapi as adbc
from psycopg import sql

from airbyte_local.failures import StreamError, row_of
from airbyte_local.schema import Column, Kind, StreamPlan
from airbyte_local.sources.base import ReadRequest, StreamBatch, StreamStart
from airbyte_local.sources.postgres.connect import NEWER_LIMITS, READER_OPTIONS, Address, unreachable
from airbyte_local.sources.postgres.cursor import condition
from foundation.errors import EltError
from foundation.quoting import visible
from foundation.rows import one_row

BATCH_BYTES = 4 << 20
UUID = pa.uuid()

# ADBC moves PostgreSQL's epoch (2000) to Arrow's (1970) without looking: infinity (the greatest and least integer)
# wraps around. PostgreSQL's first moment is 4713 BC, so whatever is below it has wrapped.
_FIRST_MICROSECOND, _FIRST_DAY = -210_866_803_200_000_000, -2_440_588
_SHIFT_MICROSECONDS, _SHIFT_DAYS = 946_684_800_000_000, 10_957
_WRAPPED = {
    # kind: (first true value, wrapped infinity, wrapped -infinity, infinity as DuckDB and Arrow's integers have it)
    64: (_FIRST_MICROSECOND, -(2**63) + _SHIFT_MICROSECONDS - 1, -(2**63) + _SHIFT_MICROSECONDS, 2**63 - 1),
    32: (_FIRST_DAY, -(2**31) + _SHIFT_DAYS - 1, -(2**31) + _SHIFT_DAYS, 2**31 - 1),
}
# in the message of an error that ends more than what is being read
LOST = (
    "server closed the connection",
    "terminating connection",
    "Connection refused",
    "no connection",
    "invalid snapshot identifier",
)
CAN_BE_INFINITE = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE})


@contextmanager
def exported(connection: psycopg.Connection, address: Address) -> Iterator[Snapshot]:
    """A snapshot of this moment; the transaction that exports it stays open until the block ends."""
    connection.execute("begin isolation level repeatable read read only")
    try:
        yield Snapshot(one_row(connection.execute("select pg_export_snapshot()"))[0], address)
    finally:
        if not connection.closed:
            connection.close()


class Reading:
    """One ADBC connection at work in another thread, which can be made to stop."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._cancel: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Make the reading end soon."""
        if self._cancel is not None:
            self._cancel()

    @contextmanager
    def _cursor(self) -> Iterator[adbc.Cursor]:
        options = f"{READER_OPTIONS} -c TimeZone=UTC"
        with self._address.conninfo(options) as conninfo:
            connection = adbc.connect(conninfo, autocommit=True)
        with connection, connection.cursor() as cursor:
            hint = StatementOptions.BATCH_SIZE_HINT_BYTES.value
            cursor.adbc_statement.set_options(**{hint: str(BATCH_BYTES)})
            self._cancel = cursor.adbc_cancel
            try:
                cursor.execute(NEWER_LIMITS)
                yield cursor
            finally:
                self._cancel = None

    def _failed(self, error: Exception, what: StreamPlan | str | None) -> EltError:
        """The user's words for an error; `what` was being read, if anything. Only a lost connection is not the stream's own."""
        message = str(error).partition("\nQuery was:")[0]
        reason = message.rpartition("ERROR:")[2].strip().partition("\n")[0]
        if what is None or any(sign in message for sign in LOST):
            return unreachable(self._address, reason)
        if isinstance(what, str):
            return EltError(f"{what}: {reason} ({self._address})", "see the database's log")
        return StreamError(
            what.key,
            f"stream {what.label}: {reason} ({self._address})",
            "correct that in the source, or leave the column or the stream out",
        )

    def _asked_again(self, query: sql.Composable, prelude: Sequence[str] = ()) -> Exception | None:
        """The server's own error for a query: the driver does not tell the text of one that comes while rows stream."""
        try:
            with (
                self._address.conninfo(f"{READER_OPTIONS} -c TimeZone=UTC") as conninfo,
                psycopg.connect(conninfo, autocommit=True) as connection,
                connection.cursor() as cursor,
            ):
                for statement in prelude:
                    cursor.execute(statement)
                with cursor.copy(sql.SQL("copy ({}) to stdout (format binary)").format(query)) as rows:
                    for _ in rows:
                        pass
        except psycopg.Error as error:
            return error
        return None


class Snapshot(Reading):
    """An exported snapshot that can be read. `read` may be called in another thread, once."""

    def __init__(self, id_: str, address: Address) -> None:
        super().__init__(address)
        self._id = id_

    def read(self, requests: Iterable[ReadRequest]) -> Iterator[StreamStart | StreamBatch]:
        """Each stream's start, then its batches, in the order of the requests. Raises EltError."""
        plan: StreamPlan | None = None
        in_snapshot = (
            "begin isolation level repeatable read read only",
            f"set transaction snapshot '{self._id}'",
        )
        try:
            with self._cursor() as cursor:
                for statement in in_snapshot:
                    cursor.execute(statement)
                for request in requests:
                    plan = request.plan
                    asked = query(request)
                    cursor.execute(asked.as_string())
                    reader = cursor.fetch_record_batch()
                    yield StreamStart(plan, travelling(reader.schema, plan))
                    for batch in reader:
                        batch = mended(batch, plan)
                        check_key(batch, plan)
                        yield StreamBatch(batch)
        except AdbcError as error:
            raise self._failed(error, plan) from None
        except OSError as error:
            raise self._failed(self._asked_again(asked, in_snapshot) or error, plan) from None


def _shown(value: pa.Scalar) -> str:
    try:
        return str(value.as_py())
    except (OverflowError, ValueError):
        return "beyond what can be shown"


def check_key(batch: pa.RecordBatch, plan: StreamPlan) -> None:
    """Raises StreamError when a column of the key is null in some row: nothing tells such rows apart, in this sync or a later one."""
    nulls = [name for name in plan.primary_key if batch.column(name).null_count]
    if nulls:
        raise StreamError(plan.key, *null_key(plan, nulls))


def null_key(plan: StreamPlan, names: Sequence[str]) -> tuple[str, str]:
    """What is wrong, and what to do about it."""
    return (
        f"stream {plan.label}: its key {', '.join(map(visible, names))} is null in some rows",
        "choose another primaryKey, or sync the stream with full_refresh_overwrite",
    )


def query(request: ReadRequest) -> sql.Composed:
    """What is sent for a stream: its selected columns, from the saved cursor on."""
    plan = request.plan
    columns = sql.SQL(", ").join(_selected(column) for column in plan.columns)
    where = condition(plan.cursor, request.cursor) if plan.cursor else sql.SQL("")
    table = sql.Identifier(plan.namespace, plan.name)
    return sql.SQL("select {} from {}{}").format(columns, table, where)


# `format` uses the type's output function, as the log does; a row of nulls is no null
OUTPUT_FORM = "case when {} is distinct from null then format('%s', {}) end as {}"


def _selected(column: Column) -> sql.Composable:
    """A column as it travels: a text in PostgreSQL's output form, which a cast gives unless the type has one of its own."""
    name = sql.Identifier(column.name)
    if column.own_cast:
        return sql.SQL(OUTPUT_FORM).format(name, name, name)
    return sql.SQL("{}::text as {}").format(name, name) if column.as_text else name


def travelling(schema: pa.Schema, plan: StreamPlan) -> pa.Schema:
    """The schema of the mended batches: the driver's, its uuids (bytes) as Arrow has them."""
    return pa.schema(
        pa.field(field.name, UUID if _is_uuid(column) else field.type)
        for field, column in zip(schema, plan.columns, strict=True)
    )


def _is_uuid(column: Column) -> bool:
    return column.type.kind == Kind.UUID and not column.as_text


def mended(batch: pa.RecordBatch, plan: StreamPlan) -> pa.RecordBatch:
    """The batch with its uuids as such, and its infinities right: the greatest integer and its negative, as DuckDB has them."""
    for index, column in enumerate(plan.columns):
        if _is_uuid(column):
            uuids = batch.column(index).cast(UUID.storage_type)
            batch = batch.set_column(
                index, pa.field(column.name, UUID), pa.ExtensionArray.from_storage(UUID, uuids)
            )
            continue
        if column.type.kind not in CAN_BE_INFINITE:
            continue
        arrived = batch.column(index)
        values, beyond = unwrapped(arrived)
        if beyond is not None:
            key = [_shown(batch.column(name)[beyond]) for name in plan.primary_key]
            raise StreamError(
                plan.key,
                f"stream {plan.label}: {visible(column.name)} holds a moment beyond the year 294246 in {row_of(plan, key)}",
                "correct the value in the source, or leave the column out with selectedFields",
            )
        if values is not arrived:
            batch = batch.set_column(index, batch.schema.field(index), values)
    return batch


def unwrapped(values: pa.Array) -> tuple[pa.Array, int | None]:
    """Dates or time stamps with their infinities right; and the row of the first that Arrow cannot hold, if there is one."""
    bits = values.type.bit_width
    first, plus, minus, infinity = _WRAPPED[bits]
    integers = values.view(pa.int64() if bits == 64 else pa.int32())
    least = pc.min(integers).as_py()
    if least is None or least >= first:
        return values, None
    beyond = pc.or_(pc.and_(pc.less(integers, first), pc.greater(integers, minus)), pc.less(integers, plus))
    if pc.any(beyond).as_py():
        return values, pc.index(pc.fill_null(beyond, False), True).as_py()
    integers = pc.if_else(pc.equal(integers, plus), pa.scalar(infinity, integers.type), integers)
    integers = pc.if_else(pc.equal(integers, minus), pa.scalar(-infinity, integers.type), integers)
    return integers.view(values.type), None
