"""The commands that the documentation shows as blocks are run, in their order, on a stack of their own."""

from __future__ import annotations

import os
import re
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from elt.check import BIN
from foundation.settings import ROOT
from tests.fixtures.stack import Stack
from tests.fixtures.superset import revenue_by_category_on_the_dashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.S | re.M)
SYNOPSIS = re.compile(
    r" \| |…|\b[A-Z]{2,}\b(?!=)"
)  # a placeholder of a verb: test_docs.py looks whether there is such a verb
# how a command begins that is not run here, and why
LEFT_OUT = {
    r"make test|elt check ": "it is what runs tests",
    r"AW_DATA=": "the original's files are not in the repository: test_original.py loads them",
    r"SHOP=off make demo": "what other stacks of these tests begin with",
    r"(\.venv/bin/)?elt ci ": "test_ci.py runs it on clones",
    r"make format|make screenshots": "it writes into the checkout",
    r"elt dashboards pull": "it writes into the checkout: test_dashboards.py runs it on a copy",
    r"echo ": "it writes the checkout's settings",
    r"elt sync --connection web": "the site is not in use here: test_web.py",
    r"docker compose ": "test_containers.py runs them where there is an engine",
    r"elt source generate": "the source has data: test_cli.py runs it on an empty one",
    r"elt shop run": "it ends with Ctrl-C: test_shop.py",
    r"elt snowflake (bootstrap$|doctor)": "it needs an account",
}


def shown() -> list[tuple[str, str]]:
    """(page, command) of every block, the newcomer's pages first."""
    others = sorted((*ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("*/*/README.md")))
    pages = dict.fromkeys((ROOT / "docs" / "quick-start.md", ROOT / "README.md", *others))
    found = []
    for page in pages:
        for block in BLOCK.findall(page.read_text()):
            for line in block.splitlines():
                command = line.partition("  #")[0].strip()
                if command and not SYNOPSIS.search(command):
                    found.append((str(page.relative_to(ROOT)), command))
    return found


def is_left_out(command: str) -> bool:
    return any(re.match(beginning, command) for beginning in LEFT_OUT)


def test_nothing_is_left_out_that_no_page_shows() -> None:
    commands = [command for _, command in shown()]
    assert [each for each in LEFT_OUT if not any(re.match(each, command) for command in commands)] == []


def test_every_command_of_the_pages_works_from_first_to_last(make_stack, tmp_path: Path) -> None:
    stack: Stack = make_stack("documentation", ELT_SCHEDULE="manual", AW_SCALE="0.02")
    environ = stack.environ | {"PATH": f"{BIN}{os.pathsep}{stack.environ['PATH']}"}
    run = [(page, command) for page, command in shown() if not is_left_out(command)]
    run.sort(key=lambda each: each[1] == "make down")  # the last word, wherever it is
    first, *rest = run
    assert first == ("docs/quick-start.md", "make demo") and rest[-1][1] == "make down"
    compared = False
    for page, command in (first, *(each for each in rest if each[1] != first[1])):  # pages begin alike
        folder = ROOT if command.startswith(("make", ".venv/")) else tmp_path
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{page}: {command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        if page == "docs/quick-start.md" and "sql --serving" in command:
            figures = [line.split() for line in done.stdout.splitlines() if re.search(r"\d\.\d+$", line)]
            queried = {category: f"{Decimal(revenue):.2f}" for category, revenue in figures}
            assert len(queried) > 2 and queried == revenue_by_category_on_the_dashboard(stack.settings)
            compared = True
    assert compared and stack.processes() == []
