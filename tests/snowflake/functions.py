"""Every function in the project's SQL: what it gives on both warehouses, or how the project avoids the difference.

A function that is in no table here fails `test_every_function_is_the_same_on_both_or_avoided`. Expected values are those of
Snowflake's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

# same, tested: function → expressions that both understand, each with the answer of both
SAME: dict[str, list[tuple[str, Any]]] = {
    "abs": [("abs(cast(-1.5 as decimal(38, 4)))", Decimal("1.5"))],
    "cast": [
        ("cast(1.00005 as decimal(18, 4))", Decimal("1.0001")),  # half away from zero
        ("cast(-1.00005 as decimal(18, 4))", Decimal("-1.0001")),
        ("cast(timestamp '2025-01-02 03:04:05' as date)", date(2025, 1, 2)),
        ("cast(cast(1.50 as decimal(18, 4)) as varchar)", "1.5000"),
        ("cast(2.5 as integer)", 3),
        ("date '2025-01-02' - 365 * cast(floor(2.5) as integer)", date(2023, 1, 3)),
    ],
    "coalesce": [("coalesce(null, 'a')", "a")],
    "corr": [("(select corr(a, b) from (select 1.0 as a, 2.0 as b union all select 2, 4) as t)", 1.0)],
    "count": [("(select count(a) from (select 1 as a union all select null) as t)", 1)],
    "date_trunc": [
        ("cast(date_trunc('quarter', timestamp '2025-05-31 10:00:00') as date)", date(2025, 4, 1)),
        ("cast(date_trunc('month', date '2025-05-31') as date)", date(2025, 5, 1)),
    ],
    "extract": [("extract(quarter from date '2025-05-31')", 2)],
    "floor": [("floor(2.9)", 2)],
    "lag": [
        (
            "(select max(b) from (select lag(a) over (order by a) as b from (select 1 as a union all select 2) as t) as u)",
            1,
        )
    ],
    "lead": [
        (
            "(select max(b) from (select lead(a) over (order by a) as b from (select 1 as a union all select 2) as t) as u)",
            2,
        )
    ],
    "left": [("left('ab', 1)", "a")],
    "length": [("length('🚲é')", 2)],
    "lower": [("lower('WWW.Ä')", "www.ä")],
    "lpad": [("lpad('7', 3, '0')", "007")],
    "max": [("(select max(a) from (select null as a union all select 'b') as t)", "b")],
    "md5": [("md5('a|b')", "d0726241020676b14aa6298ce6a18b21")],  # pragma: allowlist secret
    "min": [("(select min(a) from (select null as a union all select 'b') as t)", "b")],
    "mod": [("mod(cast(7 as decimal(38, 0)), cast(4 as decimal(38, 0)))", 3)],
    "ntile": [
        (
            "(select max(b) from (select ntile(2) over (order by a) as b from (select 1 as a union all select 2) as t) as u)",
            2,
        )
    ],
    "nullif": [("nullif(0, 0)", None), ("nullif('', '')", None)],
    "rank": [
        (
            "(select max(b) from (select rank() over (order by a) as b from (select 1 as a union all select 1) as t) as u)",
            1,
        )
    ],
    "replace": [("replace('a|b|', '|', '~!')", "a~!b~!")],
    "right": [("right('5550124', 2)", "24"), ("right('5', 2)", "5")],
    "row_number": [
        (
            "(select max(b) from (select row_number() over (order by a) as b from (select 1 as a union all select 1) as t) as u)",
            2,
        )
    ],
    "rtrim": [("rtrim('bing.com.', '.')", "bing.com")],
    "split_part": [
        ("split_part('a@b', '@', 2)", "b"),
        ("split_part('a', '@', 2)", ""),
        ("split_part('a@b', '@', -1)", "b"),
        ("split_part('a', '@', -1)", "a"),
    ],
    "substring": [("substring('/SO12', 4)", "12"), ("substring('/SO', 4)", "")],
    "sum": [
        (
            "(select sum(a) from (select cast(0.1 as decimal(38, 8)) as a union all select 0.2) as t)",
            Decimal("0.3"),
        )
    ],
    "translate": [("translate('a1b2', '0123456789', '')", "ab")],
    "trim": [("trim('  a ')", "a")],
    "try_cast": [
        ("try_cast('1.00005' as decimal(18, 4))", Decimal("1.0001")),
        ("try_cast('NaN' as decimal(18, 4))", None),
        ("try_cast('1e3' as decimal(18, 4))", Decimal(1000)),
        ("try_cast('123456789012345' as decimal(18, 4))", None),
    ],
}

# what Snowflake alone has, each in a macro default__…
SNOWFLAKE: dict[str, list[tuple[str, Any]]] = {
    "dayofweekiso": [("dayofweekiso(cast('2025-01-05' as date))", 7)],
    "get_path": [("cast(get_path(parse_json('{\"name\": \"a\"}'), 'name') as varchar)", "a")],
    "regexp_replace": [
        ("regexp_replace(' No, not -- a: ', '[^a-z0-9]+', ' ')", " o not a ")
    ],  # each, not only the first
    "to_char": [
        (
            "to_char(cast('2025-01-02 03:04:05.6' as timestamp_ntz), 'YYYY-MM-DD HH24:MI:SS.FF6')",
            "2025-01-02 03:04:05.600000",
        )
    ],
    "try_parse_json": [
        ("cast(get_path(try_parse_json('{\"a\": \"b\"}'), 'a') as varchar)", "b"),
        ("try_parse_json('{\"a\": ')", None),
    ],
    "weekiso": [("weekiso(cast('2024-12-30' as date))", 1)],
}

# differs, avoided: function → what differs, and what the project does
AVOIDED = {
    "json_extract_string": "DuckDB's name of Snowflake's GET_PATH, cast to text: in json_text",
    "date_diff": "DuckDB's name and order of arguments: written by dbt.datediff, and only for days",
    "epoch_us": "DuckDB alone has it: in duckdb__extracted_at",
    "make_timestamp": "takes other arguments in Snowflake: in duckdb__extracted_at",
    "generate_series": "a table function in DuckDB, none in Snowflake: a comment of dbt.generate_series",
    "greatest": "null if an argument is null in Snowflake, not in DuckDB: each argument is made not null first",
    "least": "null if an argument is null in Snowflake, not in DuckDB: no argument is null",
    "isodow": "DuckDB's name of Snowflake's DAYOFWEEKISO: in iso_day_of_week",
    "strftime": "DuckDB's name of Snowflake's TO_CHAR: in timestamp_text",
    "weekofyear": "DuckDB's counts ISO weeks, Snowflake's those of WEEK_START: in iso_week",
}

NO_FUNCTION = frozenset(
    [
        "and",
        "as",
        "built",
        "by",
        "decimal",
        "else",
        "exists",
        "from",
        "in",
        "not",
        "on",
        "or",
        "over",
        "partition",
        "select",
        "then",
        "using",
        "values",
        "varchar",
        "varying",
        "when",
        "where",
        "with",
    ]
)
TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"", re.S)
CALL = re.compile(r"\b([a-z_][a-z_0-9]*)\s*\(")


def called(sql: str) -> set[str]:
    """The names of the functions in a statement; a name in a text or a comment is none."""
    return set(CALL.findall(TEXT.sub("", sql.lower()))) - NO_FUNCTION


def examples(snowflake: bool = False) -> Iterator[tuple[str, Any]]:
    """Each expression with the answer of both, or of Snowflake."""
    for each in (*SAME.values(), *(SNOWFLAKE.values() if snowflake else ())):
        yield from each
