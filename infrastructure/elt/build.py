"""`elt build`: dbt build on the configured target, in this process, under the warehouse's lease."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from typing import Any

import click

from foundation.errors import EltError
from foundation.lease import holder
from foundation.settings import Settings, settings
from transformation.changes import Changes, asking, look
from transformation.run import invoke, parse

# what macros/built_from.sql and touched.sql read
HOOKS = ("ELT_BUILD_PROJECT", "ELT_BUILDING_FROM", "ELT_BUILT_FROM", "ELT_CHANGES")


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
    " Not with --select, --full-refresh, the exclusion of models, or the target dev.",
)
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
    help="Seconds to wait for another writer of the warehouse; default ELT_LEASE_WAIT_SECONDS.",
)
@click.option("--timing", is_flag=True, help="At the end, the seconds of each model, slowest first.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="How many models are built at once; default: the profile's. With 1, the seconds of --timing hold no waiting for others.",
)
def build(
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    changed: bool,
    full_refresh: bool,
    target: str | None,
    wait: float | None,
    timing: bool,
    threads: int | None,
) -> int:
    """dbt build on the configured target: models, snapshots, seeds and their tests.

    Exit code 0: all built and all tests passed; 1: a model or a test failed; 2: dbt could not start.
    """
    configuration = settings()
    target = target or configuration.dbt_target
    excluded = " ".join(exclude).split()
    if changed and (refused := not_with_changed(select, excluded, full_refresh, target)):
        raise click.UsageError(f"--changed can't be used with {refused}")
    told = dict.fromkeys(HOOKS, "")
    if target != "snowflake":
        hold_local_warehouse(configuration, configuration.elt_lease_wait_seconds if wait is None else wait)
    manifest = None
    if target != "dev":
        manifest = parse(configuration, target)
        # the project that was read stays: the collector would go through it again and again, 0.15 s each; what dbt makes on
        # the way has few cycles
        gc.freeze()
        gc.set_threshold(100_000)
        with asking(configuration, "elt build", target, leased=False) as ask:
            found = look(configuration, ask, target)
        changed = changed and not everything(found)
        if changed and not found.selectors:
            click.echo("nothing has changed since the last complete build")
            return 0
        # unit tests are about the code, not about what it has built
        complete = not select and all(word == "resource_type:unit_test" for word in excluded)
        told = found.environment(complete=complete, changed=changed)
        if changed:
            select = tuple(found.selectors or ())
    words = dbt_arguments(select, exclude, full_refresh, threads)
    result = invoke(configuration, *words, target=target, manifest=manifest, extra=told)
    built = [each for each in result.result.results if each.node.resource_type != "operation"]  # a hook
    if select and not built:
        raise EltError(
            f"no node matches --select {' '.join(select)}", "`dbt ls` in data-transformation lists them"
        )
    if timing:
        click.echo(timing_report(built))
    return 0 if result.success else 1


def not_with_changed(
    select: tuple[str, ...], excluded: list[str], full_refresh: bool, target: str
) -> str | None:
    """What was asked for that can't go together with --changed."""
    if select:
        return "--select"
    if any(not word.startswith("resource_type:") for word in excluded):
        return "--exclude of anything but a resource_type:"
    if full_refresh:
        return "--full-refresh"
    return "--target dev, whose builds are not noted" if target == "dev" else None


def everything(found: Changes) -> bool:
    """Has everything to be built, though only what has changed was asked for? Says why."""
    asked = [name for name in ("ELT_FULL_REFRESH", "ELT_REBUILD_FROM") if os.environ.get(name)]
    reason = f"{asked[0]} is set" if asked else found.reason
    if reason:
        click.echo(f"everything is built: {reason}")
    return bool(reason)


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
