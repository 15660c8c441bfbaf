"""Ready-made tools over the whole repository: what is searched for weak spots, what is shipped, whether the docs build."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from email.message import Message
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, cast

from elt.check import BIN, Command, Commands, _tracked
from elt.ci.changed import secrets_command
from foundation.errors import EltError
from foundation.settings import ROOT

CODE = ("data-integration", "data-orchestration", "data-transformation", "infrastructure")
LOCKS = {
    "adventureworks-elt": ROOT,
    "superset": ROOT / "infrastructure" / "superset",
    "lake": ROOT / "infrastructure" / "lake",
    "spark": ROOT / "infrastructure" / "spark",
    "stream": ROOT / "infrastructure" / "stream",
}
ENVIRONMENTS = {
    "adventureworks-elt": Path(sys.prefix),
    "superset": ROOT / ".venv-superset",
    "lake": ROOT / ".venv-lake",
    "spark": ROOT / ".venv-spark",
    "stream": ROOT / ".venv-stream",
}
# what is ours in the text of a lock: not the project itself, and nothing that only developers have
SHIPPED = ("--frozen", "--no-dev", "--all-extras", "--no-emit-project", "--quiet")


def export(lock: Path, form: str, target: Path) -> None:
    """What a lock ships, with the digests of its files, as `form` of uv."""
    words = [
        "uv",
        "export",
        "--directory",
        str(lock),
        *SHIPPED,
        "--format",
        form,
        "--output-file",
        str(target),
    ]
    words += ["--preview-features", "sbom-export"]
    done = subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True)
    if done.returncode:
        raise EltError(f"{lock}: {done.stderr.strip()[-300:]}", "run `uv lock` in that folder")


def security_commands(folder: Path) -> Commands:
    """bandit, zizmor, detect-secrets, and each lock against the known vulnerabilities (this one asks the network)."""
    commands = [
        Command("bandit", ["bandit", "--quiet", "--recursive", "--configfile", "pyproject.toml", *CODE]),
        Command("zizmor", ["zizmor", "--offline", "--quiet", "--no-progress", ".github"]),
        Command("secrets", secrets_command(folder, *_tracked(".")), passes=(0, 3)),
    ]
    for name, lock in LOCKS.items():
        requirements = folder / f"{name}.txt"
        export(lock, "requirements.txt", requirements)
        audit = ["pip-audit", "--strict", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
        commands.append(Command(f"known vulnerabilities: {name}", [*audit, "-r", str(requirements)]))
    return commands


def write_sboms(folder: Path) -> list[Path]:
    """A CycloneDX file for each lock: name, version, licence, digests and dependencies of all that is shipped.

    uv's export knows no licences: they are what the installed packages say of themselves. An environment that is not made
    has none to say.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, lock in LOCKS.items():
        written.append(folder / f"{name}.cdx.json")
        export(lock, "cyclonedx1.5", written[-1])
        document = json.loads(written[-1].read_text())
        add_licences(document["components"], licences(ENVIRONMENTS[name]))
        written[-1].write_text(json.dumps(document, indent=2) + "\n")
    return written


def licences(environment: Path) -> dict[str, str]:
    """Package (normalised name) → licence, for what is installed in an environment."""
    found = {}
    for folder in environment.glob("lib/python*/site-packages"):
        for package in distributions(path=[str(folder)]):
            if licence := licence_of(cast(Message, package.metadata)):
                found[normalised(package.metadata["Name"])] = licence
    return found


def licence_of(metadata: Message) -> str | None:
    """An SPDX expression, or the classifiers' names, or the first line of the old field."""
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = [
        value.rpartition(" :: ")[2]
        for value in metadata.get_all("Classifier", [])
        if value.startswith("License :: ") and not value.endswith("OSI Approved")
    ]
    named = next(iter((metadata.get("License") or "").strip().splitlines()), "")
    return " AND ".join(classifiers) or named[:100] or None


def add_licences(components: list[dict[str, Any]], known: Mapping[str, str]) -> None:
    """Write each component's licence into it, as CycloneDX has them."""
    for component in components:
        if licence := known.get(normalised(component["name"])):
            component["licenses"] = [{"license": {"name": licence}}]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def docs_commands(folder: Path) -> Commands:
    """The documentation as a site; a warning fails it."""
    build = ["mkdocs", "build", "--strict", "--site-dir", str(folder)]
    return [Command("docs", ["env", "NO_MKDOCS_2_WARNING=1", *build])]
