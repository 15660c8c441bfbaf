"""What the DAGs of a source are made of. `adventureworks_elt` is made of the same tasks, with a form of its own.

    source_dags("web", every="*/5 * * * *")

makes two DAGs of a connection of that name: `web_sync` has Airbyte sync it, and `web_transformation` builds the models that
have its tag whenever a sync has ended, tests and publishes them. A DAG file for another source is that call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from foundation.settings import settings
from orchestration.cosmos_tasks import dbt_tasks
from orchestration.defaults import DAG_ARGUMENTS
from orchestration.tasks import (
    catalogue_task,
    load_task,
    prepare_task,
    publish_task,
    raw_of,
    record_task,
    sync_task,
)

CALENDAR = ("int_date_range", "dim_date")  # a source may bring days that nobody else has


def source_dags(
    source: str,
    every: str,
    *,
    about: str = "",
    owner: str = "data-platform",
    after_sync: Sequence[Callable[[], Any]] = (),
    after_sync_doc: str = "",
    gated: bool = True,
) -> list[DAG]:
    """The two DAGs of a source; none where the source is not in use (ELT_SOURCES). `every` is a cron expression.

    Where its connection lands in the lake, a task of its own loads the raw layer from there. `after_sync` makes further tasks, one after
    another, the last of which makes the raw layer new, unless it is not `gated` by them; `after_sync_doc`: what they do, and what to do
    when they fail.
    """
    if source not in settings().sources:
        return []
    by_lake = settings().lands_in_lake(source)
    arguments = {**DAG_ARGUMENTS, "tags": [source, "pipeline"]}
    arguments["default_args"] = {**arguments["default_args"], "owner": owner}
    with DAG(
        dag_id=f"{source}_sync",
        description=f"Airbyte sync of {source}",
        doc_md=SYNC_DOC.format(
            source=source,
            about=about,
            owner=owner,
            paused=PAUSED,
            more=LOAD_DOC if by_lake else f"\n\n{after_sync_doc}",
        ),
        schedule=None if settings().elt_schedule == "manual" else every,
        dagrun_timeout=timedelta(hours=1, minutes=15),
        **arguments,
    ) as sync:
        place = "the lake" if by_lake else "the raw layer"
        is_last = not by_lake and not (after_sync and gated)
        last = sync_task(source, f"Airbyte syncs what is new in {source} into {place}.", is_last=is_last)
        # raw is new when `load` has ended: its transformation does not wait for the catalogue
        for make in (lambda: load_task(source), lambda: catalogue_task(source)) if by_lake else after_sync:
            last = last >> make()
        last >> record_task()
    with DAG(
        dag_id=f"{source}_transformation",
        description=f"dbt build and publish of what {source} brought",
        doc_md=TRANSFORMATION_DOC.format(source=source, about=about, owner=owner, paused=PAUSED),
        schedule=[raw_of(source)],
        dagrun_timeout=timedelta(hours=2),
        **arguments,
    ) as transformation:
        select = (f"tag:{source}", *CALENDAR)
        dbt = dbt_tasks(settings(), timeout=timedelta(minutes=45), select=select, after=prepare_task(select))
        # `complete` fails with the run; a notice of each success would be one every few minutes
        complete = EmptyOperator(
            task_id="complete", doc_md="Everything is published.", execution_timeout=timedelta(minutes=1)
        )
        publish_task(dbt) >> complete >> record_task(dbt)
    return [sync, transformation]


PAUSED = (
    "A new DAG is paused, because its source is empty at first: switch it on here once the source has rows."
)
SYNC_DOC = """
### {source}: what is new, into the raw layer

**Purpose.** Have Airbyte sync the connection `{source}`; its end starts `{source}_transformation`. {about}

**Owner.** {owner}, Slack channel of the connection `slack_default`.

**Paused.** {paused}

**When it fails.** Raw stays as the last sync left it: marts of {source} grow old, all others are untouched.

**What to do.** Airbyte's reason is in the message. Does the source answer, are its credentials right? A new run is safe at any
time, and goes on where the last one ended.{more}
"""
LOAD_DOC = """

`load` brings into the raw layer what `sync` has landed in the lake. If it fails, the message names the store, the file or the writer that
keeps the warehouse; what has landed stays, and the next run loads it. `catalogue` adds the same files to the Iceberg tables; if it
fails, only the readers of the catalogue wait.
"""

TRANSFORMATION_DOC = """
### {source}: from the raw layer to the published marts

**Purpose.** Build, test and publish the models that have the tag `{source}` as soon as a sync has ended. {about}

**Owner.** {owner}, Slack channel of the connection `slack_default`.

**Paused.** {paused}

**When it fails.** Nothing is published: analysts keep the last good version. The next sync starts a new run.

**What to do.**
- `prepare`: another writer keeps the warehouse; `elt status` names it.
- `dbt.dbt_producer_watcher`: a model or a test failed, by name in the message. Correct the data or the model.
- `publish`: most often no space on the disk. Run again when there is.
"""
