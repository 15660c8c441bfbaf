"""One run of the DAG, begun through Airflow's REST API and watched to its end."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click
import httpx
from rich.console import Console
from rich.markup import escape

from foundation.commands import DAY
from foundation.errors import EltError
from foundation.settings import settings
from orchestration import airflow_api
from orchestration.messages import counted
from orchestration.names import MODELS, REASON, RECORD, WATCHER
from transformation.request import BuildRequest

DAG = "adventureworks_elt"
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
NOT_RUN = frozenset({"skipped", "upstream_failed", "removed"})
COLOURS = {"success": "green"}
PATIENCE = 900.0  # seconds that one run may take


class DagRunFailedError(EltError):
    """A run ended `failed`."""

    exit_code = 1


def _checked(answer: httpx.Response) -> dict:
    if answer.is_error:
        raise EltError(
            f"Airflow answered {answer.status_code} to {answer.request.url.path}: {answer.text[:200]}",
            "elt logs airflow",
        )
    return answer.json()


def _await_dag(api: httpx.Client) -> dict:
    """The DAG as Airflow knows it, once the DAG processor has read it."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        answer = api.get(f"/dags/{DAG}")
        if answer.status_code == httpx.codes.OK and not answer.json()["has_import_errors"]:
            return answer.json()
        if errors := _checked(api.get("/importErrors"))["import_errors"]:
            raise EltError(
                f"{errors[0]['filename']}: {errors[0]['stack_trace'].strip().splitlines()[-1]}",
                "mend the DAG",
            )
        time.sleep(0.5)
    raise EltError(f"Airflow does not show the DAG {DAG} after 90 s", "elt logs airflow")


def _active(api: httpx.Client) -> list[dict]:
    answer = api.get(f"/dags/{DAG}/dagRuns", params={"state": ["queued", "running"], "order_by": "run_after"})
    return _checked(answer)["dag_runs"]


def begin(api: httpx.Client, console: Console, conf: dict[str, Any] | None = None) -> str:
    """The id of a run that begins from now on; `conf`: what the trigger form asks for.

    A run that is under way may have read the source already, so its end is awaited first. A paused DAG is unpaused;
    shortly after a tick of the schedule that fires one run at once, and without `conf` that one is taken instead of a second.

    Raises EltError when Airflow does not know the DAG, could not read its file, or refuses a value of `conf`.
    """
    dag = _await_dag(api)
    paused = dag["is_paused"]
    if paused and ((held := _active(api)) or _tick_missed(dag)):
        unpause(api)
        paused, deadline = False, time.monotonic() + 3
        while not held and time.monotonic() < deadline:
            if runs := _active(api):
                if not conf:
                    return runs[0]["dag_run_id"]
                break
            time.sleep(0.5)
    while runs := _active(api):
        under_way = runs[0]["dag_run_id"]
        console.print(
            f"  a run is under way ({under_way}): awaiting its end", highlight=False, soft_wrap=True
        )
        _to_the_end(api, under_way, console)
    answer = api.post(f"/dags/{DAG}/dagRuns", json={"logical_date": None, "conf": conf or {}})
    if answer.status_code == httpx.codes.BAD_REQUEST:
        refused = str(answer.json().get("detail", answer.text)).strip().splitlines()
        raise EltError(f"Airflow refuses to run this: {refused[0]}", "see `elt run --help`")
    number: str = _checked(answer)["dag_run_id"]
    if paused:
        # what the source's changes have asked for meanwhile (404: nothing), this run brings; then what listens finds it and waits
        api.delete(f"/dags/{DAG}/assets/queuedEvents")
        unpause(api)
    return number


def _tick_missed(dag: dict) -> bool:
    """Whether a time of the schedule has passed while the DAG was paused."""
    tick = dag.get("next_dagrun_run_after")
    return tick is not None and datetime.fromisoformat(tick) <= datetime.now(UTC)


def pause(api: httpx.Client) -> None:
    """No run begins, by the clock or because the source has changed, until `begin`; a run that is under way stops after the tasks that run."""
    _checked(api.patch(f"/dags/{DAG}", json={"is_paused": True}))


def unpause(api: httpx.Client) -> None:
    """Runs begin again."""
    _checked(api.patch(f"/dags/{DAG}", json={"is_paused": False}))


def _tasks(api: httpx.Client, run: str) -> list[dict]:
    answer = api.get(f"/dags/{DAG}/dagRuns/{run}/taskInstances", params={"limit": 1000})
    return _checked(answer)["task_instances"]


def _follows(task: dict) -> bool:
    """Whether a task ended as it did only because of another one: it was not run, or it watched the build fail."""
    return task["state"] in NOT_RUN or (task["state"] == "failed" and task["operator_name"] == WATCHER)


def _to_the_end(api: httpx.Client, run: str, console: Console) -> tuple[str, list[dict]]:
    """Show the run's tasks as they end, one line each, those that only follow in one at the end; the run's last state and its tasks."""
    shown: set[tuple[str, str]] = set()
    deadline = time.monotonic() + PATIENCE

    def say(words: str) -> None:
        console.print(words, highlight=False, soft_wrap=True)

    with console.status("waiting for the scheduler …") as line:
        while time.monotonic() < deadline:
            state = _checked(api.get(f"/dags/{DAG}/dagRuns/{run}"))["state"]
            tasks = _tasks(api, run)
            ended = [task for task in tasks if task["state"] in ENDED]
            for task in sorted(ended, key=lambda t: t["end_date"] or "~"):
                key = (task["task_id"], task["state"])
                if key not in shown and not _follows(task):
                    shown.add(key)
                    colour = COLOURS.get(task["state"], "red")
                    duration = f"{task['duration']:6.1f} s" if task["duration"] else " " * 8
                    say(f"  [{colour}]{task['state']:<16}[/{colour}] {duration}  {task['task_id']}")
                    if task["state"] == "failed" and (reason := _xcom(api, run, task["task_id"], REASON)):
                        say(f"  [red]{escape(str(reason))}[/red]")
            running = [task["task_id"] for task in tasks if task["state"] == "running"]
            line.update(f"{len(ended)}/{len(tasks)} tasks, running: {', '.join(running[:3]) or '-'}")
            if state in ("success", "failed"):
                if followed := sum(map(_follows, tasks)):
                    say(f"  [dim]{'not run':<16} {'':8}  {counted(followed, 'task')} that only follow[/dim]")
                return state, tasks
            time.sleep(1.0)
    raise EltError(f"the run {run} takes longer than {PATIENCE:.0f} s", "elt logs airflow")


def watch(api: httpx.Client, run: str, console: Console) -> list[dict]:
    """Show a run's tasks as they end; the task instances (Airflow's REST form) of the run that succeeded.

    Raises DagRunFailedError with the reason of the first failure, EltError when the run takes longer than PATIENCE seconds.
    """
    state, tasks = _to_the_end(api, run, console)
    if state == "failed":
        failed = [task for task in tasks if task["state"] == "failed" and not _follows(task)]
        failed = failed or [task for task in tasks if task["state"] == "failed"]
        failed.sort(key=lambda task: task["end_date"] or "~")
        where = ", ".join(task["task_id"] for task in failed) or "no task"
        raise DagRunFailedError(
            f"failed in {where}: {_reason(api, run, failed)}",
            f"the log: {settings().airflow_public}/dags/{DAG}/runs/{run}"
            + (f"/tasks/{failed[0]['task_id']}" if failed else ""),
        )
    return tasks


def _reason(api: httpx.Client, run: str, failed: list[dict]) -> str:
    """The reason of the first task that failed; `record` has that of tasks that were killed; or that there is none."""
    for task_id in (*(task["task_id"] for task in failed), RECORD):
        if reason := _xcom(api, run, task_id, REASON):
            return " ".join(str(reason).split())
    return "it gave no reason (ended by Airflow, or by hand)"


def _xcom(api: httpx.Client, run: str, task_id: str, key: str) -> Any:
    """The XCom of a task under a key; None when there is none."""
    answer = api.get(f"/dags/{DAG}/dagRuns/{run}/taskInstances/{task_id}/xcomEntries/{key}")
    return None if answer.status_code == httpx.codes.NOT_FOUND else _checked(answer)["value"]


@click.command()
@click.option("--select", metavar="MODELS", help="Only these models, in dbt's selector syntax: 'fct_sales+'.")
@click.option("--everything", is_flag=True, help="Build also models whose inputs have not changed.")
@click.option(
    "--full-refresh",
    multiple=True,
    metavar="MODEL",
    help="Build this incremental model from all rows. May be repeated.",
)
@click.option(
    "--rebuild-from", type=DAY, metavar="DAY", help="First day whose facts are built again: 2026-01-31."
)
@click.option("--rebuild-to", type=DAY, metavar="DAY", help="Last one; without it the first one alone.")
@click.option("--dry-run", is_flag=True, help="Only say which models would be built.")
def run(full_refresh: tuple[str, ...], **asked: Any) -> None:
    """Trigger the DAG adventureworks_elt and watch the run. Exit code 1 when it fails.

    The options are those of the trigger form in Airflow; what does not fit together is refused before anything is synced.
    """
    days = {name: f"{asked[name]:%Y-%m-%d}" for name in ("rebuild_from", "rebuild_to") if asked[name]}
    conf = {name: value for name, value in asked.items() if value} | days
    if full_refresh:
        conf["full_refresh"] = list(full_refresh)
    BuildRequest.of_form(conf).check()
    config = settings()
    if "down" in airflow_api.healthy(config).values():
        raise EltError(f"Airflow does not answer at {config.airflow_base}", "elt up")
    console = Console()
    with airflow_api.client(config) as api:
        number = begin(api, console, conf)
        watch(api, number, console)
        if asked["dry_run"]:
            models = _xcom(api, number, "plan", MODELS) or []
            click.echo(f"{counted(len(models), 'model')} would be looked at: {', '.join(models)}")
