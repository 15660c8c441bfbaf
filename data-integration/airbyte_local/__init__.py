"""A local server that speaks Airbyte's public API and runs syncs from Postgres into DuckDB."""
