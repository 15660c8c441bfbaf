"""The last build by dbt and the age of what is published, from the monitoring tables, which each run of the DAG fills."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.catalogue import Sample
from foundation.settings import Settings
from orchestration import monitoring
from orchestration.publish import versions

LAST_BUILD = """
with last_build as (
    select resource_type, status, started_at, ended_at
    from dbt_results
    where command = 'build'
    qualify invocation_id = first_value(invocation_id) over (order by ended_at desc)
)
select resource_type, status, count(*), epoch(min(started_at)), epoch(max(ended_at))
from last_build
group by all
"""
DATA_AS_OF = """
select epoch(now()) - epoch(data_as_of)
from mart_freshness
where version = $version or ($version is null and version = (select max(version) from mart_freshness))
"""


def look(config: Settings) -> Iterator[Sample]:
    """What is known; nothing yet before the first run of the DAG."""
    yield "elt_published_data_deadline_seconds", (), config.freshness_minutes * 60
    if not config.monitoring_path.exists():
        return
    nodes = monitoring.ask(config, LAST_BUILD, {})
    for resource_type, status, count, _, _ in nodes:
        yield "elt_dbt_last_build_nodes", (resource_type, status), count
    if nodes:
        ended = max(row[4] for row in nodes)
        started = min((row[3] for row in nodes if row[3] is not None), default=ended)
        yield "elt_dbt_last_build_duration_seconds", (), ended - started
        yield "elt_dbt_last_build_timestamp_seconds", (), ended
    for (age,) in monitoring.ask(config, DATA_AS_OF, {"version": _shown(config)}):
        if age is not None:
            yield "elt_published_data_age_seconds", (), age


def _shown(config: Settings) -> int | None:
    """The version that analysts see; None, the newest: elsewhere than on DuckDB the question would wake a warehouse each time."""
    if config.dbt_target != "duckdb":
        return None
    return next((version.number for version in versions(config) if version.current), -1)
