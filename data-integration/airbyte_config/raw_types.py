"""What a Postgres column becomes in the raw layer, and how it is read without loss.

The contract of the raw layer (data-integration/connections/README.md), written down a second time on purpose: `verify` checks
what the sync engine did and must not ask it how.
"""

from __future__ import annotations

import re

# Postgres type → DuckDB type, read as they are
NATIVE = {
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "text": "VARCHAR",
    "character varying": "VARCHAR",
    "character": "VARCHAR",  # not cast to text, which would drop its padding blanks
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "time without time zone": "TIME",
    "bytea": "BLOB",
}
# read in Postgres' text form, then cast
BY_TEXT = {"uuid": "UUID", "json": "JSON", "jsonb": "JSON"}
MAX_DECIMAL = 38  # digits that DuckDB's and Snowflake's decimals hold


def base_name(postgres: str) -> str:
    """`character varying(50)` → `character varying`; `timestamp(3) without time zone` → `timestamp without time zone`."""
    return re.sub(r"\s*\([^)]*\)", "", postgres)


def raw_type(postgres: str) -> str:
    """DuckDB's type of a column whose `format_type()` is `postgres`; what has no exact one is text."""
    if match := re.fullmatch(r"numeric\((\d+),(\d+)\)", postgres):
        precision, scale = map(int, match.groups())
        return f"DECIMAL({precision},{scale})" if scale <= precision <= MAX_DECIMAL else "VARCHAR"
    name = base_name(postgres)
    return NATIVE.get(name) or BY_TEXT.get(name) or "VARCHAR"


def read_as_text(postgres: str) -> bool:
    """Whether the column is selected in Postgres' text form: always exact, whatever the driver makes of its type."""
    return base_name(postgres) not in NATIVE
