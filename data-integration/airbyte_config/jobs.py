"""Jobs through the SDK: start one (or join the one that runs), follow it, cancel it, list them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from airbyte_api import AirbyteAPI, models
from airbyte_api import api as requests
from airbyte_api.utils import BackoffStrategy, RetryConfig

from airbyte_config import client
from airbyte_config.client import AirbyteError, talking
from foundation.errors import EltError
from foundation.settings import Settings
from foundation.settings import settings as current_settings

STATUS = models.JobStatusEnum
ACTIVE = frozenset({STATUS.PENDING, STATUS.QUEUED, STATUS.RUNNING, STATUS.INCOMPLETE})

POLL_SECONDS = (0.1, 1.0)  # first and longest pause between two looks
ADOPT_TRIES = 5
GERUNDS = {"sync": "syncing", "refresh": "refreshing", "clear": "clearing", "reset": "resetting"}
# a server that is restarted meanwhile is waited for; its jobs have an end all the same
PATIENT = RetryConfig("backoff", BackoffStrategy(500, 5_000, 1.5, 60_000), retry_connection_errors=True)


class JobFailedError(EltError):
    """A job ended without success; `job` is its last state."""

    def __init__(self, job: Job, message: str, remedy: str) -> None:
        self.job = job
        super().__init__(message, remedy)


@dataclass(frozen=True)
class Stream:
    """How far a job has come with a stream; `status` is pending, running, complete or failed, or "" when not known."""

    name: str
    status: str
    rows: int
    bytes: int
    seconds: float
    reason: str

    def rate(self) -> str:
        """Rows a second, while they came."""
        return f"{self.rows / self.seconds:,.0f}" if self.rows and self.seconds else ""


@dataclass(frozen=True)
class Job:
    """A job as Airbyte tells of it. `reason` and `streams` are our server's own; a real Airbyte leaves them out."""

    id: int
    connection_id: str
    type: str
    status: models.JobStatusEnum
    started: datetime
    seconds: float
    rows: int
    bytes: int
    reason: str = ""
    streams: tuple[Stream, ...] = field(default=(), repr=False)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    def progress(self) -> str:
        """`1,234 rows, 0.3 MB, 5 s`"""
        return f"{self.rows:,} rows, {self.bytes / 1e6:,.1f} MB, {self.seconds:,.0f} s"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "jobId": self.id,
            "connectionId": self.connection_id,
            "jobType": self.type,
            "status": self.status.value,
            "startTime": self.started.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "rows": self.rows,
            "bytes": self.bytes,
            "reason": self.reason,
            "streams": [asdict(stream) for stream in self.streams],
        }


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
        reason=one_line(answer.get("failureReason")),
        streams=tuple(_stream_of(item) for item in answer.get("streams") or ()),
    )


def _stream_of(item: dict[str, Any]) -> Stream:
    return Stream(
        name=".".join(filter(None, [item.get("streamNamespace"), item["streamName"]])),
        status=item.get("status", ""),
        rows=item.get("rowsSynced") or 0,
        bytes=item.get("bytesSynced") or 0,
        seconds=item.get("seconds") or 0.0,
        reason=one_line(item.get("reason")),
    )


def one_line(text: Any) -> str:
    return " ".join(str(text or "").split())


def sync(connection: str = "adventureworks", **options: Any) -> Job:
    """Run one sync; see `run`."""
    return run(connection, "sync", **options)


def run(
    connection: str,
    job_type: str,
    *,
    streams: Sequence[str] = (),
    timeout: float | None = None,
    report: Callable[[Job, bool], None] = lambda job, adopted: None,
    settings: Settings | None = None,
) -> Job:
    """Run one job of `connection` (by name) to its end and return the succeeded job.

    `streams` ("sales.store"): only these, which only our own server can do; then no other job is followed. When a job of that type runs already, that one is followed instead (`adopted`); a refresh is a sync, too. `report`
    sees the job after every look. After `timeout` seconds, or on KeyboardInterrupt, a job started here is cancelled; an
    adopted one goes on. Raises JobFailedError when the job fails, is cancelled or takes too long; EltError when Airbyte
    can't be asked.
    """
    settings = settings or current_settings()
    api = client.sdk(settings)
    connection_id = client.connection_id(api, connection, settings)
    doing = f"{GERUNDS[job_type]} {connection}"
    if streams:
        job, adopted = _start_some(connection_id, job_type, streams, doing, settings), False
    else:
        job, adopted = _start(api, connection_id, job_type, doing, settings)
    deadline = None if timeout is None else time.monotonic() + timeout
    pause, longest = POLL_SECONDS
    try:
        while job.active:
            report(job, adopted)
            if deadline is not None and time.monotonic() >= deadline:
                break
            time.sleep(pause)
            pause = min(pause * 1.3, longest)
            job = look(api, job.id, doing, settings)
    except KeyboardInterrupt:
        if not adopted:
            report(_cancel(api, job.id, doing, settings), adopted)
        raise
    if job.active:
        raise _too_late(api, job, adopted, timeout, doing, settings)
    report(job, adopted)
    if job.status is not STATUS.SUCCEEDED:
        reason = job.reason or "Airbyte's API gives no reason"
        remedy = "" if " — " in reason else _remedy(job, settings)  # our server's reasons bring their own
        raise JobFailedError(
            job, f"{job.type} job {job.id} of {connection} {job.status.value}: {reason}", remedy
        )
    return job


def _start(
    api: AirbyteAPI, connection_id: str, job_type: str, doing: str, settings: Settings
) -> tuple[Job, bool]:
    """A job of our own, or the one in whose way it would be."""
    request = models.JobCreateRequest(connection_id=connection_id, job_type=models.JobTypeEnum(job_type))
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
                if running[0].type not in (job_type, {"sync": "refresh"}.get(job_type)):
                    raise EltError(
                        f"{doing}: {running[0].type} job {running[0].id} of this connection still runs",
                        f"wait for its end, or cancel it with `elt airbyte cancel {running[0].id}`",
                    ) from None
                return running[0], True
            if tries == ADOPT_TRIES:
                raise
            time.sleep(0.2)  # it ended between the two questions: ask for our own again


def _start_some(
    connection_id: str, job_type: str, streams: Sequence[str], doing: str, settings: Settings
) -> Job:
    """A job of some streams: the SDK has no operation for it."""
    named = [one.rpartition(".") for one in streams]
    body = {
        "connectionId": connection_id,
        "jobType": job_type,
        "streams": [{"namespace": namespace or None, "name": name} for namespace, _, name in named],
    }
    with client.http_client(settings) as http:
        headers = {"Authorization": f"Bearer {client.token(http, doing, settings)}"}
        with talking(doing, settings):
            answer = http.post("jobs/streams", json=body, headers=headers)
    if answer.status_code == 405 or (answer.status_code == 404 and connection_id not in answer.text):
        raise EltError(
            f"{doing}: this Airbyte chooses no streams in its public API",
            "choose them in Airbyte's own interface, or leave --stream out",
        )
    client.check(answer, doing)
    return job_of(answer.json())


def look(api: AirbyteAPI, job_id: int, doing: str, settings: Settings) -> Job:
    """The job as it is now. Raises AirbyteError."""
    with talking(doing, settings):
        return job_of(
            api.jobs.get_job(
                request=requests.GetJobRequest(job_id=job_id), retries=PATIENT
            ).raw_response.json()
        )


def known(api: AirbyteAPI, job_id: int, doing: str, settings: Settings) -> Job:
    """The job that a person has named. Raises EltError when there is none of that number."""
    try:
        return look(api, job_id, doing, settings)
    except AirbyteError as error:
        if error.status != 404:
            raise
        raise EltError(f"{doing}: Airbyte has no such job", "list them with `elt airbyte jobs`") from None


def cancel(job_id: int, settings: Settings | None = None) -> tuple[Job, bool]:
    """Cancel a job; returns it as it is then, and whether it was active before. Raises EltError."""
    settings = settings or current_settings()
    api = client.sdk(settings)
    doing = f"cancelling job {job_id}"
    before = known(api, job_id, doing, settings)
    return (_cancel(api, job_id, doing, settings), True) if before.active else (before, False)


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
        job,
        f"{job.type} job {job.id} did not end within {timeout:g} s; {what_now}",
        "allow it more with --timeout",
    )


def _remedy(job: Job, settings: Settings) -> str:
    return (
        "see the job's log in Airbyte"
        if settings.airbyte_url
        else f"see its log: `elt airbyte logs {job.id}`"
    )


def recent(
    api: AirbyteAPI,
    *,
    workspace_id: str | None = None,
    connection_id: str | None = None,
    status: str | None = None,
    job_type: str | None = None,
    limit: int = 20,
    settings: Settings | None = None,
) -> list[Job]:
    """The newest jobs (at most 100), newest first; of one workspace, connection, status, type, or of all."""
    request = requests.ListJobsRequest(
        workspace_ids=[workspace_id] if workspace_id else None,
        connection_id=connection_id,
        status=STATUS(status) if status else None,
        job_type=models.JobTypeEnum(job_type) if job_type else None,
        limit=limit,
        order_by="createdAt|DESC",
    )
    with talking("listing jobs", settings):
        answer = api.jobs.list_jobs(request=request)
    return [job_of(item) for item in answer.raw_response.json().get("data", [])]
