"""Environments of the peers: made once with uv from a lock file, used again until the lock changes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).with_name("peers")
CACHE = Path(__file__).resolve().parents[2] / ".local" / "benchmarks"


class NotInstallable(Exception):
    """A peer's environment that cannot be made here, with uv's reason."""


def environment(lock: str, cache: Path) -> Path:
    """The Python of the environment that `lock` (a file in peers/) describes. Raises NotInstallable."""
    wanted = LOCKS / lock
    folder = cache / "environments" / wanted.stem
    python = folder / "bin" / "python"
    made_of = folder / "made-of"
    mark = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    if made_of.exists() and made_of.read_text() == mark:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _uv("venv", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--python", str(python), "--requirements", str(wanted))
    made_of.write_text(mark)  # last: a folder without it is half made
    return python


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    command = str(beside) if beside.exists() else shutil.which("uv")
    if command is None:
        raise NotInstallable("uv is missing: run `uv sync`")
    answer = subprocess.run([command, "--quiet", *arguments], capture_output=True, text=True)
    if answer.returncode != 0:
        raise NotInstallable(answer.stderr.strip())
