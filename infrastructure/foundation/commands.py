"""What `elt`'s verbs have in common: groups whose lists hold whole sentences, and the types of their options."""

from __future__ import annotations

import math
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

WEEK = 7 * 24 * 3600.0  # seconds: nothing is waited for longer


class Number(click.FloatRange):
    """A finite number in a range: `nan` is in every range for click, and `inf` in each that is open above."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class Target(click.Path):
    """A file or a folder that will be written. A folder is made, as far as it is not there; a file's folder has to be there."""

    def __init__(self, *, folder: bool) -> None:
        super().__init__(file_okay=not folder, dir_okay=folder, writable=True, path_type=Path)
        self.folder = folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        parents = path.absolute().parents
        above = next(each for each in parents if os.path.lexists(each)) if self.folder else parents[0]
        if not above.is_dir():
            self.fail(f"'{above}' is no folder.", param, ctx)
        if not os.access(above, os.W_OK) and not path.exists():
            self.fail(f"'{above}' is not writable.", param, ctx)
        return path


ID = click.IntRange(1, (1 << 63) - 1)  # of a job
SEED = click.IntRange(0, (1 << 31) - 1)
WAIT = Number(min=0, max=WEEK)  # seconds
PATIENCE = Number(min=0, min_open=True, max=WEEK)  # seconds
DAY = click.DateTime(["%Y-%m-%d"])
FILE = Target(folder=False)
FOLDER = Target(folder=True)


class Group(click.Group):
    """A group that lists the first sentence of each verb's help, folded, where click cuts it off.

    Without a verb it says which there are, in the one line of every wrong call.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"Missing command: one of {known}.", ctx)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (name, first_sentence(command.help or ""))
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def first_sentence(text: str) -> str:
    """Up to the first full stop, or the end of the first paragraph."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0]


def asked_to_stop() -> Callable[[], bool]:
    """Take SIGINT and SIGTERM as a question from now on; returns whether somebody has asked. Asked twice, the process stops at once
    (KeyboardInterrupt)."""
    signals: list[int] = []

    def note(number: int, _: object) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return lambda: bool(signals)
