"""Jobs. That a connection has at most one active job is a unique index, not a check that two requests could both pass."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from airbyte_local.enums import ENDED_STATUSES, JobStatus, JobType
from airbyte_local.store.database import ACTIVE, Database, Values, matching, there


class ActiveJobError(Exception):
    """The connection has a job already."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        super().__init__(f"job {job_id} of this connection is still active")


@dataclass(frozen=True)
class Job:
    """A row; moments in seconds since 1970, `streams` with the counters of each."""

    id: int
    connection_id: str
    type: JobType
    status: JobStatus
    created_at: float
    updated_at: float
    ended_at: float | None
    rows: int
    bytes: int
    streams: list[dict[str, Any]]
    failure_reason: str | None


class Jobs:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, connection_id: str, type_: JobType) -> Job:
        """A pending job. Raises ActiveJobError when the connection has one that has not ended."""
        now = time.time()
        with self._db.lock:
            try:
                cursor = self._db.insert(
                    "jobs",
                    connection_id=connection_id,
                    type=type_,
                    status=JobStatus.PENDING,
                    created_at=now,
                    updated_at=now,
                )
            except sqlite3.IntegrityError:
                active = self.active(connection_id)
                if active is None:
                    raise
                raise ActiveJobError(active) from None
            return there(self.get(cursor.lastrowid or 0))

    def active(self, connection_id: str) -> int | None:
        """The id of a connection's active job."""
        sql = f"select id from jobs where connection_id = ? and status in ({ACTIVE})"
        row = self._db.row(sql, [connection_id])
        return row["id"] if row else None

    def get(self, key: int) -> Job | None:
        row = self._db.row("select * from jobs where id = ?", [key])
        return _job(row) if row else None

    def page(
        self,
        filters: dict[str, list[Any]],
        spans: dict[str, tuple[float | None, float | None]],
        order_by: tuple[str, bool],
        limit: int,
        offset: int,
    ) -> list[Job]:
        """Jobs by column values and time spans, ordered by `(column, descending)`, the id deciding ties."""
        where, values = matching({f"jobs.{name}": items for name, items in filters.items()}, deleted=True)
        for column, (start, end) in spans.items():
            where += "".join(
                f" and jobs.{column} {sign} ?" for sign, at in ((">=", start), ("<=", end)) if at is not None
            )
            values += [at for at in (start, end) if at is not None]
        column, descending = order_by
        direction = "desc" if descending else "asc"
        sql = (
            f"select jobs.* from jobs where {where}"
            f" order by jobs.{column} {direction}, jobs.id {direction} limit ? offset ?"
        )
        return [_job(row) for row in self._db.rows(sql, [*values, limit, offset])]

    def progress(self, key: int, rows: int, bytes_: int, streams: list[dict[str, Any]]) -> None:
        """The counters of a job that runs, per stream too."""
        self._db.write(
            "update jobs set rows = ?, bytes = ?, streams = ?, updated_at = ? where id = ?",
            [rows, bytes_, json.dumps(streams), time.time(), key],
        )

    def set_running(self, key: int) -> None:
        self._db.write(
            "update jobs set status = ?, updated_at = ? where id = ? and status = ?",
            [JobStatus.RUNNING, time.time(), key, JobStatus.PENDING],
        )

    def end(self, key: int, status: JobStatus, reason: str | None = None) -> None:
        """The last word on a job; a job that has ended stays as it ended."""
        if status not in ENDED_STATUSES:
            raise ValueError(f"{status} does not end a job")
        now = time.time()
        self._db.write(
            f"update jobs set status = ?, failure_reason = ?, updated_at = ?, ended_at = ?"
            f" where id = ? and status in ({ACTIVE})",
            [status, reason, now, now, key],
        )

    def end_orphans(self, reason: str) -> int:
        """Jobs that a stopped server left active; returns how many."""
        now = time.time()
        sql = (
            "update jobs set status = ?, failure_reason = ?, updated_at = ?, ended_at = ?"
            f" where status in ({ACTIVE})"
        )
        return self._db.write(sql, [JobStatus.FAILED, reason, now, now]).rowcount


def _job(row: Values) -> Job:
    typed = {"type": JobType(row["type"]), "status": JobStatus(row["status"])}
    return Job(**row | typed | {"streams": json.loads(row["streams"])})
