"""What the changed files say by themselves: formatted, no key in them, and dashboards that find their columns."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from dashboards.check import check
from dashboards.files import load
from elt.check import BIN, PYTHON
from foundation.errors import EltError
from foundation.settings import ROOT, Settings

BASELINE = ".secrets.baseline"  # what looks like a secret and is none
SQL = "data-transformation/"


def problems(files: list[str], configuration: Settings) -> list[str]:
    """One line for each thing that is wrong."""
    return [*_python(files), *_sql(files), *leaked(files), *_dashboards(configuration)]


def _run(*words: str) -> str:
    """What a tool of `.venv` prints about files; that it found something is no failure of ours."""
    done = subprocess.run([BIN / words[0], *words[1:]], cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise EltError(f"{words[0]} could not run: {done.stderr.strip()[-300:]}", "run `make setup`")
    return done.stdout + done.stderr


def secrets_command(folder: Path, *words: str) -> list[str]:
    """detect-secrets on files, against a copy of the baseline in `folder`: it writes there which lines have moved.

    It ends with 0 or, after that, with 3 when it has found nothing, and with 1 when it has.
    """
    known = str(shutil.copy(ROOT / BASELINE, folder))
    return ["detect-secrets-hook", "--baseline", known, *(word for word in words if word != BASELINE)]


def _python(files: list[str]) -> list[str]:
    python = [name for name in files if name.endswith(".py") and name.startswith(tuple(PYTHON))]
    if not python:
        return []
    unformatted = re.findall(r"^would reformat (.+)$", _run("black", "--check", *python), re.M)
    found = [f"{name.removeprefix(f'{ROOT}/')}: not formatted — `make format`" for name in unformatted]
    printed = _run("ruff", "check", "--quiet", "--output-format", "concise", *python).splitlines()
    return found + [line for line in printed if re.match(r".+:\d+:\d+: ", line)]


def _sql(files: list[str]) -> list[str]:
    sql = [name for name in files if name.endswith(".sql") and name.startswith(SQL)]
    if not sql:
        return []
    printed = _run("sqlfluff", "lint", "--disable-progress-bar", "--format", "json", *sql)
    return [
        f"{each['filepath']}, line {first['start_line_no']}: {first['description']} ({first['code']}) — `make format`"
        for each in json.loads(printed[printed.index("[") : printed.rindex("]") + 1])
        for first in each["violations"][:1]
    ]


def leaked(files: list[str]) -> list[str]:
    """List the places that look like a key or a password, by file and line. The text itself is never shown."""
    if not files:
        return []
    with TemporaryDirectory(prefix="elt-ci-") as folder:
        words = secrets_command(Path(folder), "--json", *files)
        done = subprocess.run([BIN / words[0], *words[1:]], cwd=ROOT, capture_output=True, text=True)
    if done.returncode in (0, 3):
        return []
    try:
        found = json.loads(done.stdout)["results"]
    except ValueError:
        raise EltError(
            f"detect-secrets could not run: {(done.stdout + done.stderr).strip()[-300:]}", "run `make setup`"
        ) from None
    remedy = "take it out, and make it void where it is valid; is it none, add `# pragma: allowlist secret`"
    return [
        f"{name}, line {each['line_number']}: looks like a secret ({each['type']}) — {remedy}"
        for name, listed in sorted(found.items())
        for each in listed
    ]


def _dashboards(configuration: Settings) -> list[str]:
    """The first column, metric or chart that a dashboard names and the marts' contracts do not have."""
    try:
        check(load(configuration.dashboards_warehouse))
    except EltError as error:
        return [f"dashboards: {str(error).removeprefix(f'{ROOT}/')}"]
    return []
