"""`elt check`: what `make lint`, `make format`, `make test` and `make test-all` run; CI runs the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import click

from foundation.settings import ROOT

BIN = Path(sys.executable).parent
PYTHON = ["data-integration", "data-orchestration", "data-transformation", "infrastructure", "tests"]


class Command(NamedTuple):
    """What to run, from `.venv/bin`; the next command does not wait for one in the background."""

    title: str
    words: list[str]
    background: bool = False
    passes: tuple[int, ...] = (0,)  # exit codes


Commands = list[Command]


def _tracked(*patterns: str) -> list[str]:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    found = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in found if (ROOT / name).exists()]


def lint_commands() -> Commands:
    """Checks that change nothing."""
    return [
        Command("black", ["black", "--check", "--quiet", *PYTHON]),
        Command("ruff", ["ruff", "check", "--quiet", *PYTHON]),
        Command(
            "imports", ["lint-imports", "--no-cache", "--no-logo"]
        ),  # the contracts are in pyproject.toml
        Command("sqlfluff", ["sqlfluff", "lint", "--disable-progress-bar", "data-transformation"]),
        Command("yamllint", ["yamllint", "--strict", *_tracked("*.yml", "*.yaml")]),
        Command("shellcheck", ["shellcheck", ".ci/run"]),
        Command("hadolint", ["hadolint", *_tracked("*Dockerfile")]),
        Command(
            "compose", ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
        ),
        Command(
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
        Command("ruff", ["ruff", "check", "--quiet", "--fix", *PYTHON]),
        Command("black", ["black", "--quiet", *PYTHON]),
        Command("sqlfluff", ["sqlfluff", "fix", "--disable-progress-bar", "data-transformation"]),
    ]


def test_commands() -> Commands:
    """All tests but the slow ones, with branch coverage of the packages (its floor stands in pyproject.toml).

    Most of them wait for other processes most of the time; three runs beside each other leave no core idle.
    """
    pytest = ["coverage", "run", "-m", "pytest", "--durations", "8", "-m", "not slow"]
    chain = ["tests/end_to_end", "tests/integration/web_site"]
    sync = [
        f"tests/integration/{package}" for package in ("adventureworks", "airbyte_config", "airbyte_local")
    ]
    return [
        Command("end-to-end tests", [*pytest, *chain], background=True),
        Command("tests of source and sync", [*pytest, *sync], background=True),
        Command("all other tests", [*pytest, *(f"--ignore={folder}" for folder in (*chain, *sync))]),
        Command("coverage data", ["coverage", "combine", "--quiet"]),
        Command("coverage", ["coverage", "report"]),
    ]


def browser_commands() -> Commands:
    """Of the slow tests those that look at pages, for the gate: what analysts and engineers see."""
    pages = ["test_dashboards_on_screen.py", "test_ui.py"]
    return [
        Command(
            "pages in a browser",
            ["pytest", "--durations", "8", "-m", "slow", *(f"tests/end_to_end/{page}" for page in pages)],
        )
    ]


def slow_commands() -> Commands:
    """What `test` leaves out. Whole runs, which wait for Airflow most of the time, beside all others."""
    pytest, runs = ["pytest", "--durations", "8", "-m", "slow"], "tests/end_to_end"
    return [
        Command("slow tests of whole runs", [*pytest, runs], background=True),
        Command("slow tests", [*pytest, f"--ignore={runs}"]),
        Command(
            "benchmark: generate", ["python", "tests/benchmarks/generate.py", "--scale", "0.1", "--json"]
        ),
    ]


STEPS = {
    "lint": lint_commands,
    "format": format_commands,
    "test": test_commands,
    "browser": browser_commands,
    "slow": slow_commands,
}


class Run:
    """One command, at work. What a background one prints is kept until it has ended."""

    def __init__(self, command: Command) -> None:
        self.title, self.passes = command.title, command.passes
        self.started = time.monotonic()
        self.output = TemporaryFile("w+", errors="replace") if command.background else None  # noqa: SIM115
        beside = ", in the background" if command.background else ""
        click.echo(f"── {self.title}{beside}: {' '.join(command.words)[:150]}")
        environ = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
        self.process = subprocess.Popen(
            command.words, cwd=ROOT, env=environ, stdout=self.output, stderr=self.output and subprocess.STDOUT
        )

    def passed(self) -> bool:
        """Wait for the end; say how it went."""
        code = self.process.wait()
        if self.output:
            self.output.seek(0)
            click.echo(self.output.read())
        seconds = time.monotonic() - self.started
        click.echo(f"── {self.title}: {'ok' if code in self.passes else f'FAILED ({code})'}, {seconds:.1f} s")
        return code in self.passes


def run_all(commands: Commands) -> list[str]:
    """Run the commands; the titles of those that failed. Those in the background end with the next that is not."""
    failed: list[str] = []
    background: list[Run] = []
    try:
        for command in commands:
            run = Run(command)
            if command.background:
                background.append(run)
                continue
            failed += [one.title for one in (run, *background) if not one.passed()]
            background = []
    finally:
        for one in background:  # an interrupt reached it too; it is given the time to clean up
            one.process.wait()
    return failed


@click.command()
@click.argument("step", nargs=-1, required=True, type=click.Choice(list(STEPS)))
def check(step: tuple[str, ...]) -> None:
    """Run the STEPs; all commands of a step run, and a step that failed ends it. Exit code 1 when one failed."""
    for name in step:
        if failed := run_all(STEPS[name]()):
            click.echo(f"elt check {name}: failed: {', '.join(failed)}", err=True)
            raise click.exceptions.Exit(1)
