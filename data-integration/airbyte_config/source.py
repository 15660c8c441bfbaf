"""The source as `verify` sees it: its tables, and their rows as Arrow, all in one snapshot."""

# ruff: noqa: S608 - the query of the catalogue is made of constants

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import dbapi
from psycopg.sql import SQL, Composable, Identifier, Literal

from airbyte_config.definitions import Actor
from airbyte_config.raw_types import read_as_text
from airbyte_local.sources.postgres.connect import READER_OPTIONS, Address
from airbyte_local.sources.postgres.discover import DOMAINS, OF_DOMAIN, OWN_CAST
from airbyte_local.sources.postgres.snapshot import OUTPUT_FORM, unwrapped
from foundation.errors import EltError
from foundation.rows import one_row

# every statement of the one transaction sees the same moment; text forms don't depend on the server's settings
SESSION = (
    f"{READER_OPTIONS} -c timezone=UTC"
    " -c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on"
)

COLUMNS = f"""
with recursive {DOMAINS}
select n.nspname, c.relname, a.attname, format_type(b.oid, coalesce(d.typmod, a.atttypmod)),
       array_position(i.indkey::int2[], a.attnum), c.relkind in ('r', 'p', 'm'), {OWN_CAST}
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
{OF_DOMAIN}
left join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by n.nspname, c.relname, a.attnum
"""


@dataclass
class Table:
    """A table of the source: its columns in their order (name → Postgres' `format_type`) and its primary key."""

    schema: str
    name: str
    columns: dict[str, str] = field(default_factory=dict)
    primary_key: list[str] = field(default_factory=list)
    own_casts: set[str] = field(default_factory=set)  # columns whose cast to text is not their output form
    dated: bool = True  # a row tells which transaction wrote it; a view's does not


# a row version that a moment (text of pg_current_snapshot) does not see: xmin has 32 bits of the transaction's 64. Its age, which costs a
# fifth, tells of almost all rows that they are older than whatever was under way at that moment.
CHANGED_SINCE = """
age(xmin) <= age({oldest}::xid) and not pg_visible_in_snapshot(
    (
        {next} + case
            when (xmin::text::bigint - {next}) & 4294967295 < 2147483648
                then (xmin::text::bigint - {next}) & 4294967295
            else ((xmin::text::bigint - {next}) & 4294967295) - 4294967296
        end
    )::text::xid8,
    {moment}
)
"""


class Source:
    """An open transaction in the source."""

    def __init__(self, connection: dbapi.Connection) -> None:
        self._connection = connection
        self.tables = self._read_tables()

    def _read_tables(self) -> dict[tuple[str, str], Table]:
        tables: dict[tuple[str, str], Table] = {}
        keys: dict[tuple[str, str], list[tuple[int, str]]] = {}
        with self._connection.cursor() as cursor:
            cursor.execute(COLUMNS)
            for schema, name, column, type_, key_position, dated, own_cast in cursor.fetchall():
                table = tables.setdefault((schema, name), Table(schema, name, dated=dated))
                table.columns[column] = type_
                if own_cast and read_as_text(type_):
                    table.own_casts.add(column)
                if key_position is not None:  # it counts from 0
                    keys.setdefault((schema, name), []).append((key_position, column))
        for at, positions in keys.items():
            tables[at].primary_key = [column for _, column in sorted(positions)]
        return tables

    def count(self, table: Table) -> int:
        """Its number of rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(_text(SQL("select count(*) from {}").format(Identifier(table.schema, table.name))))
            rows: int = one_row(cursor)[0]
            return rows

    def moment(self) -> str:
        """What this transaction sees, for `changed` and `batches` of a later one: the text of a snapshot."""
        with self._connection.cursor() as cursor:
            cursor.execute("select pg_current_snapshot()::text")
            snapshot: str = one_row(cursor)[0]
            return snapshot

    def batches(
        self,
        table: Table,
        columns: list[str],
        *,
        as_text: Collection[str] = (),
        where: Composable | None = None,
        until: str | None = None,
        since: str | None = None,
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """All rows as a stream of Arrow batches; types without an exact Arrow form come as Postgres' text, its output form,
        and so do the columns `as_text`.

        `where`: only these rows. `until` a moment: only the rows that have not changed since; `since`: only those that have.
        """
        selected = SQL(", ").join(_selected(table, column, column in as_text) for column in columns)
        query = SQL("select {} from {}").format(selected, Identifier(table.schema, table.name))
        conditions = [where] if where is not None else []
        if moment := until or since:
            oldest, following, _ = moment.split(":")
            changed = SQL(CHANGED_SINCE).format(
                oldest=Literal(str(int(oldest) % 2**32)), next=Literal(int(following)), moment=Literal(moment)
            )
            conditions.append(SQL("not (" if until else "(") + changed + SQL(")"))
        if conditions:
            query += SQL(" where ") + SQL(" and ").join(conditions)
        return self._read(query)

    @contextmanager
    def _read(self, query: Composable) -> Iterator[pa.RecordBatchReader]:
        with self._connection.cursor() as cursor:
            cursor.execute(_text(query))
            reader = cursor.fetch_record_batch()
            yield pa.RecordBatchReader.from_batches(reader.schema, map(_mended, reader))


def _selected(table: Table, column: str, as_text: bool = False) -> Composable:
    name = Identifier(column)
    if as_text or column in table.own_casts:
        return SQL(OUTPUT_FORM).format(name, name, name)
    return SQL("{}::text as {}" if read_as_text(table.columns[column]) else "{} as {}").format(name, name)


def _mended(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its infinite dates and times right. Raises EltError for a moment that neither side can hold."""
    for index, field_ in enumerate(batch.schema):
        if pa.types.is_timestamp(field_.type) or pa.types.is_date32(field_.type):
            values, beyond = unwrapped(batch.column(index))
            if beyond is not None:
                raise EltError(
                    f"{field_.name} holds a moment beyond the year 294246", "correct the value in the source"
                )
            batch = batch.set_column(index, field_, values)
    return batch


def _text(query: Composable) -> str:
    return query.as_string(None)


@contextmanager
def open_source(actor: Actor) -> Iterator[Source]:
    """Connect as the connection's source does and take a snapshot for the length of the block.

    Raises EltError when the source can't be reached, refuses the login, or fails while it is read.
    """
    if actor.connector != "postgres":
        raise actor.document.error(
            ("configuration", "sourceType"),
            f"verify can't read a {actor.connector} source",
            "compare it by hand",
        )
    address = Address.of(actor.values)
    place = f"{address.host}:{address.port}/{address.database}"
    try:
        with address.conninfo(SESSION, "elt airbyte verify") as conninfo:
            connection = dbapi.connect(conninfo)
    except AdbcError as error:
        raise _refused(place, address.username, error) from None
    try:
        yield Source(connection)
    except AdbcError as error:
        raise EltError(
            f"the source {place} failed: {_reason(error)}", "see its log: `elt logs postgres`"
        ) from None
    finally:
        connection.close()


def _refused(place: str, user: str, error: Exception) -> EltError:
    reason = _reason(error)
    if "authentication failed" in reason:
        return EltError(
            f"the source {place} refused the password of {user}",
            "set SOURCE_READER_PASSWORD in .env or the environment",
        )
    return EltError(
        f"the source {place} can't be reached: {reason}",
        "start it with `elt up postgres`, or mend SOURCE_HOST and SOURCE_PORT",
    )


def _reason(error: Exception) -> str:
    """libpq's own words, on one line."""
    return " ".join(str(error).split())
