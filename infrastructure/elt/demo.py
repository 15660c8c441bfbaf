"""`elt demo`: the whole chain on this machine, watched live, with a report at the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import duckdb
from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

from elt import dagrun
from elt.report import REVENUE_BY_CATEGORY, Facts, changes, facts, revenue_by_category
from foundation.errors import EltError
from foundation.lease import lease
from foundation.settings import Settings, settings


@dataclass
class Steps:
    """Prints each step as it begins and ends, and remembers how long it took."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.say(f"[bold]▶ {title}[/bold]")
        started = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - started
        self.say(f"  [green]done[/green] in {self.seconds[title]:.1f} s")

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)


# ------------------------------------------------------------------------------------------------ the source


def _fill_source(steps: Steps, original: Path | None) -> None:
    """Fill an empty source, from the original CSVs if they are asked for; keep what is there otherwise.

    When the source holds other data than the asked-for CSVs, these replace it, and the warehouse that was synced from the
    old data is moved aside: its cursors say nothing about the new rows.
    """
    from adventureworks.database import connect_owner, origin, publish
    from adventureworks.loader import ORIGIN

    with connect_owner() as connection:
        held = origin(connection)
    command = ["load", "--from", str(original)] if original else ["generate"]
    if not held:
        _run_elt("source", *command)
    elif original and held != ORIGIN:
        steps.say(f"  [yellow]the source holds other data ({held}): replaced by {original}[/yellow]")
        with _warehouse_aside(steps):
            _run_elt("source", *command)
    else:
        with connect_owner() as connection:
            publish(connection)  # a source that an older version filled is not yet
        steps.say(f"  the source is filled already ({held}): kept")


@contextmanager
def _warehouse_aside(steps: Steps) -> Iterator[None]:
    """Move the warehouse out of the way for good, unless the block fails: then it is put back."""
    warehouse = settings().warehouse_path
    aside = warehouse.with_name(f"warehouse-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.duckdb")
    with lease(warehouse, "demo"):
        moved = warehouse.exists()
        if moved:
            with duckdb.connect(warehouse) as connection:
                connection.execute("checkpoint")  # all of it in the one file
            warehouse.rename(aside)
        try:
            yield
        except BaseException:
            if moved:
                aside.rename(warehouse)
            raise
    if moved:
        steps.say(f"  [yellow]its warehouse is kept as {aside.name}[/yellow]")


def _run_elt(*arguments: str) -> None:
    """Run a verb of `elt` in a process of its own; its output is ours, and so is its error."""
    code = subprocess.run([sys.executable, "-m", "elt.cli", *arguments], check=False).returncode
    if code:
        raise click.exceptions.Exit(code)


# ------------------------------------------------------------------------------------------------ the demo


def _original_folder(config: Settings) -> Path | None:
    if not config.aw_data:
        return None
    folder = Path(config.aw_data).expanduser().resolve()
    if not folder.is_dir():
        raise EltError(
            f"AW_DATA: there is no folder {folder}", "name the folder of the CSV files, or leave AW_DATA out"
        )
    return folder


@click.command()
def demo() -> None:
    """The whole chain on this machine, with live progress and a report.

    PostgreSQL shop → Airbyte sync → dbt star schema → published marts, driven by the Airflow DAG adventureworks_elt; then a
    trading day in the shop and a second, incremental run. Leaves the services running (`elt down` stops them). Run
    again, it keeps all data and adds one day.

    Environment: AW_DATA=DIR fills the source from the original CSV files instead of the generator; SHOP=off leaves
    the trading day out.
    """
    from stack import stack
    from stack.supervision import supervised

    config = settings()
    original, shop = _original_folder(config), config.shop == "on"
    steps = Steps(Console())
    ours = supervised(config.home) is None
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an interrupt
    try:
        runs = _chain(steps, config, original, shop)
    except KeyboardInterrupt:
        if ours:
            steps.say("interrupted: stopping what this demo started")
            with suppress(EltError):
                stack.down(report=lambda line: steps.say(f"  {line}"))
        raise
    _report(steps, config, runs, time.monotonic() - started)


def _chain(steps: Steps, config: Settings, original: Path | None, shop: bool) -> list[Facts]:
    """The steps of the demo; what each DAG run did."""
    from airbyte_config.apply import apply
    from orchestration import airflow_api
    from stack import stack

    with steps.step("Source: PostgreSQL with the AdventureWorks shop"):
        stack.up(["postgres"], report=lambda line: steps.say(f"  {line}"))
        # Airflow takes a while to start and the source a while to fill: side by side
        rest = subprocess.Popen([sys.executable, "-m", "elt.cli", "up", "airflow"])
        try:
            _fill_source(steps, original)
        except BaseException:
            rest.terminate()
            rest.wait()
            raise
    with steps.step("Services: Airbyte API, Airflow, message sink"):
        try:
            if code := rest.wait():
                raise click.exceptions.Exit(code)
        finally:
            if rest.poll() is None:
                rest.terminate()
                rest.wait()
        apply(report=lambda line: steps.say(f"  {line}"))
    done: list[Facts] = []
    with _dashboards_beside(steps, config), airflow_api.client(config) as api:
        with steps.step("DAG run: sync → dbt → publish"):
            run = dagrun.begin(api, steps.console)
            dagrun.watch(api, run, steps.console)
            done.append(facts(config, run))
        if shop:
            with steps.step("Shop: one trading day"):
                dagrun.pause(api)  # the next run is to bring the whole day
                try:
                    _run_elt("shop", "day")
                except BaseException:
                    dagrun.unpause(api)
                    raise
            with steps.step("DAG run: what has changed"):
                run = dagrun.begin(api, steps.console)
                dagrun.watch(api, run, steps.console)
                done.append(facts(config, run))
    return done


@contextmanager
def _dashboards_beside(steps: Steps, config: Settings) -> Iterator[None]:
    """Start Superset while the DAG runs, behind it in line for the processors; the demo does without it if it can't start."""
    log = config.logs_dir / "superset-up.log"
    with log.open("w") as output:
        starting = subprocess.Popen(
            [sys.executable, "-m", "elt.cli", "up", "superset"],
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=partial(os.nice, 10),
        )
        try:
            yield
            with steps.step("Dashboards: Superset"):
                if starting.wait():
                    reason = log.read_text().strip().splitlines()[-1:] or ["it said nothing"]
                    steps.say(f"  [yellow]not started: {escape(reason[0])}[/yellow]")
        finally:
            if starting.poll() is None:
                starting.terminate()
                starting.wait()


def _report(steps: Steps, config: Settings, runs: list[Facts], total: float) -> None:
    """What was done, what the second run changed, where to look, how long it took."""
    steps.say("")
    steps.say("[bold]Report[/bold]")
    for number, run in enumerate(runs, 1):
        steps.say(
            f"  run {number}: {run.rows_synced:,} rows synced in {run.sync_seconds:.1f} s, {run.models} models built, "
            f"{run.tests_passed} tests passed"
        )
    steps.say("  revenue by category, in the 365 days that end with the newest order:")
    for category, revenue in revenue_by_category(config.serving_path):
        steps.say(f"    {category:<14} {revenue:>18,.2f}")
    if len(runs) > 1:
        steps.say("  what the second run changed:")
        for line in changes(runs[0].version, runs[1].version):
            steps.say(f"    {line}")
    steps.say(
        "  seconds: " + ", ".join(f"{title.partition(':')[0]} {s:.0f}" for title, s in steps.seconds.items())
    )
    steps.say(f"  in all {total:.0f} s, {shutil.disk_usage(config.home).free / 1e9:.0f} GB of disk left")
    steps.say("")

    def login(user: str, password: SecretStr) -> str:
        shown = f", password {password.get_secret_value()}" if steps.console.is_terminal else ""
        return f"user {user}{shown}"  # on a person's screen; a log keeps no password

    dashboards = f"http://127.0.0.1:{config.superset_port}"
    steps.say(
        f"  dashboards   {dashboards}/superset/dashboard/sales-overview/  "
        + login(config.superset_analyst_user, config.superset_analyst_password)
    )
    steps.say(
        f"  Superset     {dashboards}  " + login(config.superset_admin_user, config.superset_admin_password)
    )
    steps.say(
        f"  Airflow      http://127.0.0.1:{config.airflow_port}  "
        + login(config.airflow_admin_user, config.airflow_admin_password)
    )
    steps.say(f"  Airbyte API  {config.airbyte_api}  client id {config.airbyte_client_id}")
    steps.say(f"  messages     http://127.0.0.1:{config.sink_port}")
    steps.say(f"  published    {config.serving_path}")
    steps.say(
        f"  passwords    {config.home / 'secrets.env'} (SUPERSET_ANALYST_PASSWORD, AIRFLOW_ADMIN_PASSWORD and more)"
    )
    steps.say("  next:")
    for command in next_commands():
        steps.say(f"    {command}")


def next_commands() -> list[str]:
    """What to try after the demo, as it can be typed where the demo was."""
    elt = Path(sys.prefix, "bin", "elt")
    known = shutil.which("elt")
    name = "elt" if known and Path(known).resolve() == elt.resolve() else os.path.relpath(elt)
    return ["make status", f'{name} sql --serving "{REVENUE_BY_CATEGORY}"', f"{name} runs", "make down"]
