"""PostgreSQL, read by cursor or in full: check, discover, types, cursor, snapshot are its rooms."""

from airbyte_local.sources.postgres.source import opened

__all__ = ["opened"]
