"""DuckDB, one file: types, ddl, merge, state and errors are its rooms, the session joins them."""

from airbyte_local.destinations.duckdb.session import DuckdbDestination

__all__ = ["DuckdbDestination"]
