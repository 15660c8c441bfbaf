"""`elt totesys`."""

from __future__ import annotations

import json
from datetime import datetime

import click

from foundation.commands import DAY, SEED, WAIT, Group, Number, asked_to_stop
from foundation.settings import settings
from totesys import database


@click.group(cls=Group)
def totesys() -> None:
    """The second company's database: fill it, let it trade."""


@totesys.command("generate")
@click.option("--scale", type=float, default=1.0, show_default=True, help="1: 12,000 sales.")
@click.option("--seed", type=SEED, default=42, show_default=True, help="Same seed, same data.")
@click.option("--as-of", type=DAY, default=None, help="Last day of the data.  [default: today]")
@click.option("--if-empty", is_flag=True, help="Leave a database that holds orders as it is.")
def generate_command(scale: float, seed: int, as_of: datetime | None, if_empty: bool) -> None:
    """Replace the content by generated data: three years of sales, purchases and payments."""
    with database.connect() as conn:
        if if_empty and database.is_filled(conn):
            click.echo("totesys is filled already: kept")
            return
        rows = database.generate(conn, scale, seed, as_of.date() if as_of else None)
    _summary(rows)


@totesys.command("run")
@click.option(
    "--rate",
    type=Number(min=0, min_open=True, max=10_000),
    default=2.0,
    show_default=True,
    help="Events per second.",
)
@click.option("--seconds", type=WAIT, default=None, help="Stop after so long.  [default: at Ctrl-C]")
@click.option("--events", type=click.IntRange(1, 10_000_000), default=None, help="Stop after so many.")
@click.option("--seed", type=SEED, default=None, help="For the same choices again.  [default: new ones]")
def run_command(rate: float, seconds: float | None, events: int | None, seed: int | None) -> None:
    """Trade live: orders, payments, corrections, each a short transaction of its own."""
    stopped = asked_to_stop()
    with database.connect() as conn:
        done = database.trade(conn, rate, seconds, events, seed, stopped)
    click.echo(", ".join(f"{name.replace('_', ' ')}: {rows} rows" for name, rows in done.items()))


@totesys.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: rows per table.")
def status_command(as_json: bool) -> None:
    """Rows of every table."""
    with database.connect() as conn:
        rows = database.row_counts(conn)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for name, count in rows.items():
        click.echo(f"{name:<20}{count:>10,}")
    _summary(rows)


def _summary(rows: dict[str, int]) -> None:
    config = settings()
    place = f"{config.source_host}:{config.source_port}/{config.totesys_database}"
    click.echo(f"{sum(rows.values()):,} rows in {len(rows)} tables of {place}")
