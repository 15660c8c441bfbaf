"""`elt up`, `elt down`, `elt status`, `elt logs`."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from foundation.errors import EltError
from foundation.settings import Settings, settings
from stack import stack
from stack.parts import log_file, parts, unknown_part

if TYPE_CHECKING:
    from rich.table import Table

OTHER_LOGS = {
    "tasks of Airflow": "logs/airflow",
    "dbt": "logs/dbt",
    "jobs of Airbyte": "airbyte/jobs",  # `elt airbyte logs`
}


def _completed(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    return [name for name in parts() if name.startswith(begun)]


PARTS = click.argument("part", nargs=-1, shell_complete=_completed)


@click.command()
@PARTS
def up(part: tuple[str, ...]) -> None:
    """Start PARTs and what they need (all, when none is named), and wait until each is healthy.

    Parts: postgres, sink, airbyte, airflow, superset, where ELT_SOURCES asks for them web, apis, lake and stream, and where MONITORING does, monitoring. What runs already is left alone.
    """
    stack.up(part, report=click.echo)


@click.command()
@PARTS
def down(part: tuple[str, ...]) -> None:
    """Stop PARTs and what needs them; without PART the whole stack, leaving no process and no lock."""
    stack.down(part, report=click.echo)
    click.echo(f"stopped{': ' + ', '.join(part) if part else ''}; nothing of it is left")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(as_json: bool) -> None:
    """Show which parts run, on which addresses, how much memory they take, and whether they are healthy.

    It also shows who writes the warehouse, how much log the source keeps for a slot, and whether a backup or disk space is missing.

    Exit code 1 when a program is not healthy.
    """
    from rich.console import Console

    from foundation.disk import FREE_SOME, disk_lacks
    from foundation.lease import holder
    from orchestration.backup import NO_BACKUP, backup_lacks
    from orchestration.publish import held
    from stack.capture import capture_health

    elsewhere = settings().listen_host != Settings.model_fields["listen_host"].default
    lines = [] if elsewhere else stack.status()
    owner = holder(settings().warehouse_path)
    lacking = ((backup_lacks(settings()), NO_BACKUP), (disk_lacks(settings()), FREE_SOME))
    warnings = [f"{lacks} — {remedy}" for lacks, remedy in lacking if lacks]
    if settings().dbt_target == "duckdb" and (
        hold := held(settings())
    ):  # elsewhere the question takes seconds
        warnings.append(
            f"version {hold.number} is held since {hold.since}: runs publish nothing — `elt publish --resume` ends that"
        )
    with contextlib.suppress(EltError):  # a source that is down has its line above
        warnings += [
            f"the source: {found} — {remedy}" for found, remedy in capture_health(settings()) if remedy
        ]
    if as_json:
        answer = {"programs": [asdict(line) for line in lines], "writer": owner, "warnings": warnings}
        click.echo(json.dumps(answer, indent=2))
    else:
        console = Console(highlight=False)
        console.width = max(console.width, 120)  # a line a program, also where the output is no terminal
        if elsewhere:
            console.print("each program has a container of its own: `docker compose ps` shows how they feel")
        else:
            console.print(_table(lines))
            if taken := sum(line.memory_mib for line in lines):
                console.print(f"memory in all: {taken:,} MiB")
        if owner:
            console.print(f"the warehouse is written by {owner}")
        for warning in warnings:
            console.print(warning, soft_wrap=True)
    if not all(line.healthy for line in lines):
        raise click.exceptions.Exit(1)


def _table(lines: list[stack.ProgramStatus]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("part", "program", "state", "pid", "up for", "health", "memory", "address"):
        table.add_column(column, no_wrap=True, justify="right" if column == "memory" else "left")
    for line in lines:
        minutes, seconds = divmod(line.seconds, 60)
        health = "healthy" if line.healthy else "not answering" if line.state == "running" else "-"
        table.add_row(
            line.part,
            line.program,
            line.state,
            str(line.pid or "-"),
            f"{minutes}m{seconds:02d}s" if line.pid else "-",
            health,
            f"{line.memory_mib:,} MiB" if line.memory_mib else "-",
            line.address,
        )
    return table


@click.command()
@PARTS
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes (Ctrl-C ends it).")
@click.option(
    "-n", "--lines", type=click.IntRange(0, 1_000_000), help="How many last lines of each log (50)."
)
def logs(part: tuple[str, ...], follow: bool, lines: int | None) -> None:
    """The last log lines of PARTs; without PART a list of the logs.

    With -f or -n and no PART: those of all.
    """
    home = settings().home
    every = parts()
    if unknown := [name for name in part if name not in every]:
        raise unknown_part(unknown[0], every)
    files = {
        path: chosen.name
        for chosen in every.values()
        if not part or chosen.name in part
        for program in chosen.programs
        if (path := log_file(program, home)).exists()
    }
    if not files:
        raise EltError(f"no log in {home / 'logs'}", "elt up")
    if part or follow or lines is not None:
        tail = ["tail", "-n", str(50 if lines is None else lines), *(["-F"] if follow else [])]
        subprocess.run([*tail, *map(str, files)], check=False)
        return
    for path, name in files.items():
        found = path.stat()
        written = datetime.fromtimestamp(found.st_mtime, UTC)
        click.echo(
            f"{name:<10}{found.st_size / 1e3:>9,.0f} kB  written {written:%Y-%m-%d %H:%M:%S} UTC  {path}"
        )
    for what, folder in OTHER_LOGS.items():
        if (home / folder).is_dir():
            click.echo(f"{what + ':':<24}{home / folder}")
    click.echo("`elt logs PART` prints the last lines of one, with -f it goes on")
