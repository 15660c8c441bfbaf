"""PostgreSQL's types: what each travels as.

| PostgreSQL | travels as |
|---|---|
| smallint, integer, bigint, real, double precision, boolean, date, time, timestamp, timestamptz, uuid, bytea | itself |
| numeric(p,s), p ≤ 38, 0 ≤ s ≤ p | decimal(p,s) |
| char(n) (with its padding), varchar, text | text |
| json, jsonb | json |
| every other type, and unconstrained numeric | text, in PostgreSQL's own form |

A domain travels as its base type.
"""

from __future__ import annotations

from airbyte_local.schema import DataType, Kind

# by pg_type.typname; ADBC hands these over in their own Arrow type
NATIVE = {
    "int2": Kind.SMALLINT,
    "int4": Kind.INTEGER,
    "int8": Kind.BIGINT,
    "float4": Kind.REAL,
    "float8": Kind.DOUBLE,
    "bool": Kind.BOOLEAN,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMPTZ,
    "uuid": Kind.UUID,
    "bytea": Kind.BINARY,
    "bpchar": Kind.TEXT,  # never cast: ::text would cut the padding blanks
    "varchar": Kind.TEXT,
    "text": Kind.TEXT,
}

MAX_DECIMAL_DIGITS = 38
_VARHDRSZ = 4  # PostgreSQL's numeric typmod is ((precision << 16) | scale) + VARHDRSZ


def travel_type(typname: str, typmod: int) -> tuple[DataType, bool]:
    """The type that a column travels as, and whether its query must cast it to text.

    `typname` and `typmod` are those of the base type, as in pg_type and pg_attribute.
    """
    if typname in NATIVE:
        return DataType(NATIVE[typname]), False
    if typname == "numeric" and typmod >= _VARHDRSZ:
        # as text: half the time of ADBC's own rendering, and the decimal is made where it stays
        precision, scale = (typmod - _VARHDRSZ) >> 16, (typmod - _VARHDRSZ) & 0x7FF
        if precision <= MAX_DECIMAL_DIGITS and scale <= precision:
            return DataType(Kind.DECIMAL, precision, scale), True
    if typname in ("json", "jsonb"):
        return DataType(Kind.JSON), True
    return DataType(Kind.TEXT), True
