"""What is told about a run: it started, succeeded, recovered, a task failed, it is late, the data grows old.

A failure is told once, by the task that failed: with its reason, and with the failing dbt tests by name.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException

from foundation.settings import settings
from orchestration.channels import send
from orchestration.messages import Message, duration, failing_tests, reason, since
from orchestration.names import PRODUCER
from transformation.results import failed_tests

if TYPE_CHECKING:
    from airflow.sdk import Context

SPOKE = "failure_notice"  # XCom of a task whose failure notice was sent: was it delivered?
WARN_AT = 0.75  # of the freshness target

log = logging.getLogger(__name__)


class WatchedTaskFailed(AirflowException):
    """Raised by a task that watches another one, which has failed and tells so itself."""


def started(context: Context) -> bool:
    """Tell that the run has begun."""
    return send(_message(":arrow_forward:", f"*{context['dag'].dag_id}* started", _run(context)))


def succeeded(context: Context) -> bool:
    """Tell that everything is published, or that a rollback holds an older version; and that all is well again."""
    dag_id, ti = context["dag"].dag_id, context["ti"]
    facts = [_run(context)]
    if (held := ti.xcom_pull(task_ids="publish", key="held")) is not None:
        facts.insert(0, ("Not published", f"version {held} is held by a rollback: `elt publish --resume`"))
    elif (version := ti.xcom_pull(task_ids="publish", key="return_value")) is not None:
        facts.insert(0, ("Published", f"version {version}"))
    took = since(context["dag_run"].start_date)
    failures, first = _failures_before(dag_id, context["run_id"])
    if failures:
        facts.insert(
            0,
            (
                "Failed before",
                f"{failures} time{'s' if failures > 1 else ''}, first at {first:%Y-%m-%d %H:%M} UTC",
            ),
        )
        headline = f"*{dag_id}* recovered: it succeeded after {took}"
        return send(_message(":large_green_circle:", headline, *facts, urgent=True))
    return send(_message(":white_check_mark:", f"*{dag_id}* succeeded after {took}", *facts))


def failed(context: Context) -> bool:
    """Tell which task failed, why, and where its log is: a task's `on_failure_callback`.

    A task that only watched another one fail says nothing; that other one does.
    """
    exception, ti = context.get("exception"), context["ti"]
    delivered = False
    if not isinstance(exception, WatchedTaskFailed):
        # in the DAG processor, which calls this for a worker that was lost, less is known
        tries = (getattr(ti, "max_tries", None) or 0) + 1
        after = since(getattr(ti, "start_date", None))
        attempt = ("Try", f"{ti.try_number} of {tries}, after {after}")
        delivered = _tell_failure(context, ti.task_id, exception, ti.log_url, attempt)
    try:
        ti.xcom_push(key=SPOKE, value=delivered)
    except Exception as error:  # noqa: BLE001 - `killed` would tell once more, that is all
        log.warning("Airflow did not take a note: %s", error)
    return delivered


def killed(context: Context) -> list[str]:
    """Tell about the tasks of this run that failed and could not say so, because their process was killed; their names.

    Airflow calls `on_failure_callback` in the task's own process, so nothing is heard of one that the kernel ended.
    """
    ti = context["ti"]
    lost = [
        task["task_id"]
        for task in ti.get_task_breadcrumbs(context["dag"].dag_id, context["run_id"])
        if task["state"] == "failed" and ti.xcom_pull(task_ids=task["task_id"], key=SPOKE) is None
    ]
    for task_id in lost:
        log_url = ti.log_url.partition("?")[0].removesuffix(ti.task_id) + task_id
        _tell_failure(context, task_id, None, log_url)
    return lost


def late(context: dict[str, Any]) -> bool:
    """Tell that a run takes longer than it should: the callback of a DAG's deadline, with Airflow's REST form of the run."""
    run, deadline = context["dag_run"], context["deadline"]["deadline_time"]
    if isinstance(deadline, str):
        deadline = datetime.fromisoformat(deadline)
    headline = f"*{run['dag_id']}* is late: it should have ended by {deadline:%H:%M} UTC"
    facts = (_runbook(run["dag_id"]), ("Run", run["dag_run_id"]))
    return send(_message(":hourglass:", headline, *facts, urgent=True))


def timed_out(context: Context) -> bool:
    """Tell that Airflow has ended a run that took longer than its DAG allows: a DAG's `on_failure_callback`.

    What the run had not finished is skipped then, so no task tells. Of any other failure the task has told.
    """
    if context.get("reason") != "timed_out":
        return False
    dag = context["dag"]
    limit = duration(dag.dagrun_timeout.total_seconds())
    headline = f"*{dag.dag_id}* was ended: it took longer than {limit}"
    at = [("At work", f"`{context['ti'].task_id}`")] if context.get("ti") else []
    return send(_message(":x:", headline, *at, _runbook(dag.dag_id), _run(context), urgent=True))


def growing_old(dag_id: str, age: timedelta, target: timedelta) -> bool:
    """Warn before the published data is older than it may be, and tell when it is; whether there was something to tell."""
    if age < target * WARN_AT:
        return False
    missed = age >= target
    headline = f"The marts of *{dag_id}* " + (
        "are older than they may be" if missed else "are about to be too old"
    )
    now, limit = duration(age.total_seconds()), duration(target.total_seconds())
    facts = (("Age", f"{now}; the target is {limit}"), _runbook(dag_id))
    send(_message(":rotating_light:" if missed else ":warning:", headline, *facts, urgent=True))
    return True


def _tell_failure(
    context: Context,
    task_id: str,
    exception: BaseException | str | None,
    log_url: str,
    *more: tuple[str, str],
) -> bool:
    dag_id = context["dag"].dag_id
    facts = [("Reason", reason(exception))]
    if tests := _failed_tests(context["run_id"], task_id):
        facts.append(("Tests", failing_tests(tests)))
    facts += [*more, ("Log", log_url), _runbook(dag_id), _run(context)]
    return send(_message(":x:", f"*{dag_id}* failed in `{task_id}`", *facts, urgent=True))


def _message(icon: str, headline: str, *facts: tuple[str, str], urgent: bool = False) -> Message:
    return Message(icon, headline, facts, urgent, settings().elt_environment)


def _run(context: Context) -> tuple[str, str]:
    return ("Run", context["run_id"])


def _runbook(dag_id: str) -> tuple[str, str]:
    """What to do stands in the DAG's documentation, on its page in Airflow; or where RUNBOOK_URL says."""
    base = settings().runbook_url
    return ("Runbook", f"{base}#{dag_id}" if base else f"{settings().airflow_public}/dags/{dag_id}")


def _failed_tests(run_id: str, task_id: str) -> list[tuple[str, str, int | None]]:
    """Name, status and failing rows of each test that failed in the run's dbt build; none for another task."""
    if not task_id.endswith(PRODUCER):
        return []
    try:
        return failed_tests(settings(), run_id)
    except Exception as error:  # noqa: BLE001 - the message goes out without them
        log.warning("dbt's results can't be read: %s", error)
        return []


def _failures_before(dag_id: str, run_id: str) -> tuple[int, datetime | None]:
    """How often the DAG has failed since it last succeeded, and when first; the monitoring tables know."""
    from orchestration import monitoring

    try:
        return monitoring.failures_since_success(settings(), dag_id, run_id)
    except Exception as error:  # noqa: BLE001 - it is a success all the same
        log.warning("the runs before are not known: %s", error)
        return 0, None
