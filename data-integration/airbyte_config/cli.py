"""`elt airbyte …` and `elt sync`. The SDK takes a second to import: --help does without it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from airbyte_config.documents import DIRECTORY

PLAIN_WIDTH = 1000
STATUSES = ("pending", "running", "incomplete", "failed", "succeeded", "cancelled")
TYPES = ("sync", "refresh", "clear", "reset")

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


timeout_option = click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds; then the job is cancelled."
)


@click.group()
def airbyte() -> None:
    """Connections as code, and their jobs. What Airbyte should hold stands in data-integration/connections."""


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
@click.option("--connection", help="Only jobs of this connection.")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs that are so.")
@click.option("--type", "job_type", type=click.Choice(TYPES), help="Only jobs of this type.")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many, newest first."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list, with the figures of each stream.")
def jobs_command(
    connection: str | None, status: str | None, job_type: str | None, limit: int, as_json: bool
) -> None:
    """The newest jobs of the workspace."""
    from airbyte_config import client
    from airbyte_config.jobs import recent

    api = client.sdk()
    workspace_id = client.workspace(api)
    names = {item["connectionId"]: item["name"] for item in client.connections(api, workspace_id)}
    found = recent(
        api,
        workspace_id=workspace_id,
        connection_id=client.connection_id(api, connection) if connection else None,
        status=status,
        job_type=job_type,
        limit=limit,
    )
    rows = [{"connection": names.get(job.connection_id, job.connection_id), **job.as_dict()} for job in found]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        # elsewhere than on a terminal nothing is folded: one job, one line
        Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(_jobs_table(rows))


def _jobs_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None)
    for heading in ("job", "connection", "type", "status", "started (UTC)"):
        table.add_column(heading, justify="right" if heading == "job" else "left")
    for heading in ("seconds", "rows", "MB"):
        table.add_column(heading, justify="right")
    table.add_column("reason")
    for row in rows:
        table.add_row(
            str(row["jobId"]),
            escape(row["connection"]),
            row["jobType"],
            row["status"],
            row["startTime"].replace("T", " ").removesuffix("+00:00"),
            f"{row['seconds']:,.0f}",
            f"{row['rows']:,}",
            f"{row['bytes'] / 1e6:,.1f}",
            escape(row["reason"]),
        )
    return table


@airbyte.command("logs")
@click.argument("job", type=int)
@click.option("-f", "--follow", is_flag=True, help="Until the job has ended; Ctrl-C only stops following.")
def logs_command(job: int, follow: bool) -> None:
    """The log of a job (of the local Airbyte: a real one's public API has no logs)."""
    from airbyte_config import logs

    try:
        for text in logs.read(job, follow=follow):
            click.echo(text, nl=False)
    except KeyboardInterrupt:
        if not follow:
            raise


@airbyte.command("cancel")
@click.argument("job", type=int)
def cancel_command(job: int) -> None:
    """Cancel a job; one that has ended stays as it is."""
    from airbyte_config import jobs

    after, was_active = jobs.cancel(job)
    had = "" if was_active else "it had ended already: "
    click.echo(f"{after.type} job {after.id}: {had}{after.status.value}, {after.progress()}")


@airbyte.command("refresh")
@click.argument("connection")
@timeout_option
def refresh_command(connection: str, timeout: float | None) -> None:
    """Read every stream of CONNECTION anew, from its beginning, and wait for the end; Ctrl-C cancels it."""
    run_job(connection, "refresh", timeout)


@airbyte.command("clear")
@click.argument("connection")
@timeout_option
def clear_command(connection: str, timeout: float | None) -> None:
    """Empty the raw tables of CONNECTION and forget its positions; the next sync reads all."""
    run_job(connection, "clear", timeout)


@airbyte.command("reset")
@click.argument("connection")
@timeout_option
def reset_command(connection: str, timeout: float | None) -> None:
    """The older name of clear."""
    run_job(connection, "reset", timeout)


@airbyte.command("sync")
@connection_option
@timeout_option
def sync_command(connection: str, timeout: float | None) -> None:
    """The same as `elt sync`."""
    run_job(connection, "sync", timeout)


@click.command()
@connection_option
@timeout_option
def sync(connection: str, timeout: float | None) -> None:
    """Run one sync job and wait for it; Ctrl-C cancels it.

    When a sync of the connection runs already, that one is followed (and not cancelled). Exit code 1 when the job fails.
    """
    run_job(connection, "sync", timeout)


def run_job(connection: str, job_type: str, timeout: float | None) -> None:
    """Run a job with live progress. Raises Exit(1) when it fails."""
    from airbyte_config import jobs
    from airbyte_config.progress import Progress

    with Progress(connection, job_type) as progress:
        try:
            jobs.run(connection, job_type, timeout=timeout, report=progress.show)
        except jobs.JobFailedError as error:
            progress.stop()
            click.echo(f"elt: {error}", err=True)
            raise click.exceptions.Exit(1) from None
