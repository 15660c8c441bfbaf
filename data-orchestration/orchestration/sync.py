"""The sync task: Airbyte's own operator, with the connection found by name, a running job adopted, and a reason when it fails.

And the task after it, which compares raw with the source, and may sync once more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airbyte_api.api import ListJobsRequest
from airbyte_api.errors import AirbyteAPIError
from airbyte_api.models import JobStatusEnum
from airflow.providers.airbyte.hooks.airbyte import AirbyteHook
from airflow.providers.airbyte.operators.airbyte import AirbyteTriggerSyncOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airbyte_config.client import AirbyteError, connection_id
from airbyte_config.jobs import ACTIVE, Job, look
from airbyte_config.reconcile import NotReconciledError, reconcile
from airbyte_config.verify import NotComparableError, moment
from foundation.errors import EltError, Kind
from foundation.settings import settings
from orchestration.names import SYNC_JOB, SYNCED

if TYPE_CHECKING:
    from airflow.sdk import Context

CONFLICT, UNAUTHORIZED = 409, 401
FIRST_WAIT_SECONDS = 0.1  # of a small sync; each wait is twice as long, up to the operator's own
MOMENT = "moment"  # XCom of the task `sync`: what the source had committed before


class AirbyteSyncOperator(AirbyteTriggerSyncOperator):
    """AirbyteTriggerSyncOperator for the connection named `connection`.

    Ids differ from one Airbyte to the next, so the id is looked up when the task runs. A sync that is under way (started by
    hand, or by a try of this task that was killed) is waited for instead of failing on Airbyte's 409.
    """

    template_fields = (*AirbyteTriggerSyncOperator.template_fields, "connection")

    def __init__(self, *, connection: str, **kwargs: Any) -> None:
        super().__init__(connection_id="", asynchronous=True, **kwargs)  # it starts the job; waiting is ours
        self.connection = connection
        self.job_id: int | None = None  # the operator's on_kill looks at it
        self.moment: str | None = None

    def execute(self, context: Context) -> Any:
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
                    raise AirflowException(" ".join(str(error).split())) from error
                self._adopt(hook, context)
            job = self._ended(hook)
        finally:
            if self.job_id is not None:  # for the monitoring tables, of a job that failed, too
                context["ti"].xcom_push(key=SYNC_JOB, value=self.job_id)
        self.log.info("Job %s: %s rows, %s bytes", self.job_id, job.rows, job.bytes)
        context["ti"].xcom_push(key=SYNCED, value={"rows": job.rows, "seconds": job.seconds})
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
        running = [job.job_id for job in listed.jobs_response.data if job.status in ACTIVE]
        if not running:  # it ended in between
            super().execute(context)
            return
        self.job_id = running[0]
        self.log.info("Job %s is under way for this connection: waiting for it", self.job_id)

    def _ended(self, hook: AirbyteHook) -> Job:
        """The job once it has succeeded.

        An answer of 5xx, or none, is borne for a minute (`airbyte_config.jobs.PATIENT`), then the try fails and the next one adopts
        the job. A refusal fails the task, a 401 when a new log-in is refused, too. A job that takes too long is cancelled.
        """
        deadline, pause = time.monotonic() + self.timeout, FIRST_WAIT_SECONDS
        while (job := self._look(hook)).active:
            if time.monotonic() >= deadline:
                hook.cancel_job(job_id=self.job_id)
                raise AirflowException(
                    f"Airbyte job {self.job_id} did not end within {self.timeout:g} s; it was cancelled"
                )
            time.sleep(pause)
            pause = min(2 * pause, self.wait_seconds)
        if job.status is not JobStatusEnum.SUCCEEDED:
            reason = job.reason or "see the job's log in Airbyte"
            raise AirflowException(f"Airbyte job {self.job_id} {job.status.value}: {reason}")
        return job

    def _look(self, hook: AirbyteHook) -> Job:
        if (job_id := self.job_id) is None:
            raise AirflowException("Airbyte did not tell the number of the job that it began")
        doing = f"waiting for job {job_id}"
        try:
            try:
                return look(hook.airbyte_api, job_id, doing, settings())
            except AirbyteError as error:
                if error.status != UNAUTHORIZED:
                    raise
                return look(hook.airbyte_api, job_id, doing, settings())  # the SDK logs in again
        except EltError as error:
            failure = AirflowFailException if error.kind is Kind.MEND else AirflowException
            raise failure(str(error)) from None


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
