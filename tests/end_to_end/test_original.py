"""The whole chain on the original data: the sums are known to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

pytestmark = [
    pytest.mark.slow
]  # the models' sums of these data are proved by test_original.py of the transformation


@pytest.fixture(scope="module")
def original(whole_stack, original_folder):
    """The stack, on which `SHOP=off AW_DATA=… elt demo` ran, whatever data it held before."""
    whole_stack.demo = whole_stack.elt("demo", SHOP="off", AW_DATA=str(original_folder))
    assert whole_stack.demo.returncode == 0, whole_stack.demo.stdout[-3000:] + whole_stack.demo.stderr[-3000:]
    return whole_stack


def test_the_sales_fact_has_every_line_and_sums_to_the_last_digit(original, served):
    assert served(original, "select count(*), sum(line_total) from marts.fct_sales") == [
        (121317, Decimal("109846381.399888"))
    ]


def test_the_64_lines_beyond_their_products_cost_history_are_kept_with_the_last_known_cost(original, served):
    [(lines, orders, costs)] = served(
        original,
        "select count(*), count(distinct order_id), count(standard_cost) from marts.fct_sales where is_cost_estimated",
    )
    assert (lines, orders, costs) == (64, 23, 64)


def test_raw_equals_source_in_every_stream(original):
    verify = original.elt("airbyte", "verify")
    assert verify.returncode == 0, verify.stdout + verify.stderr
    assert "salesorderdetail" in verify.stdout and "121317" in verify.stdout.replace(",", "")


def test_other_data_in_the_source_before_is_said_and_its_warehouse_kept_aside(original):
    aside = list(original.home.glob("warehouse-*.duckdb"))
    if "replaced by" not in original.demo.stdout:
        pytest.skip("the source was empty before: this test needs those of test_chain.py to run first")
    assert len(aside) == 1 and aside[0].name in original.demo.stdout


def test_down_leaves_no_process(whole_stack):
    down = whole_stack.elt("down")
    assert down.returncode == 0, down.stderr
    assert whole_stack.processes() == []
