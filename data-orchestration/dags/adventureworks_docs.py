"""
### AdventureWorks: the documentation of the marts

**Purpose.** Every night: dbt's documentation (models, columns, tests, lineage) with what the warehouse says of the tables, as one page.
It is shown in Airflow under *Browse → dbt Docs*; DBT_DOCS_URI (`s3://bucket/folder`) puts it elsewhere. Where the lake is in use, the same
page goes into its bucket, below `docs/dbt`: `latest.json` names the version to read.

**Owner.** data-platform, Slack channel of the connection `slack_default`.

**Paused.** A new DAG is paused, because there is nothing to document before the first run: switch it on here.

**When it fails.** The last page stays; nobody's figures are touched.

**What to do.** The message has dbt's reason: most often another writer kept the warehouse (`elt status`), or the project does not parse.
Trigger it again, or wait for the night. `upload_docs`: the store does not answer (`elt status`, `elt logs lake`). `watch_docs`: what a reader
of the bucket finds is not what was uploaded; somebody else writes there.
"""

from datetime import timedelta

from airflow.sdk import DAG

from foundation.settings import settings
from orchestration.defaults import DAG_ARGUMENTS
from orchestration.tasks import (
    notify_start_task,
    notify_success_task,
    publish_docs_task,
    record_task,
    upload_docs_task,
    watch_docs_task,
)

with DAG(
    dag_id="adventureworks_docs",
    description="dbt docs, generated and published",
    doc_md=__doc__,
    schedule="41 2 * * *",
    dagrun_timeout=timedelta(hours=1),
    tags=["adventureworks", "documentation"],
    **DAG_ARGUMENTS,
):
    last = publish_docs_task()
    if settings().lake_in_use:
        last = last >> upload_docs_task() >> watch_docs_task()
    [notify_start_task(), last >> notify_success_task()] >> record_task()
