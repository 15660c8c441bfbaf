"""Words and forms: types, durations, ends of processes, fields, errors."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from airbyte_local.api.jobs import iso_duration
from airbyte_local.api.problems import field_path
from airbyte_local.destinations.duckdb.errors import explained
from airbyte_local.destinations.duckdb.types import column_type
from airbyte_local.jobs.runner import death
from airbyte_local.schema import DataType, Kind
from airbyte_local.sources.postgres.connect import Address, unreachable
from airbyte_local.sources.postgres.types import travel_type
from foundation.quoting import quoted


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "PT0S"), (0.04, "PT0S"), (6.44, "PT6.4S"), (60, "PT1M"), (3661.5, "PT1H1M1.5S"), (90_000, "PT25H")],
)
def test_durations_are_iso_8601(seconds: float, text: str) -> None:
    assert iso_duration(seconds) == text


@pytest.mark.parametrize(
    ("typname", "typmod", "expected"),
    [
        ("int4", -1, (DataType(Kind.INTEGER), False)),
        ("bpchar", 9, (DataType(Kind.TEXT), False)),
        ("numeric", -1, (DataType(Kind.TEXT), True)),
        ("numeric", ((8 << 16) | 2) + 4, (DataType(Kind.DECIMAL, 8, 2), True)),
        ("numeric", ((39 << 16) | 2) + 4, (DataType(Kind.TEXT), True)),
        ("numeric", ((3 << 16) | 0x7FE) + 4, (DataType(Kind.TEXT), True)),  # numeric(3,-2)
        ("jsonb", -1, (DataType(Kind.JSON), True)),
        ("", -1, (DataType(Kind.TEXT), True)),
    ],
)
def test_postgres_types_travel_exactly_or_as_text(typname: str, typmod: int, expected: tuple) -> None:
    assert travel_type(typname, typmod) == expected


def test_every_kind_has_a_type_in_duckdb() -> None:
    names = [column_type(DataType(kind, 10, 2)) for kind in Kind]
    columns = ", ".join(f"c{index} {name}" for index, name in enumerate(names))
    connection = duckdb.connect()
    connection.execute(f"create table t ({columns})")
    assert [
        row[0]
        for row in connection.execute("select data_type from duckdb_columns() where not internal").fetchall()
    ] == names
    assert quoted('a"b') == '"a""b"'


def test_a_death_names_its_signal() -> None:
    assert "SIGKILL (by hand, or for lack of memory)" in death(-9)
    assert "SIGSEGV;" in death(-11)
    assert "ended with code 3" in death(3)


def test_fields_are_named_as_they_are_written() -> None:
    assert (
        field_path(("body", "configurations", "streams", 0, "syncMode"))
        == "configurations.streams[0].syncMode"
    )
    assert field_path(("query", "limit")) == "limit"
    assert field_path(("body",)) == "body"


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (
            duckdb.IOException("IO Error: Could not write file: No space left on device"),
            "the disk of the warehouse",
        ),
        (duckdb.IOException("Could not set lock on file: unknown"), "in use by another process"),
        (duckdb.OutOfMemoryException("Out of Memory Error: 1 GB\nmore"), "not enough memory for stream a.b"),
        (duckdb.CatalogException("Catalog Error: no"), "refused: Catalog Error: no"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
def test_errors_of_duckdb_become_words(error: Exception, found: str) -> None:
    assert found in explained(error, Path("/w.duckdb"), "stream a.b").message


def test_an_address_does_not_show_its_password() -> None:
    address = Address.of({"host": "h", "database": "d", "username": "u", "password": "hush"})
    assert "hush" not in repr(address) + str(address)
    assert address.port == 5432
    unknown = unreachable(address, "")
    assert (
        str(unknown) == "PostgreSQL at h:5432, database d, user u: no reason given — see the database's log"
    )
