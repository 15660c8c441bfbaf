"""
### AdventureWorks: from the shop to the published marts

**Purpose.** Every 15 minutes: sync the shop's tables with Airbyte, build and test the marts with dbt, publish them.
Analysts see a new version only when every test has passed.

**Owner.** data-platform, Slack channel of the connection `slack_default`.

**When it fails.** Nothing is published: analysts keep the last good version, which grows old. The failure message names the
task, the reason and the log.

**What to do.**
- `sync`: Airbyte's reason is in the message. Is the source up, do its credentials work? A sync takes up where the last
  one ended, so a new run is safe at any time.
- `dbt.dbt_producer_watcher` (one `dbt build`; the other tasks of the group show how their part of it went): a model or a
  test failed, by name in the message. Correct the data or the model; a retry without a change fails again.
- `publish`: most often no space on the disk. The last version stays; run again when there is.
- Trigger a run by hand when mended, or wait for the next one; there is no need to clear tasks.
"""

import os
from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from elt.settings import settings
from orchestration import notices
from orchestration.publish import publish as publish_marts
from orchestration.sync import AirbyteSyncOperator
from orchestration.transformation import dbt_tasks

SCHEDULE = os.environ.get("ELT_SCHEDULE", "*/15 * * * *")  # "manual": only when triggered

with DAG(
    dag_id="adventureworks_elt",
    description="Airbyte sync, dbt build, publish",
    doc_md=__doc__,
    schedule=None if SCHEDULE == "manual" else SCHEDULE,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args={"owner": "data-platform", "retries": 0, "on_failure_callback": notices.failed},
    tags=["adventureworks"],
):

    @task(execution_timeout=timedelta(minutes=1), retries=1, retry_delay=timedelta(seconds=5))
    def notify_start() -> None:
        """Tell that the run has begun."""
        notices.started(get_current_context())

    sync = AirbyteSyncOperator(
        task_id="sync",
        connection="adventureworks",
        doc_md="Airbyte syncs the shop's changes into the raw layer.",
        wait_seconds=1,
        timeout=timedelta(minutes=60).total_seconds(),
        execution_timeout=timedelta(minutes=65),
        retries=2,
        retry_delay=timedelta(seconds=10),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(minutes=5),
        trigger_rule="all_done",  # a start notice that was lost stops nothing
    )

    dbt = dbt_tasks(settings(), timeout=timedelta(minutes=45))

    @task(execution_timeout=timedelta(minutes=20), retries=1, retry_delay=timedelta(seconds=10))
    def publish() -> int:
        """Show the marts that were built and tested; the number of the new version."""
        return publish_marts(settings(), run=get_current_context()["run_id"]).number

    @task(execution_timeout=timedelta(minutes=1), retries=1, retry_delay=timedelta(seconds=5))
    def notify_success() -> None:
        """Tell that everything is published."""
        notices.succeeded(get_current_context())

    @task(execution_timeout=timedelta(minutes=1), trigger_rule="one_failed")
    def notify_failure() -> None:
        """Tell about a task that was killed; a task that fails tells so itself (`notices.failed`)."""
        notices.killed(get_current_context())

    notify_start() >> sync >> dbt >> publish() >> [notify_success(), notify_failure()]
