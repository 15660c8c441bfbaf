"""Jobs: start, look at, list, cancel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from airbyte_local.api.common import ConnectionId, JobId, Limit, Offset, RunnerOf, StoreOf, WorkspaceIds, page
from airbyte_local.api.connections import get_connection
from airbyte_local.api.problems import Problem, invalid, not_found
from airbyte_local.api.schemas import JobCreate, JobOfStreams, StreamName
from airbyte_local.enums import ACTIVE_STATUSES, ConnectionStatus, JobStatus, JobType
from airbyte_local.store import ActiveJobError, Connection, Job, Store

router = APIRouter(prefix="/jobs", tags=["jobs"])

ORDER_COLUMNS = {"createdAt": "created_at", "updatedAt": "updated_at"}


def get_job(store: Store, key: int) -> Job:
    """The row. Raises 404."""
    row = store.jobs.get(key)
    if row is None:
        raise not_found("job", key)
    return row


def shown(row: Job) -> dict[str, Any]:
    """Airbyte's fields, and two of ours: `failureReason` and `streams` (clients that do not know them pass over them)."""
    seconds = (row.ended_at or row.updated_at) - row.created_at
    answer = {
        "jobId": row.id,
        "connectionId": row.connection_id,
        "jobType": row.type,
        "status": row.status,
        "startTime": _moment(row.created_at),
        "lastUpdatedAt": _moment(row.updated_at),
        "duration": iso_duration(seconds),
        "bytesSynced": row.bytes,
        "rowsSynced": row.rows,
        "streams": row.streams,
    }
    return answer | ({"failureReason": row.failure_reason} if row.failure_reason else {})


def iso_duration(seconds: float) -> str:
    """ISO 8601: 3661.5 → PT1H1M1.5S."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", f"{rest:g}S" if rest else ""]
    return "PT" + ("".join(parts) or "0S")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@router.post("")
def create_job(body: JobCreate, store: StoreOf, runner: RunnerOf) -> dict[str, Any]:
    return _launched(body, store, runner, [])


@router.post("/streams", summary="A job of some of a connection's streams (local extension)")
def create_job_of_streams(body: JobOfStreams, store: StoreOf, runner: RunnerOf) -> dict[str, Any]:
    return _launched(body, store, runner, body.streams)


def _launched(body: JobCreate, store: StoreOf, runner: RunnerOf, streams: list[StreamName]) -> dict[str, Any]:
    """A job; without `streams` of all. Raises 404, 409, 422."""
    if store.connections.get(body.connection_id) is None:
        raise not_found("connection", body.connection_id)
    connection = get_connection(store, body.connection_id)
    status = connection.body["status"]
    if status != ConnectionStatus.ACTIVE:
        raise Problem(409, f"the connection is {status}, not active", connectionId=connection.id)
    chosen = _chosen(streams, connection)
    try:
        job_id = runner.launch(connection, body.job_type, chosen)
    except ActiveJobError as error:
        raise Problem(
            409, f"a job is already running for this connection: job {error.job_id}", jobId=error.job_id
        ) from None
    return shown(get_job(store, job_id))


def _chosen(streams: list[StreamName], connection: Connection) -> list[dict[str, Any]] | None:
    """The configured streams that the job is for; None: all. Raises a 422 for one that the connection does not have."""
    if not streams:
        return None
    found = []
    for index, stream in enumerate(streams):
        for one in connection.streams:
            if (one.get("namespace"), one["name"]) == (stream.namespace, stream.name):
                found.append({"namespace": stream.namespace, "name": stream.name})
                break
        else:
            there = ", ".join(
                ".".join(filter(None, (one.get("namespace"), one["name"]))) for one in connection.streams
            )
            raise invalid(f"streams[{index}]", f"the connection has no such stream; there are: {there}")
    return found


@router.get("")
def list_jobs(
    request: Request,
    store: StoreOf,
    connection_id: ConnectionId = None,
    status: JobStatus | Literal["queued"] | None = None,  # no job is ever queued here
    job_type: Annotated[JobType | None, Query(alias="jobType")] = None,
    workspace_ids: WorkspaceIds = [],  # noqa: B006
    created_at_start: Annotated[datetime | None, Query(alias="createdAtStart")] = None,
    created_at_end: Annotated[datetime | None, Query(alias="createdAtEnd")] = None,
    updated_at_start: Annotated[datetime | None, Query(alias="updatedAtStart")] = None,
    updated_at_end: Annotated[datetime | None, Query(alias="updatedAtEnd")] = None,
    order_by: Annotated[str, Query(alias="orderBy")] = "createdAt|DESC",
    limit: Limit = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    field, _, direction = order_by.partition("|")
    if field not in ORDER_COLUMNS or direction not in ("ASC", "DESC", ""):
        raise invalid("orderBy", "is createdAt or updatedAt, then |ASC or |DESC")
    filters: dict[str, list[Any]] = {
        "connection_id": [connection_id] if connection_id else [],
        "status": [status] if status else [],
        "type": [job_type] if job_type else [],
    }
    if workspace_ids and not connection_id:
        filters["connection_id"] = store.connections.ids_of_workspaces(workspace_ids) or [""]
    spans = {
        "created_at": (_seconds(created_at_start), _seconds(created_at_end)),
        "updated_at": (_seconds(updated_at_start), _seconds(updated_at_end)),
    }
    order = (ORDER_COLUMNS[field], direction != "ASC")
    found = store.jobs.page(filters, spans, order, limit + 1, offset)
    return page(request, [shown(row) for row in found], limit, offset)


@router.get("/{job_id}")
def read_job(job_id: JobId, store: StoreOf) -> dict[str, Any]:
    return shown(get_job(store, job_id))


@router.get("/{job_id}/logs", response_class=PlainTextResponse, summary="The job's log (local extension)")
def read_logs(job_id: JobId, store: StoreOf, runner: RunnerOf, offset: Offset = 0) -> PlainTextResponse:
    """From byte `offset` on, so that a client can follow a log. A job that runs shows whole lines only."""
    job = get_job(store, job_id)
    return PlainTextResponse(runner.log(job_id, offset, whole_lines=job.status in ACTIVE_STATUSES))


@router.delete("/{job_id}")
def cancel_job(job_id: JobId, store: StoreOf, runner: RunnerOf) -> dict[str, Any]:
    """Ends an active job as cancelled, with its process; a job that has ended is answered as it is."""
    get_job(store, job_id)
    runner.cancel(job_id)
    return shown(get_job(store, job_id))


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
