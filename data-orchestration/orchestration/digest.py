"""One message a day: what the pipeline did the day before (UTC), from the monitoring tables and the published versions.

The first run that ends on a new day sends it; one that could not be delivered is left to the next.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

from foundation.disk import disk_lacks
from foundation.settings import Settings
from orchestration import monitoring, publish
from orchestration.backup import backup_lacks
from orchestration.channels import send
from orchestration.figures import revenue_line
from orchestration.messages import Message, counted, duration

SLOWEST = 3  # models that are named

RUNS = """
    select
        count(*),
        count(*) filter (where state = 'failed'),
        string_agg(coalesce(first_failed_node, first_failed_task), ', ' order by started_at) filter (where state = 'failed'),
        coalesce(sum(tests_passed), 0),
        coalesce(sum(tests_failed), 0),
        coalesce(sum(tests_warned), 0),
        coalesce(sum(seconds), 0),
        coalesce(sum(dbt_seconds), 0)
    from mart_pipeline_runs
    where cast(started_at as date) = $day
"""
SYNCED = """
    select count(*), coalesce(sum(rows), 0) from sync_jobs where cast(started_at as date) = $day and status = 'succeeded'
"""
SLOW_MODELS = """
    select name, median(seconds)
    from dbt_results
    where cast(ended_at as date) = $day and resource_type = 'model' and status = 'success'
    group by name
    order by 2 desc
    limit $limit
"""
GREATEST_AGE = "select max(greatest_age_seconds) from mart_freshness where cast(published_at as date) = $day"
# the last version of the day, and the last one before it
SHOWN = """
    select
        max(version) filter (where cast(published_at as date) = $day),
        max(version) filter (where cast(published_at as date) < $day)
    from published_tables
    where cast(published_at as date) <= $day
"""

log = logging.getLogger(__name__)


def send_if_due(settings: Settings) -> bool:
    """Send yesterday's digest, unless it was sent or nothing ran; whether it was sent now. Never raises: a digest fails no run."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    try:
        if not monitoring.claim_digest(settings, day):
            return False
        if send(compose(settings, day)):
            return True
        monitoring.leave_digest(settings, day)
    except Exception as error:  # noqa: BLE001 - the run has done its work
        log.warning("no digest of %s: %s", day, error)
    return False


def compose(settings: Settings, day: date) -> Message:
    """The digest of a day; what is not known is left out."""

    def ask(query: str, **values: Any) -> list[tuple[Any, ...]]:
        return monitoring.ask(settings, query, {"day": day, **values})

    [(runs, failed, where, passed, fell, warned, seconds, dbt_seconds)] = ask(RUNS)
    [(syncs, rows)] = ask(SYNCED)
    told = f"{failed:,} failed: {where}" if failed else "none failed"
    facts = [("Runs", f"{runs:,}, {told}"), ("Rows", f"{rows:,} in {counted(syncs, 'sync')}")]
    [(version, before)] = ask(SHOWN)
    if version is not None and (revenue := revenue_line(settings, version, before)):
        facts.append(("Revenue", revenue))
    facts.append(("Tests", f"{passed:,} passed, {fell:,} failed, {warned:,} warned"))
    facts += _freshness(settings, ask(GREATEST_AGE)[0][0])
    if slow := ask(SLOW_MODELS, limit=SLOWEST):
        facts.append(("Slowest models", ", ".join(f"{name} {median:.1f} s" for name, median in slow)))
    facts.append(
        ("Cost", f"{duration(seconds)} of runs, {duration(dbt_seconds)} of that dbt{_disk(settings)}")
    )
    if lacks := [lack for lack in (backup_lacks(settings), disk_lacks(settings)) if lack]:
        facts.append(("Missing", "; ".join(lacks)))
    return Message(
        ":bar_chart:", f"*Digest* of {day:%A, %-d %B %Y}", tuple(facts), environment=settings.elt_environment
    )


def _freshness(settings: Settings, greatest: float | None) -> list[tuple[str, str]]:
    target = duration(settings.freshness_minutes * 60)
    now = monitoring.age_of_shown(settings)
    known = [f"now {duration(now.total_seconds())} old"] if now is not None else []
    known += [f"{duration(greatest)} at most that day"] if greatest is not None else []
    hold = publish.held(settings)
    known += [f"version {hold.number} is held by a rollback since {hold.since}"] if hold else []
    return [("Freshness", f"{', '.join(known)}; the target is {target}")] if known else []


def _disk(settings: Settings) -> str:
    """What warehouse and published versions take, where they are files."""
    if settings.dbt_target != "duckdb":
        return ""
    files = [settings.warehouse_path, *settings.serving_path.parent.parent.glob("v*/*.duckdb")]
    return f"; {sum(file.stat().st_size for file in files if file.exists()) / 1e9:.1f} GB of disk"
