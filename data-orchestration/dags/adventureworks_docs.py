"""
### AdventureWorks: the documentation of the marts

**Purpose.** Every night: dbt's documentation (models, columns, tests, lineage) with what the warehouse says of the tables, as one page.
It is shown in Airflow under *Browse → dbt Docs*; DBT_DOCS_URI (`s3://bucket/folder`) puts it elsewhere.

**Owner.** data-platform, Slack channel of the connection `slack_default`.

**Paused.** A new DAG is paused, because there is nothing to document before the first run: switch it on here.

**When it fails.** The last page stays; nobody's figures are touched.

**What to do.** The message has dbt's reason: most often another writer kept the warehouse (`elt status`), or the project does not parse.
Trigger it again, or wait for the night.
"""

from datetime import timedelta

from airflow.sdk import DAG

from orchestration.defaults import DAG_ARGUMENTS
from orchestration.tasks import publish_docs_task, record_task

with DAG(
    dag_id="adventureworks_docs",
    description="dbt docs, generated and published",
    doc_md=__doc__,
    schedule="41 2 * * *",
    dagrun_timeout=timedelta(hours=1),
    tags=["adventureworks", "documentation"],
    **DAG_ARGUMENTS,
):
    publish_docs_task() >> record_task()
