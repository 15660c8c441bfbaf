"""The sync task: Airbyte's own operator, with the connection found by name, a running job adopted, and a reason when it fails.

And the task after it, which compares raw with the source, and may sync once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airbyte_api.api import GetJobRequest, ListJobsRequest
from airbyte_api.errors import AirbyteAPIError
from airbyte_api.models import JobStatusEnum
from airflow.providers.airbyte.hooks.airbyte import AirbyteHook
from airflow.providers.airbyte.operators.airbyte import AirbyteTriggerSyncOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airbyte_config.client import connection_id
from airbyte_config.reconcile import NotReconciledError, reconcile
from airbyte_config.verify import NotComparableError, moment
from foundation.errors import EltError, Kind
from orchestration.names import SYNC_JOB

if TYPE_CHECKING:
    from airflow.sdk import Context

CONFLICT = 409
MOMENT = "moment"  # XCom of the task `sync`: what the source had committed before
UNDER_WAY = (JobStatusEnum.RUNNING, JobStatusEnum.PENDING, JobStatusEnum.INCOMPLETE)


class AirbyteSyncOperator(AirbyteTriggerSyncOperator):
    """AirbyteTriggerSyncOperator for the connection named `connection`.

    Ids differ from one Airbyte to the next, so the id is looked up when the task runs. A sync that is under way (started by
    hand, or by a try of this task that was killed) is waited for instead of failing on Airbyte's 409.
    """

    template_fields = (*AirbyteTriggerSyncOperator.template_fields, "connection")

    def __init__(self, *, connection: str, **kwargs: Any) -> None:
        super().__init__(connection_id="", **kwargs)
        self.connection = connection
        self.job_id: int | None = None  # the operator's on_kill looks at it
        self.moment: str | None = None

    def execute(self, context: Context) -> int:
        self.moment = self._moment()
        context["ti"].xcom_push(key=MOMENT, value=self.moment)
        hook = AirbyteHook(airbyte_conn_id=self.airbyte_conn_id, api_version=self.api_version)
        try:
            self.connection_id = connection_id(hook.airbyte_api, self.connection)
        except EltError as error:
            if error.kind is Kind.MEND:
                raise AirflowFailException(str(error)) from None
            raise
        try:
            try:
                super().execute(context)
            except AirflowException as error:
                if not _is_conflict(error):
                    raise
                self._adopt(hook, context)
        except AirflowException as error:
            raise AirflowException(self._reason(hook, error)) from error
        finally:
            if self.job_id is not None:  # for the monitoring tables, of a job that failed, too
                context["ti"].xcom_push(key=SYNC_JOB, value=self.job_id)
        job = self._job(hook)
        self.log.info("Job %s: %s rows, %s bytes", self.job_id, job.get("rowsSynced"), job.get("bytesSynced"))
        return self.job_id

    def _moment(self) -> str | None:
        """What the source has committed by now: `reconcile` leaves out what changes later."""
        try:
            return moment(self.connection)
        except EltError as error:  # the sync will say it better
            self.log.warning("the source does not tell what it has committed: %s", error)
            return None

    def _adopt(self, hook: AirbyteHook, context: Context) -> None:
        listed = hook.airbyte_api.jobs.list_jobs(
            request=ListJobsRequest(connection_id=self.connection_id, order_by="createdAt|DESC", limit=5)
        )
        running = [job.job_id for job in listed.jobs_response.data if job.status in UNDER_WAY]
        if not running:  # it ended in between
            super().execute(context)
            return
        self.job_id = running[0]
        self.log.info("Job %s is under way for this connection: waiting for it", self.job_id)
        hook.wait_for_job(job_id=self.job_id, wait_seconds=self.wait_seconds, timeout=self.timeout)

    def _job(self, hook: AirbyteHook) -> dict[str, Any]:
        """The job as Airbyte tells it, with what the SDK's model leaves out; empty when Airbyte does not answer."""
        if self.job_id is None:
            return {}
        try:
            return hook.airbyte_api.jobs.get_job(
                request=GetJobRequest(job_id=self.job_id)
            ).raw_response.json()
        except Exception as error:  # noqa: BLE001 - a report on a job that has ended, no more
            self.log.warning("Airbyte did not tell about job %s: %s", self.job_id, error)
            return {}

    def _reason(self, hook: AirbyteHook, error: AirflowException) -> str:
        """One line: what Airbyte says about the job, else what the operator says."""
        job = self._job(hook)
        if job.get("status") in (JobStatusEnum.FAILED.value, JobStatusEnum.CANCELLED.value):
            told = job.get("failureReason") or "see the job's log in Airbyte"
            return f"Airbyte job {self.job_id} {job['status']}: {told}"
        return " ".join(str(error).split())


class ReconcileOperator(AirbyteSyncOperator):
    """Fails when raw is not what the source had committed before the task `sync`; see `airbyte_config.reconcile`."""

    def execute(self, context: Context) -> dict[str, int]:
        def sync_again() -> str | None:
            self.log.info("one more sync, for what the source has deleted meanwhile")
            super(ReconcileOperator, self).execute(context)
            return self.moment

        since = context["ti"].xcom_pull(task_ids="sync", key=MOMENT)
        try:
            results = reconcile(
                self.connection, since, sync_again, report=lambda result: self.log.info("%s", result.line())
            )
        except NotReconciledError as error:
            raise AirflowFailException(str(error)) from None
        except NotComparableError as error:  # dbt's tests of raw are all that guards it then
            self.log.warning("not reconciled: %s", error)
            return {"streams": 0, "rows": 0}
        return {"streams": len(results), "rows": sum(result.source_rows for result in results)}


def _is_conflict(error: AirflowException) -> bool:
    cause = error.args[0] if error.args else None  # the hook wraps what the SDK raises
    return isinstance(cause, AirbyteAPIError) and cause.status_code == CONFLICT
