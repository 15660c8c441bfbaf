"""`elt snowflake …`."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING

import click

from foundation.commands import Group

if TYPE_CHECKING:
    from foundation.settings import Settings

connection_option = click.option(
    "--connection",
    default="default",
    show_default=True,
    help="An administrator's connection of ~/.snowflake/connections.toml.",
)
environment_option = click.option(
    "--environment",
    help="As staging: RAW_STAGING, LOADER_STAGING …; default: SNOWFLAKE_ENVIRONMENT, production: none.",
)


@click.group(cls=Group)
def snowflake() -> None:
    """A Snowflake account: set it up, look it over. The SQL is in infrastructure/snowflake."""


@snowflake.command("bootstrap")
@click.option("--dry-run", is_flag=True, help="Only print the statements; needs no account.")
@click.option("--from", "start", metavar="FILE:LINE", help="Go on from this statement, after an error.")
@environment_option
@connection_option
def bootstrap_command(dry_run: bool, start: str | None, environment: str | None, connection: str) -> None:
    """Roles, warehouses, databases, grants and users; run again, it changes only what differs.

    Keys and addresses: SNOWFLAKE_*_PUBLIC_KEY (a .pub file) and SNOWFLAKE_ALLOWED_IPS.
    """
    from elt.snowflake.statements import position, statements

    given = statements(_settings(environment), complete=not dry_run)
    first = position(given, start)
    if dry_run:
        for path, group in groupby(given[first:], key=lambda one: one.path):
            click.echo(f"\n-- {path.name}")
            for statement in group:
                click.echo(f"{statement.text};")
        return
    from elt.snowflake.account import administrator
    from elt.snowflake.bootstrap import run

    with administrator(connection) as session:
        count = run(
            session,
            given,
            start,
            report=lambda number, one: click.echo(
                f"{number}/{len(given)} {one.place}: {_first_line(one.text)}"
            ),
        )
    click.echo(f"{count} statements done; look it over with `elt snowflake doctor`")


def _first_line(text: str) -> str:
    """Enough to know it by; never a key."""
    return " ".join(text.split())[:70].partition("rsa_public_key")[0].rstrip()


@snowflake.command("doctor")
@click.option("--all", "everything", is_flag=True, help="Also what is as it should be.")
@environment_option
@connection_option
def doctor_command(everything: bool, environment: str | None, connection: str) -> None:
    """What an account lacks, or has too much of, with the remedy. Changes nothing. Exit code 1 when something is wrong."""
    from elt.snowflake.account import administrator
    from elt.snowflake.doctor import examine
    from elt.snowflake.statements import statements

    given = statements(_settings(environment), complete=False)
    with administrator(connection) as session:
        findings = list(examine(session, given))
    for finding in findings:
        if everything or not finding.ok:
            click.echo(finding.line())
    wrong = sum(not finding.ok for finding in findings)
    click.echo(
        f"{len(findings)} looked at, {wrong} wrong" if wrong else f"{len(findings)} looked at, all is well"
    )
    sys.exit(1 if wrong else 0)


def _settings(environment: str | None) -> Settings:
    from foundation.settings import settings

    given = settings()
    return given if environment is None else given.model_copy(update={"snowflake_environment": environment})
