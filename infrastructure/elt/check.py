"""`elt check`: what `make lint`, `make format`, `make test` and their sisters run; CI runs the same."""

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
        # the long ones at the same time
        Command("black", ["black", "--check", "--quiet", *PYTHON], background=True),
        Command("types", ["mypy"], background=True),  # which packages, and how strictly, is in pyproject.toml
        Command("sqlfluff", ["sqlfluff", "lint", "--disable-progress-bar", "data-transformation"]),
        Command("ruff", ["ruff", "check", "--quiet", *PYTHON]),
        Command("imports", ["lint-imports", "--no-cache", "--no-logo"]),  # the contracts are there, too
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


# the test of `make test` that starts a stack: a demo, run by a real Airflow, shown by a real Superset
DEMO = "tests/end_to_end/test_demo.py"
PYTEST = ["pytest", "--durations", "10"]
# worksteal: each process begins with files of its own, and takes over tests of another when it has done them
PARALLEL = [*PYTEST, "--numprocesses", str(os.cpu_count()), "--dist", "worksteal"]


WHOLE = "(stack or browser)"  # these wait for Airflow and for pages most of the time: the others run at the same time
# of sources that are not in use by default, with tiers of their own: only to collect them takes seconds in each process
NOT_OPTIONAL = [
    "--ignore=tests/lake",
    "--ignore=tests/sources",
    "--ignore=tests/stream",
    "--ignore=tests/monitoring",
]


def test_commands() -> Commands:
    """Units, and for every promise a test with real parts, in minutes."""
    return [
        Command("a demo on a real stack", [*PYTEST, DEMO], background=True),
        Command(
            "units and promises",
            [
                *PARALLEL,
                "-m",
                f"(not integration or promise) and not {WHOLE} and not slow",
                *NOT_OPTIONAL,
            ],
        ),
    ]


def gate_commands() -> Commands:
    """What the gate adds: the other tests with real parts, whole stacks, pages in a browser."""
    return [
        Command(
            "stack and browser",
            [
                *PYTEST,
                "tests/end_to_end",
                "tests/integration",
                "-m",
                f"{WHOLE} and not slow",
                f"--ignore={DEMO}",
            ],
            background=True,
        ),
        Command(
            "real parts", [*PARALLEL, "tests/integration", "-m", f"not promise and not {WHOLE} and not slow"]
        ),
    ]


def slow_commands() -> Commands:
    """What both leave out."""
    return [
        Command(
            "slow tests of whole runs",
            [*PYTEST, *NOT_OPTIONAL, "-m", f"{WHOLE} and slow"],
            background=True,
        ),
        Command("slow tests", [*PARALLEL, *NOT_OPTIONAL, "-m", f"slow and not {WHOLE}"]),
        Command(
            "benchmark: generate", ["python", "tests/benchmarks/generate.py", "--scale", "0.1", "--json"]
        ),
    ]


def lake_commands() -> Commands:
    """The second company and the lake."""
    return [Command("lake", [*PARALLEL, "tests/lake"])]


def sources_commands() -> Commands:
    """Optional sources that are read from APIs."""
    return [Command("sources", [*PARALLEL, "tests/sources"])]


def stream_commands() -> Commands:
    """The streaming lane; one process: its servers need the processors for themselves."""
    return [Command("stream", [*PYTEST, "tests/stream"])]


def monitoring_commands() -> Commands:
    """Prometheus and Alertmanager: their files by their own tools, and an alert that reaches Slack."""
    return [Command("monitoring", [*PYTEST, "tests/monitoring"])]


def coverage_commands() -> Commands:
    """Every tier under branch coverage, subprocesses included; the floor is in pyproject.toml."""
    measured = ["coverage", "run", "-m"]
    return [
        Command("stacks, measured", [*measured, *PYTEST, "-m", WHOLE], background=True),
        Command("all others, measured", [*measured, *PARALLEL, "-m", f"not {WHOLE}"]),
        Command("coverage data", ["coverage", "combine", "--quiet"]),
        Command("coverage", ["coverage", "report"]),
    ]


STEPS = {
    "lint": lint_commands,
    "format": format_commands,
    "test": test_commands,
    "gate": gate_commands,
    "slow": slow_commands,
    "lake": lake_commands,
    "sources": sources_commands,
    "stream": stream_commands,
    "monitoring": monitoring_commands,
    "coverage": coverage_commands,
}


class Run:
    """One command, at work. The output of a background one is kept until it has ended."""

    def __init__(self, command: Command) -> None:
        self.title, self.passes = command.title, command.passes
        self.started = time.monotonic()
        self.output = TemporaryFile("w+", errors="replace") if command.background else None  # noqa: SIM115
        place = ", in the background" if command.background else ""
        click.echo(f"── {self.title}{place}: {' '.join(command.words)[:150]}")
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
