"""What the registry knows, in PostgreSQL: schemas by number, the versions of each subject, and their settings.

Each call is one transaction; those that write go one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool, PoolTimeout

from foundation.rows import one_row
from foundation.settings import Settings

DATABASE = "stream_registry"  # and its role
WRITING = 0x41575352  # advisory lock
WAIT_SECONDS = 10.0
TABLES = """
create table if not exists schema (
    id integer primary key,
    body text not null,
    "references" jsonb not null default '[]',
    unique (body, "references")
);
create table if not exists version (
    subject text not null,
    version integer not null,
    schema_id integer not null references schema,
    deleted boolean not null default false,
    primary key (subject, version)
);
create index if not exists version_of_schema on version (schema_id);
create table if not exists setting (
    subject text not null, -- '': of all that have none
    name text not null,
    value text not null,
    primary key (subject, name)
);
"""
VERSIONS = """
select v.subject, v.version, s.id, s.body, s."references", v.deleted
from version as v join schema as s on s.id = v.schema_id
"""


class UnavailableError(Exception):
    """The database does not answer."""


@dataclass(frozen=True)
class Version:
    """A version of a subject's schema. `references`: as the API has them, [{name, subject, version}, …]."""

    subject: str
    version: int
    id: int
    body: str
    references: list[dict[str, Any]]
    deleted: bool


def pool(config: Settings) -> ConnectionPool:
    """Connections to the registry's database; it is opened by who uses it."""
    return ConnectionPool(
        kwargs={
            "host": config.metadata_host,
            "port": config.metadata_port,
            "dbname": DATABASE,
            "user": DATABASE,
            "password": config.stream_registry_database_password.get_secret_value(),
            "application_name": "stream_registry",
            "connect_timeout": 5,
            "options": "-c statement_timeout=20s -c idle_in_transaction_session_timeout=30s",
            "row_factory": tuple_row,
        },
        min_size=1,
        max_size=4,
        timeout=WAIT_SECONDS,
        check=ConnectionPool.check_connection,
        open=False,
    )


class Store:
    """The registry's tables, made when they are not there."""

    def __init__(self, connections: ConnectionPool) -> None:
        self._pool = connections

    def prepare(self) -> None:
        """Make the tables. Raises UnavailableError."""
        with self.writing() as writer:
            writer.connection.execute(TABLES)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """One transaction. Raises UnavailableError."""
        try:
            with self._pool.connection() as connection:
                yield Reader(connection)
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise UnavailableError(str(error).strip().partition("\n")[0]) from None

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """One transaction, which no other that writes goes on beside. Raises UnavailableError."""
        try:
            with self._pool.connection() as connection:
                connection.execute("select pg_advisory_xact_lock(%s)", [WRITING])
                yield Writer(connection)
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise UnavailableError(str(error).strip().partition("\n")[0]) from None


@dataclass(frozen=True)
class Reader:
    """Questions, in one transaction."""

    connection: psycopg.Connection[tuple[Any, ...]]

    def subjects(self, prefix: str, *, deleted: bool) -> list[str]:
        """The subjects that have a version; with `deleted` also those that had one."""
        query = "select distinct subject from version where starts_with(subject, %s) and (%s or not deleted) order by 1"
        return [subject for (subject,) in self.connection.execute(query, [prefix, deleted])]

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """Of a subject, the first one first."""
        query = f"{VERSIONS} where v.subject = %s and (%s or not v.deleted) order by v.version"
        return [Version(*row) for row in self.connection.execute(query, [subject, deleted])]

    def one(self, subject: str, version: int) -> Version | None:
        """A version of a subject; None: it is not there, or hidden."""
        query = f"{VERSIONS} where v.subject = %s and v.version = %s and not v.deleted"
        found = self.connection.execute(query, [subject, version]).fetchone()
        return None if found is None else Version(*found)

    def of_schema(self, number: int, *, deleted: bool = False) -> list[Version]:
        """The versions that have the schema of that number."""
        query = f"{VERSIONS} where s.id = %s and (%s or not v.deleted) order by v.subject, v.version"
        return [Version(*row) for row in self.connection.execute(query, [number, deleted])]

    def schema(self, number: int) -> tuple[str, list[dict[str, Any]]] | None:
        """Body and references."""
        query = 'select body, "references" from schema where id = %s'
        found = self.connection.execute(query, [number]).fetchone()
        return None if found is None else (str(found[0]), list(found[1]))

    def greatest(self) -> int:
        """The greatest number of a schema; 0: there is none."""
        return int(one_row(self.connection.execute("select coalesce(max(id), 0) from schema"))[0])

    def setting(self, subject: str, name: str) -> str | None:
        """A subject's own; of the subject "" the one that holds for all others."""
        query = "select value from setting where subject = %s and name = %s"
        found = self.connection.execute(query, [subject, name]).fetchone()
        return None if found is None else str(found[0])


@dataclass(frozen=True)
class Writer(Reader):
    """Changes, in one transaction."""

    def number_of(self, body: str, references: list[dict[str, Any]]) -> int:
        """The number of a schema: it gets one when it has none yet."""
        query = 'select id from schema where body = %s and "references" = %s'
        found = self.connection.execute(query, [body, Jsonb(references)]).fetchone()
        if found is None:
            # not the sequence: a number that a failed try had taken would be missing
            insert = 'insert into schema (id, body, "references") select coalesce(max(id), 0) + 1, %s, %s from schema returning id'
            found = one_row(self.connection.execute(insert, [body, Jsonb(references)]))
        return int(found[0])

    def add(self, subject: str, number: int) -> int:
        """The schema as the subject's next version; its number."""
        query = (
            "insert into version (subject, version, schema_id)"
            " select %s, coalesce(max(version), 0) + 1, %s from version where subject = %s returning version"
        )
        return int(one_row(self.connection.execute(query, [subject, number, subject]))[0])

    def delete(self, subject: str, versions: list[int], *, for_good: bool) -> None:
        """Hide versions, or, for good, forget them. Schemas keep their numbers: events that have them stay readable."""
        query = (
            "delete from version where subject = %s and version = any(%s)"
            if for_good
            else "update version set deleted = true where subject = %s and version = any(%s)"
        )
        self.connection.execute(query, [subject, versions])

    def set(self, subject: str, name: str, value: str) -> None:
        query = "insert into setting values (%s, %s, %s) on conflict (subject, name) do update set value = excluded.value"
        self.connection.execute(query, [subject, name, value])

    def unset(self, subject: str, name: str) -> None:
        self.connection.execute("delete from setting where subject = %s and name = %s", [subject, name])
