"""A connector's environment: made by uv from its lock file on first use, under ELT_HOME.

Its folder is named after what it was made of, so a newer version never touches what an older one's job still runs in. The
mark that it is whole is written last; one without it is made again. Others wait while one process makes it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from airbyte_local.pipes import pipe_of
from airbyte_local.sources.connector.registry import Connector
from foundation.errors import EltError
from foundation.settings import ROOT, settings

log = logging.getLogger(__name__)

WHOLE = "whole"  # the file that marks an environment as complete
# what of the server's environment reaches others' programs: no secret is among it
PASSED = frozenset(
    {
        *("PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    }
)
INSTALLER_PREFIXES = ("UV_", "PIP_", "XDG_")


def bare_environ(*prefixes: str) -> dict[str, str]:
    """The variables that a program which is not ours may see."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in PASSED or name.startswith(("LC_", *prefixes))
    }


def program(connector: Connector, tell: Callable[[str], None] = log.info) -> list[str]:
    """The connector's command, its environment made if it is not there yet. Raises EltError with uv's reason."""
    environment = ensure(connector, tell)
    first, *rest = connector.command
    found = environment / "bin" / first
    if not found.exists():
        raise EltError(
            f"{connector.label}: its environment has no command {first}",
            f"correct `command` in {connector.folder / 'pyproject.toml'}",
        )
    return [str(found), *rest]


def ensure(connector: Connector, tell: Callable[[str], None] = log.info) -> Path:
    """The folder of the connector's environment, complete. `tell` hears what takes long."""
    return _complete(connector, folder_of(connector), tell)


def _complete(
    connector: Connector, folder: Path, tell: Callable[[str], None], *, tests: bool = False
) -> Path:
    if (folder / WHOLE).exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=0.1)
    except TimeoutError:
        tell(f"{connector.label}: another process makes its environment: waiting")
        lock.acquire()
    try:
        if not (folder / WHOLE).exists():
            _make(connector, folder, tell, tests=tests)
    finally:
        lock.release()
    return folder


def for_tests(connector: Connector, tell: Callable[[str], None] = log.info) -> Path:
    """The folder of an environment that has the connector's test packages too (`dev` of its dependency groups), complete."""
    return _complete(connector, tests_folder_of(connector), tell, tests=True)


def folder_of(connector: Connector) -> Path:
    """Where the connector's environment is, or will be."""
    return settings().home / "connectors" / f"{connector.environment or connector.type}-{_mark(connector)}"


def tests_folder_of(connector: Connector) -> Path:
    """Where the environment for the connector's tests is, or will be."""
    folder = folder_of(connector)
    return folder.with_name(f"{folder.name}-tests")


def _mark(connector: Connector) -> str:
    """Changes with what the environment is made of. The connector's own code is not: it is installed by reference."""
    made_of = [str(connector.folder).encode(), sys.version.encode()]
    for name in ("pyproject.toml", "uv.lock"):
        path = connector.folder / name
        if not path.exists():
            raise EltError(
                f"{connector.label}: {path} is missing", f"make it: elt connectors lock {connector.type}"
            )
        made_of.append(path.read_bytes())
    return hashlib.sha256(b"\0".join(made_of)).hexdigest()[:12]


def _make(connector: Connector, folder: Path, tell: Callable[[str], None], *, tests: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # a half of one, left by a kill
    tell(f"{connector.label}: making its environment (once) …")
    started = time.monotonic()
    groups = [] if tests else ["--no-dev"]
    run_uv(connector, "sync", "--locked", *groups, "--python", sys.executable, environment=folder, tell=tell)
    (folder / WHOLE).touch()
    tell(f"{connector.label}: its environment is ready, {time.monotonic() - started:.0f} s")


def run_uv(
    connector: Connector,
    *arguments: str,
    environment: Path | None = None,
    tell: Callable[[str], None] = log.info,
) -> None:
    """Run uv in the connector's folder; what it says goes to `tell`. Raises EltError with its reason."""
    environ = bare_environ(*INSTALLER_PREFIXES) | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    environ |= {"UV_PROJECT_ENVIRONMENT": str(environment)} if environment else {}
    process = subprocess.Popen(
        [_uv(), *arguments],
        cwd=connector.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    errors = pipe_of(process.stderr)
    try:
        for line in errors:
            if text := line.strip():
                said.append(text)
                if not text.startswith(("+", "-", "~")):  # one line for each package
                    tell(f"{connector.label}: {text}")
    finally:
        if process.poll() is None and sys.exc_info()[0] is not None:
            process.kill()
        code = process.wait()
        errors.close()
    if code:
        raise EltError(
            f"{connector.label}: its environment cannot be made: {' '.join(said[-3:]) or f'uv ended with code {code}'}",
            f"check the network; after a change of its pyproject.toml: elt connectors lock {connector.type}",
        )


def _uv() -> str:
    fetched = ROOT / ".uv" / "uv"  # by infrastructure/bootstrap.py
    places = (Path(sys.executable).with_name("uv"), shutil.which("uv"), fetched)
    found = next((str(place) for place in places if place and Path(place).exists()), None)
    if found is None:
        raise EltError("uv is missing, which installs connectors", "make setup, or install uv by hand")
    return found
