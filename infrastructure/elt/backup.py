"""`elt backup`, `elt restore`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from elt.confirm import confirmed, yes_option
from foundation.settings import Settings, settings
from orchestration.backup import backup, backups, restore


@click.command("backup")
@click.option("--list", "list_only", is_flag=True, help="Show the backups that are kept.")
def backup_command(list_only: bool) -> None:
    """Copy what can't be built again: snapshots, sync state, Airflow's and Superset's databases, Airbyte's, secrets."""
    config = settings()
    if list_only:
        for path in backups(config):
            size = sum(file.stat().st_size for file in path.iterdir())
            click.echo(f"{path.name}  {size / 1e6:,.1f} MB")
        return
    folder = backup(config, report=lambda line: click.echo(f"  {line}"))
    click.echo(f"backup {folder}")


@click.command("restore")
@click.argument("name", required=False)
@yes_option
def restore_command(name: str | None, yes: bool) -> None:
    """Put the backup NAME (the newest, without one) in the place of what is there. PostgreSQL has to run, Airflow not."""
    config = settings()
    confirmed("This replaces what is there. Go on?", yes)
    from stack.stack import alone

    with alone(config.home):  # nothing starts on what is being replaced
        folder = restore(
            config, name, report=lambda line: click.echo(f"  {line}"), obstacles=list(_running(config))
        )
    click.echo(f"restored {folder}: `elt up`, then `elt run`")


def _running(config: Settings) -> Iterator[str]:
    """The parts that run on what a restore replaces."""
    from stack.supervision import supervised

    running = supervised(config.home) or {}
    for program, part in (("airflow-scheduler", "airflow"), ("airbyte", "airbyte")):
        if running.get(program, {}).get("statename") in ("STARTING", "RUNNING", "BACKOFF", "STOPPING"):
            yield f"{part} runs on what is to be replaced (`elt down {part}`)"
