"""What the lane needs: Java, an environment of its own (infrastructure/stream), and Kafka's jars, which jars.toml pins by their SHA-256."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NoReturn

from foundation.errors import EltError, Kind
from foundation.jvm import install_jars
from foundation.jvm import java as java_of
from foundation.own_environment import OwnEnvironment
from foundation.settings import ROOT

PROJECT = ROOT / "infrastructure" / "stream"
STREAM = OwnEnvironment("the stream's environment", PROJECT, ROOT / ".venv-stream")
JARS = STREAM.folder / "kafka"
PACKAGES = (ROOT / "data-integration", ROOT / "infrastructure")  # ours, which are not installed there


def install() -> list[Path]:
    """Make what is missing of the lane's environment; returns Kafka's jars. Raises EltError: a registry does not answer, or a jar is
    another file than the one that was pinned."""
    STREAM.install(["making the stream's environment .venv-stream (once, a gigabyte) …"])
    return install_jars(PROJECT / "jars.toml", JARS)


def java() -> Path:
    """The Java that Kafka runs on. Raises EltError where there is none, or an older one."""
    return java_of("Kafka")


def program(module: str, *arguments: str) -> list[str]:
    """The command of one of our modules in the lane's environment."""
    return [str(STREAM.python), "-m", module, *arguments]


def environ() -> dict[str, str]:
    """Its environment: this one, and where our packages are."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    return kept | {
        "PYTHONPATH": os.pathsep.join(map(str, PACKAGES)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }


def become(module: str, *arguments: str) -> NoReturn:
    """Go on as that program. Raises EltError where the environment is not there."""
    _see_that_it_is_there()
    command = program(module, *arguments)
    os.execve(command[0], command, environ())


def ask(module: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run that program to its end; its output as text. Raises EltError where the environment is not there, or it takes too long."""
    _see_that_it_is_there()
    command = program(module, *arguments)
    try:
        return subprocess.run(
            command, env=environ(), capture_output=True, text=True, timeout=timeout, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        raise EltError(f"{module} did not end within {timeout:.0f} s", "see `elt logs stream`") from None


def answer(module: str, *arguments: str, timeout: float = 60) -> Any:
    """What that program answers, from JSON. Raises EltError with its words."""
    done = ask(module, *arguments, timeout=timeout)
    if done.returncode:
        said = next(iter(done.stderr.strip().splitlines()[::-1]), "it said nothing")
        raise EltError(said.partition(": ")[2] or said, kind=Kind.RETRY)
    return json.loads(done.stdout)


def _see_that_it_is_there() -> None:
    if not STREAM.python.exists():
        raise EltError(f"{STREAM.label} is not there", "elt up stream makes it")
