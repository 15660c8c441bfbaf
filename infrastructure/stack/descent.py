"""Which processes descend from a stack's supervisord, whatever has become of their parents and of their environment.

A program that changes its title, as Airflow's workers do, overwrites its environment and with it the stack's mark; when its
parent was killed, nothing above it tells either. But it stays in the session that supervisord began, and most often in the
process group of the program; which programs those were is in supervisord's log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil

from foundation.settings import ROOT
from stack import MARK

EVENT = re.compile(r"supervisord started with pid (\d+)|spawned: '([^']+)' with pid (\d+)")


def descendants(home: Path, programs: Collection[str] | None = None) -> Iterator[psutil.Process]:
    """The living processes of this stack's sessions; of some `programs` alone, when they are named."""
    sessions = _sessions(home)
    groups = {
        pid: {number for name, numbers in started.items() if name in programs for number in numbers}
        for pid, started in sessions.items()
        if programs is not None
    }
    seen = {os.getpid()}
    for process in psutil.process_iter():
        try:
            session = os.getsid(process.pid)
            if session not in sessions or not _is_ours(process, session, home):
                continue
            if programs is not None and os.getpgid(process.pid) not in groups[session]:
                continue
            # a task of Airflow's has a group of its own
            for member in (process, *process.children(recursive=True)):
                if member.pid not in seen and member.status() != psutil.STATUS_ZOMBIE:
                    seen.add(member.pid)
                    yield member
        except (OSError, psutil.Error):
            continue  # gone meanwhile, or another user's


def _is_ours(process: psutil.Process, session: int, home: Path) -> bool:
    """The session's leader is our supervisord; or it is gone, and this one works in our folders (numbers are used again)."""
    try:
        return psutil.Process(session).environ().get(MARK) == str(home)
    except psutil.NoSuchProcess:
        place = Path(process.cwd())
        return place.is_relative_to(ROOT) or place.is_relative_to(home)


def _sessions(home: Path) -> dict[int, dict[str, set[int]]]:
    """Each supervisord that this home has had, by pid: the pids that its programs have had, by name."""
    found: dict[int, dict[str, set[int]]] = {}
    log = home / "logs" / "supervisord.log"
    started: dict[str, set[int]] = {}
    for supervisor, program, pid in EVENT.findall(log.read_text(errors="replace") if log.exists() else ""):
        if supervisor:
            started = found[int(supervisor)] = {}
        else:
            started.setdefault(program, set()).add(int(pid))
    return found
