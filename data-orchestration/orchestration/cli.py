"""`elt publish`, `elt runs`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from foundation.commands import WAIT
from foundation.errors import EltError
from foundation.settings import ROOT, settings
from orchestration import publish as publishing
from orchestration.monitoring import opened


@click.command()
@click.option(
    "--list", "list_only", is_flag=True, help="Show the versions that are kept, and publish nothing."
)
@click.option(
    "--rollback",
    type=click.IntRange(0, (1 << 31) - 1),
    is_flag=False,
    flag_value=0,
    metavar="[VERSION]",
    help="Show an earlier version again (the one before) and hold it: runs publish nothing until --resume.",
)
@click.option("--resume", is_flag=True, help="End the hold of a rollback.")
@click.option(
    "--wait",
    type=WAIT,
    default=60.0,
    show_default=True,
    help="Seconds to wait for another writer to end; on DuckDB a rollback waits for none.",
)
@click.option("--json", "as_json", is_flag=True, help="With --list: one JSON object.")
def publish(list_only: bool, rollback: int | None, resume: bool, wait: float, as_json: bool) -> None:
    """Show the marts that were built and tested: the served file switches to them at once."""
    if sum([list_only, rollback is not None, resume]) > 1:
        raise click.UsageError("--list, --rollback and --resume exclude each other")
    if as_json and not list_only:
        raise click.UsageError("--json goes with --list")
    if list_only:
        _print_versions(as_json)
    elif rollback is not None:
        shown = publishing.rollback(settings(), rollback or None, wait)
        click.echo(
            f"version {shown.number} is shown, and held: `elt publish --resume` lets the next run publish"
        )
    elif resume:
        publishing.resume(settings())
        click.echo("the next run publishes")
    else:
        version = publishing.publish(settings(), "elt publish", wait_seconds=wait)
        click.echo(
            f"version {version.number}: {len(version.tables)} tables, {version.rows:,} rows in {version.seconds} s"
            f" → {settings().serving_path}"
        )


def _print_versions(as_json: bool) -> None:
    kept, hold = publishing.versions(settings()), publishing.held(settings())
    if as_json:
        listed = [asdict(version) | {"rows": version.rows} for version in kept]
        click.echo(json.dumps({"versions": listed, "held": asdict(hold) if hold else None}, indent=2))
        return
    if not kept:
        click.echo("nothing is published yet: run the DAG, or `elt build` and `elt publish`")
        return
    table = Table("version", "published (UTC)", "by", "tables", "rows", "", box=None)
    for version in reversed(kept):
        table.add_row(
            f"v{version.number}",
            version.published_at,
            version.run,
            str(len(version.tables)),
            f"{version.rows:,}",
            ("← current, held" if hold else "← current") if version.current else "",
        )
    _console().print(table)
    if hold:
        click.echo(f"version {hold.number} is held since {hold.since}: `elt publish --resume` ends that")


RUNS = """
    select
        run_id, dag_id, state, started_at, seconds, rows_synced, models_built, tests_passed,
        coalesce(tests_failed, 0) as tests_failed, version, first_failed_task,
        first_failed_node
    from mart_pipeline_runs
    where ($dag is null or dag_id = $dag) and (not $failed or state = 'failed')
    order by started_at desc nulls first
    limit $limit
"""


@click.command()
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(1, 1_000_000),
    default=15,
    show_default=True,
    help="How many, newest first.",
)
@click.option("--dag", help="Only runs of this DAG.")
@click.option("--failed", is_flag=True, help="Only runs that failed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def runs(limit: int, dag: str | None, failed: bool, as_json: bool) -> None:
    """The recent runs as the monitoring tables remember them (`elt run` and the schedule fill them)."""
    known = sorted(path.stem for path in (ROOT / "data-orchestration" / "dags").glob("*.py"))
    if dag and dag not in known:
        raise EltError(f"--dag: there is no DAG {dag}", f"choose from {', '.join(known)}")
    with opened(settings()) as connection:
        connection.execute("set timezone = 'UTC'")
        result = connection.execute(RUNS, {"dag": dag, "failed": failed, "limit": limit})
        names = [column[0] for column in result.description]
        found = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    if as_json:
        click.echo(json.dumps(found, indent=2, default=lambda moment: moment.astimezone(UTC).isoformat()))
    elif not found:
        click.echo("no run is recorded yet: each is when it ends")
    else:
        _console().print(_runs_table(found))


def _console() -> Console:
    """Elsewhere than on a terminal nothing is folded: one run, one line."""
    return Console(width=None if sys.stdout.isatty() else 1000, highlight=False)


def _runs_table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None)
    for heading in ("started (UTC)", "DAG", "run", "state"):
        table.add_column(heading)
    for heading in ("seconds", "rows", "models", "tests", "version"):
        table.add_column(heading, justify="right")
    table.add_column("failed in")
    for run in found:
        tests = "" if run["tests_passed"] is None else f"{run['tests_passed']:,}"
        table.add_row(
            f"{run['started_at']:%Y-%m-%d %H:%M:%S}" if run["started_at"] else "-",
            run["dag_id"],
            run["run_id"],
            run["state"],
            "" if run["seconds"] is None else f"{run['seconds']:,.1f}",
            "" if run["rows_synced"] is None else f"{run['rows_synced']:,}",
            "" if run["models_built"] is None else str(run["models_built"]),
            f"{tests} ({run['tests_failed']} failed)" if run["tests_failed"] else tests,
            "" if run["version"] is None else f"v{run['version']}",
            run["first_failed_node"] or run["first_failed_task"] or "",
        )
    return table
