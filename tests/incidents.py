"""Ten incidents of the runbook: `end_to_end/test_incidents.py` plays them on a real stack and writes the table in docs/operate.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from foundation.settings import ROOT

PAGE = ROOT / "docs" / "operate.md"
TABLE = re.compile(
    r"(<!-- incidents: pytest tests/end_to_end/test_incidents\.py -->\n).*?(<!-- incidents end -->)", re.S
)
HEAD = ("incident", "messages", "`elt status`", "`elt runs`", "dashboards", "remedy", "seconds")
NAMES = (
    "Airbyte down",
    "raw row changed",
    "data test failed",
    "scheduler killed",
    "disk nearly full",
    "bad version published",
    "run cut by `down`",
    "source restarted",
    "Slack down",
    "backup missing",
)


@dataclass(frozen=True)
class Row:
    """What one incident looked like. `seconds`: from the remedy, or the incident where it needs none, until all was right."""

    name: str
    messages: str
    status: str
    runs: str
    boards: str
    remedy: str
    seconds: int


def line(cells: Iterable[str]) -> str:
    """A row of the table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def write(rows: Iterable[Row], page: Path = PAGE) -> None:
    """Put the rows into the page's table; the rows of other incidents stay as they are."""
    text = page.read_text()
    found = TABLE.search(text)
    assert found, f"{page} has no table of incidents"
    held = {each.split(" | ")[0].removeprefix("| "): each for each in found[0].splitlines()[3:-1]}
    held |= {row.name: line(map(str, astuple(row))) for row in rows}
    lines = [line(HEAD), "|---" * (len(HEAD) - 1) + "|--:|", *(held[name] for name in NAMES if name in held)]
    table = "".join(f"{each}\n" for each in lines)
    page.write_text(text[: found.start()] + found[1] + table + found[2] + text[found.end() :])


def written(page: Path = PAGE) -> list[list[str]]:
    """The cells of the page's table, row by row, without its head."""
    found = TABLE.search(page.read_text())
    lines = found[0].splitlines()[3:-1] if found else []
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
