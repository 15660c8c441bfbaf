"""Which tests defend against which threat: each says so by `@pytest.mark.threat("…")`.

`python -m tests.threats` writes the table into docs/security.md; a test holds the two equal.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from foundation.settings import ROOT

PAGE = ROOT / "docs" / "security.md"
TABLE = re.compile(r"(<!-- threats: python -m tests\.threats -->\n).*?(<!-- threats end -->)", re.S)


def marked() -> dict[str, list[str]]:
    """Threat → its tests (file::test), both in the order of the files."""
    found: dict[str, list[str]] = {}
    for path in sorted(Path(ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.threat":
                    test = f"{path.relative_to(ROOT / 'tests')}::{node.name}"
                    found.setdefault(ast.literal_eval(mark.args[0]), []).append(test)
    return found


def table() -> str:
    """The table of the page."""
    lines = ["| threat | tests of the defence |", "|---|---|"]
    for threat, tests in sorted(marked().items()):
        lines.append(f"| {threat} | {'<br>'.join(f'`{test}`' for test in tests)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page as it should be."""
    return TABLE.sub(lambda found: found[1] + table() + found[2], PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(page())
