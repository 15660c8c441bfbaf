"""
### AdventureWorks: the documentation of the marts

**Purpose.** Every night: dbt's documentation (models, columns, tests, lineage) with what the warehouse says of the tables, as one page.
It is shown in Airflow under *Browse → dbt Docs*; DBT_DOCS_URI (`s3://bucket/folder`) puts it elsewhere.

**Owner.** data-platform, Slack channel of the connection `slack_default`.

**When it fails.** The last page stays; nobody's figures are touched.

**What to do.** The message has dbt's reason: most often another writer kept the warehouse (`elt status`), or the project does not parse.
Trigger it again, or wait for the night.
"""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from orchestration import steps
from orchestration.defaults import DAG_ARGUMENTS, RETRIED

with DAG(
    dag_id="adventureworks_docs",
    description="dbt docs, generated and published",
    doc_md=__doc__,
    schedule="41 2 * * *",
    dagrun_timeout=timedelta(hours=1),
    **DAG_ARGUMENTS,
):

    @task(execution_timeout=timedelta(minutes=30), **RETRIED)
    def publish_docs() -> str:
        """Generate the page and put it where it is read; returns where that is."""
        return steps.publish_docs(get_current_context())

    @task(execution_timeout=timedelta(minutes=5), **RETRIED)
    def record() -> dict[str, int]:
        """Note the run in the monitoring tables, whatever became of it."""
        return steps.record(get_current_context())

    publish_docs() >> record().as_teardown()
