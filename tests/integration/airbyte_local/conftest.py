"""A small source database, an engine that syncs it in this process, and a way to configure the shared server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest

from airbyte_local.jobs.report import Report
from airbyte_local.sync import run
from airbyte_local.task import Task
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.snowflake import Snowflake
from tests.fixtures.source import SourceDatabase, SourceServer

SHOP = """
create schema shop authorization adventureworks_owner;
set role adventureworks_owner;
create table shop.orders (
    id integer primary key, customer varchar(50), total numeric(12,4), placed timestamp not null default now(),
    updated timestamp
);
create table shop.lines (
    order_id integer not null references shop.orders, line smallint not null, quantity integer,
    updated timestamp not null, primary key (order_id, line)
);
grant usage on schema shop to airbyte_reader;
alter default privileges in schema shop grant select on tables to airbyte_reader;
grant select on all tables in schema shop to airbyte_reader;
"""


@pytest.fixture
def shop(source_server: SourceServer) -> Iterator[SourceDatabase]:
    """A database with `shop.orders` and `shop.lines`, empty; nothing moves their cursor `updated` but the test."""
    database = source_server.create()
    with database.connect("superuser") as connection:
        connection.execute(SHOP)
    yield database
    source_server.drop(database)


def source_configuration(source: SourceDatabase, **changes: Any) -> dict[str, Any]:
    """Airbyte's source-postgres keys for a test database."""
    dsn = source.dsn("reader")
    return {
        "sourceType": "postgres",
        "host": dsn["host"],
        "port": dsn["port"],
        "database": dsn["dbname"],
        "username": dsn["user"],
        "password": dsn["password"],
        "schemas": ["shop"],
        "ssl_mode": {"mode": "disable"},
        "replication_method": {"method": "Standard"},
        **changes,
    }


def stream(name: str, mode: str = "incremental_deduped_history", **changes: Any) -> dict[str, Any]:
    """A stream configuration as the API stores it."""
    namespace, _, table = name.rpartition(".")
    cursor = {"cursorField": ["updated"]} if mode.startswith("incremental") else {}
    return {"namespace": namespace, "name": table, "syncMode": mode, **cursor, **changes}


@dataclass
class Engine:
    """Syncs in this process, as a job does in its own."""

    source: SourceDatabase
    warehouse: Path
    figures: list[dict[str, Any]] = field(default_factory=list)
    connection_id: str = "connection"
    _jobs: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def destination(self) -> dict[str, Any]:
        return {"type": "duckdb", "configuration": {"destination_path": str(self.warehouse)}}

    def task(
        self, *streams: dict[str, Any], source: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        return {
            "jobId": next(self._jobs),
            "connectionId": self.connection_id,
            "connectionName": "shop",
            "source": {"type": "postgres", "configuration": source or source_configuration(self.source)},
            "destination": self.destination,
            "streams": list(streams or (stream("shop.orders"), stream("shop.lines"))),
            "namespaceDefinition": "custom_format",
            "namespaceFormat": "raw_${SOURCE_NAMESPACE}",
            "prefix": "",
            **changes,
        }

    def sync(self, *streams: dict[str, Any], **changes: Any) -> dict[str, tuple[int, int]]:
        """Run a sync; returns (rows read, rows written) by table. Raises what the job would fail with."""
        with Path(os.devnull).open("wb") as nowhere:
            report = Report(nowhere.fileno())
            try:
                run(Task.of(self.task(*streams, **changes)), report)
            finally:
                self.figures = report.streams()
        return {item["streamName"]: (item["rowsSynced"], item["rowsWritten"]) for item in self.figures}

    def write(self, *statements: str) -> None:
        """Commit statements to the source, as its owner."""
        with self.source.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with duckdb.connect(self.warehouse, read_only=True) as connection:
            return connection.execute(query).fetchall()

    def column_types(self, table: str) -> dict[str, str]:
        """The columns of a raw table with their types, in order."""
        return dict(
            self.raw(
                "select column_name, data_type from duckdb_columns() where schema_name = 'raw_shop'"
                f" and table_name = '{table}' order by column_index"
            )
        )

    def cursor_of(self, table: str) -> str | None:
        """The saved cursor of a stream."""
        query = f"select state ->> 'cursor' from airbyte_internal.state where stream_name = '{table}'"
        return self.raw(query)[0][0]


@pytest.fixture
def engine(shop: SourceDatabase, tmp_path: Path) -> Engine:
    return Engine(shop, tmp_path / "warehouse.duckdb")


@dataclass
class SnowflakeEngine(Engine):
    """The same into the emulated Snowflake, in a database of its own."""

    emulator: Snowflake | None = None
    database: str = field(default_factory=lambda: f"RAW_{uuid4().hex.upper()}")
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection_id = self.database

    @property
    def destination(self) -> dict[str, Any]:
        configuration = snowflake_configuration(self.emulator, self.database, **self.changes)
        return {"type": "snowflake", "configuration": configuration}

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        with self.emulator.connect(database=self.database) as session:
            return session.cursor().execute(query).fetchall()

    def column_types(self, table: str) -> dict[str, str]:
        rows = self.raw(
            "select column_name, data_type, numeric_precision, numeric_scale from information_schema.columns"
            f" where table_schema = 'RAW_SHOP' and table_name = '{table.upper()}' order by ordinal_position"
        )
        return {
            name: f"NUMBER({precision},{scale})" if type_ == "NUMBER" else type_
            for name, type_, precision, scale in rows
        }

    def cursor_of(self, table: str) -> str | None:
        query = f"select STATE:cursor::varchar from AIRBYTE_INTERNAL.STATE where STREAM_NAME = '{table}'"
        return self.raw(query)[0][0]

    def statements(self) -> list[dict[str, Any]]:
        """The job statements of this engine's connection since the start, oldest first."""
        return [each for each in self.emulator.statements() if f'"{self.database}"' in each["query_tag"]]


def snowflake_configuration(emulator: Snowflake, database: str, **changes: Any) -> dict[str, Any]:
    """Airbyte's destination-snowflake keys for the emulator."""
    return {
        "destinationType": "snowflake",
        "host": f"127.0.0.1:{emulator.port}",
        "jdbc_url_params": "ssl=off",
        "role": "LOADER",
        "warehouse": "LOADING",
        "database": database,
        "schema": "PUBLIC",
        "username": "AIRBYTE",
        "credentials": {"auth_type": "Username and Password", "password": "a password of the loader"},
        **changes,
    }


@pytest.fixture
def snow(shop: SourceDatabase, snowflake_emulator: Snowflake, tmp_path: Path) -> SnowflakeEngine:
    return SnowflakeEngine(shop, tmp_path / "unused", emulator=snowflake_emulator)


@pytest.fixture(params=["engine", pytest.param("snow", marks=pytest.mark.slow)])
def either(request: pytest.FixtureRequest) -> Engine:
    """An engine into each destination: for what both have to do alike."""
    return request.getfixturevalue(request.param)


@dataclass
class Connection:
    """A connection on the shared server."""

    server: AirbyteServer
    id: str
    source_id: str
    destination_id: str
    warehouse: Path

    def start(self, job_type: str = "sync") -> int:
        """Start a job; returns its id."""
        body = {"connectionId": self.id, "jobType": job_type}
        return self.server.http.post("/jobs", json=body).raise_for_status().json()["jobId"]

    def run(self, job_type: str) -> dict[str, Any]:
        """Start a job and wait for its end."""
        return self.server.wait(self.start(job_type))

    def sync(self) -> dict[str, Any]:
        """Start a sync and wait for its end."""
        return self.run("sync")

    def raw(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.warehouse, read_only=True) as connection:
            return connection.execute(query).fetchall()


def connect(
    server: AirbyteServer,
    source: dict[str, Any],
    warehouse: Path,
    streams: list[dict[str, Any]],
    **changes: Any,
) -> Connection:
    """Create source, destination and connection through the API."""
    http = server.http

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    workspace = http.get("/workspaces").json()["data"][0]["workspaceId"]
    source_id = made("/sources", {"name": "shop", "workspaceId": workspace, "configuration": source})[
        "sourceId"
    ]
    destination = {"destinationType": "duckdb", "destination_path": str(warehouse)}
    destination_id = made(
        "/destinations", {"name": "warehouse", "workspaceId": workspace, "configuration": destination}
    )["destinationId"]
    body = {
        "name": "shop",
        "sourceId": source_id,
        "destinationId": destination_id,
        "namespaceDefinition": "custom_format",
        "namespaceFormat": "raw_${SOURCE_NAMESPACE}",
        "nonBreakingSchemaUpdatesBehavior": "propagate_columns",  # as the shipped connection says
        "configurations": {"streams": streams},
        **changes,
    }
    return Connection(
        server, made("/connections", body)["connectionId"], source_id, destination_id, warehouse
    )
