"""Statements that are recognised by their text, because fakesnow or its parser does not know them."""

from __future__ import annotations

import functools
import re

from sqlglot import exp

LEAD = re.compile(r"\s+|--[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r'((?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+))*)'


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace(" ", r"\s+"), re.IGNORECASE | re.DOTALL)


# Security, compute, governance and storage settings: accepted, without effect.
NO_OP = pattern(
    r"(?:grant|revoke|use (?:role|warehouse|secondary roles)|alter account|"
    r"(?:create(?: or replace)?|alter|drop) (?:role|database role|warehouse|user|resource monitor|network policy|"
    r"masking policy|row access policy|(?:storage|api|notification) integration)|"
    r"comment (?:if exists )?on (?:role|warehouse|user|database|schema)|"
    r"alter (?:database|schema) (?:if exists )?\S+ (?:set|unset)|"
    r"alter (?:table|view) (?:if exists )?\S+ (?:"
    r"(?:add|drop) (?:constraint|primary key|unique|foreign key|search optimization|row access policy)|"
    r"(?:set|unset) (?:data_retention_time_in_days|max_data_extension_time_in_days|change_tracking|"
    r"enable_schema_evolution|secure))"
    r")\b"
)
SHOW_GRANTS = pattern(r"show (?:future )?grants\b")
SHOW_ROLES = pattern(r"show roles\b")
SHOW_PARAMETER = pattern(r"show parameters like '(\w+)' (?:in|for) session")
SET_PARAMETER = pattern(r"alter session set (?!autocommit)(\w+)\s*=\s*('(?:[^']|'')*'|\w+)")
UNSET_PARAMETER = pattern(r"alter session unset (\w+)")
BEGIN = pattern(r"(?:start transaction|begin(?: transaction| work)?)(?: name (\w+))?\s*;?\s*$")
SHOW_TRANSACTIONS = pattern(r"show transactions\b")
ABORT_TRANSACTION = pattern(r"select system\$abort_transaction\('?(\d+)'?\)")
COMMENT_COLUMNS = pattern(rf"alter (?:table|view) {_NAME} (?:alter|modify) (?:column )?(?=\S+ comment )(.*)")
COLUMN_COMMENT = re.compile(r"(\"[^\"]+\"|\w+)\s+comment\s+(?:\$\$(.*?)\$\$|'((?:[^']|'')*)')", re.I | re.S)
SWAP_SCHEMA = pattern(rf"alter schema (?:if exists )?{_NAME} swap with {_NAME}")
CLONE_SCHEMA = pattern(rf"create (or replace )?(?:transient )?schema (if not exists )?{_NAME} clone {_NAME}")
CLONE_TABLE = pattern(
    r"create (or replace )?(?:(?:local |global )?(?:transient |temporary |temp |volatile ))?table (if not exists )?"
    rf"{_NAME} (clone|like) {_NAME}\s*((?:at|before)\b)?"
)

# Session variables, which are not to be looked for in literals, names and comments.
VARIABLE = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\$\$.*?\$\$|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|(?<![\w$])\$([A-Za-z_]\w*)", re.DOTALL
)
MISSING = re.compile(r"(Table|View|Schema|Catalog) with name (\S+) does not exist")

GRANT_COLUMNS = "created_on privilege granted_on name granted_to grantee_name grant_option granted_by"
TRANSACTION_COLUMNS = "id user session name started_on state scope"
ROLE_COLUMNS = "created_on name is_default is_current is_inherited owner comment"


def no_rows(columns: str) -> exp.Expr:
    """A SHOW that finds nothing."""
    return exp.select(*(f'NULL::VARCHAR AS "{c}"' for c in columns.split()), dialect="duckdb").where("FALSE")


def some_rows(rows: list[dict[str, str]]) -> exp.Expr:
    """Rows of texts, at least one."""
    return functools.reduce(exp.union, (one_row(**row) for row in rows))


def one_row(**values: str) -> exp.Expr:
    """A row of texts."""
    return exp.select(*(exp.alias_(exp.Literal.string(v), k, quoted=True) for k, v in values.items()))


def quoted(place: tuple[str, ...]) -> str:
    """A qualified name in DuckDB's SQL."""
    return ".".join(f'"{part}"' for part in place)


def beginning(command: str) -> int:
    """Where a statement begins, after blanks and comments."""
    start = 0
    while lead := LEAD.match(command, start):
        start = lead.end()
    return start
