"""The one-machine stack: its parts, their order, and their health. The processes are supervisord's.

A part is one or more foreground programs; supervisord starts, watches and restarts them. This module knows the rest: the
order of the parts, and when one is really ready.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from foundation.errors import EltError
from foundation.private import tighten
from foundation.settings import ENV_FILE, OF_ONE_COMMAND, Settings, read_env_file, settings
from stack.descent import descendants
from stack.memory import memory
from stack.parts import Part, last_line, parts, unknown_part, with_needs
from stack.processes import end, stack_processes, stop_strays, taken_by
from stack.program import Program
from stack.supervision import (
    NOT_RUNNING,
    remove_socket,
    start_supervisord,
    supervised,
    supervisor,
    write_configuration,
)

# ---------------------------------------------------------------------------------------------------- start


def _check_ports(programs: Iterable[Program]) -> None:
    for program in programs:
        for variable, port in program.ports.items():
            if owner := taken_by(port):
                raise EltError(
                    f"port {port}, wanted by {program.name}, is taken by {owner}",
                    f"stop it, or set {variable} in .env to a free port",
                )


def _check_disk(home: Path) -> None:
    tighten(home)
    free = shutil.disk_usage(home).free
    if free < 1 << 30:
        raise EltError(
            f"the disk of {home} is full: {free >> 20} MiB are free, the stack needs 1024",
            "free some space, or set ELT_HOME to a folder on another disk",
        )


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """One start, stop or restore of a stack at a time. Raises EltError while another is at work."""
    home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home / "stack.lock", timeout=1):
            yield
    except Timeout:
        raise EltError(
            "another `elt up`, `elt down` or `elt restore` is at work on this stack",
            "wait for it, then try again",
        ) from None


def up(names: Iterable[str] = (), report: Callable[[str], None] = lambda line: None) -> list[Part]:
    """Start parts and what they need; return when each is healthy. Parts that run are left alone.

    Raises EltError when a port is taken, the disk is full, or a part does not become healthy (its last log line is named).
    """
    home = settings().home
    every = parts()
    wanted = with_needs(names, every)
    _check_disk(home)
    with alone(home):
        _start(wanted, every, report)
    return wanted


def _start(wanted: list[Part], every: dict[str, Part], report: Callable[[str], None]) -> None:
    home = settings().home
    running = supervised(home)
    alive = {name for name, info in (running or {}).items() if info["statename"] in ("RUNNING", "STARTING")}
    missing = [program for part in wanted for program in part.programs if program.name not in alive]
    if running is not None and missing and (changed := _changed_settings(home)):
        if alive:
            raise EltError(
                f"{', '.join(changed)}: changed since the stack was started, and its programs still use the old values",
                "restart the whole stack: elt down, then elt up",
            )
        _stop([], everything=True, report=report)
        running = None
    if running is None:
        stop_strays(home)
    _check_ports(missing)
    if running is None:
        start_supervisord(home, every.values())
    calls = supervisor(home).supervisor
    if new := {p.name for part in every.values() for p in part.programs} - set(supervised(home) or {}):
        # a stack that an older version started: it learns of the parts that have come since
        write_configuration(home, every.values())
        calls.reloadConfig()
        for name in new:
            calls.addProcessGroup(name)
    started = time.monotonic()
    pending = list(wanted)
    while pending:
        # everything that does not wait for another part starts at once; readiness is awaited in order
        for part in [p for p in pending if not any(q.name in p.needs for q in pending)]:
            fresh = [program for program in part.programs if program.name not in alive]
            if fresh:
                part.prepare()
            for program in fresh:
                calls.startProcess(program.name, False)
                alive.add(program.name)
        part = pending.pop(0)
        _await_ready(part, home)
        report(f"{part.name}: ready after {time.monotonic() - started:.1f} s, {part.address}")


def _changed_settings(home: Path) -> list[str]:
    """The settings that this process has from its environment or `.env` otherwise than supervisord, which hands them on."""
    pid: Any = supervisor(home).supervisor.getPID()
    file = read_env_file(ENV_FILE)
    started, now = file | psutil.Process(pid).environ(), file | os.environ
    names = sorted({name.upper() for name in Settings.model_fields} - OF_ONE_COMMAND - {"ELT_HOME"})
    return [name for name in names if (started.get(name) or "") != (now.get(name) or "")]


def _await_ready(part: Part, home: Path) -> None:
    deadline = time.monotonic() + part.patience
    while not part.ready():
        states = supervised(home) or {}
        for program in part.programs:
            if states.get(program.name, {}).get("statename") == "FATAL":
                raise EltError(
                    f"{program.name} does not start: {last_line(program, home)}", f"elt logs {part.name}"
                )
        if time.monotonic() > deadline:
            culprit = part.programs[0]
            raise EltError(
                f"{part.name} is not healthy after {part.patience:.0f} s: {last_line(culprit, home)}",
                f"elt logs {part.name}",
            )
        time.sleep(0.1)


# ---------------------------------------------------------------------------------------------------- stop


def down(names: Iterable[str] = (), report: Callable[[str], None] = lambda line: None) -> None:
    """Stop parts and what needs them, last started first; without names, all of it: no process and no lock remains."""
    home = settings().home
    every = parts()
    names = list(names)
    if unknown := [name for name in names if name not in every]:
        raise unknown_part(unknown[0], every)
    chosen = [p for p in every.values() if not names or p.name in names or set(p.needs) & set(names)]
    with alone(home):
        _stop(chosen, everything=not names, report=report)


def _stop(chosen: list[Part], *, everything: bool, report: Callable[[str], None]) -> None:
    home = settings().home
    running = supervised(home)
    calls = supervisor(home).supervisor
    for part in reversed(chosen):
        names = [program.name for program in part.programs]
        states = {name: (running or {}).get(name, {}).get("statename") for name in names}
        live = [name for name, state in states.items() if state in ("RUNNING", "STARTING", "BACKOFF")]
        family = list(descendants(home, names))  # asked now: an orphan tells no more whose child it was
        for name in live:  # signalled together, then awaited: the slowest decides, not the sum
            try:
                calls.stopProcess(name, False)
            except NOT_RUNNING:
                continue
        _await_stopped(live, home)
        left = end({process.pid: process for process in (*family, *descendants(home, names))}.values())
        if live or left:
            besides = f", and {left} process{'es' if left > 1 else ''} that it had left" if left else ""
            report(f"{part.name}: stopped{besides}")
        if still := list(descendants(home, names)):
            raise not_ended(still)
    if running is not None and everything:
        pid: Any = calls.getPID()
        calls.shutdown()
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).wait(timeout=40)
    if everything:
        stop_strays(home)
        if still := list(stack_processes(home)):
            raise not_ended(still)
        remove_socket(home)


def not_ended(processes: list[psutil.Process]) -> EltError:
    """What to raise about processes that outlive a stop."""
    pids = ", ".join(str(process.pid) for process in processes)
    return EltError(f"these processes of the stack do not end: {pids}", f"kill -9 {pids.replace(',', '')}")


def _await_stopped(names: list[str], home: Path) -> None:
    deadline = time.monotonic() + 45  # supervisord itself kills after 30
    while time.monotonic() < deadline:
        states = supervised(home) or {}
        if all(
            states.get(name, {}).get("statename") not in ("RUNNING", "STOPPING", "STARTING") for name in names
        ):
            return
        time.sleep(0.1)


# ---------------------------------------------------------------------------------------------------- status


@dataclass(frozen=True)
class ProgramStatus:
    """One line of `elt status`."""

    part: str
    program: str
    state: str
    pid: int | None
    seconds: int
    healthy: bool
    address: str
    processes: int
    memory_mib: int  # of its processes together, each with its proportional share of what they share


def status() -> list[ProgramStatus]:
    """What runs, since how many seconds, how much memory it takes, and whether its part answers."""
    home = settings().home
    states = supervised(home) or {}
    taken = memory(home)
    lines = []
    for part in parts().values():
        up_programs = [p for p in part.programs if states.get(p.name, {}).get("statename") == "RUNNING"]
        healthy = len(up_programs) == len(part.programs) and part.ready()
        for program in part.programs:
            info = states.get(program.name, {})
            lines.append(
                ProgramStatus(
                    part.name,
                    program.name,
                    info.get("statename", "STOPPED").lower(),
                    info.get("pid") or None,
                    max(0, info.get("now", 0) - info.get("start", 0)) if info.get("pid") else 0,
                    healthy,
                    ", ".join(f"127.0.0.1:{port}" for port in program.ports.values()),
                    taken[program.name].processes if program.name in taken else 0,
                    taken[program.name].bytes >> 20 if program.name in taken else 0,
                )
            )
    return lines
