"""
### AdventureWorks: backup and tidying up

**Purpose.** Every night: back up what can't be built again (dbt's snapshots, sync state, the databases of Airflow, Superset and Airbyte),
then remove what nobody needs: drafts of published versions, old logs, old rows of the monitoring tables, raw rows past the days
that `retention.yml` gives them. Where a source lands in the lake, its small files are merged, too.

**Owner.** data-platform, Slack channel of the connection `slack_default`.

**Paused.** A new DAG is paused, because there is nothing to keep before the first run: switch it on here, or no backup is made.

**When it fails.** Nothing that analysts see is touched. Without `backup` the newest one grows old: after a loss of the disk the
histories of customers and inventory since then are gone. Without `tidy` the disk fills slowly.

**What to do.** The message has the reason, most often the disk. `elt backup` makes one by hand, `elt backup --list` shows them,
`elt restore` puts one back (`elt down airflow airbyte` before, `elt up` and a run after).
"""

from datetime import timedelta

from airflow.sdk import DAG

from orchestration.defaults import DAG_ARGUMENTS
from orchestration.tasks import backup_task, record_task, tidy_task

with DAG(
    dag_id="adventureworks_maintenance",
    description="Backup; old versions, logs and history",
    doc_md=__doc__,
    schedule="17 3 * * *",
    dagrun_timeout=timedelta(hours=2),
    tags=["adventureworks", "maintenance"],
    **DAG_ARGUMENTS,
):
    backup_task() >> tidy_task() >> record_task()
