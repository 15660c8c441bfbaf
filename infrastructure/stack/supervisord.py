"""Supervisord whose Airflow programs are forks of itself: `python -m stack.supervisord -c FILE`.

Airflow's four programs import the same two thousand modules. Executed, each imports them by itself and keeps them in memory of its own.
Here supervisord imports them once, before the first of the four begins: each is a fork, which starts at once and shares what nobody
writes. All other programs are executed, as supervisord does it.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import importlib
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import httpx
from setproctitle import setthreadtitle
from supervisor import loggers, supervisord
from supervisor.options import ServerOptions

from foundation.settings import ROOT, settings
from stack.airflow import PROGRAMS
from stack.airflow_environment import environment

LIBRARIES = (
    "airflow.__main__",
    "airflow.api_fastapi.core_api.app",
    "airflow.api_fastapi.execution_api.app",
    "airflow.dag_processing.manager",
    "airflow.executors.local_executor",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.providers.airbyte.operators.airbyte",
    "airflow.providers.openlineage.plugins.listener",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.utils.serve_logs",
    "alembic.config",
    "anyio._backends._asyncio",
    "cosmos.airflow.task_group",
    "cosmos.operators.watcher",
    "cosmos.plugin.airflow3",
    "dbt.cli.main",
    "duckdb",
    "psycopg",
    "pyarrow.dataset",
    "uvicorn",
)


# of ours, what Airflow's tasks and DAG files need; with what they import
OURS = (
    "orchestration.cosmos_tasks",
    "orchestration.listener",
    "orchestration.pipeline",
    "orchestration.sync",
    "orchestration.tasks",
)
# a task is a fork of the first, and a DAG file is read in a fork of the second
FORKING = frozenset({"airflow-scheduler", "airflow-dag-processor"})


@dataclass(frozen=True)
class OurCode:
    """The modules of this repository that supervisord has imported, when their files were changed, and what they have cached.

    It is looked up once: a fork that looked at all modules itself would have a copy of each one's page.
    """

    names: tuple[str, ...] = ()
    files: Mapping[Path, int] = field(default_factory=dict)
    caches: tuple[Callable[[], None], ...] = ()

    @classmethod
    def imported(cls) -> OurCode:
        """As it is now."""
        files = {
            name: Path(file)
            for name, module in sys.modules.items()
            if (file := getattr(module, "__file__", None) or "").startswith(f"{ROOT}/")
            and not file.startswith(f"{sys.prefix}/")
            and name != "__main__"
        }
        values = {id(value): value for name in files for value in vars(sys.modules[name]).values()}
        return cls(
            tuple(files),
            {file: file.stat().st_mtime_ns for file in files.values()},
            tuple(
                value.cache_clear
                for value in values.values()
                if getattr(value, "__module__", None) in files and hasattr(value, "cache_clear")
            ),
        )

    def renew(self) -> None:
        """In a fork: forget the modules, so that they are read again, if a file has changed; else what they have cached, as `.env`."""
        try:
            same = all(file.stat().st_mtime_ns == at for file, at in self.files.items())
        except OSError:
            same = False
        if same:
            for clear in self.caches:
                clear()
            return
        for name in self.names:
            sys.modules.pop(name, None)


class Options(ServerOptions):
    """Supervisord's own, but that Airflow's programs are forked."""

    shares: bool | None = None  # whether the libraries are there; None: nobody has tried
    ours = OurCode()

    def check_execv_args(self, filename: str, argv: Sequence[str], st: os.stat_result | None) -> None:
        """Called in supervisord before a fork."""
        super().check_execv_args(filename, argv, st)
        if _of_airflow(argv) and Options.shares is None:
            Options.shares = sys.platform == "linux" and _import_libraries()

    def execve(self, filename: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Called in a fork, to become the program; does not return."""
        name = _of_airflow(argv)
        if name and Options.shares:
            _become(name, env)
        os.execve(filename, [*argv], {**env})


def _of_airflow(argv: Sequence[str]) -> str | None:
    """The name of Airflow's program that this command starts."""
    name = argv[-1]
    return name if name in PROGRAMS and [*argv] == [sys.executable, "-m", "stack.airflow", name] else None


def _import_libraries() -> bool:
    """Import what Airflow's programs have in common; False if that is not possible, so that each is executed."""
    try:
        with _airflows_environment():
            _import()
    except Exception:  # noqa: BLE001 # whatever a library raises: the stack starts all the same
        traceback.print_exc()
        return False
    if threading.active_count() > 1:
        print(
            f"a library has started a thread, so nothing is forked: {threading.enumerate()}", file=sys.stderr
        )
        return False
    Options.ours = OurCode.imported()
    gc.set_threshold(10_000, 10, 10)  # the forks': their collector has only their own objects to look at
    gc.collect()
    gc.freeze()
    return True


def _import() -> None:
    for name in (*LIBRARIES, *OURS):
        importlib.import_module(name)
    importlib.import_module("airflow.cli.cli_parser").get_parser()  # it is kept, with all that it imports
    importlib.import_module("sqlalchemy.orm").configure_mappers()
    # Airflow's API for tasks: API server, triggerer and DAG processor would each make two thousand schemas of their own for it
    _take_once(_tasks_api())


def _tasks_api() -> Any:
    """Airflow's API for tasks, all of it: Cadwyn makes the routes of each version when the first request comes."""
    app = importlib.import_module("airflow.api_fastapi.execution_api.app").create_task_execution_api_app()
    transport = httpx.ASGITransport(app=app)

    async def ask() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://shared") as client:
            await client.get("/")

    asyncio.run(ask())
    return app


def _take_once(app: Any) -> None:
    """Give a fork this API for tasks when it makes its first; a second one, which may let in others, is made anew."""
    server: Any = importlib.import_module("airflow.api_fastapi.app")
    module: Any = importlib.import_module("airflow.api_fastapi.execution_api.app")
    made, make = [app], module.create_task_execution_api_app

    def create_task_execution_api_app(lifespan: Any = module.lifespan) -> Any:
        if not made:
            return make(lifespan=lifespan)
        made[0].router.lifespan_context = lifespan
        return made.pop()

    module.create_task_execution_api_app = create_task_execution_api_app
    server.create_task_execution_api_app = create_task_execution_api_app
    module.InProcessExecutionAPI = functools.cache(module.InProcessExecutionAPI)


@contextmanager
def _airflows_environment() -> Iterator[None]:
    before = dict(os.environ)
    _set(os.environ | environment(settings()))
    sys.path[1:1] = [place for place in os.environ["PYTHONPATH"].split(os.pathsep) if place not in sys.path]
    try:
        yield
    finally:
        _set(before)


def _set(env: Mapping[str, str]) -> None:
    values = dict(env)
    os.environ.clear()
    os.environ.update(values)


def _become(name: str, env: Mapping[str, str]) -> NoReturn:
    """Run Airflow's program to its end, as a process of its own would."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):  # supervisord's
            python = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if python else signal.SIG_DFL)
    # the process's own name; a new command line would overwrite the stack's mark in its environment
    setthreadtitle(name)
    code: object = 0
    try:
        _run(name, env)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 # as the interpreter does
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads, as the interpreter does before it ends
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _run(name: str, env: Mapping[str, str]) -> None:
    _set(env)
    Options.ours.renew()
    sys.modules.pop("airflow_local_settings", None)  # it looks at which program this is
    if name in FORKING:
        os.register_at_fork(after_in_child=Options.ours.renew)
    with importlib.import_module("foundation.errors").one_line(name):
        config = importlib.import_module("foundation.settings").settings()
        _set(os.environ | importlib.import_module("stack.airflow_environment").environment(config))
        _, _, module, *arguments = PROGRAMS[name]
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__")


class Log(loggers.RotatingFileHandler):
    """A log that costs its own lines alone while it can't be written, as on a full disk. Supervisord's own would end supervisord, and close
    the pipe into which the program writes."""

    stream: Any

    def handleError(self) -> None:
        """Called in the place of the exception."""
        with suppress(OSError, ValueError):
            print(f"{self.baseFilename}: a line is lost: {sys.exc_info()[1]}", file=sys.stderr, flush=True)

    def doRollover(self) -> None:
        """Begin a new file where this one is full."""
        try:
            super().doRollover()
        except (OSError, ValueError):
            self.handleError()
        if self.stream.closed:
            with suppress(OSError):
                self.stream = Path(self.baseFilename).open("ab")  # noqa: SIM115 # it stays


if __name__ == "__main__":
    loggers.RotatingFileHandler = Log  # of each program, and of supervisord itself
    supervisord.ServerOptions = Options  # its main() makes one
    supervisord.main()
