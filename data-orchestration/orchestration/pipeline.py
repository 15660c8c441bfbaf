"""What the DAGs of a source are made of. `adventureworks_elt` is made of the same parts, with a sync and a form of its own.

    source_dags("web", every="*/5 * * * *")

makes two DAGs of a connection of that name: `web_sync` has Airbyte sync it, and `web_transformation` builds the models that
have its tag whenever a sync has ended, tests and publishes them. A DAG file for another source is that call.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, get_current_context, task

from foundation.settings import settings
from orchestration import notices, steps
from orchestration.defaults import DAG_ARGUMENTS, MARTS, NOTICE, RETRIED
from orchestration.sync import AirbyteSyncOperator
from orchestration.transformation import dbt_tasks

CALENDAR = ("int_date_range", "dim_date")  # a source may bring days that nobody else has


def airbyte_arguments(connection: str) -> dict[str, Any]:
    """How any task waits for a sync of a connection."""
    return {
        "connection": connection,
        "wait_seconds": 1,
        "timeout": timedelta(minutes=60).total_seconds(),
        "execution_timeout": timedelta(minutes=65),
        **RETRIED,
    }


def raw_of(source: str) -> Asset:
    """The asset that a source's sync updates."""
    return Asset(f"{source}_raw")


def sync_task(source: str, about: str) -> AirbyteSyncOperator:
    """The task `sync`."""
    return AirbyteSyncOperator(
        task_id="sync", doc_md=about, outlets=[raw_of(source)], **airbyte_arguments(source)
    )


def prepared(select: tuple[str, ...] = ()) -> Any:
    """The task `prepare`; `select`: what the DAG builds, if that is not everything."""

    @task(execution_timeout=timedelta(minutes=20), **RETRIED)
    def prepare() -> str:
        """Take the warehouse for this run, its marts as they are published; see what has changed since they were built."""
        return steps.prepare(get_current_context(), select)

    return prepare()


def published() -> Any:
    """The task `publish`."""

    @task(execution_timeout=timedelta(minutes=20), outlets=[MARTS], **RETRIED)
    def publish() -> int | None:
        """Show the marts that were built and tested; the number of the new version."""
        return steps.publish(get_current_context())

    return publish()


def told_success() -> Any:
    """The task `notify_success`."""

    @task(**NOTICE)
    def notify_success() -> None:
        """Tell that everything is published."""
        notices.succeeded(get_current_context())

    return notify_success()


def told_failure() -> Any:
    """The task `notify_failure`."""

    @task(execution_timeout=timedelta(minutes=1), trigger_rule="one_failed")
    def notify_failure() -> None:
        """Tell about a task that was killed; a task that fails tells so itself (`notices.failed`)."""
        notices.killed(get_current_context())

    return notify_failure()


def recorded() -> Any:
    """The task `record`, which ends every run."""

    @task(execution_timeout=timedelta(minutes=5), **RETRIED)
    def record() -> dict[str, int]:
        """Whatever became of the run: give the warehouse back, note the run in the monitoring tables."""
        return steps.record(get_current_context())

    return record().as_teardown()


def source_dags(source: str, every: str, *, about: str = "", owner: str = "data-platform") -> list[DAG]:
    """The two DAGs of a source; none where the source is not in use (ELT_SOURCES). `every` is a cron expression."""
    if source not in settings().sources:
        return []
    arguments = {**DAG_ARGUMENTS, "tags": [source]}
    arguments["default_args"] = {**arguments["default_args"], "owner": owner}
    with DAG(
        dag_id=f"{source}_sync",
        description=f"Airbyte sync of {source}",
        doc_md=SYNC_DOC.format(source=source, about=about, owner=owner),
        schedule=None if settings().elt_schedule == "manual" else every,
        dagrun_timeout=timedelta(hours=1, minutes=15),
        **arguments,
    ) as sync:
        sync_task(source, f"Airbyte syncs what is new in {source} into the raw layer.") >> recorded()
    with DAG(
        dag_id=f"{source}_transformation",
        description=f"dbt build and publish of what {source} brought",
        doc_md=TRANSFORMATION_DOC.format(source=source, about=about, owner=owner),
        schedule=[raw_of(source)],
        dagrun_timeout=timedelta(hours=2),
        **arguments,
    ) as transformation:
        select = (f"tag:{source}", *CALENDAR)
        dbt = dbt_tasks(settings(), timeout=timedelta(minutes=45), select=select)
        # `complete` fails with the run; a notice of each success would be one every few minutes
        complete = EmptyOperator(
            task_id="complete", doc_md="Everything is published.", execution_timeout=timedelta(minutes=1)
        )
        prepared(select) >> dbt >> published() >> [complete, told_failure()] >> recorded()
    return [sync, transformation]


SYNC_DOC = """
### {source}: what is new, into the raw layer

**Purpose.** Have Airbyte sync the connection `{source}`; its end starts `{source}_transformation`. {about}

**Owner.** {owner}, Slack channel of the connection `slack_default`.

**When it fails.** Raw stays as the last sync left it: marts of {source} grow old, all others are untouched.

**What to do.** Airbyte's reason is in the message. Does the source answer, are its credentials right? A new run is safe at any
time, and goes on where the last one ended.
"""

TRANSFORMATION_DOC = """
### {source}: from the raw layer to the published marts

**Purpose.** Build, test and publish the models that have the tag `{source}` as soon as a sync has ended. {about}

**Owner.** {owner}, Slack channel of the connection `slack_default`.

**When it fails.** Nothing is published: analysts keep the last good version. The next sync starts a new run.

**What to do.**
- `prepare`: another writer keeps the warehouse; `elt status` names it.
- `dbt.dbt_producer_watcher`: a model or a test failed, by name in the message. Correct the data or the model.
- `publish`: most often no space on the disk. Run again when there is.
"""
