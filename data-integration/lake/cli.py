"""`elt lake …`: from the lake into the warehouse, and its upkeep."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from foundation.commands import Group
from foundation.errors import EltError
from foundation.settings import settings

connection_argument = click.argument("connection", required=False)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")


@click.group(cls=Group)
def lake() -> None:
    """The lake: what a sync has landed there goes into the warehouse and into Iceberg tables. docs/lake.md says how it is made."""


@lake.command()
@connection_argument
@click.option(
    "--again", is_flag=True, help="Load all of it into new tables, which replace those that are there."
)
@json_option
def load(connection: str | None, again: bool, as_json: bool) -> None:
    """Bring what is new of CONNECTION (of all) into the warehouse; what is there already comes no second time."""
    from lake.load import load as load_

    done = load_(connection, again=again)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in done], indent=2))
        return
    for one in done:
        tables = ", ".join(f"{table} {rows:,}" for table, rows in one.rows.items() if rows)
        click.echo(
            f"{one.connection}: {one.commits} commits, {one.total:,} rows, {one.seconds:.2f} s"
            + (f" ({tables})" if tables else "")
        )
    if not done:
        click.echo("the lake is empty")


@lake.command()
@click.argument("connection")
def replay(connection: str) -> None:
    """Make the tables of CONNECTION in the warehouse again, from the landing zone alone: the same rows, ids included."""
    from lake.load import replay as replay_

    done = replay_(connection)
    click.echo(f"{done.connection}: {done.commits} commits, {done.total:,} rows, {done.seconds:.2f} s")


@lake.command()
@json_option
def status(as_json: bool) -> None:
    """What each connection has in the lake, and how far the warehouse has loaded it."""
    from lake.status import status as status_

    found = status_(settings())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    for one in found:
        click.echo(one.sentence)
    if not found:
        click.echo("the lake is empty")


@lake.command()
@connection_argument
@click.argument("table", required=False)
def schemas(connection: str | None, table: str | None) -> None:
    """What has changed in the columns of the tables, commit by commit: added, dropped, widened, refused."""
    from lake.status import schema_changes

    for line in schema_changes(settings(), connection, table):
        click.echo(line)


@lake.command()
@connection_argument
@click.option(
    "--whole", is_flag=True, help="Each table that has two small files, whatever LAKE_COMPACT_FILES says."
)
def compact(connection: str | None, whole: bool) -> None:
    """Merge small files, publish to the catalogue, and delete what the rules let go (LAKE_COMPACT_FILES and those after it)."""
    from lake.upkeep import keep_up

    for one in keep_up(settings(), connection, whole=whole):
        merged = f"{one.before} files are {one.after} now" if one.commits else "nothing to merge"
        gone = ", ".join(f"{count:,} of {zone}" for zone, count in one.deleted.items())
        click.echo(f"{one.connection}: {merged}" + (f"; deleted: {gone}" if gone else ""))


@lake.command()
@connection_argument
def publish(connection: str | None) -> None:
    """Bring the processed zone of CONNECTION (of all) up to date as Iceberg tables in the catalogue."""
    from lake.publish import publish as publish_

    config = settings()
    if not config.lake_catalog_base:
        raise EltError("no catalogue is configured", "set LAKE_CATALOG to an Iceberg REST catalogue")
    for table, files in publish_(config, connection).items():
        click.echo(f"{table}: {files} files")
