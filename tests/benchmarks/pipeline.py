"""How long the whole chain takes under the real scheduler: one incremental run, and how old what analysts see gets.

    python tests/benchmarks/pipeline.py [--scale 1] [--minutes 10] [--json] [--home DIR]

A stack of its own (temporary folder, free ports) is filled, runs once, trades a day, and runs again: the seconds from the trigger to the
published version, and where they went. Then the DAG runs every minute while the live shop trades: from each new order in the source to
the version that shows it (`--minutes 0` leaves this out).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parents[2]))

from adventureworks.database import connect_owner
from foundation.settings import ROOT
from orchestration import airflow_api
from orchestration.monitoring import monitoring_path
from tests.fixtures.stack import PORTS, Stack, clean_environ, free_ports

DAG = "adventureworks_elt"
STEPS = ("plan", "sync", "reconcile", "freshness", "prepare", "dbt.dbt_producer_watcher", "publish")


def elt(stack: Stack, *arguments: str, **extra: str) -> str:
    """Run a command to its end; its output. Raises SystemExit with what it said when it fails."""
    done = stack.elt(*arguments, **extra)
    if done.returncode:
        raise SystemExit(f"elt {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def incremental(stack: Stack) -> dict[str, float]:
    """One shop day, then one run: seconds from the trigger to the end of `publish`, and of each step."""
    elt(stack, "shop", "day")
    with airflow_api.client(stack.settings) as api:
        begun = time.time()
        run = (
            api.post(f"/dags/{DAG}/dagRuns", json={"logical_date": None})
            .raise_for_status()
            .json()["dag_run_id"]
        )
        place = f"/dags/{DAG}/dagRuns/{run}"
        while (state := api.get(place).json()["state"]) not in ("success", "failed"):
            time.sleep(0.5)
        if state == "failed":
            raise SystemExit(f"the run {run} failed; see {stack.home / 'logs'}")
        tasks = {
            task["task_id"]: task
            for task in api.get(f"{place}/taskInstances", params={"limit": 100}).json()["task_instances"]
        }
    seconds = {step: round(tasks[step]["duration"], 1) for step in STEPS}
    published = datetime.fromisoformat(tasks["publish"]["end_date"]).timestamp() - begun
    return {
        "trigger to published": round(published, 1),
        **seconds,
        "between the tasks": round(published - sum(seconds.values()), 1),
    }


def freshness(stack: Stack, minutes: float) -> dict[str, float]:
    """The DAG every minute while the live shop trades: seconds from each order in the source to the version that shows it."""
    elt(stack, "down")
    stack.environ["ELT_SCHEDULE"] = "* * * * *"
    elt(stack, "up", "airflow")
    with airflow_api.client(stack.settings) as api:
        api.patch(f"/dags/{DAG}", json={"is_paused": False}).raise_for_status()
    with connect_owner(stack.settings) as connection:
        (began,) = connection.execute("select clock_timestamp()::timestamp").fetchone()
    command = [sys.executable, "-m", "elt.cli", "shop", "run", "--rate", "5", "--seconds", str(minutes * 60)]
    subprocess.run(command, env=stack.environ, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    time.sleep(240)  # the versions that show the last of them
    with connect_owner(stack.settings) as connection:
        moments = connection.execute(
            "select modifieddate at time zone 'UTC' from sales.salesorderheader where modifieddate >= %s",
            [began],
        ).fetchall()
    with duckdb.connect(monitoring_path(stack.settings), read_only=True) as duck:
        duck.execute("create temp table orders (moment timestamptz)")
        duck.executemany("insert into orders values (?)", moments)
        found = duck.execute(
            """
            with shown as (
                select moment, (
                    select min(published_at) from mart_freshness where data_as_of >= moment
                ) - moment as waited
                from orders
            )
            select count(*), count(waited), epoch(median(waited)), epoch(quantile_disc(waited, 0.95)), epoch(max(waited)) from shown
            """
        ).fetchone()
        (versions,) = duck.execute(
            "select count(*) from mart_freshness where published_at >= ?", [began]
        ).fetchone()
    if not found[1]:
        raise SystemExit(f"no version showed one of {found[0]} orders; see {stack.home / 'logs'}")
    names = ("orders", "orders shown", "median", "p95", "longest")
    return {**dict(zip(names, found, strict=True)), "versions": versions}


def measure(scale: float, minutes: float, home: Path) -> dict[str, object]:
    """Both, on a new stack, which is taken down at the end."""
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    stack = Stack(
        home,
        clean_environ() | {"ELT_HOME": str(home), **ports, "ELT_SCHEDULE": "manual", "AW_SCALE": str(scale)},
    )
    try:
        elt(stack, "demo", SHOP="off")
        run = incremental(stack)
        waited = freshness(stack, minutes) if minutes else {}
    finally:
        stack.elt("down")
    return {
        "scale": scale,
        "processors": len(os.sched_getaffinity(0)),
        "incremental_run_seconds": run["trigger to published"],
        "sync_seconds": run["sync"],
        "dbt_seconds": run["dbt.dbt_producer_watcher"],
        "freshness_p95_seconds": waited.get("p95"),
        "run": run,
        "freshness": waited,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the live shop; 0: none")
    parser.add_argument("--home", type=Path, help="an empty folder for the stack; default: a temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.home or Path(temporary) / "home").resolve()
        home.mkdir(parents=True, exist_ok=True)
        result = measure(options.scale, options.minutes, home)
    if options.json:
        print(json.dumps(result))
        return
    print(f"scale {result['scale']}, {result['processors']} processors")
    for step, seconds in result["run"].items():
        print(f"{seconds:8.1f} s  {step}")
    for name, value in result["freshness"].items():
        print(f"{value:8.1f}    {name}")


if __name__ == "__main__":
    main()
