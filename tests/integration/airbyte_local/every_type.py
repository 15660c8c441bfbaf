"""A table with a column of every type, `shop.types`: what each is called in the warehouse, and a value of it."""

from __future__ import annotations

EVERY_TYPE = {
    # column type in the source: (type in the warehouse, value, what the warehouse shows as text)
    "smallint": ("SMALLINT", "-32768", "-32768"),
    "integer": ("INTEGER", "2147483647", "2147483647"),
    "bigint": ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
    "boolean": ("BOOLEAN", "true", "true"),
    "real": ("FLOAT", "'1.5'", "1.5"),
    "double precision": ("DOUBLE", "'NaN'", "nan"),
    "numeric(8,2)": ("DECIMAL(8,2)", "123456.78", "123456.78"),
    "numeric(38,10)": (
        "DECIMAL(38,10)",
        "'1234567890123456789012345678.0123456789'",
        "1234567890123456789012345678.0123456789",
    ),
    "numeric(18,0)": ("DECIMAL(18,0)", "999999999999999999", "999999999999999999"),
    "numeric": ("VARCHAR", "'NaN'", "NaN"),
    "numeric(50,3)": ("VARCHAR", "1e40", "1" + "0" * 40 + ".000"),
    "numeric(3,-2)": ("VARCHAR", "12345", "12300"),
    "char(5)": ("VARCHAR", "'ab'", "ab   "),
    "varchar(50)": ("VARCHAR", "'ünï'", "ünï"),
    "text": ("VARCHAR", "E'a\\nb\\\\c\"d'", 'a\nb\\c"d'),
    "timestamp": ("TIMESTAMP", "'2024-02-29 23:59:59.999999'", "2024-02-29 23:59:59.999999"),
    "timestamptz": ("TIMESTAMP WITH TIME ZONE", "'2024-01-01 00:00+02'", "2023-12-31 22:00:00+00"),
    "date": ("DATE", "'2024-02-29'", "2024-02-29"),
    "time": ("TIME", "'24:00:00'", "24:00:00"),
    "uuid": ("UUID", "'00000000-0000-0000-0000-00000000000a'", "00000000-0000-0000-0000-00000000000a"),
    "bytea": ("BLOB", "'\\x00ff41'", "\\x00\\xFFA"),
    "json": ("JSON", """'{"a":  1}'""", '{"a":  1}'),
    "jsonb": ("JSON", """'{"a":  1}'""", '{"a": 1}'),
    "xml": ("VARCHAR", "'<a>1</a>'", "<a>1</a>"),
    "interval": ("VARCHAR", "'1 year 2 days 03:04:05.6'", "1 year 2 days 03:04:05.6"),
    "integer[]": ("VARCHAR", "'{1,NULL,3}'", "{1,NULL,3}"),
    "inet": ("VARCHAR", "'10.0.0.1/8'", "10.0.0.1/8"),
    "int4range": ("VARCHAR", "'[1,5)'", "[1,5)"),
    "bit(3)": ("VARCHAR", "B'101'", "101"),
    "timetz": ("VARCHAR", "'24:00:00+05:30'", "24:00:00+05:30"),
    "money": ("VARCHAR", "-1234.5", "-$1,234.50"),
    "cidr": ("VARCHAR", "'10.0.0.0/8'", "10.0.0.0/8"),
    "macaddr": ("VARCHAR", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03"),
    "point": ("VARCHAR", "'(1,2)'", "(1,2)"),
    "numeric(3,3)": ("DECIMAL(3,3)", "-0.999", "-.999"),
    "shop.mood": ("VARCHAR", "'so so'", "so so"),
    "shop.price": ("DECIMAL(10,2)", "'9.90'", "9.90"),
    "shop.sale_price": ("DECIMAL(10,2)", "'8.90'", "8.90"),
}
COLUMNS = [f"c{index}" for index in range(len(EVERY_TYPE))]
VALUES = ", ".join(value for _, value, _ in EVERY_TYPE.values())


def made(*before: str) -> tuple[str, ...]:
    """The statements that make the table: `id`, then the columns `before` ("updated timestamp"), then one of each type."""
    each = (f"{name} {type_}" for name, type_ in zip(COLUMNS, EVERY_TYPE, strict=True))
    return (
        "create type shop.mood as enum ('well', 'so so')",
        "create domain shop.price as numeric(10,2)",
        "create domain shop.sale_price as shop.price check (value > 0)",
        f"create table shop.types ({', '.join(['id integer primary key', *before, *each])})",
    )
