"""Airbyte's jobs, through its public API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from airbyte_config import client
from airbyte_config.jobs import STATUS, Job, recent
from exporter.catalogue import Sample
from foundation.settings import Settings

PAGE = 100  # Airbyte's largest
WHOLE = ("sync", "refresh")  # jobs that bring data
OUTCOMES = {"success": STATUS.SUCCEEDED, "failure": STATUS.FAILED}


def look(config: Settings) -> Iterator[Sample]:
    """The newest jobs, and of each connection its last success and failure, however long ago."""
    api = client.sdk(config)
    workspace = client.workspace(api, config)
    newest = recent(api, workspace_id=workspace, limit=PAGE, settings=config)
    for connection in client.connections(api, workspace, config):
        key, name = connection["connectionId"], (connection["name"],)
        jobs = [job for job in newest if job.connection_id == key]
        for status, count in Counter(job.status.value for job in jobs).items():
            yield "elt_airbyte_recent_jobs", (*name, status), count
        yield "elt_airbyte_running_seconds", name, max((job.seconds for job in jobs if job.active), default=0)
        for outcome, status in OUTCOMES.items():
            found = [job for job in jobs if job.status is status and job.type in WHOLE]
            if not found and len(newest) == PAGE:  # longer ago than the newest hundred
                found = recent(
                    api, connection_id=key, status=status.value, job_type="sync", limit=1, settings=config
                )
            if found:
                yield f"elt_airbyte_last_{outcome}_timestamp_seconds", name, _end(found[0])
            if found and outcome == "success":
                yield "elt_airbyte_last_success_rows", name, found[0].rows
                yield "elt_airbyte_last_success_duration_seconds", name, found[0].seconds


def _end(job: Job) -> float:
    return (job.started + timedelta(seconds=job.seconds)).timestamp()
