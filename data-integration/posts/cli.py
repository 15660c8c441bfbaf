"""`elt posts`."""

from __future__ import annotations

from datetime import UTC, date, datetime

import click

from foundation.commands import SEED, Group
from foundation.errors import EltError
from foundation.settings import settings


@click.group(cls=Group)
def posts() -> None:
    """Posts about data tools: put their files into the bucket, score how they sound."""


@posts.command("drop")
@click.option("--seed", type=SEED, default=42, show_default=True, help="Same seed, same posts.")
def drop_command(seed: int) -> None:
    """Write the files of invented posts since HISTORY_START into the lake's bucket, as far as they are not there."""
    from lake.place import store
    from posts.drop import drop
    from posts.writing import Posts

    if not settings().lake_in_use:
        raise EltError("the lake is not in use", "put posts in use: ELT_SOURCES=adventureworks,posts in .env")
    start = date.fromisoformat(settings().history_start)
    done = drop(store(settings()), Posts(start, seed), datetime.now(UTC))
    click.echo(f"{done.written} of {done.files} files written")


@posts.command("score")
def score_command() -> None:
    """Score the texts that are new in the warehouse; a second call adds nothing."""
    from posts.sentiment import score_new

    done = score_new(settings())
    click.echo(f"{done.new} texts scored, {done.texts} have a score")
