"""
### AdventureWorks: everything again

**Purpose.** Read every row of the shop again into the raw layer (Airbyte's refresh, through its SDK: the operator only syncs), then
have `adventureworks_elt` build every incremental model from all rows, test and publish. Only by hand: after a repair of the
source, a restored backup, or when raw is not to be trusted.

**Owner.** data-platform, Slack channel of the connection `slack_default`.

**Paused.** It never is: only a person starts it.

**When it fails.** Analysts keep the last published version. Until `refresh` has ended, raw is as it was; after it, raw is new and the
next `adventureworks_elt` goes on from there.

**What to do.** `refresh`: Airbyte's reason is in the message; trigger this DAG again. `build_and_publish`: see the failure message of the
run of `adventureworks_elt` that it started, mend that, and trigger `adventureworks_elt` with the same parameters.
"""

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

from foundation.settings import settings
from orchestration.defaults import DAG_ARGUMENTS
from orchestration.tasks import record_task, refresh_task
from transformation.project import incremental_models, read_manifest

with DAG(
    dag_id="adventureworks_full_refresh",
    description="Read and build everything again",
    doc_md=__doc__,
    schedule=None,
    dagrun_timeout=timedelta(hours=8),
    is_paused_upon_creation=False,  # only a person starts it, and should not have to look for the switch
    tags=["adventureworks", "pipeline"],
    **DAG_ARGUMENTS,
):
    build_and_publish = TriggerDagRunOperator(
        task_id="build_and_publish",
        doc_md="Run `adventureworks_elt` with a full refresh of all incremental models, and wait for its end.",
        trigger_dag_id="adventureworks_elt",
        conf={"full_refresh": incremental_models(read_manifest(settings()))},
        wait_for_completion=True,
        poke_interval=5,
        failed_states=["failed"],
        execution_timeout=timedelta(hours=3),
    )

    refresh_task() >> build_and_publish >> record_task()
