"""`elt connectors …`: which there are, their environments, their lock files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from airbyte_local.sources.connector import environment, registry
from foundation.commands import FOLDER, Group
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
    if one.manifest is not None:
        click.echo(f"{one.label}: uv.lock is written; the specification is in the manifest")
        return
    (one.folder / "spec.json").write_text(json.dumps(specification, indent=2, sort_keys=True) + "\n")
    click.echo(f"{one.label}: uv.lock and spec.json are written")


@connectors.command()
@click.argument("name")
@click.option(
    "--to", "folder", type=FOLDER, help="Write all files into this folder instead of the project's."
)
def new(name: str, folder: Path | None) -> None:
    """Write the files of a low-code source NAME: manifest, recorded answers, source and connection."""
    from airbyte_local.sources.connector import scaffold

    for path, text in scaffold.files(name, folder.resolve() if folder else None).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"written: {path}")
    if folder:
        click.echo(f"use it with AIRBYTE_CONNECTORS={folder} and ELT_CONNECTIONS={folder / 'connections'}")
    click.echo(f"adapt the manifest to your API, then: elt connectors test {name}")


@connectors.command()
@click.argument("type_", metavar="TYPE")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A configuration (JSON) of a live API; without it the recorded answers are played.",
)
def test(type_: str, config: Path | None) -> None:
    """Try a low-code connector: check, discover, two reads, and the CDK's standard tests."""
    from airbyte_local.sources.connector.trial import try_out

    try_out(known(type_), configuration(config) if config else None, click.echo)
    click.echo(f"{type_}: all is well")


def configuration(path: Path) -> dict[str, Any]:
    """The configuration in a file. Raises EltError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EltError(f"{path}: {error}", "write the configuration as JSON") from None
    if not isinstance(found, dict):
        raise EltError(f"{path}: it is no object", "write the configuration as a JSON object")
    return found


def known(type_: str) -> registry.Connector:
    """The connector of that type. Raises EltError."""
    there = registry.connectors()
    if type_ not in there:
        raise EltError(f"there is no connector {type_}", f"there is: {', '.join(there)}")
    return there[type_]
