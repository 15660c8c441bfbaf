"""The figures of a run, for its message: what was synced, built and published, and the revenue that analysts see."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from foundation.settings import Settings
from orchestration.messages import counted
from orchestration.publish import versions
from transformation.results import counts

REVENUE = (
    "select sum(line_total) from marts.obt_sales where order_status_name not in ('Rejected', 'Cancelled')"
)
ODD_ROWS = "select sum(row_count) from marts.mart_data_quality"


def of_run(
    settings: Settings,
    run_id: str,
    synced: dict[str, Any] | None = None,
    version: int | None = None,
    held: int | None = None,
    unchanged: int | None = None,
) -> list[tuple[str, str]]:
    """Name and value of each figure; `version` is what the run published, `unchanged` what it found right still."""
    facts = []
    if synced:
        facts.append(("Synced", f"{counted(synced['rows'], 'row')} in {synced['seconds']:.1f} s"))
    if built := counts(settings, run_id):
        models = built["model", "success"]
        warned = f", {built['test', 'warn']:,} warned" if built["test", "warn"] else ""
        facts.append(("Built", f"{counted(models, 'model')}, {built['test', 'pass']:,} tests passed{warned}"))
    if held is not None:
        facts.append(("Not published", f"version {held} is held by a rollback: `elt publish --resume`"))
    elif unchanged is not None:
        facts.append(("Not published", f"nothing has changed: version {unchanged} is right still"))
    elif version is not None:
        facts.append(("Published", f"version {version}"))
        before = max((each.number for each in versions(settings) if each.number < version), default=None)
        if line := revenue_line(settings, version, before):
            facts.append(("Revenue", line))
        if odd := _asked(settings, version, ODD_ROWS):
            board = f"{settings.superset_url}/superset/dashboard/data-quality/"
            facts.append(("Odd, but published", f"{counted(int(odd), 'row')}, see {board}"))
    return facts


def revenue_line(settings: Settings, version: int, before: int | None) -> str:
    """The revenue of a version and the difference to the version `before`; empty where that can't be asked."""
    now = revenue(settings, version)
    old = None if before is None else revenue(settings, before)
    if now is None:
        return ""
    return f"{now:,.2f}" + ("" if old is None else f" ({now - old:+,.2f})")


def revenue(settings: Settings, version: int) -> Decimal | None:
    """Revenue, as the metric defines it, in a version's file; None when there is no such file, or no such mart."""
    return _asked(settings, version, REVENUE)


def _asked(settings: Settings, version: int, query: str) -> Decimal | None:
    """The one number that a query finds in a version's file; 0 for null, None when the file or the mart is not there."""
    file = _file(settings, version)
    if not file.exists():
        return None
    try:
        with duckdb.connect(file, read_only=True) as duck:
            return Decimal(duck.execute(query).fetchall()[0][0] or 0)
    except duckdb.Error:
        return None


def _file(settings: Settings, version: int) -> Path:
    return settings.serving_path.parent.parent / f"v{version}" / settings.serving_path.name
