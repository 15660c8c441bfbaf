"""Ready-made tools over the whole repository: what is searched for weak spots, what is shipped, whether the docs build."""

from __future__ import annotations

import subprocess
from pathlib import Path

from elt.check import BIN, Command, Commands, _tracked
from elt.ci.changed import secrets_command
from foundation.errors import EltError
from foundation.settings import ROOT

CODE = ("data-integration", "data-orchestration", "data-transformation", "infrastructure")
LOCKS = {"adventureworks-elt": ROOT, "superset": ROOT / "infrastructure" / "superset"}
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
    """A CycloneDX file for each lock: name, version, digests and dependencies of all that is shipped."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, lock in LOCKS.items():
        written.append(folder / f"{name}.cdx.json")
        export(lock, "cyclonedx1.5", written[-1])
    return written


def docs_commands(folder: Path) -> Commands:
    """The documentation as a site; a warning fails it."""
    build = ["mkdocs", "build", "--strict", "--site-dir", str(folder)]
    return [Command("docs", ["env", "NO_MKDOCS_2_WARNING=1", *build])]
