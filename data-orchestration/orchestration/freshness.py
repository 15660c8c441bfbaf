"""Is a source fresh? What dbt's sources demand, asked of the warehouse: the record of syncs decides, the age of orders warns; posts
are judged by the newest of them.

`dbt source freshness` would say the same, after the seconds that a dbt process takes to start.
"""

# ruff: noqa: S608 - names and expressions are the manifest's

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from foundation.settings import Settings, known_sources
from transformation import changed_inputs
from transformation.project import read_manifest

log = logging.getLogger(__name__)


def check(settings: Settings, of: str = "adventureworks") -> dict[str, str]:
    """Status of each of a source system's tables that has a limit ("pass", "warn"). Raises AirflowFailException when one is too old."""
    found: dict[str, str] = {}
    stale = []
    with changed_inputs.asking(settings, "freshness") as ask:
        for source in _limited(read_manifest(settings), of, known_sources(settings.elt_connections)):
            only = source["freshness"].get("filter")
            where = f" where {only}" if only else ""
            [(newest,)] = ask(
                f"select max({source['loaded_at_field']}) from {source['relation_name']}{where}"
            )
            name = f"{source['source_name']}.{source['name']}"
            status, age = _judge(source["freshness"], newest)
            found[name] = status
            line = f"{name}: {status}, {age}"
            log.log(logging.INFO if status == "pass" else logging.WARNING, "%s", line)
            if status == "error":
                stale.append(line)
    if stale:
        raise AirflowFailException(f"sources are not fresh: {'; '.join(stale)}")
    return found


def _limited(manifest: dict[str, Any], of: str, systems: list[str]) -> list[dict[str, Any]]:
    """The tables of a source system that have a limit; what is not called after a system belongs to `adventureworks`."""
    return [
        source
        for source in manifest["sources"].values()
        if source["loaded_at_field"]
        and source["freshness"]
        and (source["source_name"] if source["source_name"] in systems else "adventureworks") == of
    ]


def _judge(limits: dict[str, Any], newest: datetime | None) -> tuple[str, str]:
    """ "pass", "warn" or "error", and the age in words; without a row, what is stricter of the limits there are."""
    if newest is None:
        age, words = timedelta.max, "no row"
    else:
        newest = newest.astimezone(UTC) if newest.tzinfo else newest.replace(tzinfo=UTC)
        age = datetime.now(UTC) - newest
        words = f"newest row {newest:%Y-%m-%d %H:%M:%S} UTC, {age / timedelta(hours=1):.1f} hours old"
    for status, name in (("error", "error_after"), ("warn", "warn_after")):
        limit = limits.get(name) or {}
        if limit.get("count") and age > timedelta(**{f"{limit['period']}s": limit["count"]}):
            return status, words
    return "pass", words
