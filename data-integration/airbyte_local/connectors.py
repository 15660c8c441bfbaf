"""`elt connectors …`: which there are, their environments, their lock files."""

from __future__ import annotations

import json

import click

from airbyte_local.sources.connector import environment, registry
from foundation.commands import Group
from foundation.errors import EltError


@click.group(cls=Group)
def connectors() -> None:
    """Airbyte connectors that this server runs in addition to its built-in ones; see data-integration/connectors."""


@connectors.command("list")
def list_() -> None:
    """Each connector with its version, and whether its environment is there."""
    for one in registry.connectors().values():
        ready = (
            "installed"
            if (environment.folder_of(one) / environment.WHOLE).exists()
            else "installed on first use"
        )
        click.echo(f"{one.type:<20} {one.version:<10} {ready:<24} {one.name}")


@connectors.command()
@click.argument("types", nargs=-1, metavar="[TYPE]…")
def install(types: tuple[str, ...]) -> None:
    """Make environments now, not on first use; without TYPE all of them."""
    for type_ in types or registry.connectors():
        one = known(type_)
        environment.ensure(one, click.echo)
        click.echo(f"{one.label}: installed")


@connectors.command()
@click.argument("type_", metavar="TYPE")
def lock(type_: str) -> None:
    """Update a connector's pins (uv.lock) and record its specification (spec.json)."""
    from airbyte_local.sources.connector.source import ask

    one = known(type_)
    environment.run_uv(one, "lock", tell=click.echo)
    environment.ensure(one, click.echo)
    specification = ask(one, "spec", "SPEC", own_group=True)
    (one.folder / "spec.json").write_text(json.dumps(specification, indent=2, sort_keys=True) + "\n")
    click.echo(f"{one.label}: uv.lock and spec.json are written")


def known(type_: str) -> registry.Connector:
    """The connector of that type. Raises EltError."""
    there = registry.connectors()
    if type_ not in there:
        raise EltError(f"there is no connector {type_}", f"there is: {', '.join(there)}")
    return there[type_]
