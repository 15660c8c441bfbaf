"""Changes since the period before: of the same days of both, whatever a board's filters choose, and never a row counted twice."""

from __future__ import annotations

import duckdb
import pytest

from dashboards.contracts import types_of
from dashboards.files import _compare, load
from dashboards.semantic import metric

# two periods of 365 days; of the shop "closed" only the older one has a row
SOLD = """
    select * from (values
        (date '2026-06-30', '2026', null, 'open', 150), (date '2026-03-01', '2026', null, 'open', 30),
        (date '2025-06-30', '2025', '2026', 'open', 100), (date '2025-03-01', '2025', '2026', 'open', 20),
        (date '2025-06-30', '2025', '2026', 'closed', 7), (date '2024-06-30', '2024', '2025', 'open', 50)
    ) as sold (day, period, period_after, shop, amount)
"""
CHANGE = """
    sum(case when not is_before then amount end) / sum(case when is_before then amount end) - 1
"""


@pytest.fixture
def change():
    """The change of the rows for which a condition holds."""
    data = {"keeps": ["shop"]}
    _compare(
        data, {"sql": SOLD, "time": "day", "columns": dict.fromkeys(("day", "period", "shop", "amount"))}
    )
    return lambda where: duckdb.execute(f"select {CHANGE} from ({data['sql']}) where {where}").fetchone()[0]


@pytest.mark.parametrize(
    ("chosen", "now", "before"),
    [
        ("period = '2026'", 180, 127),
        ("period = '2026' and shop = 'open'", 180, 120),
        ("day >= '2026-06-01' and day < '2026-07-01'", 150, 107),  # days, and no period
        ("day >= '2025-06-01' and day < '2026-04-01'", 100 + 7 + 30, 50 + 20),  # days of two periods
        ("period = '2026' and day < '2026-06-01'", 30, 20),
    ],
)
def test_a_change_is_that_of_the_same_days(change, chosen, now, before):
    assert change(chosen) == pytest.approx(now / before - 1)


def test_where_nothing_is_now_what_was_before_is_not_shown_in_its_place(change):
    assert change("period = '2026' and shop = 'closed'") is None


def test_nothing_of_rows_that_are_there_twice_can_be_added_up():
    assets = load("duckdb")
    compared = {name: held for name, held in assets.datasets.items() if "compares" in held.data}
    assert len(compared) == 6
    for name, document in compared.items():
        types = types_of(document, assets).values()
        assert not [kind for kind in types if not kind.startswith(("VARCHAR", "DATE", "TIMESTAMP"))], name
        for each, given in document.data["metrics"].items():
            sql = metric(each, given)["expression"]
            assert "when not is_before" in sql and "when is_before" in sql, (name, each)
