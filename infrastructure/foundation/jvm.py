"""What a program in Java needs: Java itself, and its jars, which a file `jars.toml` pins by their SHA-256."""

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
from foundation.settings import ROOT

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


def install_jars(listing: Path, folder: Path) -> list[Path]:
    """The jars that `listing` (a jars.toml) pins, in `folder`; those that are not there yet are fetched.

    Raises EltError: the repository does not answer, or a jar is another file than the one that was pinned.
    """
    pinned = tomllib.loads(listing.read_text())
    jars = [Jar(**one) for one in pinned["jars"]]
    if not all((folder / jar.name).exists() for jar in jars):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            for jar in jars:
                if not (folder / jar.name).exists():
                    _fetch(pinned["repository"], jar, folder, listing)
    return [folder / jar.name for jar in jars]


def _fetch(repository: str, jar: Jar, folder: Path, listing: Path) -> None:
    """Download a jar; it has its name only when its digest is right."""
    print(f"fetching {jar.name} …", flush=True)
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as part:
        try:
            with httpx.stream("GET", f"{repository}/{jar.path}", follow_redirects=True, timeout=60) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_bytes(1 << 20):
                    digest.update(chunk)
                    part.write(chunk)
            if digest.hexdigest() != jar.sha256:
                where = listing.relative_to(ROOT) if listing.is_relative_to(ROOT) else listing
                raise EltError(
                    f"{jar.name} of {repository} has the SHA-256 {digest.hexdigest()}, pinned is {jar.sha256}",
                    f"find out why before you change {where}",
                )
        except httpx.HTTPError as error:
            raise EltError(
                f"{jar.name} can't be fetched from {repository}: {error or type(error).__name__}",
                "check that the Maven repository answers",
                kind=Kind.RETRY,
            ) from None
        else:
            part.flush()
            Path(part.name).replace(folder / jar.name)
        finally:
            Path(part.name).unlink(missing_ok=True)


def java(who: str) -> Path:
    """The Java that `who` ("Spark") runs on: JAVA_HOME's, else the one on the PATH. Raises EltError where there is none, or an older
    one."""
    needs = f"{who} needs Java {OLDEST_JAVA} or later"
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not found:
        raise EltError(f"{needs}; there is no Java here", JAVA_REMEDY)
    try:
        said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError as error:
        raise EltError(f"{needs}; {found} can't be run ({error.strerror})", JAVA_REMEDY) from None
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < OLDEST_JAVA:
        first = next(iter(said.splitlines()), "nothing")
        raise EltError(f"{needs}; {found} says: {first}", JAVA_REMEDY)
    return Path(found)
