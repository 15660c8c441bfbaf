"""A raw layer made without the sync engine, so that `verify` is tested on its own; and workspaces of one's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import duckdb
import psycopg
import pytest
from airbyte_api import models
from psycopg import sql

from airbyte_config import client
from airbyte_config.apply import Action, apply
from airbyte_config.definitions import Stream, load
from airbyte_config.documents import DIRECTORY
from airbyte_config.jobs import Job, recent
from airbyte_config.row_comparison import StreamResult
from airbyte_config.verify import verify
from foundation.quoting import literal, quoted
from foundation.settings import Settings, load_settings
from tests.fixtures import warm
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase

TYPES = {
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ",
    "date": "DATE",
    "time without time zone": "TIME",
    "uuid": "UUID",
    "real": "FLOAT",
    "double precision": "DOUBLE",
}


def copy_to_raw(
    source: psycopg.Connection, raw: duckdb.DuckDBPyConnection, stream: Stream, folder: Path
) -> None:
    """Write one raw table by way of a CSV file: nothing of Arrow or ADBC is in it."""
    table = sql.Identifier(stream.namespace, stream.name)
    described = source.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        [table.as_string(source)],
    ).fetchall()
    columns = {
        name: type_
        for name, type_ in described
        if not stream.selected_fields or name in stream.selected_fields
    }
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy (select {} from {}) to stdout (format csv, header, null '\\N', force_quote *)")
    file = folder / "stream.csv"
    with file.open("wb") as out, source.cursor().copy(statement.format(names, table)) as copy:
        for chunk in copy:
            out.write(chunk)
    typed = ", ".join(
        (
            f"unhex({quoted(name)}[3:]) as {quoted(name)}"
            if type_ == "bytea"
            else f"{quoted(name)}::{duckdb_type(type_)} as {quoted(name)}"
        )
        for name, type_ in columns.items()
    )
    schema = quoted(f"adventureworks_{stream.namespace}")
    raw.execute(f"create schema if not exists {schema}")
    raw.execute(
        f"""
        create or replace table {schema}.{quoted(stream.name)} as
        select {typed}, uuid()::varchar as _airbyte_raw_id, now() as _airbyte_extracted_at
        from read_csv({literal(str(file))}, all_varchar = true, nullstr = '\\N', quote = '"', escape = '"', header = true,
            allow_quoted_nulls = false, delim = ',', max_line_size = 10000000)
    """
    )


def duckdb_type(type_: str) -> str:
    """The type that raw has for a column of the source."""
    return (
        type_.replace("numeric(", "DECIMAL(") if type_.startswith("numeric(") else TYPES.get(type_, "VARCHAR")
    )


@dataclass
class Pair:
    """A source and a raw layer; `files` are the definitions between them."""

    source: SourceDatabase
    home: Path
    files: Path = DIRECTORY

    @property
    def environ(self) -> dict[str, str]:
        return self.source.environ | {"ELT_HOME": str(self.home)}

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ)

    def raw(self, statement: str) -> None:
        """Break (or mend) the raw layer on purpose."""
        with duckdb.connect(self.settings.warehouse_path) as connection:
            connection.execute(statement)

    def verify(self) -> dict[str, StreamResult]:
        return {result.stream: result for result in verify(directory=self.files, settings=self.settings)}

    def copy_raw(self) -> None:
        """Make raw what the source is now."""
        streams = load(self.files, self.settings).connection("adventureworks").definition.streams
        with self.source.connect() as source, duckdb.connect(self.settings.warehouse_path) as raw:
            for stream in streams:
                copy_to_raw(source, raw, stream, self.home)


@pytest.fixture(scope="session")
def equal_pair(generated_source: SourceDatabase, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Generated data and its faithful raw layer; only read it, or take `pair`."""
    pair = Pair(generated_source, tmp_path_factory.mktemp("equal"))
    pair.copy_raw()
    return pair


@pytest.fixture
def pair(equal_pair: Pair, tmp_path: Path) -> Pair:
    """The same with a raw layer of its own, to be broken."""
    shutil.copytree(equal_pair.home, tmp_path / "home")
    return Pair(equal_pair.source, tmp_path / "home")


@pytest.fixture
def own_files(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """A copy of the definitions with one passage of one file replaced."""
    folder = tmp_path / "connections"
    shutil.copytree(DIRECTORY, folder)

    def edit(file: str, old: str, new: str) -> Path:
        path = folder / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))
        return folder

    return edit


@pytest.fixture
def empty_pair(empty_source: SourceDatabase, tmp_path: Path) -> Iterator[Pair]:
    """A source of one's own, with empty tables, and no raw layer yet."""
    home = tmp_path / "home"
    home.mkdir()
    yield Pair(empty_source, home)


@dataclass(frozen=True)
class Site:
    """A workspace of one's own on the shared server, and what `elt` needs to work with it."""

    server: AirbyteServer
    workspace_id: str
    environ: dict[str, str]

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ)

    def with_(self, **variables: str) -> Site:
        return replace(self, environ=self.environ | variables)

    def apply(self, directory: Path = DIRECTORY, **options) -> dict[str, tuple[Action, list[str]]]:
        """What happened to each resource."""
        changes = apply(directory, settings=self.settings, **options)
        return {f"{change.kind} {change.name}": (change.action, change.fields) for change in changes}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "elt.cli", *arguments]

    def elt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `elt ARGUMENTS` here."""
        return warm.run("elt", *arguments, environ=self.environ)

    def held(self, kind: str) -> list[dict]:
        """What the server holds of a kind ("sources") in this workspace."""
        return self.server.http.get(f"/{kind}", params={"workspaceIds": self.workspace_id}).json()["data"]


def make_site(server: AirbyteServer, source: SourceDatabase, home: Path) -> Site:
    """A new workspace on `server`; nothing is applied yet."""
    name = f"workspace {uuid4()}"
    answer = server.sdk.workspaces.create_workspace(request=models.WorkspaceCreateRequest(name=name))
    environ = server.environ_with(source, home) | {"AIRBYTE_WORKSPACE": name}
    return Site(server, answer.workspace_response.workspace_id, environ)


@pytest.fixture
def site(airbyte: AirbyteServer, empty_template: SourceDatabase, tmp_path: Path) -> Site:
    return make_site(airbyte, empty_template, tmp_path / "elt home")


@dataclass(frozen=True)
class Chain:
    """A source, a server and a warehouse, with the connection applied."""

    source: SourceDatabase
    site: Site

    @property
    def settings(self) -> Settings:
        return self.site.settings

    def start_job(self) -> int:
        """A sync that somebody else started."""
        api = client.sdk(self.settings)
        connection_id = client.connection_id(api, "adventureworks", self.settings)
        request = models.JobCreateRequest(connection_id=connection_id, job_type="sync")
        return api.jobs.create_job(request=request).job_response.job_id

    def newest(self) -> Job:
        api = client.sdk(self.settings)
        return recent(api, workspace_id=self.site.workspace_id, limit=1, settings=self.settings)[0]

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """A table is locked in the source: a sync that starts now can't end."""
        with self.source.connect() as connection:
            connection.execute("lock table sales.store in access exclusive mode")
            yield
            connection.rollback()


@pytest.fixture
def source(generated_source: SourceDatabase) -> Iterator[SourceDatabase]:
    source = generated_source.copy()
    yield source
    source.server.drop(source)


@pytest.fixture
def chain(source: SourceDatabase, airbyte: AirbyteServer, tmp_path: Path) -> Chain:
    site = make_site(airbyte, source, tmp_path / "elt home")
    site.apply()
    return Chain(source, site)
