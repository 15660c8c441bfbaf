"""The way to an account, as an administrator: a connection of Snowflake's own `connections.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import Error

from foundation.errors import EltError


@contextmanager
def administrator(connection: str) -> Iterator[SnowflakeConnection]:
    """A session of the named connection. Raises EltError when it can't be opened."""
    try:
        session = snowflake.connector.connect(connection_name=connection, login_timeout=60)
    except Error as error:
        raise EltError(
            f"Snowflake, connection {connection}: {reason(error)}",
            "describe it in ~/.snowflake/connections.toml (infrastructure/snowflake/README.md)",
        ) from None
    try:
        yield session
    finally:
        session.close()


def reason(error: Error) -> str:
    """Snowflake's own words, on one line."""
    return " ".join(str(error.msg or error).split())
