"""`elt clean`: back to a fresh clone's state, the environment aside."""

from __future__ import annotations

import shutil

import click

from foundation.errors import EltError
from foundation.settings import settings
from stack import stack

# all that the stack keeps under ELT_HOME: whatever else lies there is somebody's, and ELT_HOME perhaps a mistake
OURS = (
    *(
        "airbyte",
        "airflow",
        "dbt",
        "home",
        "logs",
        "metadata",
        "postgres",
        "privacy",
        "run",
        "serving",
        "sink",
    ),
    *("*.lock", "airbyte-secrets.json", "secrets.env", "warehouse*.duckdb", "warehouse.duckdb.*"),
    *(".metadata*", ".postgres*", "metadata.*", "postgres.*"),
)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask (implied where nobody can answer).")
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
    if not yes and click.get_text_stream("stdin").isatty():
        click.confirm(f"Remove {home} with all its data?", abort=True)
    stack.down()
    shutil.rmtree(home)
    click.echo(f"removed {home}")
