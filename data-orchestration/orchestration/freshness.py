"""Are the sources fresh? `dbt source freshness`, in this process: the last successful sync decides, the age of orders warns."""

from __future__ import annotations

import logging

from airflow.sdk.exceptions import AirflowFailException

from foundation.settings import Settings
from transformation.run import freshness

log = logging.getLogger(__name__)


def check(settings: Settings) -> dict[str, str]:
    """Status of each source that has a limit ("pass", "warn"). Raises AirflowFailException when one is too old."""
    found: dict[str, str] = {}
    stale = []
    for source in freshness(settings):
        name = f"{source.node.source_name}.{source.node.name}"
        found[name] = source.status.value
        age = f"{name}: {source.status.value}"
        if getattr(source, "max_loaded_at", None):
            age += f", newest row {source.max_loaded_at:%Y-%m-%d %H:%M:%S} UTC, {source.age / 3600:.1f} hours old"
        log.log(logging.INFO if source.status == "pass" else logging.WARNING, "%s", age)
        if source.status in ("error", "runtime error"):
            stale.append(f"{age} {source.message or ''}".strip())
    if stale:
        raise AirflowFailException(f"sources are not fresh: {'; '.join(stale)}")
    return found
