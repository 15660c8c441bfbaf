"""Ten incidents of the runbook: `end_to_end/test_incidents.py` plays them on a real stack and writes the table in docs/operate.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass

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


def table(rows: Iterable[Row]) -> str:
    """The table of the page."""
    lines = [HEAD, ["---"] * (len(HEAD) - 1) + ["--:"]]
    lines += [[str(cell).replace("|", "\\|") for cell in astuple(row)] for row in rows]
    return (
        "".join(f"| {' | '.join(line)} |\n" for line in lines)
        .replace("| --- ", "|---")
        .replace("| --: |", "|--:|")
    )


def write(rows: Iterable[Row]) -> None:
    """Put the table into the page."""
    page = PAGE.read_text()
    PAGE.write_text(TABLE.sub(lambda found: found[1] + table(rows) + found[2], page))


def written() -> list[list[str]]:
    """The cells of the page's table, row by row, without its head."""
    found = TABLE.search(PAGE.read_text())
    lines = found[0].splitlines()[3:-1] if found else []
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
