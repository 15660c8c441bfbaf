"""`elt clean`: back to a fresh clone's state, the environment aside."""

from __future__ import annotations

import shutil

import click

from elt.errors import EltError
from elt.settings import ROOT, settings
from local import stack


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask (implied where nobody can answer).")
def clean(yes: bool) -> None:
    """Stop the stack and remove all local data: databases, warehouse, published versions, logs, secrets."""
    home = settings().home
    if not home.exists():
        click.echo(f"nothing to remove: {home} does not exist")
        return
    if home in (ROOT, *ROOT.parents) or not (home / "secrets.env").exists():
        raise EltError(f"{home} does not look like a stack's folder", "remove it by hand if it should go")
    if not yes and click.get_text_stream("stdin").isatty():
        click.confirm(f"Remove {home} with all its data?", abort=True)
    stack.down()
    shutil.rmtree(home)
    click.echo(f"removed {home}")
