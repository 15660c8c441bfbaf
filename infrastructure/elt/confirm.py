"""The one question before what can't be undone, for every verb that destroys something."""

from __future__ import annotations

import click

from foundation.errors import EltError

yes_option = click.option("--yes", is_flag=True, help="Do not ask. Required where nobody can answer.")


def confirmed(question: str, yes: bool) -> None:
    """Return when the person at the terminal, or `--yes`, agrees.

    It reads no answer from a pipe: without a terminal and without `--yes` it raises EltError. "No" at the terminal raises
    click.Abort.
    """
    if yes:
        return
    if not click.get_text_stream("stdin").isatty():
        raise EltError("this can't be undone, and nobody is here to confirm it", "give --yes")
    click.confirm(question, abort=True)
