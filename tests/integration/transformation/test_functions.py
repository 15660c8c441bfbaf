"""What the SQL that dbt compiles is made of is the same on both warehouses, or the project avoids the difference."""

from __future__ import annotations

import re

import sqlglot

from tests.integration.transformation.raw_layer import Warehouse
from tests.snowflake.functions import AVOIDED, SAME, called
from tests.snowflake.translation import refuse_in_select_list

MEMBERSHIP = re.compile(r"\b(in|exists|all|any)\s*\(\s*(select|with)\b", re.IGNORECASE)


def test_every_function_is_the_same_on_both_or_avoided(first_build: Warehouse) -> None:
    compiled = [path for path in (first_build.target / "compiled").rglob("*.sql") if path.is_file()]
    assert len(compiled) > 300
    used = {name for path in compiled for name in called(path.read_text())}
    assert used - set(SAME) - set(AVOIDED) == set()


def test_membership_in_a_query_is_asked_in_conditions_only(first_build: Warehouse) -> None:
    texts = [path.read_text() for path in (first_build.target / "compiled").rglob("*.sql") if path.is_file()]
    asking = [text for text in texts if MEMBERSHIP.search(text)]
    assert len(asking) > 5
    for text in asking:
        for node in sqlglot.parse_one(text, dialect="duckdb").walk():
            refuse_in_select_list(node)
