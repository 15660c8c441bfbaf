"""Sync jobs through the SDK: start one (or join the one that runs), follow it, cancel it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airbyte_api import AirbyteAPI, models
from airbyte_api import api as requests
from airbyte_api.utils import BackoffStrategy, RetryConfig

from airbyte_config import client
from airbyte_config.client import AirbyteError, talking
from elt.errors import EltError
from elt.settings import Settings
from elt.settings import settings as current_settings

STATUS = models.JobStatusEnum
ACTIVE = frozenset({STATUS.PENDING, STATUS.QUEUED, STATUS.RUNNING, STATUS.INCOMPLETE})

POLL_SECONDS = (0.25, 2.0)  # first and longest pause between two looks
ADOPT_TRIES = 5
# a server that is restarted meanwhile is waited for; its jobs have an end all the same
PATIENT = RetryConfig("backoff", BackoffStrategy(500, 5_000, 1.5, 60_000), retry_connection_errors=True)


class JobFailedError(EltError):
    """A sync job ended without success; `job` is its last state."""

    def __init__(self, job: Job, message: str, remedy: str) -> None:
        self.job = job
        super().__init__(message, remedy)


@dataclass(frozen=True)
class Job:
    """A job as Airbyte tells of it. `reason` is our server's own; a real Airbyte leaves it out."""

    id: int
    connection_id: str
    type: str
    status: models.JobStatusEnum
    started: datetime
    seconds: float
    rows: int
    bytes: int
    reason: str = ""

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    def progress(self) -> str:
        """`1,234 rows, 0.3 MB, 5 s`"""
        return f"{self.rows:,} rows, {self.bytes / 1e6:,.1f} MB, {self.seconds:,.0f} s"


def job_of(answer: dict[str, Any]) -> Job:
    """Read one job as it came over the wire; optional fields may be missing."""
    started = datetime.fromisoformat(answer["startTime"].replace("Z", "+00:00"))
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    status = STATUS(answer["status"])
    ended = datetime.now(UTC)
    if status not in ACTIVE and answer.get("lastUpdatedAt"):
        ended = datetime.fromisoformat(answer["lastUpdatedAt"].replace("Z", "+00:00"))
    return Job(
        id=answer["jobId"],
        connection_id=answer["connectionId"],
        type=answer["jobType"],
        status=status,
        started=started,
        seconds=max((ended - started).total_seconds(), 0.0),
        rows=answer.get("rowsSynced") or 0,
        bytes=answer.get("bytesSynced") or 0,
        reason=" ".join(str(answer.get("failureReason") or "").split()),
    )


def sync(
    connection: str = "adventureworks",
    *,
    timeout: float | None = None,
    report: Callable[[Job, bool], None] = lambda job, adopted: None,
    settings: Settings | None = None,
) -> Job:
    """Run one sync of `connection` (by name) to its end and return the succeeded job.

    When a sync of it runs already, that one is followed instead (`adopted`). `report` sees the job after every look.
    After `timeout` seconds, or on KeyboardInterrupt, a job started here is cancelled; an adopted one goes on. Raises
    JobFailedError when the job fails, is cancelled or takes too long; EltError when Airbyte can't be asked.
    """
    settings = settings or current_settings()
    api = client.sdk(settings)
    connection_id = client.connection_id(api, connection, settings)
    doing = f"syncing {connection}"
    job, adopted = _start(api, connection_id, doing, settings)
    deadline = None if timeout is None else time.monotonic() + timeout
    pause, longest = POLL_SECONDS
    try:
        while job.active:
            report(job, adopted)
            if deadline is not None and time.monotonic() >= deadline:
                break
            time.sleep(pause)
            pause = min(pause * 1.3, longest)
            job = _look(api, job.id, doing, settings)
    except KeyboardInterrupt:
        if not adopted:
            report(_cancel(api, job.id, doing, settings), adopted)
        raise
    if job.active:
        raise _too_late(api, job, adopted, timeout, doing, settings)
    report(job, adopted)
    if job.status is not STATUS.SUCCEEDED:
        reason = job.reason or "Airbyte's API gives no reason"
        remedy = "" if " — " in reason else _remedy(settings)  # our server's reasons bring their own
        raise JobFailedError(job, f"sync job {job.id} of {connection} {job.status.value}: {reason}", remedy)
    return job


def _start(api: AirbyteAPI, connection_id: str, doing: str, settings: Settings) -> tuple[Job, bool]:
    """A job of our own, or the one in whose way it would be."""
    request = models.JobCreateRequest(connection_id=connection_id, job_type=models.JobTypeEnum.SYNC)
    tries = 0
    while True:
        tries += 1
        try:
            with talking(doing, settings):
                return job_of(api.jobs.create_job(request=request).raw_response.json()), False
        except AirbyteError as error:
            if error.status != 409:
                raise
            running = [
                job for job in recent(api, connection_id=connection_id, settings=settings) if job.active
            ]
            if running:
                return running[0], True
            if tries == ADOPT_TRIES:
                raise
            time.sleep(0.2)  # it ended between the two questions: ask for our own again


def _look(api: AirbyteAPI, job_id: int, doing: str, settings: Settings) -> Job:
    with talking(doing, settings):
        return job_of(
            api.jobs.get_job(
                request=requests.GetJobRequest(job_id=job_id), retries=PATIENT
            ).raw_response.json()
        )


def _cancel(api: AirbyteAPI, job_id: int, doing: str, settings: Settings) -> Job:
    with talking(doing, settings):
        return job_of(
            api.jobs.cancel_job(request=requests.CancelJobRequest(job_id=job_id)).raw_response.json()
        )


def _too_late(
    api: AirbyteAPI, job: Job, adopted: bool, timeout: float | None, doing: str, settings: Settings
) -> JobFailedError:
    what_now = "it goes on: it was started elsewhere" if adopted else "it was cancelled"
    if not adopted:
        job = _cancel(api, job.id, doing, settings)
    return JobFailedError(
        job, f"sync job {job.id} did not end within {timeout:g} s; {what_now}", "allow it more with --timeout"
    )


def _remedy(settings: Settings) -> str:
    return "see the job's log in Airbyte" if settings.airbyte_url else "see its log: `elt logs airbyte`"


def recent(
    api: AirbyteAPI,
    *,
    workspace_id: str | None = None,
    connection_id: str | None = None,
    limit: int = 20,
    settings: Settings | None = None,
) -> list[Job]:
    """The newest jobs (at most 100), newest first; of one workspace, of one connection, or of all."""
    request = requests.ListJobsRequest(
        workspace_ids=[workspace_id] if workspace_id else None,
        connection_id=connection_id,
        limit=limit,
        order_by="createdAt|DESC",
    )
    with talking("listing jobs", settings):
        answer = api.jobs.list_jobs(request=request)
    return [job_of(item) for item in answer.raw_response.json().get("data", [])]
