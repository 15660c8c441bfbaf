"""Supervisord: its configuration, its start, and what it says of the programs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from foundation.errors import EltError
from foundation.settings import ROOT
from stack import MARK
from stack.parts import Part

NOT_RUNNING = xmlrpc.client.Fault
# of the C library, for all programs: few arenas, and what a peak has taken goes back to the system
MEMORY = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"}


def socket_path(home: Path) -> Path:
    """Supervisord's control socket: under ELT_HOME, or, where that path is too long for a socket, in a private
    folder of the system's temporary one (a unix socket's path holds at most 104 bytes on macOS, 108 on Linux), which is
    there while supervisord runs. Raises EltError when somebody else has made that folder.
    """
    near = home / "run" / "supervisor.sock"
    if len(os.fsencode(near)) < 90:  # supervisord binds a longer temporary name next to it first
        return near
    folder = Path(tempfile.gettempdir()) / f"elt-{os.getuid()}-{sha256(os.fsencode(home)).hexdigest()[:12]}"
    with suppress(FileNotFoundError):
        owner = folder.lstat()
        if folder.is_symlink() or owner.st_uid != os.getuid() or owner.st_mode & 0o077:
            raise EltError(
                f"{folder} belongs to somebody else", "remove it, or set TMPDIR to a folder of your own"
            )
    return folder / "s"


def remove_socket(home: Path) -> None:
    """Remove supervisord's socket, which has ended, and the folder that only it is for."""
    path = socket_path(home)
    path.unlink(missing_ok=True)
    if path.parent.parent != home:
        with suppress(FileNotFoundError):
            path.parent.rmdir()


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _configuration(home: Path, every: Iterable[Part]) -> str:
    """Supervisord's configuration. It has no secret: the programs read their settings themselves."""
    lines = [
        "[supervisord]",
        f"logfile={home}/logs/supervisord.log".replace("%", "%%"),
        f"pidfile={home}/run/supervisord.pid".replace("%", "%%"),
        "nodaemon=true",
        "umask=077",
        "silent=true",
        f"environment={MARK}={_quoted(str(home))},ELT_HOME={_quoted(str(home))}",
        *(["user=root"] if os.geteuid() == 0 else []),
        "[unix_http_server]",
        f"file={socket_path(home)}".replace("%", "%%"),
        "chmod=0600",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for part in every:
        for program in part.programs:
            lines += [
                f"[program:{program.name}]",
                "command=" + " ".join(_quoted(word) for word in program.command),
                f"directory={ROOT}".replace("%", "%%"),
                f"stdout_logfile={home}/logs/{program.name}.log".replace("%", "%%"),
                "redirect_stderr=true",
                "stdout_logfile_maxbytes=20MB",
                "stdout_logfile_backups=2",
                "autostart=false",
                "autorestart=true",
                "startsecs=1",
                "startretries=3",
                f"stopsignal={program.stop_signal}",
                # a scheduler that is only just starting does not hear SIGTERM; PostgreSQL gets time to write
                f"stopwaitsecs={30 if program.stop_signal == 'INT' else 15}",
                "killasgroup=true",
            ]
    return "\n".join(lines) + "\n"


def write_configuration(home: Path, every: Iterable[Part]) -> Path:
    path = home / "run" / "supervisord.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_configuration(home, every))
    path.chmod(0o600)
    return path


def supervisor(home: Path) -> xmlrpc.client.ServerProxy:
    transport = SupervisorTransport(None, None, f"unix://{socket_path(home)}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)


def supervised(home: Path) -> dict[str, dict[str, Any]] | None:
    """What supervisord says of each program (`getAllProcessInfo`), or None when it does not run."""
    try:
        every: Any = supervisor(home).supervisor.getAllProcessInfo()
    except (OSError, xmlrpc.client.Error):
        return None
    return {info["name"]: info for info in every}


def start_supervisord(home: Path, every: Iterable[Part]) -> None:
    (home / "logs").mkdir(parents=True, exist_ok=True)
    configuration = write_configuration(home, every)
    socket_path(home).parent.mkdir(mode=0o700, exist_ok=True)
    socket_path(home).unlink(missing_ok=True)
    with (home / "logs" / "supervisord.err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "stack.supervisord", "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,  # a Ctrl-C in the terminal is not for the stack
            env=os.environ | {MARK: str(home), "ELT_HOME": str(home), **MEMORY},
            cwd=ROOT,
        )
    deadline = time.monotonic() + 15
    while supervised(home) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            text = (home / "logs" / "supervisord.err").read_text().strip().splitlines()
            raise EltError(
                f"supervisord did not start: {text[-1] if text else 'no answer'}",
                f"see {home}/logs/supervisord.err",
            )
        time.sleep(0.05)
