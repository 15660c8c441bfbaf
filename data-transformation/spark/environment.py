"""What Spark needs: Java, an environment of its own (infrastructure/spark), and Iceberg's jars, which jars.toml pins by their SHA-256."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import httpx
from filelock import FileLock

from foundation.errors import EltError, Kind
from foundation.own_environment import OwnEnvironment
from foundation.settings import ROOT

PROJECT = ROOT / "infrastructure" / "spark"
SPARK = OwnEnvironment("Spark's environment", PROJECT, ROOT / ".venv-spark")
JARS = SPARK.folder / "iceberg"
OLDEST_JAVA = 17
JAVA_REMEDY = "install one (Debian: openjdk-17-jre-headless), or set JAVA_HOME to it"


@dataclass(frozen=True)
class Jar:
    """A file of a Maven repository."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """In a repository."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"


def install() -> list[Path]:
    """Make what is missing of Spark's environment; returns Iceberg's jars. Raises EltError: a registry does not answer, or a jar is
    another file than the one that was pinned."""
    SPARK.install(["making Spark's environment .venv-spark (once, half a gigabyte) …"])
    pinned = tomllib.loads((PROJECT / "jars.toml").read_text())
    jars = [Jar(**one) for one in pinned["jars"]]
    with FileLock(f"{SPARK.folder}.lock"):
        for jar in jars:
            if not (JARS / jar.name).exists():
                _fetch(pinned["repository"], jar)
    return [JARS / jar.name for jar in jars]


def _fetch(repository: str, jar: Jar) -> None:
    """Download a jar; it has its name only when its digest is right."""
    print(f"fetching {jar.name} …", flush=True)
    JARS.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=JARS, prefix=".", delete=False) as part:
        try:
            with httpx.stream("GET", f"{repository}/{jar.path}", follow_redirects=True, timeout=60) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_bytes(1 << 20):
                    digest.update(chunk)
                    part.write(chunk)
            if digest.hexdigest() != jar.sha256:
                raise EltError(
                    f"{jar.name} of {repository} has the SHA-256 {digest.hexdigest()}, pinned is {jar.sha256}",
                    f"find out why before you change {PROJECT.relative_to(ROOT) / 'jars.toml'}",
                )
        except httpx.HTTPError as error:
            raise EltError(
                f"{jar.name} can't be fetched from {repository}: {error or type(error).__name__}",
                "check that the Maven repository answers",
                kind=Kind.RETRY,
            ) from None
        else:
            part.flush()
            Path(part.name).replace(JARS / jar.name)
        finally:
            Path(part.name).unlink(missing_ok=True)


def java() -> Path:
    """The Java that Spark runs on: JAVA_HOME's, else the one on the PATH. Raises EltError where there is none, or an older one."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not found:
        raise EltError(f"Spark needs Java {OLDEST_JAVA} or later; there is no Java here", JAVA_REMEDY)
    try:
        said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError as error:
        raise EltError(
            f"Spark needs Java {OLDEST_JAVA} or later; {found} can't be run ({error.strerror})", JAVA_REMEDY
        ) from None
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < OLDEST_JAVA:
        first = next(iter(said.splitlines()), "nothing")
        raise EltError(f"Spark needs Java {OLDEST_JAVA} or later; {found} says: {first}", JAVA_REMEDY)
    return Path(found)
