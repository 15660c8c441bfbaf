"""`elt up`, `elt down`, `elt status`, `elt logs`."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import click

from foundation.errors import EltError
from foundation.settings import Settings, settings
from stack import stack
from stack.parts import log_file, parts, unknown_part

if TYPE_CHECKING:
    from rich.table import Table

PARTS = click.argument("part", nargs=-1)


@click.command()
@PARTS
def up(part: tuple[str, ...]) -> None:
    """Start PARTs and what they need (all, when none is named), and wait until each is healthy.

    Parts: postgres, sink, airbyte, airflow, superset, and web where ELT_SOURCES has it. What runs already is left alone.
    """
    stack.up(part, report=click.echo)


@click.command()
@PARTS
def down(part: tuple[str, ...]) -> None:
    """Stop PARTs and what needs them; without PART the whole stack, leaving no process and no lock."""
    stack.down(part, report=click.echo)
    click.echo(f"stopped{': ' + ', '.join(part) if part else ''}; nothing of it is left")


@click.command()
def status() -> None:
    """What runs, where, and how it feels; who writes the warehouse; what the source's log waits for. Exit code 1 when a program is not healthy."""
    from rich.console import Console

    from foundation.lease import holder
    from orchestration.backup import NO_BACKUP, backup_lacks
    from stack.capture import capture_health

    console = Console(highlight=False)
    console.width = max(console.width, 120)  # a line a program, also where the output is no terminal
    elsewhere = settings().listen_host != Settings.model_fields["listen_host"].default
    lines = [] if elsewhere else stack.status()
    if elsewhere:
        console.print("each program has a container of its own: `docker compose ps` shows how they feel")
    else:
        console.print(_table(lines))
    if owner := holder(settings().warehouse_path):
        console.print(f"the warehouse is written by {owner}")
    if lacks := backup_lacks(settings()):
        console.print(f"{lacks} — {NO_BACKUP}", soft_wrap=True)
    with contextlib.suppress(EltError):  # a source that is down has its line above
        for found, remedy in capture_health(settings()):
            if remedy:
                console.print(f"the source: {found} — {remedy}", soft_wrap=True)
    if not all(line.healthy for line in lines):
        raise click.exceptions.Exit(1)


def _table(lines: list[stack.ProgramStatus]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("part", "program", "state", "pid", "up for", "health", "address"):
        table.add_column(column, no_wrap=True)
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
            line.address,
        )
    return table


@click.command()
@PARTS
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes (Ctrl-C ends it).")
@click.option("-n", "--lines", default=50, show_default=True, help="How many last lines of each log.")
def logs(part: tuple[str, ...], follow: bool, lines: int) -> None:
    """The last log lines of PARTs (all, when none is named)."""
    home = settings().home
    every = parts()
    if unknown := [name for name in part if name not in every]:
        raise unknown_part(unknown[0], every)
    files = [
        str(path)
        for chosen in every.values()
        if not part or chosen.name in part
        for program in chosen.programs
        if (path := log_file(program, home)).exists()
    ]
    if not files:
        raise EltError(f"no log in {home / 'logs'}", "elt up")
    subprocess.run(["tail", "-n", str(lines), *(["-F"] if follow else []), *files], check=False)
