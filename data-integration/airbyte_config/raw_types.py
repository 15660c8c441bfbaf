"""What a Postgres column becomes in the raw layer, and how it is read without loss.

The contract of the raw layer (data-integration/connections/README.md), written down a second time on purpose: `verify` checks
what the sync engine did and must not ask it how.
"""

from __future__ import annotations

import re

from foundation.digits import digits

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


WIDER = {("FLOAT", "DOUBLE"), ("DATE", "TIMESTAMP")}


def holds(held: str, wanted: str) -> bool:
    """Whether a raw column of the type `held` holds every value of a column that is to be `wanted`, exactly.

    A column keeps the wider type that it once had in the source; what outgrew 38 digits is text.
    """
    if held == wanted or (wanted, held) in WIDER:
        return True
    ours, theirs = digits(held), digits(wanted)
    if theirs is None:
        return False
    return held == "VARCHAR" or (ours is not None and ours.hold(theirs))


def exact_cast(name: str, type_: str) -> str:
    """A quoted column of the source as `type_`: by way of its text where a plain cast would give a real digits of its own."""
    return (
        f"case when typeof({name}) = 'FLOAT' then cast(cast({name} as varchar) as {type_}) else cast({name} as {type_}) end"
        if type_ == "DOUBLE"
        else f"cast({name} as {type_})"
    )
