"""How much memory a stack takes, by program: each process's proportional share (PSS), so that what processes share counts once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from stack.supervision import supervised, supervisor

SUPERVISOR = "supervisord"


@dataclass(frozen=True)
class Memory:
    """Of a program: its processes, and the bytes of memory that they take together."""

    processes: int
    bytes: int


def memory(home: Path) -> dict[str, Memory]:
    """What each program that runs takes, its descendants included, and supervisord itself; empty when no stack runs there."""
    found = {
        name: _of_tree(info["pid"]) for name, info in (supervised(home) or {}).items() if info.get("pid")
    }
    if found:
        pid: object = supervisor(home).supervisor.getPID()
        found[SUPERVISOR] = _of([psutil.Process(int(str(pid)))])
    return {name: taken for name, taken in found.items() if taken.processes}


def _of_tree(pid: int) -> Memory:
    try:
        process = psutil.Process(pid)
        return _of([process, *process.children(recursive=True)])
    except psutil.Error:  # it has ended
        return Memory(0, 0)


def _of(processes: list[psutil.Process]) -> Memory:
    shares = list(_shares(processes))
    return Memory(len(shares), sum(shares))


def _shares(processes: list[psutil.Process]) -> Iterator[int]:
    """Of each that lives; where the system knows no proportional share (macOS), what is a process's own."""
    for process in processes:
        try:
            try:
                full = process.memory_full_info()
                yield getattr(full, "pss", full.uss)
            except psutil.AccessDenied:
                yield process.memory_info().rss
        except psutil.Error:  # it has ended
            continue
