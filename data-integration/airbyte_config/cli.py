"""`elt airbyte …` and `elt sync`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from airbyte_config.documents import DIRECTORY

if TYPE_CHECKING:  # the SDK takes a second to import: --help does without it
    from airbyte_config.jobs import Job

PLAIN_SECONDS = 5.0  # between two lines of progress where no terminal is
PLAIN_WIDTH = 1000

directory_option = click.option(
    "--connections",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=DIRECTORY,
    help="The folder of the files (default: data-integration/connections).",
)
connection_option = click.option(
    "--connection", default="adventureworks", show_default=True, help="Name of the connection."
)


@click.group()
def airbyte() -> None:
    """Connections as code: what Airbyte should hold stands in data-integration/connections."""


@airbyte.command("apply")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option(
    "--resend-secrets", is_flag=True, help="Send every secret again, even one that is known to be there."
)
@directory_option
def apply_command(dry_run: bool, resend_secrets: bool, directory: Path) -> None:
    """Create or update sources, destination and connections, by name; a second time changes nothing."""
    from airbyte_config.apply import apply

    apply(directory, dry_run=dry_run, resend_secrets=resend_secrets, report=click.echo)


@airbyte.command("verify")
@connection_option
@directory_option
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of a line per stream.")
def verify_command(connection: str, directory: Path, as_json: bool) -> None:
    """Compare source and raw tables, stream by stream: every row, every selected column.

    Exit code 1 when a stream differs.
    """
    from airbyte_config.verify import verify

    report = (lambda result: None) if as_json else (lambda result: click.echo(result.line()))
    results = verify(connection, directory=directory, report=report)
    if as_json:
        click.echo(json.dumps([result.as_dict() for result in results], indent=2))
    differing = [result for result in results if not result.equal]
    if not as_json:
        verdict = f"{len(differing)} of them differ" if differing else "source and raw are equal"
        click.echo(
            f"{len(results)} streams, {sum(result.source_rows for result in results):,} rows: {verdict}"
        )
    if differing:
        raise click.exceptions.Exit(1)


@airbyte.command("jobs")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many, newest first."
)
def jobs_command(limit: int) -> None:
    """The newest jobs of the workspace."""
    from airbyte_config import client
    from airbyte_config.jobs import recent

    api = client.sdk()
    workspace_id = client.workspace(api)
    names = {item["connectionId"]: item["name"] for item in client.connections(api, workspace_id)}
    table = Table(
        "job", "connection", "type", "status", "started (UTC)", "seconds", "rows", "MB", "reason", box=None
    )
    for job in recent(api, workspace_id=workspace_id, limit=limit):
        started = job.started.strftime("%Y-%m-%d %H:%M:%S")
        numbers = [f"{job.seconds:,.0f}", f"{job.rows:,}", f"{job.bytes / 1e6:,.1f}"]
        name = names.get(job.connection_id, job.connection_id)
        table.add_row(
            str(job.id), escape(name), job.type, job.status.value, started, *numbers, escape(job.reason)
        )
    # elsewhere than on a terminal nothing is folded: one job, one line
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table)


@click.command()
@connection_option
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds; then the job is cancelled."
)
def sync(connection: str, timeout: float | None) -> None:
    """Run one sync job and wait for it; Ctrl-C cancels it.

    When a sync of the connection runs already, that one is followed (and not cancelled). Exit code 1 when the job fails.
    """
    from airbyte_config import jobs

    with _Progress(connection) as progress:
        try:
            jobs.sync(connection, timeout=timeout, report=progress.show)
        except jobs.JobFailedError as error:
            progress.stop()
            click.echo(f"elt: {error}", err=True)
            raise click.exceptions.Exit(1) from None


class _Progress:
    """One line that renews itself on a terminal; elsewhere a line now and then."""

    def __init__(self, connection: str) -> None:
        self.connection = connection
        console = Console()
        self._status = console.status(f"sync of {connection}: starting") if console.is_terminal else None
        self._next = 0.0
        self._job_id: int | None = None

    def __enter__(self) -> _Progress:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._status:
            self._status.stop()

    def show(self, job: Job, adopted: bool) -> None:
        line = f"sync job {job.id} of {self.connection}: {job.status.value}, {job.progress()}"
        if self._job_id is None and adopted:
            click.echo(f"sync job {job.id} of {self.connection} runs already: following it")
        first, self._job_id = self._job_id is None, job.id
        if not job.active:
            self.stop()
            click.echo(line)
        elif self._status:
            self._status.update(line)
        elif first or time.monotonic() >= self._next:
            click.echo(line)
            self._next = time.monotonic() + PLAIN_SECONDS
