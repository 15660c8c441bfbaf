"""A session on the emulator, in a schema of its own."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from snowflake.connector import SnowflakeConnection

from tests.fixtures.snowflake import Snowflake


class Session:
    """Statements on one connection."""

    def __init__(self, connection: SnowflakeConnection) -> None:
        self.connection = connection

    def run(self, *statements: str) -> list[tuple]:
        """Run them; the answer of the last."""
        cursor = self.connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


@pytest.fixture
def schema(snowflake_emulator: Snowflake) -> str:
    """A schema that nobody else uses, qualified."""
    return f"UNIT.S{uuid4().hex.upper()}"


@pytest.fixture
def session(snowflake_emulator: Snowflake, schema: str) -> Iterator[Session]:
    """A session whose names lead into `schema`."""
    with snowflake_emulator.connect(database="UNIT") as connection:
        opened = Session(connection)
        opened.run(f"create schema {schema}", f"use schema {schema}")
        yield opened


@pytest.fixture
def other(snowflake_emulator: Snowflake, session: Session, schema: str) -> Iterator[Session]:
    """A second session in the same schema."""
    with snowflake_emulator.connect(database="UNIT") as connection:
        opened = Session(connection)
        opened.run(f"use schema {schema}")
        yield opened
