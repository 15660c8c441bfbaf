"""Inputs that can't be, and how the command line answers each: one line with what is wrong and what to do, exit code 2, nothing changed.

The table in docs/security.md counts them: `python -m tests.bad_inputs` writes it, a test holds the two equal.
"""

from __future__ import annotations

import re

from foundation.settings import ROOT
from tests.bad_inputs import arguments, files, folders, servers, settings, state
from tests.bad_inputs.case import Case

WORDS = ("settings", "arguments", "sql")  # the areas whose inputs are named by themselves
PAGE = ROOT / "docs" / "security.md"
TABLE = re.compile(r"(<!-- bad inputs: python -m tests\.bad_inputs -->\n).*?(<!-- bad inputs end -->)", re.S)


def by_area(*modules: object) -> dict[str, list[Case]]:
    """The cases of some modules (all, when none is given) by area, in the order of the modules."""
    found: dict[str, list[Case]] = {}
    for module in modules or (settings, arguments, files, folders, state, servers):
        for case in module.cases():
            found.setdefault(case.area, []).append(case)
    return found


def table() -> str:
    """The table of the page."""
    lines = ["| area | inputs | one of them | its answer says |", "|---|--:|---|---|"]
    areas = by_area()
    for area, cases in areas.items():
        one = cases[len(cases) // 2]
        name = f"`{one.name}`" if area in WORDS else one.name
        lines.append(f"| {area} | {len(cases)} | {name} | “{one.says.strip()}” |")
    lines.append(f"| **in all** | **{sum(map(len, areas.values()))}** | | |")
    return "\n".join(lines).replace("{home}", "ELT_HOME").replace("{inputs}", "FOLDER") + "\n"


def page() -> str:
    """The page as it should be."""
    return TABLE.sub(lambda found: found[1] + table() + found[2], PAGE.read_text())
