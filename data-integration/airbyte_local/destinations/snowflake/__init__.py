"""Snowflake, one database: types, files, ddl, merge, changes, state, account and errors are its rooms, the session joins them."""

from airbyte_local.destinations.snowflake.session import SnowflakeDestination

__all__ = ["SnowflakeDestination"]
