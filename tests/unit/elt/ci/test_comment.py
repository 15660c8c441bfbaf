"""The comment of slim CI, and the raw layer that it is built on."""

from __future__ import annotations

from pathlib import Path

import duckdb

from elt.ci.comment import MARK, comment
from elt.ci.raw_layer import land, streams
from elt.ci.slim import Relation, Slim
from foundation.settings import ROOT


def test_comment_tells_differences_failures_and_who_is_reached() -> None:
    found = Slim(
        base="0123456789abcdef",
        relations=[
            Relation("dim_a", True, 90, 100, columns_added=["new"], columns_gone=["old"]),
            Relation("fct_b", False, None, 7),
            Relation("fct_c", True, 5, None),
        ],
        removed=["dim_gone"],
        deferred=88,
        tests={"pass": 3, "fail": 1},
        failures=["a.sql: model fct_b: <no> | table"],
        dashboards=["Sales overview"],
    )
    text = comment(found, ["x.py: not formatted"], 0.02)
    assert text.startswith(f"{MARK}\n### dbt: this change fails\n")
    assert "2 changed, 1 after them built; 88 others deferred to the base, not run." in text
    assert "- x.py: not formatted\n- a.sql: model fct_b: &lt;no> \\| table\n" in text
    assert "| `dim_a` | changed | 100 | 90 | -10 | + new, − old |" in text
    assert "| `fct_b` | after it | 7 | not built |  |  |" in text
    assert "| `fct_c` | changed | new | 5 |  |  |" in text
    assert "No longer there: `dim_gone`." in text and "Tests: 1 fail, 3 pass." in text
    assert "Dashboards that show them: Sales overview." in text


def test_change_of_nothing_says_that_no_model_ran() -> None:
    text = comment(Slim("0123456789abcdef"), [], 0.02)
    assert "this change is good" in text and "no model ran" in text


def test_raw_layer_has_each_stream_once_and_lands_only_what_differs(tmp_path: Path) -> None:
    warehouse, wanted = tmp_path / "warehouse.duckdb", streams(ROOT)
    assert set(land(warehouse, wanted, 0.01)) == set(wanted)
    assert land(warehouse, wanted, 0.01) == []
    fewer = wanted | {"sales.store": ["businessentityid", "name", "modifieddate"]}
    assert land(warehouse, fewer, 0.01) == ["sales.store"]
    with duckdb.connect(warehouse, read_only=True) as connection:
        types = dict(
            connection.execute(
                "select column_name, data_type from duckdb_columns() where table_name = 'salesorderheader'"
            ).fetchall()
        )
        assert types["subtotal"] == "VARCHAR"  # a numeric without precision
        assert types["_ab_cdc_deleted_at"] == "VARCHAR"
        assert connection.execute(
            "select count(*) > 0 from adventureworks_sales.salesorderheader"
        ).fetchone()[0]
