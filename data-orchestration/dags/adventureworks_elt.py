"""
### AdventureWorks: from the shop to the published marts

**Purpose.** As soon as the shop has changed something, and every 15 minutes: sync the shop's tables with Airbyte, compare them with the
shop, build and test with dbt what descends from the tables that have changed, publish the marts. Analysts see a new version only when
every test has passed.

**Owner.** data-platform, Slack channel of the connection `slack_default`.

**Paused.** A new DAG is paused, because the shop is empty at first: `elt demo` and `elt run` switch it on, or the switch on this page.

**When it fails.** Nothing is published: analysts keep the last good version, which grows old. The failure message names the
task, the reason and the log. The next run starts from the published version and takes up where the last sync ended. Until a run has
succeeded, the schedule alone starts runs.

**What to do.**
- `plan`: a parameter of the trigger form is wrong; the message says which.
- `sync`: Airbyte's reason is in the message. Is the source up, do its credentials work? A new run is safe at any time.
- `reconcile`: raw is not what the shop holds; the message names the first keys. Who wrote into the raw tables? `elt airbyte
  verify` shows all; `elt airbyte refresh adventureworks` reads everything again.
- `freshness`: no sync has succeeded for hours. See the failures before this one.
- `prepare`: another writer keeps the warehouse; `elt status` names it.
- `dbt.dbt_producer_watcher` (one `dbt build`; the other tasks of the group show how their part of it went): a model or a
  test failed, by name in the message. Correct the data or the model; a retry without a change fails again.
- `publish`: most often no space on the disk. Run again when there is.
- A bad version was published: `elt publish --rollback` shows the one before and holds it until `elt publish --resume`.
- Trigger a run by hand when mended, or wait for the next one; there is no need to clear tasks.
"""

from datetime import timedelta

from airflow.sdk import DAG, DeadlineAlert, DeadlineReference, SyncCallback

from foundation.settings import settings
from orchestration import notices, parameters
from orchestration.cosmos_tasks import dbt_tasks
from orchestration.defaults import DAG_ARGUMENTS, one_form
from orchestration.listener import when_changed
from orchestration.tasks import (
    freshness_task,
    notify_start_task,
    notify_success_task,
    plan_task,
    prepare_task,
    publish_task,
    reconcile_task,
    record_task,
    sync_task,
)

with DAG(
    dag_id="adventureworks_elt",
    description="Airbyte sync, reconcile, dbt build, publish",
    doc_md=__doc__,
    schedule=when_changed("adventureworks_elt", settings()),
    dagrun_timeout=2 * timedelta(minutes=settings().freshness_minutes),
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=settings().freshness_minutes) / 2,
        callback=SyncCallback(notices.late),
    ),
    tags=["adventureworks", "pipeline"],
    **DAG_ARGUMENTS,
) as dag:
    sync = sync_task("adventureworks", "Airbyte syncs the shop's changes into the raw layer.")
    prepare = prepare_task()
    dbt = dbt_tasks(settings(), timeout=timedelta(minutes=45), after=prepare)
    plan_task() >> sync >> [reconcile_task("adventureworks"), freshness_task()] >> prepare
    publish_task(dbt) >> (success := notify_success_task())
    [notify_start_task(), success] >> record_task(dbt)
one_form(dag, parameters.form(settings()))
