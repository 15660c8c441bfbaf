"""How long the whole chain takes under the real scheduler, how much memory it takes, and how old what analysts see gets.

    python tests/benchmarks/pipeline.py [--scale 1] [--minutes 10] [--json] [--home DIR] [--of CLONE]

`make demo` with a stack of its own (temporary folder, free ports): its seconds, and those of its first run. Then another trading day and
a run: the seconds from the trigger to the published version, and where they went. Then a run with nothing changed. Then a third day, a run, and the
memory of each program at its peak: to measure that takes a quarter of a processor, so that run's seconds don't count. Then the memory when nothing
runs. At last the live shop trades, the DAG runs every minute and whenever the source has changed: from each new order in the source to the version
that shows it (`--minutes 0` leaves this out).

`--of` measures another version of the project: a clone of it, with its own environment (`make setup` there).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parents[2]))

from adventureworks.database import connect_owner
from foundation.settings import ROOT
from orchestration import airflow_api
from stack.memory import Memory, memory
from tests.benchmarks.engine import looking
from tests.fixtures.stack import PORTS, Stack, clean_environ, free_ports

DAG = "adventureworks_elt"
IDLE_SECONDS = (
    150  # after a run, until the memory of the idle stack is measured: what ends when it is idle has ended
)
STEPS = ("plan", "sync", "reconcile", "freshness", "prepare", "dbt.dbt_producer_watcher", "publish")


@dataclass
class Clone(Stack):
    """A stack of a version of the project that lies in `root`."""

    root: Path = ROOT

    def elt(
        self, *arguments: str, timeout: float = 1800, said: str = "", **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """`elt ARGUMENTS` of that version."""
        return subprocess.run(
            [str(self.root / ".venv" / "bin" / "python"), "-m", "elt.cli", *arguments],
            env=self.environ | extra,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=said,
        )


def elt(stack: Stack, *arguments: str, **extra: str) -> str:
    """Run a command to its end; its output. Raises SystemExit with what it said when it fails."""
    done = stack.elt(*arguments, **extra)
    if done.returncode:
        raise SystemExit(f"elt {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def run(stack: Stack) -> dict[str, float]:
    """One run: seconds from the trigger to the end of `publish`, and of each step."""
    with airflow_api.client(stack.settings) as api:
        begun = time.time()
        number = (
            api.post(f"/dags/{DAG}/dagRuns", json={"logical_date": None})
            .raise_for_status()
            .json()["dag_run_id"]
        )
        place = f"/dags/{DAG}/dagRuns/{number}"
        while (state := api.get(place).json()["state"]) not in ("success", "failed"):
            time.sleep(0.5)
        if state == "failed":
            raise SystemExit(f"the run {number} failed; see {stack.home / 'logs'}")
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


def first_run_seconds(stack: Stack) -> float:
    """Of the first run of the DAG there was, from its trigger to its end."""
    with airflow_api.client(stack.settings) as api:
        runs = api.get(f"/dags/{DAG}/dagRuns", params={"order_by": "run_after", "limit": 1}).json()
    began, ended = (datetime.fromisoformat(runs["dag_runs"][0][name]) for name in ("queued_at", "end_date"))
    return round((ended - began).total_seconds(), 1)


def mib(taken: dict[str, Memory]) -> dict[str, int]:
    """MiB by program, the largest first, and their sum."""
    by_program = dict(sorted(taken.items(), key=lambda item: -item[1].bytes))
    return {name: one.bytes >> 20 for name, one in by_program.items()} | {
        "in all": sum(one.bytes for one in taken.values()) >> 20
    }


def processor_seconds(stack: Stack, seconds: float) -> float:
    """What the stack uses of the processors in a second while nothing runs."""

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in stack.processes())

    before = used()
    time.sleep(seconds)
    return round((used() - before) / seconds, 3)


def freshness(stack: Stack, minutes: float) -> dict[str, float]:
    """The live shop trades: seconds from each order in the source to the version that shows it."""
    elt(stack, "down")
    stack.environ["ELT_SCHEDULE"] = "* * * * *"
    elt(stack, "up", "airflow")
    with airflow_api.client(stack.settings) as api:
        api.patch(f"/dags/{DAG}", json={"is_paused": False}).raise_for_status()
    with connect_owner(stack.settings) as connection:
        (began,) = connection.execute("select clock_timestamp()::timestamp").fetchone()
    elt(stack, "shop", "run", "--rate", "5", "--seconds", str(minutes * 60))
    time.sleep(240)  # the versions that show the last of them
    with connect_owner(stack.settings) as connection:
        moments = connection.execute(
            "select modifieddate at time zone 'UTC' from sales.salesorderheader where modifieddate >= %s",
            [began],
        ).fetchall()
    with duckdb.connect(stack.settings.monitoring_path, read_only=True) as duck:
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


def measure(scale: float, minutes: float, home: Path, root: Path) -> dict[str, object]:
    """All of it, on a new stack, which is taken down at the end."""
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    stack = Clone(
        home,
        clean_environ() | {"ELT_HOME": str(home), **ports, "ELT_SCHEDULE": "manual", "AW_SCALE": str(scale)},
        root,
    )
    peak: dict[str, Memory] = {}

    def look() -> None:
        nonlocal peak
        peak = max(peak, memory(home), key=lambda taken: sum(one.bytes for one in taken.values()))

    try:
        begun = time.monotonic()
        elt(stack, "demo")
        demo = round(time.monotonic() - begun, 1)
        first = first_run_seconds(stack)
        elt(stack, "shop", "day")
        changed = run(stack)
        unchanged = run(stack)
        elt(stack, "shop", "day")
        with looking(look, 0.5):
            run(stack)
        time.sleep(IDLE_SECONDS)
        idle = memory(home)
        used = processor_seconds(stack, 30)
        waited = freshness(stack, minutes) if minutes else {}
    finally:
        stack.elt("down")
    return {
        "scale": scale,
        "processors": len(os.sched_getaffinity(0)),
        "demo_seconds": demo,
        "first_run_seconds": first,
        "incremental_run_seconds": changed["trigger to published"],
        "unchanged_run_seconds": unchanged["trigger to published"],
        "sync_seconds": changed["sync"],
        "dbt_seconds": changed["dbt.dbt_producer_watcher"],
        "freshness_p95_seconds": waited.get("p95"),
        "idle_memory_mib": mib(idle),
        "peak_memory_mib": mib(peak),
        "idle_processor_share": used,
        "run": changed,
        "unchanged_run": unchanged,
        "freshness": waited,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the live shop; 0: none")
    parser.add_argument("--home", type=Path, help="an empty folder for the stack; default: a temporary one")
    parser.add_argument("--of", type=Path, default=ROOT, help="a clone of another version, set up")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.home or Path(temporary) / "home").resolve()
        home.mkdir(parents=True, exist_ok=True)
        result = measure(options.scale, options.minutes, home, options.of.resolve())
    if options.json:
        print(json.dumps(result))
        return
    print(f"scale {result['scale']}, {result['processors']} processors")
    print(f"{result['demo_seconds']:8.1f} s  make demo, its first run {result['first_run_seconds']:.1f} s")
    for title, steps in ("a run after a trading day", "run"), ("a run with nothing changed", "unchanged_run"):
        print(f"\n{title}")
        for step, seconds in result[steps].items():
            print(f"{seconds:8.1f} s  {step}")
    print(
        f"\nMiB when nothing runs, and at the peak of a run; {result['idle_processor_share']:.1%} of a processor when nothing runs"
    )
    for name, size in result["peak_memory_mib"].items():
        print(f"{result['idle_memory_mib'].get(name, 0):8,}{size:8,}  {name}")
    for name, value in result["freshness"].items():
        print(f"{value:8.1f}    {name}")


if __name__ == "__main__":
    main()
