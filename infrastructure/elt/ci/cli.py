"""`elt ci …`: each verb is one job of the workflows."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from elt.check import Commands, run_all
from foundation.commands import FILE, FOLDER, Group, Number
from foundation.settings import settings


@click.group(cls=Group)
def ci() -> None:
    """What the workflows run on a change, the same on a laptop; none of it needs a credential."""


@ci.command()
@click.option(
    "--base", required=True, metavar="REF", help="What the change is compared with, as origin/main."
)
@click.option(
    "--scale",
    type=Number(min=0.01, max=1),
    default=0.02,
    show_default=True,
    help="Size of the generated data; 1 is the original's.",
)
@click.option(
    "--cache",
    type=FOLDER,
    help="A folder that keeps built bases; the same base is not built twice.",
)
@click.option(
    "--comment",
    "comment_file",
    type=FILE,
    help="Write the comment (markdown) there as well.",
)
def dbt(base: str, scale: float, cache: Path | None, comment_file: Path | None) -> int:
    """dbt slim CI: build the base, then only the models that changed and those after them; defer the rest.

    The changed files come first: formatted, no key in them, every column that a dashboard uses still there.
    Exit code 0: all good; 1: something fails, each with one line; 2: it could not be tried.
    """
    from elt.ci.changed import problems
    from elt.ci.clone import changed_files, deleted_files, merge_base
    from elt.ci.comment import comment
    from elt.ci.slim import PROJECT, Slim, slim

    commit = merge_base(base)
    files = changed_files(commit)
    _say(f"files that differ from {base} ({commit[:12]}): {len(files)}")
    wrong = problems(files, settings())
    found = Slim(commit)
    if any(name.startswith(f"{PROJECT}/") for name in (*files, *deleted_files(commit))):
        with TemporaryDirectory(prefix="elt-ci-") as folder:
            found = slim(commit, Path(folder).resolve(), scale, cache and cache.resolve(), _say)
    text = comment(found, wrong, scale)
    if comment_file:
        comment_file.write_text(text)
    click.echo(text)
    for line in (*wrong, *found.failures):
        click.echo(f"elt ci dbt: {line}", err=True)
    return 1 if wrong or found.failures else 0


def _say(line: str) -> None:
    click.echo(line, err=True)


def _all_of(verb: str, commands: Commands) -> int:
    if failed := run_all(commands):
        click.echo(f"elt ci {verb}: failed: {', '.join(failed)}", err=True)
        return 1
    return 0


@ci.command()
@click.option("--offline", is_flag=True, help="Leave out pip-audit, which asks the package index.")
def security(offline: bool) -> int:
    """Search code, workflows, files and locked dependencies for weak spots: bandit, zizmor, detect-secrets, pip-audit."""
    from elt.ci.tools import security_commands

    with TemporaryDirectory(prefix="elt-ci-") as folder:
        commands = security_commands(Path(folder))
        return _all_of(
            "security", [each for each in commands if not (offline and each.words[0] == "pip-audit")]
        )


@ci.command()
@click.option(
    "--to",
    type=FOLDER,
    default=Path("dist"),
    show_default=True,
    help="The folder of the files.",
)
def sbom(to: Path) -> None:
    """Write what is shipped, as CycloneDX: one file for the stack, one for Superset."""
    from elt.ci.tools import write_sboms

    for path in write_sboms(to.resolve()):
        click.echo(f"written: {path}")


@ci.command()
@click.option(
    "--to",
    type=FOLDER,
    default=Path("dist/docs"),
    show_default=True,
    help="The folder of the site.",
)
def docs(to: Path) -> int:
    """Build the documentation (docs/) as a site; a warning fails it."""
    from elt.ci.tools import docs_commands

    return _all_of("docs", docs_commands(to.resolve()))
