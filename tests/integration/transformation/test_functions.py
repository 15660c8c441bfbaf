"""Each function in the SQL that dbt compiles is the same on both warehouses, or the project avoids the difference."""

from __future__ import annotations

from tests.integration.transformation.raw_layer import Warehouse
from tests.snowflake.functions import AVOIDED, SAME, called


def test_every_function_is_the_same_on_both_or_avoided(first_build: Warehouse) -> None:
    compiled = [path for path in (first_build.target / "compiled").rglob("*.sql") if path.is_file()]
    assert len(compiled) > 400
    used = {name for path in compiled for name in called(path.read_text())}
    assert used - set(SAME) - set(AVOIDED) == set()
