"""One run of the DAG, begun through Airflow's REST API and watched to its end."""

from __future__ import annotations

import time

import click
import httpx
from rich.console import Console

from foundation.errors import EltError
from foundation.settings import settings
from orchestration import airflow_api

DAG = "adventureworks_elt"
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
COLOURS = {"success": "green", "skipped": "dim"}
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


def begin(api: httpx.Client, console: Console) -> str:
    """The id of a run that begins from now on.

    A run that is under way may have read the source already, so its end is awaited first. A paused DAG is unpaused;
    shortly after a tick of the schedule that fires one run at once, and that one is taken instead of a second.

    Raises EltError when Airflow does not know the DAG, or could not read its file.
    """
    if _await_dag(api)["is_paused"]:
        _checked(api.patch(f"/dags/{DAG}", json={"is_paused": False}))
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if runs := _active(api):
                return runs[0]["dag_run_id"]
            time.sleep(0.5)
    while runs := _active(api):
        under_way = runs[0]["dag_run_id"]
        console.print(
            f"  a run is under way ({under_way}): awaiting its end", highlight=False, soft_wrap=True
        )
        _to_the_end(api, under_way, console)
    return _checked(api.post(f"/dags/{DAG}/dagRuns", json={"logical_date": None}))["dag_run_id"]


def _tasks(api: httpx.Client, run: str) -> list[dict]:
    answer = api.get(f"/dags/{DAG}/dagRuns/{run}/taskInstances", params={"limit": 1000})
    return _checked(answer)["task_instances"]


def _to_the_end(api: httpx.Client, run: str, console: Console) -> tuple[str, list[dict]]:
    """Show the run's tasks as they end, one line each; the run's last state and its task instances."""
    shown: set[tuple[str, str]] = set()
    deadline = time.monotonic() + PATIENCE
    with console.status("waiting for the scheduler …") as line:
        while time.monotonic() < deadline:
            state = _checked(api.get(f"/dags/{DAG}/dagRuns/{run}"))["state"]
            tasks = _tasks(api, run)
            for task in sorted(tasks, key=lambda t: t["end_date"] or "~"):
                key = (task["task_id"], task["state"])
                if task["state"] in ENDED and key not in shown:
                    shown.add(key)
                    colour = COLOURS.get(task["state"], "red")
                    duration = f"{task['duration']:6.1f} s" if task["duration"] else " " * 8
                    console.print(
                        f"  [{colour}]{task['state']:<16}[/{colour}] {duration}  {task['task_id']}",
                        highlight=False,
                        soft_wrap=True,
                    )
            running = [task["task_id"] for task in tasks if task["state"] == "running"]
            line.update(f"{len(shown)}/{len(tasks)} tasks, running: {', '.join(running[:3]) or '-'}")
            if state in ("success", "failed"):
                return state, tasks
            time.sleep(1.0)
    raise EltError(f"the run {run} takes longer than {PATIENCE:.0f} s", "elt logs airflow")


def watch(api: httpx.Client, run: str, console: Console) -> list[dict]:
    """Show a run's tasks as they end; the task instances (Airflow's REST form) of the run that succeeded.

    Raises DagRunFailedError with the failed tasks, EltError when the run takes longer than PATIENCE seconds.
    """
    state, tasks = _to_the_end(api, run, console)
    if state == "failed":
        failed = [task["task_id"] for task in tasks if task["state"] == "failed"]
        raise DagRunFailedError(
            f"the DAG run {run} failed in {', '.join(failed) or 'no task'}",
            f"the reason is in the failure message and in the task's log,"
            f" {settings().airflow_public}/dags/{DAG}/runs/{run}",
        )
    return tasks


@click.command()
def run() -> None:
    """Trigger the DAG adventureworks_elt and watch the run. Exit code 1 when it fails."""
    config = settings()
    if "down" in airflow_api.healthy(config).values():
        raise EltError(f"Airflow does not answer at {config.airflow_base}", "elt up")
    console = Console()
    with airflow_api.client(config) as api:
        watch(api, begin(api, console), console)
