"""The processes of this machine that concern a stack: its own, and those on its ports."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from stack import MARK
from stack.descent import descendants


def taken_by(port: int) -> str | None:
    """Who listens on a local port ("nginx, process 4711"), or None when it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "nobody, but ports below 1024 are the administrator's"
        except OSError:
            pass
        else:
            return None
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr  # nothing, of a socket that is not bound
            listens = connection.status == psutil.CONN_LISTEN and address and address.port == port
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()}, process {connection.pid}"
    except psutil.Error:  # macOS, or another user's process: who it is stays unknown
        pass
    return "another process"


def stack_processes(home: Path) -> Iterator[psutil.Process]:
    """Every process of this stack: those that carry its mark in their environment, those of its sessions, their descendants."""
    seen: set[int] = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in descendants(home):
        if process.pid not in seen:
            seen.add(process.pid)
            yield process
    for process in psutil.process_iter():
        try:
            if process.pid in seen or process.environ().get(MARK) != str(home):
                continue
            for member in (process, *process.children(recursive=True)):
                if member.pid not in seen:
                    seen.add(member.pid)
                    yield member
        except psutil.Error:
            continue  # gone meanwhile, or another user's


def stop_strays(home: Path) -> int:
    """End what an earlier stack left behind (its supervisord was killed); how many that were."""
    return end(stack_processes(home))


def end(processes: Iterable[psutil.Process]) -> int:
    """End processes, by force those that don't within 20 s; PostgreSQL gets time to shut down. How many lived."""
    strays = [process for process in processes if process.is_running()]
    for process in strays:
        try:
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
        except psutil.Error:
            continue
    _, stubborn = psutil.wait_procs(strays, timeout=20)
    for process in stubborn:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(stubborn, timeout=5)
    return len(strays)
