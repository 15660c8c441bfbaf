"""Functions that the project takes to be the same on both warehouses (tests/snowflake/functions.py)."""

from __future__ import annotations

import re

import duckdb

from tests.snowflake.functions import AVOIDED, SAME, SNOWFLAKE, called, examples
from tests.unit.snowflake.conftest import Session
from transformation.project import PROJECT

MACRO = re.compile(r"{% macro default__.*?{%-? endmacro", re.S)
JINJA = re.compile(r"{{.*?}}|{%.*?%}|{#.*?#}", re.S)


def test_duckdb_gives_what_the_table_says() -> None:
    with duckdb.connect() as connection:
        expressions = ", ".join(expression for expression, _ in examples())
        found = connection.execute(f"select {expressions}").fetchone()
    assert found is not None
    for (expression, expected), answer in zip(examples(), found, strict=True):
        assert answer == expected, expression


def test_snowflakes_dialect_gives_what_the_table_says(session: Session) -> None:
    expressions = ", ".join(expression for expression, _ in examples(snowflake=True))
    (found,) = session.run(f"select {expressions}")
    for (expression, expected), answer in zip(examples(snowflake=True), found, strict=True):
        assert answer == expected, expression


def test_every_function_of_a_macro_for_snowflake_is_tested() -> None:
    macros = [each for path in (PROJECT / "macros").glob("*.sql") for each in MACRO.findall(path.read_text())]
    assert len(macros) >= 6
    assert {name for each in macros for name in called(JINJA.sub("", each))} <= set(SAME) | set(SNOWFLAKE)


def test_a_function_is_found_in_sql_and_not_in_a_text_or_a_comment() -> None:
    sql = "select abs(a), 'floor(b)' from t where a in (1) -- lower(c)\ngroup by sign (a)"
    assert called(sql) == {"abs", "sign"}
    assert not set(SAME) & set(AVOIDED)
