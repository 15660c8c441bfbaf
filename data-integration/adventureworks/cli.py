"""`elt source` and `elt shop`."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from adventureworks.database import (
    checksums,
    connect_owner,
    connect_reader,
    origin,
    publish,
    readable_errors,
    replace_all,
    row_counts,
)
from foundation.commands import DAY, SEED, WAIT, Group, Number, asked_to_stop
from foundation.settings import settings

SLOW = 0.5  # seconds; a table that takes longer gets a line of its own


@click.group(cls=Group)
def source() -> None:
    """Fill the source database and look into it."""


@source.command("load")
@click.option(
    "--from", "folder", type=click.Path(path_type=Path), required=True, help="Folder of the 68 CSV files."
)
def load_command(folder: Path) -> None:
    """Replace the source's content by the original CSV files, in one transaction."""
    from adventureworks.loader import check_files, load

    folder = folder.expanduser()
    check_files(folder)  # before the source is asked: what is wrong here needs no server
    with connect_owner() as conn:
        rows = load(conn, folder, report=_progress)
    _summary(rows)


@source.command("generate")
@click.option(
    "--scale",
    type=float,
    help="How many times the original's rows.  [default: AW_SCALE]",
)
@click.option("--seed", type=SEED, default=42, show_default=True, help="Same seed, same data.")
@click.option("--as-of", type=DAY, default=None, help="Last day of the data.  [default: today]")
@click.option("--if-empty", is_flag=True, help="Leave a source that holds data as it is.")
def generate_command(scale: float | None, seed: int, as_of: datetime | None, if_empty: bool) -> None:
    """Replace the source's content by generated data; scale 1 has the original's row counts."""
    from adventureworks.arrow import csv_chunks
    from adventureworks.generator import check, generate
    from adventureworks.schema import tables

    scale = settings().aw_scale if scale is None else scale
    check(scale, as_of.date() if as_of else None)
    with connect_owner() as conn:  # before the work: a source that is down should say so at once
        if if_empty and (held := origin(conn)):
            click.echo(f"the source is filled already ({held}): kept")
            return
        content = generate(scale, seed, as_of.date() if as_of else None)
        rows = replace_all(
            conn,
            {name: csv_chunks(tables()[name], data) for name, data in content.items()},
            describe=lambda name: f"generated {name}",
            report=_progress,
            origin="generator",
        )
    _summary(rows)


@source.command("publish")
def publish_command() -> None:
    """Publish the tables for change data capture; `load` and `generate` do it, too. A second time changes nothing."""
    with connect_owner() as conn, readable_errors():
        publish(conn)
    click.echo(f"published: {settings().source_publication}")


@source.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: rows per table.")
def status_command(as_json: bool) -> None:
    """Rows of every table."""
    with connect_reader() as conn:
        rows = row_counts(conn)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for name, count in rows.items():
        click.echo(f"{name:<55}{count:>12,}")
    _summary(rows)


@source.command("checksum")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: checksum per table.")
def checksum_command(as_json: bool) -> None:
    """A checksum over all rows and columns of every table, whatever the rows' order."""
    with connect_reader() as conn:
        found = checksums(conn)
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, checksum in found.items():
        click.echo(f"{name:<55}{checksum}")


def _progress(table: str, rows: int, seconds: float) -> None:
    if seconds >= SLOW or sys.stderr.isatty():
        click.echo(f"  {table:<45}{rows:>10,} rows {seconds:>6.1f} s", err=True)


def _summary(rows: dict[str, int]) -> None:
    config = settings()
    place = f"{config.source_host}:{config.source_port}/{config.source_database}"
    click.echo(f"{sum(rows.values()):,} rows in {len(rows)} tables of {place}")


@click.group(cls=Group)
def shop() -> None:
    """Let the shop trade."""


@shop.command("day")
@click.option(
    "--days",
    type=click.IntRange(1, 3660),
    default=1,
    show_default=True,
    help="How many days, one after another.",
)
@click.option("--seed", type=SEED, default=42, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a day.")
def day_command(days: int, seed: int, as_json: bool) -> None:
    """One trading day: the day after the newest order. Each day is one transaction."""
    from adventureworks.shop import day

    with connect_owner() as conn:
        for _ in range(days):
            with readable_errors():
                result = day(conn, seed)
            click.echo(json.dumps(result.as_dict()) if as_json else result.sentence())


@shop.command("run")
@click.option(
    "--rate",
    type=Number(min=0, min_open=True, max=10_000),
    default=5.0,
    show_default=True,
    help="Orders per second.",
)
@click.option("--seconds", type=WAIT, default=None, help="Stop after so long.  [default: at Ctrl-C]")
@click.option(
    "--seed",
    type=SEED,
    default=None,
    help="For the same choices again.  [default: new ones]",
)
def run_command(rate: float, seconds: float | None, seed: int | None) -> None:
    """Trade live: orders at a rate, each event a short transaction of its own, until Ctrl-C."""
    from adventureworks.shop import live

    stopped = asked_to_stop()
    with connect_owner() as conn, readable_errors():
        done = live(conn, rate, seconds, seed, stopped)
    click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.items()))
