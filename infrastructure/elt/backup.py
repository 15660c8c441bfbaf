"""`elt backup`, `elt restore`."""

from __future__ import annotations

import click

from foundation.errors import EltError
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
@click.confirmation_option("--yes", prompt="This replaces what is there. Go on?", help="Do not ask.")
def restore_command(name: str | None) -> None:
    """Put the backup NAME (the newest, without one) in the place of what is there. PostgreSQL has to run, Airflow not."""
    config = settings()
    _refuse_while_running(config)
    folder = restore(config, name, report=lambda line: click.echo(f"  {line}"))
    click.echo(f"restored {folder}: `elt up`, then `elt run`")


def _refuse_while_running(config: Settings) -> None:
    """Raises EltError when Airflow or Airbyte runs on what a restore replaces."""
    from stack import stack

    running = stack.supervised(config.home) or {}
    for program, part in (("airflow-scheduler", "airflow"), ("airbyte", "airbyte")):
        if running.get(program, {}).get("statename") == "RUNNING":
            raise EltError(f"{part} runs on what is to be replaced", f"`elt down {part}`, then restore")
