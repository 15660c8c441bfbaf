"""`elt completion SHELL`: what makes a shell complete elt's verbs, options and parts."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from foundation.errors import EltError

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes verbs, options and parts in SHELL.

    For one session: `source <(.venv/bin/elt completion bash)` (fish: `.venv/bin/elt completion fish | source`). For all of
    them: write it into a file that the shell reads when it starts.
    """
    from elt.cli import cli

    found = get_completion_class(shell)
    if found is None:
        raise EltError(f"there is no completion for {shell}", f"choose from {', '.join(SHELLS)}")
    try:
        click.echo(found(cli, {}, "elt", "_ELT_COMPLETE").source())
    except RuntimeError as error:  # bash is asked for its version
        raise EltError(
            f"there is no completion for this {shell}: {error}", "bash 4.4 or newer has it"
        ) from None
