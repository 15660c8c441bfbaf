"""`elt spark …`: batch jobs and queries over the lake's tables, by Spark."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from foundation.commands import Group
from foundation.errors import EltError
from foundation.settings import settings
from spark.cluster import Workers
from spark.run import Place

SHOWN = 1_000


@click.group(cls=Group)
def spark() -> None:
    """Spark over the lake's tables: for data that outgrow one machine. docs/spark.md says when and how."""


def with_place(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where Spark runs."""
    options = (
        click.option(
            "--workers",
            type=click.IntRange(1, 64),
            default=min(2, os.cpu_count() or 1),
            show_default=True,
            help="Workers on this machine, of one core each.",
        ),
        click.option(
            "--memory",
            type=click.IntRange(512, 1 << 20),
            default=1024,
            show_default=True,
            help="MB of memory of each worker.",
        ),
        click.option(
            "--master", default="", help="A cluster that is there, instead: spark://HOST:PORT, k8s://…, yarn."
        ),
        click.option(
            "--properties",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file with more of Spark's settings, as spark-defaults.conf has them.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@spark.command()
@click.argument("job")
@with_place
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a line.")
def run(job: str, workers: int, memory: int, master: str, properties: Path | None, as_json: bool) -> None:
    """Build the table of JOB from the lake; it replaces the table that is there in one commit."""
    from spark.jobs import job as job_of
    from spark.run import run_job

    done = run_job(settings(), job_of(job), _place(workers, memory, master, properties))
    if as_json:
        click.echo(json.dumps(asdict(done)))
        return
    click.echo(
        f"{done.table}: {done.rows:,} rows of commit {done.commit} of the lake, {done.seconds:.1f} s"
        f" (and {done.start_seconds:.1f} s until the workers were there)"
    )


@spark.command()
def jobs() -> None:
    """Which jobs there are: the table that each makes, and its grain."""
    from spark.jobs import JOBS

    for each in JOBS:
        click.echo(f"{each.name}: {each.target}, {each.grain}; reads {len(each.tables)} tables of the lake")


@spark.command()
@click.argument("query")
@with_place
@click.option("--json", "as_json", is_flag=True, help="A JSON list; every value as text.")
def sql(query: str, workers: int, memory: int, master: str, properties: Path | None, as_json: bool) -> None:
    """Ask the lake's tables one QUERY (“-” reads it from standard input).

    A table is `namespace.table`; `version as of SNAPSHOT` and `timestamp as of '…'` after its name show it as it was. Nothing can
    be changed.
    """
    from spark.run import ask

    text = sys.stdin.read() if query == "-" else query
    columns, rows = ask(
        settings(), text.strip().rstrip(";"), SHOWN, _place(workers, memory, master, properties)
    )
    if as_json:
        click.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in rows[:SHOWN]], indent=2))
    else:
        _table(
            [columns, *([value if value is not None else "NULL" for value in row] for row in rows[:SHOWN])]
        )
    if len(rows) > SHOWN:
        click.echo(f"elt: only the first {SHOWN:,} rows are shown", err=True)


def _place(workers: int, memory: int, master: str, properties: Path | None) -> Place:
    if master.startswith("local"):
        raise EltError(
            f"--master {master}: no cluster", "leave it out; --workers says how many workers run here"
        )
    return Place(Workers(workers, memory), master, properties)


def _table(lines: list[list[Any]]) -> None:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
