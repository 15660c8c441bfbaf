"""`elt airbyte …` and `elt sync`. The SDK takes a second to import: --help does without it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from airbyte_config.documents import DIRECTORY
from foundation.commands import FOLDER, ID, PATIENCE, Group

if TYPE_CHECKING:
    from airbyte_config.plan import Change, Plan

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


stream_option = click.option(
    "--stream",
    "streams",
    multiple=True,
    help="Only this stream (sales.store); may be repeated. The local Airbyte alone can do that.",
)
timeout_option = click.option("--timeout", type=PATIENCE, help="Seconds; then the job is cancelled.")


@click.group(cls=Group)
def airbyte() -> None:
    """Connections as code, and their jobs. data-integration/connections says what Airbyte should hold."""


prune_option = click.option("--prune", is_flag=True, help="Delete what Airbyte holds and no file defines.")
resend_option = click.option(
    "--resend-secrets", is_flag=True, help="Send every secret again, even one that is known to be there."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")


@airbyte.command("plan")
@prune_option
@resend_option
@json_option
@directory_option
def plan_command(prune: bool, resend_secrets: bool, as_json: bool, directory: Path) -> None:
    """What `apply` would change, field by field; changes nothing.

    Streams, cursors, keys and columns are looked for in the source. `!` marks what is to be read before.
    """
    from airbyte_config.definitions import load
    from airbyte_config.plan import make_plan
    from airbyte_config.server import Server
    from foundation.settings import settings

    definitions = load(directory)  # wrong files are reported first
    plan = make_plan(definitions, Server(settings()), settings(), prune=prune, resend_secrets=resend_secrets)
    if as_json:
        click.echo(json.dumps(plan.as_dict(), indent=2, ensure_ascii=False))
        return
    show_changes(plan)
    for one in plan.unknown:
        click.echo(f"  {one.kind} {one.name}: no file defines it; it stays, unless you --prune")
    click.echo(f"plan: {plan.summary()}")


def show_changes(plan: Plan) -> None:
    """The diff and the notes, in color on a terminal."""
    colors = {"+": "green", "~": "yellow", "-": "red", "!": "magenta"}
    for change in plan.pending:
        for line in change.lines():
            click.secho(line, fg=colors.get(line.lstrip()[:1]))
    for note in plan.notes:
        click.echo(note)


@airbyte.command("apply")
@prune_option
@click.option("--yes", is_flag=True, help="With --prune: also connections that have loaded data, unasked.")
@resend_option
@directory_option
def apply_command(prune: bool, yes: bool, resend_secrets: bool, directory: Path) -> None:
    """Create or update sources, destinations and connections, by name; a second time changes nothing.

    See it first with `elt airbyte plan`.
    """
    from airbyte_config.apply import apply

    def confirmed(losing: list[Change]) -> bool:
        if yes or not sys.stdin.isatty():
            return yes
        for change in losing:
            click.echo("\n".join(change.lines()))
        return click.confirm("Delete them?")

    apply(directory, prune=prune, confirm=confirmed, resend_secrets=resend_secrets, report=click.echo)


@airbyte.command("drift")
@click.option("--ignore-unknown", is_flag=True, help="Do not count what no file defines as drift.")
@json_option
@directory_option
def drift_command(ignore_unknown: bool, as_json: bool, directory: Path) -> None:
    """Compare Airbyte with the files. Exit code 0: they agree; 1: they differ; 2: they can't be compared.

    Needs no secret of the files. Secrets are compared by fingerprint, where they were sent from this ELT_HOME.
    """
    from airbyte_config.definitions import load
    from airbyte_config.plan import make_plan
    from airbyte_config.server import Server
    from foundation.settings import settings

    definitions = load(directory, need_secrets=False)
    plan = make_plan(definitions, Server(settings()), settings(), only_compare=True)
    unknown = () if ignore_unknown else plan.unknown
    if as_json:
        click.echo(json.dumps(plan.as_dict() | {"drift": bool(plan.pending or unknown)}, indent=2))
    else:
        show_changes(plan)
        for one in unknown:
            click.echo(f"  {one.kind} {one.name}: no file defines it")
        count = len(plan.pending) + len(unknown)
        click.echo(
            f"drift: {count} resources differ" if count else "no drift: Airbyte holds what the files say"
        )
    if plan.pending or unknown:
        raise click.exceptions.Exit(1)


@airbyte.command("export")
@click.option(
    "--to",
    "directory",
    type=FOLDER,
    required=True,
    help="The folder to write to; made when it is not there.",
)
@click.option("--connection", "only", help="Only this connection, its source and its destination.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def export_command(directory: Path, only: str | None, force: bool) -> None:
    """Write what Airbyte holds as files like those of data-integration/connections.

    Secrets become references to variables of the environment; the variables to set are named at the end.
    """
    from airbyte_config.export import export

    exported = export(directory, only=only, force=force)
    for path in exported.files:
        click.echo(path)
    for note in exported.notes:
        click.echo(f"! {note}")
    if exported.variables:
        click.echo(f"set before you apply: {', '.join(exported.variables)}")


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
@click.argument("job", type=ID)
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
@click.argument("job", type=ID)
def cancel_command(job: int) -> None:
    """Cancel a job; one that has ended stays as it is."""
    from airbyte_config import jobs

    after, was_active = jobs.cancel(job)
    had = "" if was_active else "it had ended already: "
    click.echo(f"{after.type} job {after.id}: {had}{after.status.value}, {after.progress()}")


@airbyte.command("refresh")
@click.argument("connection")
@stream_option
@timeout_option
def refresh_command(connection: str, streams: tuple[str, ...], timeout: float | None) -> None:
    """Read every stream of CONNECTION from its beginning, and wait for the end; Ctrl-C cancels it."""
    run_job(connection, "refresh", timeout, streams)


@airbyte.command("clear")
@click.argument("connection")
@stream_option
@timeout_option
def clear_command(connection: str, streams: tuple[str, ...], timeout: float | None) -> None:
    """Empty the raw tables of CONNECTION and forget its positions; the next sync reads all."""
    run_job(connection, "clear", timeout, streams)


@airbyte.command("reset")
@click.argument("connection")
@stream_option
@timeout_option
def reset_command(connection: str, streams: tuple[str, ...], timeout: float | None) -> None:
    """The older name of clear."""
    run_job(connection, "reset", timeout, streams)


@airbyte.command("sync")
@connection_option
@stream_option
@timeout_option
def sync_command(connection: str, streams: tuple[str, ...], timeout: float | None) -> None:
    """The same as `elt sync`."""
    run_job(connection, "sync", timeout, streams)


@click.command()
@connection_option
@stream_option
@timeout_option
def sync(connection: str, streams: tuple[str, ...], timeout: float | None) -> None:
    """Run one sync job and wait for it; Ctrl-C cancels it.

    When a sync of the connection runs already, that one is followed (and not cancelled). Exit code 1 when the job fails.
    """
    run_job(connection, "sync", timeout, streams)


def run_job(connection: str, job_type: str, timeout: float | None, streams: tuple[str, ...] = ()) -> None:
    """Run a job with live progress. Raises Exit(1) when it fails."""
    from airbyte_config import jobs
    from airbyte_config.progress import Progress

    with Progress(connection, job_type) as progress:
        try:
            jobs.run(connection, job_type, streams=streams, timeout=timeout, report=progress.show)
        except jobs.JobFailedError as error:
            progress.stop()
            click.echo(f"elt: {error}", err=True)
            raise click.exceptions.Exit(1) from None
