"""The source database: connecting to it, its schema, and replacing its whole content in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import errors, sql

from adventureworks.schema import (
    SCHEMAS,
    ForeignKey,
    Table,
    add_foreign_key,
    add_primary_key,
    create_indexes,
    create_statements,
    drop_foreign_key,
    drop_indexes,
    drop_primary_key,
    foreign_keys,
    names,
    tables,
)
from foundation.errors import EltError
from foundation.rows import one_row
from foundation.settings import Settings, settings

Report = Callable[[str, int, float], None]  # table, rows, seconds
LOAD_LOCK = 0x41574C44  # advisory lock: one load at a time
LOCK_TIMEOUT = "60s"
STATISTICS_TARGET = 10  # a first idea for the planner; autovacuum refines it
NOTHING_LOADED = "mend the data, then try again; nothing was loaded"


def connect_owner(config: Settings | None = None) -> psycopg.Connection:
    """Connect as the role that owns the tables. Raises EltError: server down, wrong password, no such database."""
    config = config or settings()
    return _connect(
        config, config.source_owner, config.source_owner_password.get_secret_value(), "SOURCE_OWNER_PASSWORD"
    )


def connect_reader(config: Settings | None = None) -> psycopg.Connection:
    """Connect as the role that the sync reads with. Raises EltError as `connect_owner` does."""
    config = config or settings()
    return _connect(
        config,
        config.source_reader,
        config.source_reader_password.get_secret_value(),
        "SOURCE_READER_PASSWORD",
    )


def _connect(config: Settings, role: str, password: str, variable: str) -> psycopg.Connection:
    place = f"{config.source_host}:{config.source_port}"
    try:
        return psycopg.connect(
            host=config.source_host,
            port=config.source_port,
            dbname=config.source_database,
            user=role,
            password=password,
            connect_timeout=10,
            application_name="elt",
            options="-c timezone=UTC -c datestyle=ISO -c client_min_messages=warning",
        )
    except psycopg.OperationalError as error:
        reason = str(error).strip().rpartition("\n")[2]
        if "password authentication failed" in reason:
            raise EltError(
                f"the source database at {place} refuses the password of {role}", f"set {variable}"
            ) from None
        if "does not exist" in reason:
            raise EltError(
                f"the source server at {place} has no database {config.source_database}",
                "set SOURCE_DATABASE, or start the local server with `elt up postgres`",
            ) from None
        raise EltError(
            f"the source database at {place} does not answer ({reason})",
            "start it with `elt up postgres`, or set SOURCE_HOST and SOURCE_PORT",
        ) from None


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what PostgreSQL reports inside the block into an EltError with a remedy."""
    try:
        yield
    except errors.DiskFull as error:
        raise EltError(
            f"the source database's disk is full: {error.diag.message_primary}",
            "free some disk space, then try again",
        ) from None
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        raise EltError(
            "the source database's tables are in use by other sessions",
            "wait for a running load or sync, then try again",
        ) from None
    except errors.InsufficientPrivilege as error:
        raise EltError(
            f"the source database does not allow this: {error.diag.message_primary}",
            "let SOURCE_OWNER own the database and its tables",
        ) from None
    except errors.UndefinedTable as error:
        raise EltError(
            f"the source database has no data yet: {error.diag.message_primary}",
            "fill it with `elt source load` or `elt source generate`",
        ) from None
    except (psycopg.OperationalError, errors.AdminShutdown) as error:
        reason = str(error).strip().partition("\n")[0]
        raise EltError(
            f"the source database went away: {reason}", "see `elt logs postgres`, then try again"
        ) from None


# -- schema


def ensure_schema(conn: psycopg.Connection, reader: str | None = None) -> None:
    """Create the 68 tables if there is none, publish them, and let `reader` (default: the configured role) select from them.

    Raises EltError when there are others in their place. Works inside the caller's transaction.
    """
    found = _existing_columns(conn)
    if not found:
        for statement in create_statements():
            conn.execute(statement)
    else:
        _refuse_other_tables(found)
    _grant_select(conn, reader or settings().source_reader)
    publish(conn)


def publish(conn: psycopg.Connection, name: str | None = None) -> None:
    """See that the publication `name` (default: the configured one) tells of every change to the 68 tables.

    Change data capture reads it. Only the tables' owner can publish them.
    """
    name = name or settings().source_publication
    found = {table for (table,) in conn.execute(PUBLISHED, [name]).fetchall()}
    lacking = [table.identifier for table in tables().values() if table.qualified not in found]
    if lacking:
        make = "alter publication {} add table {}" if found else "create publication {} for table {}"
        conn.execute(sql.SQL(make).format(sql.Identifier(name), sql.SQL(", ").join(lacking)))


PUBLISHED = """
select t.schemaname || '.' || t.tablename
from pg_publication p left join pg_publication_tables t using (pubname)
where pubname = %s
"""


def _existing_columns(conn: psycopg.Connection) -> dict[str, dict[str, str]]:
    """Column → type of each of the catalogue's tables that is there."""
    rows = conn.execute(
        """
        select n.nspname || '.' || c.relname, jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod))
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any(%s)
        group by 1
        """,
        [list(tables())],
    )
    return dict(rows.fetchall())


LONG_TYPE_NAMES = {
    "varchar": "character varying",
    "char": "character",
    "timestamp": "timestamp without time zone",
    "time": "time without time zone",
}


def _refuse_other_tables(found: Mapping[str, Mapping[str, str]]) -> None:
    for table in tables().values():
        expected = {}
        for column in table.columns:
            base, bracket, length = column.type.partition("(")
            expected[column.name] = LONG_TYPE_NAMES.get(base, base) + bracket + length
        if found.get(table.qualified) != expected:
            state = "has other columns than this version's" if table.qualified in found else "is missing"
            raise EltError(
                f"in the source database, table {table.qualified} {state}",
                "drop the five schemas (or choose an empty SOURCE_DATABASE), then load again",
            )


def _grant_select(conn: psycopg.Connection, reader: str) -> None:
    if conn.execute("select from pg_roles where rolname = %s", [reader]).fetchone() is None:
        raise EltError(
            f"the source server has no role {reader}",
            "create it (README of data-integration), then try again",
        )
    for schema in SCHEMAS:
        for grant in ("grant usage on schema {} to {}", "grant select on all tables in schema {} to {}"):
            conn.execute(sql.SQL(grant).format(sql.Identifier(schema), sql.Identifier(reader)))


# -- content


def replace_all(
    conn: psycopg.Connection,
    content: Mapping[str, Iterable[bytes]],
    *,
    describe: Callable[[str], str] = str,
    report: Report | None = None,
    reader: str | None = None,
    origin: str = "unknown",
) -> dict[str, int]:
    """Replace the rows of all 68 tables, in one transaction; returns rows per table.

    `content` gives each table's rows as chunks of CSV (header line first, `COPY … csv` rules: NULL is an empty unquoted
    field); tables it does not name become empty. `describe(table)` names the origin in errors (a file), `report` hears
    of each table when it is copied, `origin` is what `origin()` answers from then on. The schema is created if absent; triggers are off, so given `modifieddate`s stay;
    all foreign keys are checked at the end; sequences continue after the greatest key.

    Rows are deleted, not truncated: a sync that reads an older snapshot goes on seeing the old rows.

    Raises EltError (and changes nothing) on a malformed row (origin and line), a foreign key violation (table, key),
    tables in use, a full disk, a lost connection.
    """
    with readable_errors(), conn.transaction():
        conn.execute(sql.SQL("set local lock_timeout = {}").format(LOCK_TIMEOUT))
        conn.execute("select pg_advisory_xact_lock(%s)", [LOAD_LOCK])
        _lock_tables(conn)
        ensure_schema(conn, reader)
        for key in foreign_keys():
            conn.execute(drop_foreign_key(key))
        counts = {}
        for table in tables().values():
            started = time.monotonic()
            rows = _replace(conn, table, content.get(table.qualified), describe(table.qualified))
            counts[table.qualified] = rows
            if report:
                report(table.qualified, rows, time.monotonic() - started)
        for key in foreign_keys():
            _check(conn, key)
        conn.execute(sql.SQL("set local default_statistics_target = {}").format(STATISTICS_TARGET))
        for table in tables().values():
            conn.execute(sql.SQL("analyze {}").format(table.identifier))
        conn.execute(
            sql.SQL("comment on schema {} is {}").format(sql.Identifier(SCHEMAS[0]), sql.Literal(origin))
        )
    return counts


def origin(conn: psycopg.Connection) -> str:
    """The origin of the content that the last `replace_all` noted; "" for a database that was never filled."""
    with readable_errors():
        row = conn.execute(
            "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = %s", [SCHEMAS[0]]
        ).fetchone()
    return (row and row[0]) or ""


def _lock_tables(conn: psycopg.Connection) -> None:
    """Take every table while nothing else is held: an autovacuum gives way now, later it would deadlock with us.

    It starts by itself after a load, and waits, holding its table, for whoever has changed the table's catalogue row.
    """
    found = [tables()[name].identifier for name in sorted(_existing_columns(conn))]
    if found:
        conn.execute(sql.SQL("lock table {} in access exclusive mode").format(sql.SQL(", ").join(found)))


def _replace(conn: psycopg.Connection, table: Table, chunks: Iterable[bytes] | None, origin: str) -> int:
    """One table: indexes are built after the rows (twice as fast), the trigger sleeps."""
    conn.execute(sql.SQL("alter table {} disable trigger user").format(table.identifier))
    conn.execute(sql.SQL("delete from {}").format(table.identifier))
    for statement in (*drop_indexes(table), drop_primary_key(table)):
        conn.execute(statement)
    rows = 0 if chunks is None else _copy(conn, table, chunks, origin)
    try:
        conn.execute(add_primary_key(table))
    except errors.UniqueViolation as error:
        raise EltError(f"{origin}: {error.diag.message_detail}", NOTHING_LOADED) from None
    for statement in create_indexes(table):
        conn.execute(statement)
    conn.execute(sql.SQL("alter table {} enable trigger user").format(table.identifier))
    _continue_sequence(conn, table)
    return rows


def _copy(conn: psycopg.Connection, table: Table, chunks: Iterable[bytes], origin: str) -> int:
    statement = sql.SQL("copy {} ({}) from stdin (format csv, header match)").format(
        table.identifier, names(table.column_names)
    )
    try:
        with conn.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for chunk in chunks:
                    copy.write(chunk)
            return cursor.rowcount
    except (psycopg.DataError, psycopg.IntegrityError, errors.BadCopyFileFormat) as error:
        # the context reads: COPY salesorderheader, line 17, column orderdate: "…" (header and line breaks counted)
        _, _, place = (error.diag.context or "").partition(", ")
        place = place.partition("\n")[0].partition(":")[0]
        reason = " ".join(filter(None, [error.diag.message_primary, error.diag.message_detail]))
        raise EltError(f"{origin}, {place or 'content'}: {reason}", NOTHING_LOADED) from None


def _check(conn: psycopg.Connection, key: ForeignKey) -> None:
    try:
        conn.execute(add_foreign_key(key))
    except errors.ForeignKeyViolation as error:
        raise EltError(
            f"{key.table} ({', '.join(key.columns)}) points to rows missing in {key.references}:"
            f" {error.diag.message_detail}",
            NOTHING_LOADED,
        ) from None


def _continue_sequence(conn: psycopg.Connection, table: Table) -> None:
    """The next number follows the greatest one; unlike setval, this is undone with the transaction."""
    if table.identity is None:
        return
    column = sql.Identifier(table.identity)
    (greatest,) = one_row(
        conn.execute(sql.SQL("select coalesce(max({}), 0) from {}").format(column, table.identifier))
    )
    conn.execute(
        sql.SQL("alter table {} alter column {} restart with {}").format(
            table.identifier, column, greatest + 1
        )
    )


def row_counts(conn: psycopg.Connection) -> dict[str, int]:
    """Rows of every table, exactly."""
    with readable_errors():
        return {
            table.qualified: one_row(
                conn.execute(sql.SQL("select count(*) from {}").format(table.identifier))
            )[0]
            for table in tables().values()
        }


def checksums(conn: psycopg.Connection) -> dict[str, str]:
    """A checksum over all columns and rows of every table, whatever the rows' order: 32 hex digits and the count.

    It is the sum of the rows' MD5 (their upper 64 bits), so that two equal rows do not cancel out.
    """
    query = """
        select count(*), coalesce(sum(('x' || left(md5(entire::text), 16))::bit(64)::bigint::numeric), 0)
        from {} as entire
    """
    result = {}
    with readable_errors():
        for table in tables().values():
            count, total = one_row(conn.execute(sql.SQL(query).format(table.identifier)))
            result[table.qualified] = f"{int(total) % 2**128:032x}-{count}"
    return result
