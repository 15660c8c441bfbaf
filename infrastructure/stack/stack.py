"""The one-machine stack: its parts, their order, and their health. The processes are supervisord's.

A part is one or more foreground programs; supervisord starts, watches and restarts them. What supervisord does not know,
the order of the parts and when one is really ready, is here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import psutil
import psycopg
from filelock import FileLock, Timeout
from supervisor.xmlrpc import SupervisorTransport

from foundation.errors import EltError
from foundation.private import tighten
from foundation.settings import OF_ONE_COMMAND, ROOT, Settings, read_env_file, settings
from orchestration import airflow_api
from stack import MARK
from stack.health import answers
from stack.postgres import CLUSTERS, Cluster

NOT_RUNNING = xmlrpc.client.Fault


@dataclass(frozen=True)
class Program:
    """A foreground process: its command, the port it takes and the variable that moves that port."""

    name: str
    command: tuple[str, ...]
    ports: dict[str, int] = field(default_factory=dict)
    stop_signal: str = "TERM"


@dataclass(frozen=True)
class Part:
    """What a person starts and stops: programs, the parts it needs, what to prepare, and when it is ready."""

    name: str
    programs: tuple[Program, ...]
    needs: tuple[str, ...]  # started before it, stopped after it
    address: str
    ready: Callable[[], bool]
    prepare: Callable[[], None] = lambda: None
    patience: float = 60.0
    wants: tuple[str, ...] = ()  # started with it, but it lives on without them


def _module(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


def _accepts(cluster: Cluster) -> bool:
    try:
        cluster.connect("postgres", cluster.superuser, cluster.password).close()
    except (EltError, psycopg.Error):
        return False
    return True


def parts(config: Settings | None = None) -> dict[str, Part]:
    """The parts in the order in which they start."""
    from stack import airflow, superset

    config = config or settings()
    postgres_programs = (
        Program("source", _module("stack.postgres", "source"), {"SOURCE_PORT": config.source_port}, "INT"),
        Program(
            "metadata", _module("stack.postgres", "metadata"), {"METADATA_PORT": config.metadata_port}, "INT"
        ),
    )
    web = Part(
        "web",
        (Program("web", _module("web_site"), {"WEB_PORT": config.web_port}),),
        ("postgres",),
        f"http://127.0.0.1:{config.web_port}",
        lambda: answers(config, "web", timeout=2),
        patience=120.0,  # its first start makes the history
    )
    return {
        part.name: part
        for part in (
            Part(
                "postgres",
                postgres_programs,
                (),
                f"127.0.0.1:{config.source_port} (source), 127.0.0.1:{config.metadata_port} (metadata)",
                lambda: all(_accepts(make(config)) for make in CLUSTERS.values()),
            ),
            Part(
                "sink",
                (
                    Program(
                        "sink",
                        _module("stack.sink"),
                        {"SINK_PORT": config.sink_port, "SINK_SMTP_PORT": config.sink_smtp_port},
                    ),
                ),
                (),
                f"http://127.0.0.1:{config.sink_port} (webhook), 127.0.0.1:{config.sink_smtp_port} (SMTP)",
                lambda: answers(config, "sink", timeout=2),
            ),
            Part(
                "airbyte",
                (Program("airbyte", _module("airbyte_local"), {"AIRBYTE_PORT": config.airbyte_port}),),
                (),
                f"http://127.0.0.1:{config.airbyte_port}/api/public/v1",
                lambda: answers(config, "airbyte", timeout=2),
            ),
            Part(
                "airflow",
                tuple(
                    Program(
                        name,
                        _module("stack.airflow", name),
                        {"AIRFLOW_PORT": config.airflow_port} if name.endswith("api-server") else {},
                    )
                    for name in airflow.PROGRAMS
                ),
                ("postgres",),
                f"http://127.0.0.1:{config.airflow_port}",
                lambda: answers(config, "airflow-api-server", timeout=20)
                and set(airflow_api.healthy(config).values()) == {"healthy"},
                prepare=lambda: airflow.prepare(config),
                patience=180.0,
                wants=("sink", "airbyte", *(("web",) if "web" in config.sources else ())),
            ),
            Part(
                "superset",
                (Program("superset", _module("stack.superset"), {"SUPERSET_PORT": config.superset_port}),),
                ("postgres",),
                f"http://127.0.0.1:{config.superset_port}",
                lambda: answers(config, "superset", timeout=2),
                prepare=lambda: superset.prepare(config),
                patience=120.0,
            ),
            *([web] if "web" in config.sources else []),
        )
    }


# ---------------------------------------------------------------------------------------------------- supervisord


def _socket_path(home: Path) -> Path:
    """Supervisord's control socket: under ELT_HOME, or, where that path is too long for a socket, in a private
    folder of the system's temporary one (a unix socket's path holds at most 104 bytes on macOS, 108 on Linux).
    """
    near = home / "run" / "supervisor.sock"
    if len(os.fsencode(near)) < 90:  # supervisord binds a longer temporary name beside it first
        return near
    folder = Path(tempfile.gettempdir()) / f"elt-{os.getuid()}-{sha256(os.fsencode(home)).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = folder.lstat()
    if folder.is_symlink() or owner.st_uid != os.getuid() or owner.st_mode & 0o077:
        raise EltError(
            f"{folder} belongs to somebody else", "remove it, or set TMPDIR to a folder of your own"
        )
    return folder / "s"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _configuration(home: Path, every: Iterable[Part]) -> str:
    """Supervisord's configuration. No secret stands in it: the programs read their settings themselves."""
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
        f"file={_socket_path(home)}".replace("%", "%%"),
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


def _write_configuration(home: Path, every: Iterable[Part]) -> Path:
    path = home / "run" / "supervisord.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_configuration(home, every))
    path.chmod(0o600)
    return path


def _supervisor(home: Path) -> xmlrpc.client.ServerProxy:
    transport = SupervisorTransport(None, None, f"unix://{_socket_path(home)}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)


def supervised(home: Path) -> dict[str, dict] | None:
    """What supervisord says of each program (`getAllProcessInfo`), or None when it does not run."""
    try:
        return {info["name"]: info for info in _supervisor(home).supervisor.getAllProcessInfo()}
    except (OSError, xmlrpc.client.Error):
        return None


def _start_supervisord(home: Path, every: Iterable[Part]) -> None:
    (home / "logs").mkdir(parents=True, exist_ok=True)
    configuration = _write_configuration(home, every)
    _socket_path(home).unlink(missing_ok=True)
    with (home / "logs" / "supervisord.err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,  # a Ctrl-C in the terminal is not for the stack
            env=os.environ | {MARK: str(home), "ELT_HOME": str(home)},
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


# ---------------------------------------------------------------------------------------------------- start


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
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()}, process {connection.pid}"
    except psutil.Error:  # macOS, or another user's process: who it is stays unknown
        pass
    return "another process"


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


def unknown_part(name: str, every: dict[str, Part]) -> EltError:
    """The error of somebody who names a part that is not there, or not in use."""
    remedy = f"choose from {', '.join(every)}"
    if name == "web":
        remedy = "put it in use: ELT_SOURCES=adventureworks,web in .env"
    return EltError(f"no part is named {name!r}", remedy)


def with_needs(names: Iterable[str], every: dict[str, Part]) -> list[Part]:
    """The named parts (all of them when none is named) with what they need and want, in starting order."""
    names = list(names) or list(every)
    if unknown := [name for name in names if name not in every]:
        raise unknown_part(unknown[0], every)
    wanted = set(names)
    for name in names:
        wanted |= {*every[name].needs, *every[name].wants}
    return [part for part in every.values() if part.name in wanted]


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One start or stop of a stack at a time."""
    (home / "run").mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home / "run" / "stack.lock", timeout=1):
            yield
    except Timeout:
        raise EltError(
            "another `elt up` or `elt down` is at work on this stack", "wait for it, then try again"
        ) from None


def up(names: Iterable[str] = (), report: Callable[[str], None] = lambda line: None) -> list[Part]:
    """Start parts and what they need; return when each is healthy. Parts that run are left alone.

    Raises EltError when a port is taken, the disk is full, or a part does not become healthy (its last log line is named).
    """
    home = settings().home
    every = parts()
    wanted = with_needs(names, every)
    _check_disk(home)
    with _alone(home):
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
                f"{', '.join(changed)}: not what the stack was started with, and its programs keep to that",
                "start the whole stack anew: elt down, then elt up",
            )
        _stop([], everything=True, report=report)
        running = None
    if running is None:
        stop_strays(home)
    _check_ports(missing)
    if running is None:
        _start_supervisord(home, every.values())
    calls = _supervisor(home).supervisor
    if new := {p.name for part in every.values() for p in part.programs} - set(supervised(home) or {}):
        # a stack that an older version started: it learns of the parts that have come since
        _write_configuration(home, every.values())
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
    pid = _supervisor(home).supervisor.getPID()
    file = read_env_file(ROOT / ".env")
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


def log_file(program: Program, home: Path) -> Path:
    return home / "logs" / f"{program.name}.log"


def last_line(program: Program, home: Path) -> str:
    """The last non-blank line of a program's log: most often the reason."""
    path = log_file(program, home)
    lines = (
        [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
        if path.exists()
        else []
    )
    return lines[-1].strip() if lines else "it wrote no log"


# ---------------------------------------------------------------------------------------------------- stop


def stack_processes(home: Path) -> Iterator[psutil.Process]:
    """Every process of this stack: those that carry its mark in their environment, and their descendants."""
    seen: set[int] = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
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
    """End what an earlier stack left behind (its supervisord was killed); PostgreSQL gets time to shut down."""
    strays = list(stack_processes(home))
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


def down(names: Iterable[str] = (), report: Callable[[str], None] = lambda line: None) -> None:
    """Stop parts and what needs them, last started first; without names, all of it: no process and no lock remains."""
    home = settings().home
    every = parts()
    names = list(names)
    if unknown := [name for name in names if name not in every]:
        raise unknown_part(unknown[0], every)
    chosen = [p for p in every.values() if not names or p.name in names or set(p.needs) & set(names)]
    with _alone(home):
        _stop(chosen, everything=not names, report=report)


def _stop(chosen: list[Part], *, everything: bool, report: Callable[[str], None]) -> None:
    home = settings().home
    running = supervised(home)
    if running is not None:
        calls = _supervisor(home).supervisor
        for part in reversed(chosen):
            live = [
                program.name for program in part.programs if running[program.name]["statename"] == "RUNNING"
            ]
            for name in live:  # signalled together, then awaited: the slowest decides, not the sum
                try:
                    calls.stopProcess(name, False)
                except NOT_RUNNING:
                    continue
            _await_stopped(live, home)
            if live:
                report(f"{part.name}: stopped")
        if everything:
            pid = calls.getPID()
            calls.shutdown()
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).wait(timeout=40)
    if everything:
        stop_strays(home)
        _socket_path(home).unlink(missing_ok=True)


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


def status() -> list[ProgramStatus]:
    """What runs, since how many seconds, and whether its part answers."""
    home = settings().home
    states = supervised(home) or {}
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
                )
            )
    return lines
