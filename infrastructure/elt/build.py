"""`elt build`: dbt build on the configured target, in this process, under the warehouse's lease."""

from __future__ import annotations

import os

import click

from elt.errors import EltError
from elt.lease import holder
from elt.settings import ROOT, Settings, settings

PROJECT = ROOT / "data-transformation"


def dbt_environment(configuration: Settings) -> dict[str, str]:
    """What any dbt process of this stack finds in its environment: project, profile, target, no telemetry.

    Artefacts and logs go under `ELT_HOME`, so that two stacks of one clone do not share them. The warehouse is found
    by `elt.dbt_lease`: a path of its own in the profile would make dbt parse the project anew for each `ELT_HOME`.
    """
    return {
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET": configuration.dbt_target,
        "DBT_TARGET_PATH": str(configuration.home / "dbt" / "target"),
        "DBT_LOG_PATH": str(configuration.logs_dir / "dbt"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def dbt_arguments(
    select: tuple[str, ...] = (), exclude: tuple[str, ...] = (), full_refresh: bool = False
) -> list[str]:
    """The command line of `dbt` for a build; selectors are dbt's own."""
    arguments = ["build"]
    if select:
        arguments += ["--select", *select]
    if exclude:
        arguments += ["--exclude", *exclude]
    if full_refresh:
        arguments.append("--full-refresh")
    return arguments


@click.command()
@click.option(
    "--select", "-s", multiple=True, help="Only these nodes, in dbt's selector syntax; may be repeated."
)
@click.option("--exclude", multiple=True, help="All but these nodes; may be repeated.")
@click.option(
    "--full-refresh", is_flag=True, help="Build incremental facts and seeds anew (never the snapshots)."
)
@click.option(
    "--target",
    "-t",
    type=click.Choice(["duckdb", "dev", "snowflake"]),
    help="Where to build; default DBT_TARGET.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    envvar="ELT_LEASE_WAIT_SECONDS",
    help="Seconds to wait for another writer of the warehouse.",
)
def build(
    select: tuple[str, ...], exclude: tuple[str, ...], full_refresh: bool, target: str | None, wait: float
) -> int:
    """dbt build on the configured target: models, snapshots, seeds and their tests.

    Exit code 0: all built and all tests passed; 1: a model or a test failed; 2: dbt could not start.
    """
    configuration = settings()
    environment = dbt_environment(configuration)
    if target:
        environment["DBT_TARGET"] = target
    os.environ.update(environment)
    if environment["DBT_TARGET"] != "snowflake":
        hold_local_warehouse(configuration, wait)

    from dbt.cli.main import dbtRunner  # two seconds of imports that a usage error need not pay

    result = dbtRunner().invoke(dbt_arguments(select, exclude, full_refresh))
    if isinstance(result.exception, KeyboardInterrupt):
        raise result.exception
    if result.exception:
        reason = " ".join(str(result.exception).split())
        raise EltError(f"dbt could not run: {reason}", f"see {configuration.logs_dir / 'dbt' / 'dbt.log'}")
    if select and not result.result.results:
        raise EltError(
            f"no node matches --select {' '.join(select)}", "`dbt ls` in data-transformation lists them"
        )
    return 0 if result.success else 1


def hold_local_warehouse(configuration: Settings, wait_seconds: float) -> None:
    """Take the lease before dbt starts, so that a warehouse in use or not there is one line, not a stack of models."""
    from elt.dbt_lease import hold

    warehouse = configuration.warehouse_path
    if not warehouse.exists():
        raise EltError(f"there is no warehouse at {warehouse}", "run `elt sync` first")
    present = holder(warehouse)
    if present and wait_seconds:
        click.echo(f"waiting for the warehouse: in use by {present}", err=True)
    hold(warehouse, "dbt build", wait_seconds)
