"""`elt build`: dbt build on the configured target, in this process, under the warehouse's lease."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from foundation.commands import DAY, WAIT
from foundation.errors import EltError
from foundation.lease import holder
from foundation.settings import Settings, settings
from foundation.warehouse import open_read_only
from transformation.changed_inputs import asking, look
from transformation.project import incremental_models, read_manifest
from transformation.request import BuildRequest
from transformation.run import invoke, parsed


def dbt_arguments(
    select: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    full_refresh: bool = False,
    threads: int | None = None,
) -> list[str]:
    """The command line of `dbt` for a build; selectors are dbt's own."""
    arguments = ["build"]
    if select:
        arguments += ["--select", *select]
    if exclude:
        arguments += ["--exclude", *exclude]
    if full_refresh:
        arguments.append("--full-refresh")
    if threads:
        arguments += ["--threads", str(threads)]
    return arguments


@click.command()
@click.option(
    "--select", "-s", multiple=True, help="Only these nodes, in dbt's selector syntax; may be repeated."
)
@click.option("--exclude", multiple=True, help="All but these nodes; may be repeated.")
@click.option(
    "--changed",
    is_flag=True,
    help="Only what descends from what has changed since the last complete build; everything when that is not known."
    " Not with --select, --full-refresh, --anew, --rebuild-from, the exclusion of models, or the target dev.",
)
@click.option(
    "--full-refresh",
    is_flag=True,
    help="Rebuild incremental facts and seeds from all rows. Snapshots are kept.",
)
@click.option(
    "--anew",
    multiple=True,
    metavar="MODEL",
    help="Build this incremental model from all rows instead of the changed ones; may be repeated.",
)
@click.option("--rebuild-from", type=DAY, help="First day whose facts are built again, as 2026-01-31.")
@click.option("--rebuild-to", type=DAY, help="Last day; default: the first one alone.")
@click.option(
    "--target",
    "-t",
    type=click.Choice(["duckdb", "dev", "snowflake"]),
    help="Where to build; default DBT_TARGET.",
)
@click.option(
    "--wait",
    type=WAIT,
    help="Seconds to wait for another writer of the warehouse; default ELT_LEASE_WAIT_SECONDS.",
)
@click.option("--timing", is_flag=True, help="At the end, the seconds of each model, slowest first.")
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    help="How many models are built at once; default: the profile's. With 1, the seconds of --timing hold no waiting for others.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Build nothing; on a copy of the warehouse, say how many versions each snapshot would get. Only with --wait.",
)
def build(
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    changed: bool,
    full_refresh: bool,
    anew: tuple[str, ...],
    rebuild_from: datetime | None,
    rebuild_to: datetime | None,
    target: str | None,
    wait: float | None,
    timing: bool,
    threads: int | None,
    dry_run: bool,
) -> int:
    """dbt build on the configured target: models, snapshots, seeds and their tests.

    Exit code 0: all built and all tests passed; 1: a model or a test failed; 2: dbt could not start.
    """
    configuration = settings()
    wait_seconds = configuration.elt_lease_wait_seconds if wait is None else wait
    if dry_run:
        if (
            select
            or exclude
            or changed
            or full_refresh
            or anew
            or rebuild_from
            or target
            or timing
            or threads
        ):
            raise click.UsageError("--dry-run goes with --wait alone")
        from elt.dry_run import snapshots_after_a_build

        for snapshot in snapshots_after_a_build(
            configuration, wait_seconds, lambda line: click.echo(line, err=True)
        ):
            click.echo(snapshot)
        return 0
    target = target or configuration.dbt_target
    excluded = " ".join(exclude).split()
    request = BuildRequest(
        select=select,
        full_refresh=anew,
        rebuild_from=rebuild_from.date() if rebuild_from else None,
        rebuild_to=rebuild_to.date() if rebuild_to else None,
    )
    request.check()
    if changed and (refused := not_with_changed(request, excluded, full_refresh, target)):
        raise click.UsageError(f"--changed can't be used with {refused}")
    if target != "snowflake":
        hold_local_warehouse(configuration, wait_seconds)
    manifest = None
    if target != "dev" or anew:
        manifest = parsed(configuration, target)
        # the project that was read stays: the collector would go through it again and again, 0.15 s each; what dbt makes on
        # the way has few cycles
        gc.freeze()
        gc.set_threshold(100_000)
    if anew:
        check_incremental(request, incremental_models(read_manifest(configuration, target)))
    if target != "dev":
        with asking(configuration, "elt build", target, leased=False) as ask:
            found = look(configuration, ask, target)
        if changed and found.reason:
            click.echo(f"everything is built: {found.reason}")
            changed = False
        if changed and not found.selectors:
            click.echo("nothing has changed since the last complete build")
            return 0
        # unit tests are about the code, not about what it has built
        complete = not select and all(word == "resource_type:unit_test" for word in excluded)
        request = request.knowing(found, complete=complete, only_changed=changed)
    words = dbt_arguments(request.select, exclude, full_refresh, threads)
    result = invoke(configuration, *words, target=target, manifest=manifest, extra=request.variables())
    built = [each for each in result.result.results if each.node.resource_type != "operation"]  # a hook
    if select and not built:
        raise EltError(
            f"no node matches --select {' '.join(select)}",
            "run `dbt ls` in data-transformation to list the nodes, then select one of them",
        )
    if timing:
        click.echo(timing_report(built))
    return 0 if result.success else 1


def not_with_changed(
    request: BuildRequest, excluded: list[str], full_refresh: bool, target: str
) -> str | None:
    """What was asked for that can't go together with --changed."""
    options = {"select": "--select", "full_refresh": "--anew", "rebuild_from": "--rebuild-from"}
    if request.beyond_changes:
        return options[request.beyond_changes]
    if any(not word.startswith("resource_type:") for word in excluded):
        return "--exclude of anything but a resource_type:"
    if full_refresh:
        return "--full-refresh"
    return "--target dev, whose builds are not noted" if target == "dev" else None


def check_incremental(request: BuildRequest, known: list[str]) -> None:
    """Raises EltError when --anew names what is no incremental model."""
    if unknown := sorted(set(request.full_refresh) - set(known)):
        raise EltError(f"--anew: {unknown[0]} is no incremental model", f"choose from {', '.join(known)}")


def timing_report(results: Iterable[Any]) -> str:
    """Seconds of each model, seed and snapshot, slowest first, and the sums; `results` are dbt's, one per node.

    A node's seconds are its own: several run at once, so the sums are more than what the clock says.
    """
    seconds: dict[str, float] = {}
    tests = 0.0
    for result in results:
        kind = result.node.resource_type
        if kind in ("test", "unit_test"):
            tests += result.execution_time
        elif kind in ("model", "seed", "snapshot"):
            seconds[result.node.name] = result.execution_time
    slowest_first = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{taken:8.2f} s  {name}" for name, taken in slowest_first]
    lines.append(f"{sum(seconds.values()):8.2f} s  in all, for {len(seconds)} models, seeds and snapshots")
    lines.append(f"{tests:8.2f} s  for their tests")
    return "\n".join(lines)


def hold_local_warehouse(configuration: Settings, wait_seconds: float) -> None:
    """Take the lease before dbt starts, so that a warehouse in use or not there is one line, not a stack of models."""
    from transformation.dbt_lease import hold

    warehouse = configuration.warehouse_path
    if not warehouse.exists():
        raise EltError(f"there is no warehouse at {warehouse}", "run `elt sync` first")
    present = holder(warehouse)
    if present and wait_seconds:
        click.echo(f"waiting for the warehouse: in use by {present}", err=True)
    hold(warehouse, "dbt build", wait_seconds)
    with open_read_only(warehouse, "dbt build", leased=False, wait_seconds=wait_seconds):
        pass  # a damaged file is reported before dbt reads the project
