"""What a DuckDB file holds about a person, and taking it out.

Raw tables get the same statements as the source. Tables made of them (snapshots, marts, stored test failures, developers'
schemas) are found by their columns: a customer's id or key, and columns that describe the person.
"""

# ruff: noqa: S608 - identifiers go through `quoted`, the rest is numbers and texts of ours

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb

from adventureworks.erasure import NAME, Action, Subject, actions, among
from foundation.quoting import literal, quoted
from transformation.changed_inputs import forget

MEMORY = "1GB"
DELETED_AT = "_ab_cdc_deleted_at"  # a row kept as deleted has nothing but its key
RAW = "adventureworks_"  # schema of the raw layer: this and the source's schema

# columns of derived tables: what they hold once a person is erased, as staging would make it of the source's rows
PERSON = {
    "person_name": literal(NAME),
    "masked_email": "null",
    "masked_phone": "null",
    "email_promotion": "0",
}
# a private customer's own; a store's are not about its contact
HOME = {"customer_name": literal(NAME)} | dict.fromkeys(
    ("city", "postal_code", "state_name", "country_name"), "null"
)

Columns = dict[tuple[str, str], set[str]]


def scrub(file: Path, subject: Subject) -> dict[str, int]:
    """Take the person out of every table of the file, in one transaction; returns rows by table.

    The file's free space still holds the old values: see `rewrite`.
    """
    done: dict[str, int] = {}
    with duckdb.connect(file, config={"memory_limit": MEMORY}) as connection:
        connection.execute("begin")
        for action in marks(connection, subject):
            [(count,)] = connection.execute(action.statement()).fetchall()
            if count:
                done[action.table] = done.get(action.table, 0) + count
        forget(connection)
        connection.execute("commit")
        connection.execute("checkpoint")
    return {table.replace('"', ""): count for table, count in done.items()}


def holds(file: Path, subject: Subject) -> bool:
    """Whether anything about the person is left in the file's tables."""
    with duckdb.connect(file, read_only=True) as connection:
        return any(
            connection.execute(f"select 1 from {action.table} where {action.condition()} limit 1").fetchone()
            for action in marks(connection, subject)
        )


def count(file: Path, subject: Subject) -> dict[str, int]:
    """Rows by table that `scrub` would change."""
    done: dict[str, int] = {}
    with duckdb.connect(file, read_only=True) as connection:
        for action in marks(connection, subject):
            rows = f"select count(*) from {action.table} where {action.condition()}"
            [(found,)] = connection.execute(rows).fetchall()
            if found:
                name = action.table.replace('"', "")
                done[name] = done.get(name, 0) + found
    return done


def rewrite(file: Path, into: Path, name: str) -> None:
    """A copy of the file's tables, views and comments without its free space. `name`: by which its views call it."""
    into.unlink(missing_ok=True)
    with duckdb.connect(config={"memory_limit": MEMORY, "preserve_insertion_order": "false"}) as connection:
        connection.execute(f"attach {literal(str(file))} as {quoted(name)} (read_only)")
        connection.execute(f"attach {literal(str(into))} as rewritten (storage_version 'latest')")
        connection.execute(f"copy from database {quoted(name)} to rewritten")
        connection.execute("checkpoint rewritten")
    with into.open("rb") as written:
        os.fsync(written.fileno())


def marks(connection: duckdb.DuckDBPyConnection, subject: Subject) -> Iterator[Action]:
    """What is to be done in this database; tables and columns that it does not have are left out."""
    found = tables(connection)
    for action in actions(subject):
        schema, _, name = action.table.partition(".")
        columns = found.get((RAW + schema, name), set())
        values = action.values
        if values is not None:
            values = {column: value for column, value in values.items() if column in columns}
        if columns and values != {}:
            live = (
                f"{action.where} and {DELETED_AT} is null"
                if values and DELETED_AT in columns
                else action.where
            )
            yield Action(f"{quoted(RAW + schema)}.{quoted(name)}", live, values)
    ids = among("customer_id", subject.customers)
    keys = customer_keys(connection, found, ids)
    described = PERSON | (HOME if subject.is_individual else {})
    for (schema, name), columns in found.items():
        values = {column: value for column, value in described.items() if column in columns}
        whose = ids if "customer_id" in columns else keys if "customer_key" in columns else None
        if values and whose and not schema.startswith(RAW):
            yield Action(f"{quoted(schema)}.{quoted(name)}", whose, values)


def tables(connection: duckdb.DuckDBPyConnection) -> Columns:
    """The columns of every table."""
    found: Columns = {}
    for schema, name, column in connection.execute(
        "select c.schema_name, c.table_name, c.column_name from duckdb_columns() as c"
        " join duckdb_tables() as t using (database_oid, schema_oid, table_oid)"
        " where t.database_name = current_database() and not t.internal"
    ).fetchall():
        found.setdefault((schema, name), set()).add(column)
    return found


def customer_keys(connection: duckdb.DuckDBPyConnection, found: Columns, ids: str) -> str | None:
    """The condition that a row has one of the keys that some dimension gives these customers; None without a key."""
    dimensions = [
        f"select customer_key from {quoted(schema)}.{quoted(name)} where {ids}"
        for (schema, name), columns in found.items()
        if columns >= {"customer_id", "customer_key"}
    ]
    rows = connection.execute(" union ".join(dimensions)).fetchall() if dimensions else []
    return f"customer_key in ({', '.join(literal(str(key)) for (key,) in rows)})" if rows else None
