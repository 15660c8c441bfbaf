"""What a client's statements must not do, found in the list of statements: lean on what the emulator does otherwise than Snowflake,
and write DDL into a transaction.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

# what the emulator lets pass and Snowflake does not, or not so (README.md), as it would look in a statement
DEVIATIONS = {
    "a division or an average": r" / |avg\(",
    "a text with a length": r"varchar\(",
    "a temporary table": r"\btemp(orary)?\b",
    "a time zone of the session's": r"timestamp_ltz|to_timestamp",
    "a key or a length that is enforced": r"primary key|unique|(?<!is )not null",
    "an integer beyond 64 bits": r"number\(38, ?0\)|\bint\b|integer",
    "row numbers without an order": r"row_number\(\) over \((?![^()]*(\([^()]*\)[^()]*)*order by)",
    "a correlated subquery": r"\bexists \((?!\s*$)",
    "another database in the statement": r"\bdatabase\b",
    "what only DuckDB has": r"filter \(where|unhex|arg_max|::|\bexclude\b",
    "an order of keys in a VARIANT": r"::varchar = ",
    "results of other statements": r"result_scan|last_query_id",
}

TEXT = re.compile(r"'(?:[^'\\]|\\.|'')*'")
NAME = re.compile(r'"((?:[^"]|"")*)"')
DML = re.compile(
    r"(begin name|merge into|insert into|update|delete from|select|commit|rollback)\b", re.IGNORECASE
)


def leaning(statements: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(what differs, the statement that leans on it)."""
    found = []
    for each in statements:
        sql = TEXT.sub("''", each["sql"])
        found += [(what, sql) for what, pattern in DEVIATIONS.items() if re.search(pattern, sql)]
        if any(name != name.upper() for name in NAME.findall(sql)):
            found.append(("a name that is not upper case", sql))
        if sql.startswith("copy into") and "use_logical_type = true binary_as_text = false" not in sql:
            found.append(("the types that a parquet file declares", sql))
    return found


def transactions(statements: list[dict[str, Any]]) -> list[list[str]]:
    """The statements of each transaction, from its begin to its end."""
    found: list[list[str]] = []
    for session in sorted({each["session"] for each in statements}):
        mine = [each for each in statements if each["session"] == session]
        for before, each in pairwise(mine):
            if each["in_transaction"] and not before["in_transaction"]:
                found.append([before["sql"]])
            if each["in_transaction"]:
                found[-1].append(each["sql"])
    return found


def ddl_inside(found: list[list[str]]) -> list[str]:
    """What is no DML in these transactions, and those that do not begin and end as they should."""
    odd = [sql for statements in found for sql in statements if not DML.match(sql)]
    return odd + [statements[-1] for statements in found if statements[-1] not in ("commit", "rollback")]
