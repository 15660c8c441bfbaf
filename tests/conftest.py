"""Fixtures are in rooms of their own: each starts its server once per process, on a free port, away from any demo.

The fixtures that a test asks for say what it needs, and so its tier: `server`, `stack` (tests/README.md).
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from threading import Event
from types import FrameType

import pytest

from tests.breakages.table import BREAKAGES
from tests.fixtures import leftovers, warm

pytest_plugins = [
    "tests.fixtures.source",
    "tests.fixtures.postgres_versions",
    "tests.fixtures.airbyte",
    "tests.fixtures.sink",
    "tests.fixtures.snowflake",
    "tests.fixtures.stack",
    "tests.fixtures.collector",
    "tests.fixtures.site",
    "tests.fixtures.web",
    "tests.fixtures.apis",
    "tests.fixtures.clones",
]
SERVERS = {
    "source_server",
    "postgres_servers",
    "airbyte",
    "own_airbyte",
    "snowflake_emulator",
    "shared_sink",
    "sink",
    "either",  # one of two engines, both of which read a source
}
STACKS = {"make_stack"}
HERE = Path(__file__).parent

INTERRUPTED = Event()


def _interrupt(number: int, frame: FrameType | None) -> None:
    INTERRUPTED.set()
    signal.default_int_handler(number, frame)


# a shell's `&` hands down an ignored SIGINT to all that it starts; tests that send one mean it to be heard
signal.signal(signal.SIGINT, _interrupt)


def pytest_runtest_logfinish() -> None:
    """An interrupt that a library has swallowed, as a browser's loop does, ends the run after its test."""
    if INTERRUPTED.is_set():
        raise KeyboardInterrupt


WATCHER = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    """Whatever the tests start ends with them, even if they are killed."""
    watcher = config.stash[WATCHER] = leftovers.watch()

    def end() -> None:
        warm.stop()
        watcher.stdin.close()
        watcher.wait()

    config.add_cleanup(end)


@pytest.fixture(scope="session", autouse=True)
def _watched_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tell the watcher where this run's servers keep their data."""
    watcher = pytestconfig.stash[WATCHER]
    watcher.stdin.write(str(tmp_path_factory.getbasetemp()).encode())
    watcher.stdin.flush()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what it needs, and those that are to catch a broken promise."""
    promises = {test for breakage in BREAKAGES for test in breakage.tests}
    for item in items:
        if HERE / "integration" in item.path.parents:
            item.add_marker("integration")
        function = item.nodeid.partition("[")[0]
        if function in promises or function.partition("::")[0] in promises:
            item.add_marker("promise")
        needs = set(getattr(item, "fixturenames", ()))
        if needs & STACKS or HERE / "end_to_end" in item.path.parents:
            item.add_marker("stack")
        elif needs & SERVERS:
            item.add_marker("server")
