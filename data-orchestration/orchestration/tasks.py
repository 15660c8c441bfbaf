"""The tasks that the DAGs are made of: a DAG file orders them. What a task does is in `steps` and `notices`.

`dbt_tasks` (in `cosmos_tasks`) makes the group of tasks between `prepare` and `publish`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, TaskGroup, get_current_context, task

from orchestration import notices, steps
from orchestration.defaults import MARTS, NOTICE, RAW, RETRIED
from orchestration.names import PRODUCER


def raw_of(source: str) -> Asset:
    """The asset that a source's sync updates."""
    return Asset(f"{source}_raw")


def _airbyte_arguments(connection: str) -> dict[str, Any]:
    """How any task waits for a sync of a connection."""
    return {
        "connection": connection,
        "wait_seconds": 1,
        "timeout": timedelta(minutes=60).total_seconds(),
        "execution_timeout": timedelta(minutes=65),
        **RETRIED,
    }


def sync_task(source: str, about: str, *, is_last: bool = True) -> Any:
    """`sync`: Airbyte syncs the connection that has the source's name; `is_last`: its end makes the raw layer new."""
    from orchestration.sync import AirbyteSyncOperator  # Airbyte's provider, which not every DAG needs

    outlets = [raw_of(source)] if is_last else []
    return AirbyteSyncOperator(task_id="sync", doc_md=about, outlets=outlets, **_airbyte_arguments(source))


def load_task(source: str) -> Any:
    """`load`: what a sync has landed in the lake."""

    @task(execution_timeout=timedelta(minutes=30), outlets=[raw_of(source)], **RETRIED)
    def load() -> int:
        """Bring what is new in the lake into the raw layer; how many rows."""
        return steps.load(source)

    return load()


def catalogue_task(source: str) -> Any:
    """`catalogue`: the lake's tables for other engines."""

    @task(execution_timeout=timedelta(minutes=15), **RETRIED)
    def catalogue() -> int:
        """Bring the Iceberg tables up to date with the lake; how many files are new."""
        return steps.catalogue(source)

    return catalogue()


def arrival_task() -> Any:
    """`arrival`: the files of posts against the raw layer."""

    @task(execution_timeout=timedelta(minutes=15), **RETRIED)
    def arrival() -> int:
        """Raw holds every line of every file; how many files."""
        return steps.check_arrival()

    return arrival()


def score_posts_task() -> Any:
    """`score`: how posts sound."""

    @task(execution_timeout=timedelta(minutes=30), **RETRIED)
    def score() -> int:
        """Score the texts that are new in the raw layer; how many."""
        return steps.score_posts()

    return score()


def reconcile_lane_task() -> Any:
    """`reconcile` of the lane: its tables against those that the sync has brought."""

    @task(execution_timeout=timedelta(minutes=15), **RETRIED)
    def reconcile() -> dict[str, int]:
        """Lane and warehouse hold the same messages; how many were compared, by topic."""
        return steps.reconcile_lane()

    return reconcile()


def fraud_training_task() -> Any:
    """`train`: the model of fraud, in the lane's environment."""

    @task(execution_timeout=timedelta(minutes=90), **RETRIED)
    def train() -> dict[str, Any]:
        """Train, and promote what is better; the figures of the held-out days."""
        return steps.train_fraud()

    return train()


def fraud_drift_task() -> Any:
    """`drift`: payments against those that the model knows."""

    @task(execution_timeout=timedelta(minutes=15))
    def drift() -> dict[str, float]:
        """The index of each feature; fails when one has drifted."""
        return steps.check_drift()

    return drift()


def gate_task(source: str) -> Any:
    """`freshness` of a source with a DAG of its own: behind it the raw layer is new."""

    @task(execution_timeout=timedelta(minutes=5), outlets=[raw_of(source)], **RETRIED)
    def freshness() -> dict[str, str]:
        """What the source has brought is recent; the newest row is not older than its limit."""
        return steps.check_freshness(get_current_context(), source)

    return freshness()


def reconcile_task(source: str) -> Any:
    """`reconcile`: raw against the source."""
    from orchestration.sync import ReconcileOperator

    return ReconcileOperator(
        task_id="reconcile",
        doc_md="Raw holds what the shop had committed when the sync began, row by row.",
        **_airbyte_arguments(source),
    )


def notify_start_task() -> Any:
    """`notify_start`."""

    @task(**NOTICE)
    def notify_start() -> None:
        """Tell that the run has begun."""
        notices.started(get_current_context())

    # a teardown: nothing waits for it but the last task, and its failure fails no run
    return notify_start().as_teardown()


def plan_task() -> Any:
    """`plan`, which ends a dry run."""

    @task.short_circuit(execution_timeout=timedelta(minutes=2))
    def plan() -> bool:
        """Check the parameters and log what will be built; a dry run ends here."""
        return steps.plan(get_current_context())

    return plan()


def freshness_task() -> Any:
    """`freshness`."""

    @task(execution_timeout=timedelta(minutes=5), **RETRIED)
    def freshness() -> dict[str, str]:
        """The last successful sync is recent; old orders only warn."""
        return steps.check_freshness(get_current_context())

    return freshness()


def prepare_task(select: tuple[str, ...] = ()) -> Any:
    """`prepare`; `select`: what the DAG builds, if that is not everything."""

    @task(execution_timeout=timedelta(minutes=20), **RETRIED)
    def prepare() -> str:
        """Take the warehouse for this run, its marts as they are published; see what has changed since they were built."""
        return steps.prepare(get_current_context(), select)

    return prepare()


def publish_task(dbt: TaskGroup) -> Any:
    """`publish`; `dbt`: the group of tasks that build.

    The one that runs dbt says that every model is built and every test has passed. Those that watch it say so a second or two later, for
    each model apart: nobody waits for them.
    """

    @task(execution_timeout=timedelta(minutes=20), outlets=[MARTS], **RETRIED)
    def publish() -> int | None:
        """Show the marts that were built and tested; the number of the new version."""
        return steps.publish(get_current_context())

    return dbt.children[f"{dbt.group_id}.{PRODUCER}"] >> publish()


def notify_success_task() -> Any:
    """`notify_success`."""

    @task(**NOTICE)
    def notify_success() -> None:
        """Tell that everything is published."""
        notices.succeeded(get_current_context())

    return notify_success()


def record_task(dbt: TaskGroup | None = None) -> Any:
    """`record`, which ends every run, whatever became of it.

    `dbt`: the group of tasks that build. All of them come before it: the one that builds goes on for a while after a test has
    failed, and the warehouse is its own until it has ended.
    """

    @task(execution_timeout=timedelta(minutes=5), **RETRIED)
    def record() -> dict[str, int]:
        """After every run: report tasks that were killed, give the warehouse back, note the run in the monitoring tables."""
        return steps.record(get_current_context())

    last = record().as_teardown()
    if dbt:
        list(dbt.children.values()) >> last
    return last


def refresh_task() -> Any:
    """`refresh`."""

    @task(execution_timeout=timedelta(hours=4), outlets=[RAW], **RETRIED)
    def refresh() -> dict[str, int]:
        """Have Airbyte read every stream from its beginning; the job's number and rows."""
        return steps.refresh(get_current_context())

    return refresh()


def publish_docs_task() -> Any:
    """`publish_docs`."""

    @task(execution_timeout=timedelta(minutes=30), **RETRIED)
    def publish_docs() -> str:
        """Generate the page and put it where it is read; returns where that is."""
        return steps.publish_docs(get_current_context())

    return publish_docs()


def upload_docs_task() -> Any:
    """`upload_docs`."""

    @task(execution_timeout=timedelta(minutes=10), **RETRIED)
    def upload_docs() -> dict[str, str | int]:
        """Put the page into the lake's bucket, the version to read last; which version it is."""
        return steps.upload_docs(get_current_context())

    return upload_docs()


def watch_docs_task() -> Any:
    """`watch_docs`."""

    @task(execution_timeout=timedelta(minutes=10), **RETRIED)
    def watch_docs() -> str:
        """A reader of the bucket finds the whole page that this run has uploaded; its key."""
        return steps.watch_docs(get_current_context())

    return watch_docs()


def backup_task() -> Any:
    """`backup`."""

    @task(execution_timeout=timedelta(hours=1), **RETRIED)
    def backup() -> str:
        """Back up what can't be built again; where it is."""
        return steps.backup(get_current_context())

    return backup()


def tidy_task() -> Any:
    """`tidy`, which runs after a backup that failed, too."""

    @task(execution_timeout=timedelta(minutes=30), trigger_rule="all_done", **RETRIED)
    def tidy() -> dict[str, int]:
        """Remove what is old; how much of what."""
        return steps.tidy(get_current_context())

    return tidy()
