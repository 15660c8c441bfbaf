"""`elt publish`."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from elt.settings import settings
from orchestration.publish import publish as publish_marts
from orchestration.publish import versions


@click.command()
@click.option(
    "--list", "list_only", is_flag=True, help="Show the versions that are kept, and publish nothing."
)
@click.option("--wait", default=60.0, show_default=True, help="Seconds to wait for another writer to end.")
def publish(list_only: bool, wait: float) -> None:
    """Show the marts that were built and tested: the served file switches to them at once."""
    if list_only:
        _print_versions()
        return
    version = publish_marts(settings(), "elt publish", wait_seconds=wait)
    click.echo(
        f"version {version.number}: {len(version.tables)} tables, {version.rows:,} rows in {version.seconds} s"
        f" → {settings().serving_path}"
    )


def _print_versions() -> None:
    kept = versions(settings())
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
            "← current" if version.current else "",
        )
    Console(soft_wrap=True).print(table)
