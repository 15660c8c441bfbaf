"""`elt check`: what `make lint`, `make format`, `make test` and `make test-all` run; CI runs the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click

from elt.settings import ROOT

BIN = Path(sys.executable).parent
PYTHON = ["data-integration", "data-orchestration", "infrastructure", "tests"]

Commands = list[tuple[str, list[str]]]


def _tracked(*patterns: str) -> list[str]:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    found = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in found if (ROOT / name).exists()]


def lint_commands() -> Commands:
    """Checks that change nothing."""
    return [
        ("black", ["black", "--check", "--quiet", *PYTHON]),
        ("ruff", ["ruff", "check", "--quiet", *PYTHON]),
        ("sqlfluff", ["sqlfluff", "lint", "--disable-progress-bar", "data-transformation"]),
        ("yamllint", ["yamllint", "--strict", *_tracked("*.yml", "*.yaml")]),
        ("shellcheck", ["shellcheck", ".ci/run"]),
        (
            "workflows",
            [
                "check-jsonschema",
                "--builtin-schema",
                "vendor.github-workflows",
                *_tracked(".github/workflows/*"),
            ],
        ),
    ]


def format_commands() -> Commands:
    """The same tools, writing."""
    return [
        ("ruff", ["ruff", "check", "--quiet", "--fix", *PYTHON]),
        ("black", ["black", "--quiet", *PYTHON]),
        ("sqlfluff", ["sqlfluff", "fix", "--disable-progress-bar", "data-transformation"]),
    ]


def test_commands() -> Commands:
    """All tests but the slow ones, with branch coverage of the packages (its floor stands in pyproject.toml)."""
    return [
        ("tests", ["coverage", "run", "-m", "pytest", "-m", "not slow"]),
        ("coverage data", ["coverage", "combine", "--quiet"]),
        ("coverage", ["coverage", "report"]),
    ]


def slow_commands() -> Commands:
    """What `test` leaves out."""
    return [
        ("slow tests", ["pytest", "-m", "slow"]),
        ("benchmark: generate", ["python", "tests/benchmarks/generate.py", "--scale", "0.1", "--json"]),
    ]


STEPS = {"lint": lint_commands, "format": format_commands, "test": test_commands, "slow": slow_commands}


@click.command()
@click.argument("step", nargs=-1, required=True, type=click.Choice(list(STEPS)))
def check(step: tuple[str, ...]) -> None:
    """Run the STEPs; all commands of a step run, the first that failed decides. Exit code 1 when any failed."""
    for name in step:
        failed = []
        for title, command in STEPS[name]():
            started = time.monotonic()
            click.echo(f"── {title}: {' '.join(command)[:150]}")
            environ = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
            code = subprocess.run(command, cwd=ROOT, env=environ).returncode
            click.echo(
                f"── {title}: {'ok' if code == 0 else f'FAILED ({code})'}, {time.monotonic() - started:.1f} s"
            )
            if code:
                failed.append(title)
        if failed:
            click.echo(f"elt check {name}: failed: {', '.join(failed)}", err=True)
            raise click.exceptions.Exit(1)
