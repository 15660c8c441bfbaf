"""Compare a program's metadata database with its last preparation, of which a mark is kept in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg
from pydantic import SecretStr

from foundation.errors import EltError
from foundation.settings import Settings


def metadata_row(
    settings: Settings, program: str, password: SecretStr, query: str, parameters: Sequence[object] = ()
) -> tuple | None:
    """The one row of `query` in the database and as the user named `program`; None where a table is missing.

    Raises EltError when the metadata PostgreSQL does not answer.
    """
    try:
        with psycopg.connect(
            host=settings.metadata_host,
            port=settings.metadata_port,
            dbname=program,
            user=program,
            password=password.get_secret_value(),
            connect_timeout=5,
        ) as connection:
            try:
                return connection.execute(query, parameters).fetchone()
            except psycopg.errors.UndefinedTable:
                return None
    except psycopg.OperationalError as error:
        raise EltError(
            f"the metadata PostgreSQL does not answer on {settings.metadata_host}:{settings.metadata_port}: "
            f"{str(error).strip().splitlines()[-1]}",
            "`elt up postgres`, and see `elt logs postgres`",
        ) from None


def mark(marker: Path, fingerprint: str) -> None:
    """Keep the fingerprint, for this user alone; a killed process leaves the old mark or the new one."""
    draft = marker.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(fingerprint)
    draft.replace(marker)
