"""Messages to Slack about a run: it started, it succeeded, a task failed.

Each is one webhook call through the connection `slack_default`, with a time limit, and never an exception: an outage of
Slack costs a run a few seconds, and nothing else. Messages name what happened and where to look; they carry no secrets,
because Airflow's masker and `scrub` have been over the reason.
"""

from __future__ import annotations

import logging
import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException

if TYPE_CHECKING:
    from airflow.sdk import Context

CONNECTION = "slack_default"
LIMIT = 5.0  # seconds that a notice may take, all in all
SPOKE = "failure_notice"  # XCom of a task whose failure notice was sent: was it delivered?
LONGEST_REASON = 600  # characters; Slack cuts a section at 3000

log = logging.getLogger(__name__)


class WatchedTaskFailed(AirflowException):
    """Raised by a task that watches another one, which has failed and tells so itself."""


def started(context: Context) -> bool:
    """Tell that the run has begun."""
    return send(f":arrow_forward: *{context['dag'].dag_id}* started\n{_run(context)}")


def succeeded(context: Context) -> bool:
    """Tell that everything is published."""
    began = context["dag_run"].start_date
    return send(
        f":white_check_mark: *{context['dag'].dag_id}* succeeded after {_since(began)}\n{_run(context)}"
    )


def failed(context: Context) -> bool:
    """Tell which task failed, why, and where its log is: a task's `on_failure_callback`.

    A task that only watched another one fail says nothing; that other one does.
    """
    exception, ti = context.get("exception"), context["ti"]
    delivered = False
    if not isinstance(exception, WatchedTaskFailed):
        # in the DAG processor, which calls this for a worker that was lost, less is known
        tries = (getattr(ti, "max_tries", None) or 0) + 1
        after = _since(getattr(ti, "start_date", None))
        delivered = send(
            _failure(
                context,
                ti.task_id,
                exception,
                ti.log_url,
                f"*Try:* {ti.try_number} of {tries}, after {after}",
            )
        )
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
        send(_failure(context, task_id, None, log_url))
    return lost


def _failure(
    context: Context, task_id: str, exception: BaseException | str | None, log_url: str, *more: str
) -> str:
    lines = [f":x: *{context['dag'].dag_id}* failed in `{task_id}`", f"*Reason:* {reason(exception)}", *more]
    return "\n".join([*lines, f"*Log:* {log_url}", _run(context)])


def send(text: str) -> bool:
    """Post one message. True when it was taken; False, and a line in the log, when not. Never raises."""
    outcome: list[str] = []  # empty: still running; [""]: taken; [reason]: not taken

    def attempt() -> None:
        try:
            _post(text)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with Slack, the run goes on
            outcome.append(scrub(f"{type(error).__name__}: {error}"))
        else:
            outcome.append("")

    # a thread, because no timeout of an HTTP client bounds name resolution or a server that drips its answer
    thread = threading.Thread(target=attempt, name="notice", daemon=True)
    thread.start()
    thread.join(LIMIT)
    problem = outcome[0] if outcome else f"no answer within {LIMIT:g} s"
    if problem:
        log.warning("notice not delivered (%s): %s", problem, text.splitlines()[0])
    return not problem


def _post(text: str) -> None:
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    # no retry handlers: the default ones repeat the call on a broken connection
    hook = SlackWebhookHook(slack_webhook_conn_id=CONNECTION, timeout=int(LIMIT), retry_handlers=[])
    hook.send(text=text, blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": text}}])


def reason(exception: BaseException | str | None) -> str:
    """The first line that says something, without secrets, in a length that can be read on a telephone."""
    if exception is None:
        return "the task's process ended without a word (killed, or out of memory)"
    if isinstance(exception, str):
        lines = exception.splitlines()
    else:
        lines = str(exception).splitlines() or [type(exception).__name__]
    useful = [line.strip() for line in lines if line.strip(" :-\t")]
    return _escape(scrub(" — ".join(useful[:3]) or "no reason was given"))[:LONGEST_REASON]


def scrub(text: str) -> str:
    """Text without passwords: those in URLs, those named so, and those that Airflow knows (its secrets masker)."""
    from airflow.sdk.log import redact

    text = re.sub(r"(\w+://)[^/\s@:]+:[^/\s@]+@", r"\1***@", text)
    text = re.sub(
        r"(?i)(password|passwd|secret|token|api_?key)(['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&]+", r"\1\2***", text
    )
    text = re.sub(r"(/services/)T\w+/B\w+/\w+", r"\1***", text)
    return str(redact(text))


def _escape(text: str) -> str:
    """Slack's three control characters: https://api.slack.com/reference/surfaces/formatting#escaping"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _run(context: Context) -> str:
    return f"*Run:* {context['run_id']}"


def _since(moment: datetime | None) -> str:
    if moment is None:
        return "no time"
    seconds = int((datetime.now(UTC) - moment).total_seconds())
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
