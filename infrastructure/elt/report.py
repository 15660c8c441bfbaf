"""The figures of the demo's report, read from what the run left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from foundation.settings import Settings

PUBLISHED = "adventureworks.duckdb"
# what the chart "Revenue by category" shows at first; as one types it
REVENUE_BY_CATEGORY = (
    "select product_category, sum(line_total) as revenue from marts.obt_sales where counts_as_revenue"
    " and order_date > (select max(order_date) from marts.obt_sales) - 365 group by all order by revenue desc"
)
# what a person wants to know of a published version: title → query over `marts`
MEASURES = {
    "order lines": "select count(*) from marts.fct_sales",
    "orders": "select count(*) from marts.fct_orders",
    "revenue": "select sum(line_total) from marts.obt_sales where order_status_name not in ('Rejected', 'Cancelled')",
    "orders shipped": "select count(*) from marts.fct_orders where ship_date_key <> -1",
    "customer versions": "select count(*) from marts.dim_customer",
    "product versions": "select count(*) from marts.dim_product",
}


@dataclass(frozen=True)
class Facts:
    """What one DAG run did. `version` is the folder that it published."""

    run: str
    rows_synced: int
    sync_seconds: float
    models: int
    tests_passed: int
    version: Path


def facts(config: Settings, run: str) -> Facts:
    """What the run that has just succeeded did: its sync job, dbt's results, the version that it published."""
    from airbyte_config.client import sdk
    from airbyte_config.jobs import recent
    from transformation.results import counts

    job = recent(sdk(config), limit=1, settings=config)[0]
    ended = counts(config, run) or Counter()
    return Facts(
        run=run,
        rows_synced=job.rows,
        sync_seconds=job.seconds,
        models=ended["model", "success"],
        tests_passed=ended["test", "pass"] + ended["unit_test", "pass"],
        version=config.serving_path.parent.resolve(),
    )


def _ask(path: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def revenue_by_category(published: Path) -> list[tuple[str, Decimal]]:
    """(category, revenue) of a published file in its newest 365 days, largest first."""
    return _ask(published, REVENUE_BY_CATEGORY)


def changes(before: Path, after: Path) -> Iterator[str]:
    """A line for each measure: its value in the later published folder, and the difference. One line, if a folder is gone: while the shop
    trades, other runs publish, and old versions go."""
    if gone := [folder.name for folder in (before, after) if not (folder / PUBLISHED).exists()]:
        yield f"not known: other runs have published since, and {' and '.join(gone)} went"
        return
    for title, query in MEASURES.items():
        old, new = (_ask(folder / PUBLISHED, query)[0][0] for folder in (before, after))
        yield f"{title:<18} {new:>18,} ({new - old:+,})"
