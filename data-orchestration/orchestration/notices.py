"""Messages about a run: it started, succeeded, recovered, a task failed, it is late, the data grows old.

The task that failed reports its failure, once: with its reason, and with the failing dbt tests by name.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from foundation.settings import settings
from orchestration import figures
from orchestration.channels import send
from orchestration.messages import Message, duration, failing_tests, reason, since
from orchestration.names import HELD, PRODUCER, REASON, SYNCED, UNCHANGED, WATCHER
from transformation.results import failed_tests, keys_of_failures

if TYPE_CHECKING:
    from airflow.sdk import Context

SPOKE = "failure_notice"  # XCom of a task whose failure notice was sent: was it delivered?
T = TypeVar("T")
UNDER_WAY = ("queued", "running")
WARN_AT = 0.75  # of the freshness target

log = logging.getLogger(__name__)


def started(context: Context) -> bool:
    """Tell that the run has begun, where somebody listens."""
    if not _listened_to(context):
        return False
    return send(_message(":arrow_forward:", f"*{context['dag'].dag_id}* started", _run(context)))


def succeeded(context: Context) -> bool:
    """Tell, where somebody listens, what the run has done; and always that all is well again after failures."""
    dag_id = context["dag"].dag_id
    took = since(context["dag_run"].start_date)
    failures, first = _failures_before(dag_id, context["run_id"])
    if not failures and not _listened_to(context):
        return False
    facts = [*_figures(context), _run(context)]
    if failures:
        times = f"{failures} time{'s' if failures > 1 else ''}"
        facts.insert(0, ("Failed before", f"{times}, first at {first:%Y-%m-%d %H:%M} UTC"))
        headline = f"*{dag_id}* recovered: it succeeded after {took}"
        return send(_message(":large_green_circle:", headline, *facts, urgent=True))
    return send(_message(":white_check_mark:", f"*{dag_id}* succeeded after {took}", *facts))


def _listened_to(context: Context) -> bool:
    """Whether the start and the success of this run send a message; a recovery always does.

    They are when somebody has triggered it and waits, when the DAG has never succeeded before, and of each run with
    ALERT_LEVEL=all: nobody reads one every few minutes.
    """
    if settings().alert_level == "all" or context["dag_run"].run_type == "manual":
        return True
    return not _asked_monitoring("has_succeeded", True, context["dag"].dag_id, context["run_id"])


def _figures(context: Context) -> list[tuple[str, str]]:
    """What was synced, built and published; what is not known is left out."""
    ti = context["ti"]
    try:
        return figures.of_run(
            settings(),
            context["run_id"],
            synced=ti.xcom_pull(task_ids="sync", key=SYNCED),
            version=ti.xcom_pull(task_ids="publish", key="return_value"),
            held=ti.xcom_pull(task_ids="publish", key=HELD),
            unchanged=ti.xcom_pull(task_ids="publish", key=UNCHANGED),
        )
    except Exception as error:  # noqa: BLE001 - the message goes out without them
        log.warning("the run's figures are not known: %s", error)
        return []


def failed(context: Context) -> bool:
    """Tell which task failed, why, and where its log is: a task's `on_failure_callback`.

    The DAG processor calls this, too, for each task that the triggerer ended and each worker that was lost, and knows no
    exception; and where the triggerer itself breaks, many tasks fail with it. Of all these `killed` tells at once.
    """
    exception, ti = context.get("exception"), context["ti"]
    if not isinstance(exception, BaseException) or isinstance(
        exception, TaskDeferralError | TaskDeferralTimeout
    ):
        return False
    tries = (getattr(ti, "max_tries", None) or 0) + 1
    attempt = ("Try", f"{ti.try_number} of {tries}, after {since(getattr(ti, 'start_date', None))}")
    delivered = _tell_failure(context, ti.task_id, exception, ti.log_url, attempt)
    try:
        ti.xcom_push(key=REASON, value=_reason(context, ti.task_id, exception))
        ti.xcom_push(key=SPOKE, value=delivered)
    except Exception as error:  # noqa: BLE001 - `killed` would tell once more, that is all
        log.warning("Airflow did not take a note: %s", error)
    return delivered


def killed(context: Context) -> list[str]:
    """Tell about the tasks of this run that failed and could not say so, because their process was killed; their names.

    One message, however many they are: of tasks that watch the build only when it did not fail itself. And one when a run has
    failed without a word of any task.
    """
    ti = context["ti"]
    failed = [
        task
        for task in ti.get_task_breadcrumbs(context["dag"].dag_id, context["run_id"])
        if task["state"] == "failed"
    ]
    lost = [task for task in failed if ti.xcom_pull(task_ids=task["task_id"], key=SPOKE) is None]
    if any(task["operator"] != WATCHER for task in failed):
        lost = [task for task in lost if task["operator"] != WATCHER]
    names, why = [task["task_id"] for task in lost], None
    if failed and not names and not any(ti.xcom_pull(task_ids=t["task_id"], key=REASON) for t in failed):
        names, why = [failed[0]["task_id"]], "no task of the run gave a reason: see their logs"
    if names:
        log_url = ti.log_url.partition("?")[0].removesuffix(ti.task_id) + names[0]
        others = [("Also ended", ", ".join(f"`{name}`" for name in names[1:]))] if names[1:] else []
        _tell_failure(context, names[0], why, log_url, *others)
        ti.xcom_push(key=REASON, value=reason(why))
    return names


def late(context: dict[str, Any]) -> bool:
    """Tell that a run takes longer than it should: the callback of a DAG's deadline, with Airflow's REST form of the run.

    Airflow drops the deadline of a run that succeeded in time, not of one that failed: of that a task has sent a message.
    """
    run, deadline = context["dag_run"], context["deadline"]["deadline_time"]
    if run["state"] not in UNDER_WAY:
        return False
    if isinstance(deadline, str):
        deadline = datetime.fromisoformat(deadline)
    headline = f"*{run['dag_id']}* is late: it should have ended by {deadline:%H:%M} UTC"
    facts = (_runbook(run["dag_id"]), ("Run", run["dag_run_id"]))
    return send(_message(":hourglass:", headline, *facts, urgent=True))


def timed_out(context: Context) -> bool:
    """Tell that Airflow has ended a run that took longer than its DAG allows.

    What the run had not finished is skipped then, so no task tells.
    """
    dag = context["dag"]
    limit = duration(dag.dagrun_timeout.total_seconds())
    headline = f"*{dag.dag_id}* was ended: it took longer than {limit}"
    at = [("At work", f"`{context['ti'].task_id}`")] if context.get("ti") else []
    return send(_message(":x:", headline, *at, _runbook(dag.dag_id), _run(context), urgent=True))


def growing_old(dag_id: str, age: timedelta, target: timedelta, before: timedelta = timedelta()) -> bool:
    """Warn before the published data is older than it may be, tell when it is, and again at each multiple of the target.

    `before`: how old it was when the last run ended, which has warned if need be. Returns whether it warns now.
    """
    if _steps_of_age(age, target) <= _steps_of_age(before, target):
        return False
    missed = age >= target
    headline = f"The marts of *{dag_id}* " + (
        "are older than they may be" if missed else "are about to be too old"
    )
    now, limit = duration(age.total_seconds()), duration(target.total_seconds())
    facts = (("Age", f"{now}; the target is {limit}"), _runbook(dag_id))
    send(_message(":rotating_light:" if missed else ":warning:", headline, *facts, urgent=True))
    return True


def _steps_of_age(age: timedelta, target: timedelta) -> int:
    return int(age >= target * WARN_AT) + int(age / target)


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
        facts.append(("Tests", tests))
    facts += [*more, ("Log", log_url), _runbook(dag_id), _run(context)]
    return send(_message(":x:", f"*{dag_id}* failed in `{task_id}`", *facts, urgent=True))


def _reason(context: Context, task_id: str, exception: BaseException) -> str:
    """What `elt run` prints of a failure."""
    tests = _failed_tests(context["run_id"], task_id)
    return f"failed tests: {tests}" if tests else reason(exception)


def _message(icon: str, headline: str, *facts: tuple[str, str], urgent: bool = False) -> Message:
    return Message(icon, headline, facts, urgent, settings().elt_environment)


def _run(context: Context) -> tuple[str, str]:
    return ("Run", context["run_id"])


def _runbook(dag_id: str) -> tuple[str, str]:
    """The DAG's documentation says what to do, on its page in Airflow; or the page that RUNBOOK_URL names."""
    base = settings().runbook_url
    return ("Runbook", f"{base}#{dag_id}" if base else f"{settings().airflow_public}/dags/{dag_id}")


def _failed_tests(run_id: str, task_id: str) -> str:
    """The tests that failed in the run's dbt build, as lines; empty for none and for another task."""
    if not task_id.endswith(PRODUCER):
        return ""
    try:
        tests = failed_tests(settings(), run_id)
    except Exception as error:  # noqa: BLE001 - the message goes out without them
        log.warning("dbt's results can't be read: %s", error)
        return ""
    keys: dict[str, str] = {}
    try:
        keys = keys_of_failures(settings(), run_id)
    except Exception as error:  # noqa: BLE001 - the message goes out without them
        log.warning("the rows that failed can't be read: %s", error)
    return failing_tests(tests, keys) if tests else ""


def _failures_before(dag_id: str, run_id: str) -> tuple[int, datetime | None]:
    """How often the DAG has failed since it last succeeded, and when first."""
    nothing: tuple[int, datetime | None] = (0, None)
    return _asked_monitoring("failures_since_success", nothing, dag_id, run_id)


def _asked_monitoring(name: str, otherwise: T, dag_id: str, run_id: str) -> T:
    """What a function of `monitoring` says about a DAG's runs before this one."""
    from orchestration import monitoring

    try:
        answer: T = getattr(monitoring, name)(settings(), dag_id, run_id)
    except Exception as error:  # noqa: BLE001 - a notice fails no run
        log.warning("the runs before are not known: %s", error)
        return otherwise
    return answer
