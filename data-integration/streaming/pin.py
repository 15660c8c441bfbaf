"""`python -m streaming.pin [FOLDER]`: write a folder's jars.toml from its pom.xml (infrastructure/stream). For who changes a version; needs Maven.

Maven resolves the jars and checks what it downloads against the repository's own digests. The first line of jars.toml stays as it is.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from foundation.errors import EltError, one_line
from foundation.jvm import Jar
from foundation.settings import ROOT

PROJECT = ROOT / "infrastructure" / "stream"
WORDS = ["--batch-mode", "--quiet", "-Dmdep.useRepositoryLayout=true", "-DincludeScope=runtime"]


def resolved(folder: Path) -> list[Jar]:
    """The jars that Maven put below `folder`, which has the layout of a repository."""
    jars = []
    for file in sorted(folder.rglob("*.jar")):
        *group, artifact, version, _ = file.relative_to(folder).parts
        jar = Jar(".".join(group), artifact, version, hashlib.sha256(file.read_bytes()).hexdigest())
        if jar.name != file.name:
            raise EltError(f"{file.name}: a jar with a classifier", "jars.toml has no room for one yet")
        jars.append(jar)
    return jars


def text(head: str, repository: str, jars: list[Jar]) -> str:
    """The content of jars.toml. `head`: its first line."""
    parts = [head, f'repository = "{repository}"', ""]
    for jar in jars:
        parts += [
            "[[jars]]",
            f'group = "{jar.group}"',
            f'artifact = "{jar.artifact}"',
            f'version = "{jar.version}"',
        ]
        parts += [f'sha256 = "{jar.sha256}" # pragma: allowlist secret', ""]
    return "\n".join(parts)


def main() -> None:
    project = Path(sys.argv[1]) if sys.argv[1:] else PROJECT
    listing = project / "jars.toml"
    with one_line("pin"), tempfile.TemporaryDirectory() as folder:
        command = ["mvn", *WORDS, "-f", str(project / "pom.xml"), "dependency:copy-dependencies"]
        done = subprocess.run([*command, f"-DoutputDirectory={folder}"], capture_output=True, text=True)
        if done.returncode:
            raise EltError(f"Maven can't resolve pom.xml: {done.stdout.strip()[-300:]}", "mend pom.xml")
        before = listing.read_text()
        head, repository = before.splitlines()[0], tomllib.loads(before)["repository"]
        listing.write_text(text(head, repository, resolved(Path(folder))))


if __name__ == "__main__":
    main()
