"""`elt dashboards …`: the files of infrastructure/preset, and the Superset or Preset workspace that shows them."""

from __future__ import annotations

from pathlib import Path

import click

from dashboards import FOLDER
from foundation.commands import FILE, Group
from foundation.commands import FOLDER as TARGET
from foundation.settings import ROOT, settings

folder_option = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=FOLDER,
    help="The folder of the files (default: infrastructure/preset).",
)


@click.group(cls=Group)
def dashboards() -> None:
    """Dashboards as code. Works on the Superset of this machine, or on DASHBOARDS_URL (a Superset or a Preset workspace)."""


def _both(folder: Path):
    """What the files say and the workspace holds."""
    from dashboards.compare import compare
    from dashboards.files import load
    from dashboards.render import rendered
    from dashboards.workspace import Workspace

    config = settings()
    wanted = rendered(config, load(config.dashboards_warehouse, folder))  # wrong files are reported first
    with Workspace(config) as workspace:
        held = workspace.export()
    return wanted, held, compare(wanted, held)


def _summary(difference) -> str:
    counts = {"to create": difference.create, "to change": difference.update, "to remove": difference.remove}
    said = ", ".join(f"{len(found)} {what}" for what, found in counts.items() if found)
    others = f"; {len(difference.foreign)} of other people's are left alone" if difference.foreign else ""
    return (said or "no difference") + others


@dashboards.command()
@folder_option
def plan(folder: Path) -> None:
    """Say what a push would do. Wrong files end it first: the error names file, line and field."""
    _, _, difference = _both(folder)
    for line in difference.lines():
        click.echo(line)
    click.echo(_summary(difference) + (" (removed only by --prune)" if difference.remove else ""))


@dashboards.command()
@click.option("--prune", is_flag=True, help="Also delete what these files made once and no longer hold.")
@folder_option
def push(prune: bool, folder: Path) -> None:
    """Make the workspace as the files say, all or nothing; a second time changes nothing."""
    from dashboards.workspace import Workspace

    wanted, _, difference = _both(folder)
    for line in difference.lines():
        if prune or not line.startswith("- "):
            click.echo(line)
    config = settings()
    with Workspace(config) as workspace:
        if difference.create or difference.update:
            workspace.load(wanted)
        if prune:
            workspace.remove(difference.remove)
    kept = (
        f"; {len(difference.remove)} no longer in the files, kept (--prune)"
        if difference.remove and not prune
        else ""
    )
    click.echo(
        f"{config.superset_url}: {len(difference.create)} created, {len(difference.update)} changed{kept}"
    )


@dashboards.command()
@folder_option
def pull(folder: Path) -> None:
    """Write into the files what somebody changed in the browser; review it with git diff."""
    from dashboards.files import load
    from dashboards.pull import pull as write

    _, held, _ = _both(folder)
    config = settings()
    written = write(config, held, load(config.dashboards_warehouse, folder))
    for path in written:
        click.echo(f"written: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")
    if not written:
        click.echo("no difference")


@dashboards.command()
@folder_option
def drift(folder: Path) -> None:
    """Say what in the workspace is not as the files say. Exit code 1 when anything is not."""
    _, _, difference = _both(folder)
    for line in difference.lines():
        click.echo(line)
    click.echo(_summary(difference))
    if difference:
        raise click.exceptions.Exit(1)


@dashboards.command()
@click.argument("file", type=FILE)
@folder_option
def bundle(file: Path, folder: Path) -> None:
    """Write FILE, a zip that Superset's own import takes (Settings, Import; `superset import-directory`)."""
    from dashboards.bundle import zipped
    from dashboards.files import load
    from dashboards.render import rendered

    config = settings()
    file.write_bytes(zipped(rendered(config, load(config.dashboards_warehouse, folder))))
    click.echo(f"written: {file}")


@dashboards.command()
@click.argument("name", nargs=-1)
@click.option(
    "--to",
    type=TARGET,
    default=ROOT / "docs" / "images",
    help="Where the pictures go (default: docs/images).",
)
@click.option(
    "--width",
    type=click.IntRange(320, 3840),
    default=1440,
    help="Pixels (default: 1440; 390 is a telephone's).",
)
def screenshots(name: tuple[str, ...], to: Path, width: int) -> None:
    """A picture of each dashboard (or of those named), as the analyst sees it."""
    from dashboards.browser import browser, login, open_dashboard, screenshot
    from dashboards.files import charts_of, load
    from foundation.errors import EltError

    config = settings()
    assets = load(config.dashboards_warehouse)
    if unknown := set(name) - set(assets.dashboards):
        raise EltError(
            f"there is no dashboard {sorted(unknown)[0]}", f"choose from {', '.join(assets.dashboards)}"
        )
    with browser(config.superset_url, width) as context:
        page = login(
            context, config.superset_analyst_user, config.superset_analyst_password.get_secret_value()
        )
        for each in name or assets.dashboards:
            opened = open_dashboard(page, each.replace("_", "-"), charts_of(assets, each))
            if failed := opened.failures():
                raise EltError(
                    f"{each}: a chart shows an error: {' '.join(failed[0].split())}", "mend it first"
                )
            screenshot(opened, to / f"dashboard_{each}.png")
            click.echo(f"{each}: {to / f'dashboard_{each}.png'}")
