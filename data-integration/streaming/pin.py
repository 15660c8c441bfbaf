"""`python -m streaming.pin`: write infrastructure/stream/jars.toml from its pom.xml. For who changes the version of Kafka; needs Maven.

Maven resolves the jars and checks what it downloads against the repository's own digests.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import tomllib
from pathlib import Path

from foundation.errors import EltError, one_line
from foundation.jvm import Jar
from foundation.settings import ROOT

PROJECT = ROOT / "infrastructure" / "stream"
HEAD = "# Kafka and what it needs, as Maven resolves pom.xml; `python -m streaming.pin` writes this file. `elt up stream` fetches them once."
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


def text(repository: str, jars: list[Jar]) -> str:
    """The content of jars.toml."""
    parts = [HEAD, f'repository = "{repository}"', ""]
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
    listing = PROJECT / "jars.toml"
    with one_line("pin"), tempfile.TemporaryDirectory() as folder:
        command = ["mvn", *WORDS, "-f", str(PROJECT / "pom.xml"), "dependency:copy-dependencies"]
        done = subprocess.run([*command, f"-DoutputDirectory={folder}"], capture_output=True, text=True)
        if done.returncode:
            raise EltError(f"Maven can't resolve pom.xml: {done.stdout.strip()[-300:]}", "mend pom.xml")
        repository = tomllib.loads(listing.read_text())["repository"]
        listing.write_text(text(repository, resolved(Path(folder))))


if __name__ == "__main__":
    main()
