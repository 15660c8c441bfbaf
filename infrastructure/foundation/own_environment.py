"""Environments besides the project's own, for what does not fit into it or is needed by few: made by uv from a lock on first use.

The digest of the lock is written last. An environment without it, or with another one, is made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from foundation.errors import EltError
from foundation.settings import ROOT


@dataclass(frozen=True)
class OwnEnvironment:
    """`project`: the folder with pyproject.toml and uv.lock; `folder`: where the environment is, or will be."""

    label: str
    project: Path
    folder: Path
    groups: tuple[str, ...] = ()  # of dependencies, besides the project's

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def digest(self) -> str:
        """Of the lock, and of what is installed of it."""
        lock = (self.project / "uv.lock").read_bytes()
        return hashlib.sha256(lock + "".join(f"\0{group}" for group in self.groups).encode()).hexdigest()

    def installed(self) -> bool:
        """Whether the environment is there, and as the lock says."""
        try:
            return (self.folder / "locked").read_text() == self.digest
        except OSError:
            return False

    def install(
        self,
        say: Sequence[str] = (),
        *,
        python: str = "",
        may_fetch_python: bool = False,
        remedy: str = "check that the package index answers",
    ) -> bool:
        """Make or renew the environment, after saying the lines `say`. True if there was work. `python`: the interpreter; ours, when
        none is named. Raises EltError with uv's reason.
        """
        if self.installed():
            return False
        with FileLock(f"{self.folder}.lock"):
            if self.installed():  # by another process, meanwhile
                return False
            for line in say:
                print(line, flush=True)
            uv = shutil.which(
                "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            )
            command = [uv or str(ROOT / ".uv" / "uv"), "sync", "--locked", "--quiet", "--no-progress"]
            command += [word for group in self.groups for word in ("--group", group)]
            command += ["--compile-bytecode", "--python", python or sys.executable]
            environ = os.environ | {"UV_PROJECT_ENVIRONMENT": str(self.folder), "UV_SYSTEM_CERTS": "1"}
            if not may_fetch_python:
                environ["UV_PYTHON_DOWNLOADS"] = "never"
            environ.pop("VIRTUAL_ENV", None)
            try:
                done = subprocess.run(command, cwd=self.project, env=environ, capture_output=True, text=True)
            except OSError as error:
                raise EltError(f"{self.label} can't be made: {error}", "make setup") from None
            if done.returncode:
                said = [line.strip() for line in done.stderr.splitlines() if line.strip()] or [
                    "uv said nothing"
                ]
                # what, and the first cause of it
                raise EltError(f"{self.label} can't be made: {'; '.join(said[:2])}", remedy)
            (self.folder / "locked").write_text(self.digest)
        return True


LAKE = OwnEnvironment("the lake's environment", ROOT / "infrastructure" / "lake", ROOT / ".venv-lake")
