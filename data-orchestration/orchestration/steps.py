"""What the tasks of the DAGs do, each with the run's context at hand."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airbyte_config import jobs
from foundation.settings import settings
from orchestration import (
    airflow_api,
    digest,
    documentation,
    freshness,
    maintenance,
    monitoring,
    notices,
    parameters,
)
from orchestration import backup as backups
from orchestration import publish as publishing
from orchestration.names import HELD, MODELS, UNCHANGED
from transformation import changed_inputs, results
from transformation.request import VARIABLE, BuildRequest

if TYPE_CHECKING:
    from airflow.sdk import Context

LOAD_WAIT_SECONDS = 600.0  # for another writer of the warehouse, as `prepare` waits

log = logging.getLogger(__name__)


def lease_name(context: Context) -> str:
    """By which the lease on the warehouse knows a run."""
    return f"{context['dag'].dag_id} {context['run_id']}"


def plan(context: Context) -> bool:
    """Check the parameters and log what will be built; False ends a dry run here."""
    context["ti"].xcom_push(key=MODELS, value=parameters.plan(settings(), dict(context["params"])))
    if context["params"]["dry_run"]:
        log.info("a dry run: it ends here")
    return not context["params"]["dry_run"]


def check_freshness(context: Context, source: str = "adventureworks") -> dict[str, str]:
    """Is a source fresh?"""
    return freshness.check(settings(), source)


def load(source: str) -> int:
    """Bring into the raw layer what the lake has of a source's connection, and raw has not; how many rows."""
    from lake.load import load as load_from_lake

    patient = settings().model_copy(update={"elt_lease_wait_seconds": LOAD_WAIT_SECONDS})
    done = load_from_lake(source, patient)
    for each in done:
        log.info("%s: %s commits, rows by table: %s", each.connection, each.commits, each.rows or "none")
    return sum(each.total for each in done)


def check_arrival() -> int:
    """See that every file of posts has arrived whole; how many."""
    from lake.place import store
    from posts.arrival import check

    return check(settings(), store(settings()))


def score_posts() -> int:
    """Score the texts of posts that are new in the raw layer; how many."""
    from posts.sentiment import score_new

    patient = settings().model_copy(update={"elt_lease_wait_seconds": LOAD_WAIT_SECONDS})
    done = score_new(patient)
    log.info("%s texts scored, %s have a score", done.new, done.texts)
    return done.new


def reconcile_lane() -> dict[str, int]:
    """See that lane and warehouse hold the same messages; how many were compared, by topic. Raises AirflowFailException: they disagree."""
    from airflow.sdk.exceptions import AirflowFailException

    from streaming.reconciliation import DisagreeError, reconcile

    try:
        return {one.topic: one.messages for one in reconcile(settings())}
    except DisagreeError as error:  # it has looked again and again: another try would only delay the alert
        raise AirflowFailException(str(error)) from None


def train_fraud() -> dict[str, Any]:
    """Train the model of fraud by card, which scores if it is better; the figures of the held-out days by candidate."""
    from streaming import training

    record = training.train(settings())
    log.info("model %s is %s", record["version"], "promoted" if record["promoted"] else "not better")
    figures: dict[str, Any] = record["metrics"]
    return figures


def check_drift() -> dict[str, float]:
    """The population stability index of each feature of the last day's payments. Raises DriftError; AirflowSkipException: nothing to compare."""
    from airflow.sdk.exceptions import AirflowSkipException

    from streaming import training

    found = training.drift()
    if not found["psi"]:
        raise AirflowSkipException("no model is promoted, or it has scored too few payments")
    training.unless_drifted(found)
    indices: dict[str, float] = found["psi"]
    return indices


def catalogue(source: str) -> int:
    """Bring the Iceberg tables of a source's connection up to date with the lake, where there is a catalogue; how many files are new."""
    from lake.publish import publish

    if not settings().lake_catalog_base:
        return 0
    return sum(publish(settings(), source).values())


def prepare(context: Context, select: tuple[str, ...] = ()) -> str:
    """Take the warehouse for this run, its marts as they are published; tell dbt what has changed since they were built.

    `select`: what the DAG builds in each run, if that is not everything; the task that runs dbt knows it already.
    """
    done = publishing.prepare(settings(), lease_name(context))
    log.info("%s", done)
    asked = BuildRequest(select=select) if select else BuildRequest.of_form(context["params"])
    marts = publishing.build_environment(settings()).get("DBT_MARTS_SCHEMA", "marts")
    with changed_inputs.asking(settings(), f"prepare ({lease_name(context)})") as ask:
        found = changed_inputs.look(settings(), ask, marts=marts)
    changed = not asked.beyond_changes and found.selectors is not None
    if found.reason:
        log.info("everything is built: %s", found.reason)
    elif changed:
        log.info("what has changed since the last complete build: %s", ", ".join(found.changed) or "nothing")
    request = asked.knowing(found, complete=not asked.select, only_changed=changed)
    context["ti"].xcom_push(key=parameters.REQUEST, value=request.variables()[VARIABLE])
    context["ti"].xcom_push(key=parameters.SELECT, value="" if select else " ".join(request.select))
    return done


def has_nothing_to_build(context: Context) -> bool:
    """Whether `prepare` has found that nothing has changed since the last complete build."""
    return BuildRequest.is_nothing(context["ti"].xcom_pull(task_ids="prepare", key=parameters.REQUEST))


def publish(context: Context) -> int | None:
    """Show the marts that were built and tested; the number of the new version. None while a rollback holds, or when nothing was built."""
    ti, run = context["ti"], context["run_id"]
    try:
        if (has_nothing_to_build(context) or _built_nothing(run)) and (
            shown := publishing.leave(settings(), lease_name(context))
        ):
            log.info("nothing was built: version %s is right still", shown.number)
            ti.xcom_push(key=UNCHANGED, value=shown.number)
            return None
        return publishing.publish(settings(), run, prepared=lease_name(context)).number
    except publishing.HeldError as error:
        log.warning("not published: %s", error)
        if hold := publishing.held(settings()):
            ti.xcom_push(key=HELD, value=hold.number)
        return None


def _built_nothing(run: str) -> bool:
    """Whether the run's build has ended without a model or snapshot; seeds are loaded by every build."""
    built = results.counts(settings(), run)
    return built is not None and not built["model", "success"] + built["snapshot", "success"]


def record(context: Context) -> dict[str, int]:
    """End a run, successful or not; returns the rows of the monitoring tables by table.

    Reports the tasks that were killed, once; gives the warehouse back; notes the run; warns when the published data grows old.
    """
    if context["ti"].try_number == 1:
        notices.killed(context)
    return note(context)


def note(context: Context) -> dict[str, int]:
    """Give the warehouse back, and note the run in the monitoring tables; rows by table."""
    publishing.give_back(settings(), lease_name(context))
    with airflow_api.client(settings()) as api:
        taken = monitoring.record(settings(), api)
    if age := monitoring.age_of_shown(settings()):
        elapsed = monitoring.since_last_run(settings(), context["run_id"])
        target = timedelta(minutes=settings().freshness_minutes)
        notices.growing_old(context["dag"].dag_id, age, target, age - elapsed if elapsed else timedelta())
    digest.send_if_due(settings())
    return taken


def refresh(context: Context) -> dict[str, int]:
    """Have Airbyte read every stream from its beginning, through the SDK; the job's number and rows."""
    job = jobs.run(
        "adventureworks", "refresh", report=lambda job, adopted: log.info("%s: %s", job.id, job.progress())
    )
    return {"job": job.id, "rows": job.rows}


def publish_docs(context: Context) -> str:
    """Generate dbt's documentation and put it where it is read."""
    return documentation.publish(settings())


def upload_docs(context: Context) -> dict[str, str | int]:
    """Put the page into the lake's bucket; which version it is there."""
    from lake.place import store

    return asdict(documentation.upload(settings(), store(settings())))


def watch_docs(context: Context) -> str:
    """See that a reader of the bucket finds the page that this run has uploaded; its key."""
    from lake.place import store

    uploaded = context["ti"].xcom_pull(task_ids="upload_docs", key="return_value")
    return documentation.watch(store(settings()), uploaded["uploaded_at"]).key


def backup(context: Context) -> str:
    """Back up what can't be built again."""
    return str(backups.backup(settings(), report=log.info))


def tidy(context: Context) -> dict[str, int]:
    """Remove what is old."""
    removed = maintenance.tidy(settings())
    log.info("removed: %s", removed)
    return removed
