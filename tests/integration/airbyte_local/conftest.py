"""A small source database, an engine that syncs it in this process, and a way to configure the shared server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airbyte_local.jobs.report import Report
from airbyte_local.sync import run
from tests.fixtures.airbyte import AirbyteServer
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
    _jobs: Iterator[int] = field(default_factory=lambda: count(1))

    def task(
        self, *streams: dict[str, Any], source: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        return {
            "jobId": next(self._jobs),
            "connectionId": "connection",
            "connectionName": "shop",
            "source": {"type": "postgres", "configuration": source or source_configuration(self.source)},
            "destination": {"type": "duckdb", "configuration": {"destination_path": str(self.warehouse)}},
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
                run(self.task(*streams, **changes), report)
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

    def cursor_of(self, table: str) -> str | None:
        """The saved cursor of a stream."""
        query = f"select state ->> 'cursor' from airbyte_internal.state where stream_name = '{table}'"
        return self.raw(query)[0][0]


@pytest.fixture
def engine(shop: SourceDatabase, tmp_path: Path) -> Engine:
    return Engine(shop, tmp_path / "warehouse.duckdb")


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
        "configurations": {"streams": streams},
        **changes,
    }
    return Connection(
        server, made("/connections", body)["connectionId"], source_id, destination_id, warehouse
    )
