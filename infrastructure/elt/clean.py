"""`elt clean`: back to a fresh clone's state, the environment aside."""

from __future__ import annotations

import shutil

import click

from elt.confirm import confirmed, yes_option
from foundation.errors import EltError
from foundation.settings import settings
from orchestration.backup import backups
from stack import stack

# all that the stack keeps under ELT_HOME: whatever else lies there is somebody's, and ELT_HOME perhaps a mistake
OURS = (
    *(
        "airbyte",
        "airflow",
        "backups",
        "dbt",
        "docs",
        "home",
        "logs",
        "metadata",
        "postgres",
        "privacy",
        "run",
    ),
    *("serving", "sink", "superset", "web", "lake", "spark", "stream", "monitoring"),
    *("*.lock", "airbyte-secrets.json", "monitoring.duckdb", "secrets.env"),
    *("warehouse*.duckdb", "warehouse.duckdb.*"),
    *(".metadata*", ".monitoring*", ".postgres*", "metadata.*", "postgres.*"),
)


@click.command()
@yes_option
def clean(yes: bool) -> None:
    """Stop the stack and remove all local data: databases, warehouse, published versions, logs, secrets."""
    home = settings().home
    if not home.exists():
        click.echo(f"nothing to remove: {home} does not exist")
        return
    if foreign := sorted(path.name for path in home.iterdir() if not any(map(path.match, OURS))):
        raise EltError(
            f"{home} holds {foreign[0]}, which is not the stack's",
            "move it away, or remove by hand what should go",
        )
    kept = len(backups(settings()))
    also = f", and its {kept} backup{'s' if kept > 1 else ''}" if kept else ""
    confirmed(f"Remove {home} with all its data{also}?", yes)
    stack.down()
    shutil.rmtree(home)
    click.echo(f"removed {home}")
