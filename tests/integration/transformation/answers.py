"""Questions of docs/questions.md: their SQL, their answers, and an answer as a Markdown table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb

from foundation.settings import ROOT

PAGE = ROOT / "docs" / "questions.md"
SECTION = re.compile(
    r"^## \d+\. (?P<title>.+?)\n.*?```sql\n(?P<sql>.*?)\n```\n\n(?P<answer>\|.*?)\s*\Z", re.S
)


@dataclass(frozen=True)
class Question:
    """A section of the page."""

    title: str
    sql: str
    answer: str


def questions() -> list[Question]:
    """Every section, in the page's order. Raises ValueError for one without SQL or answer."""
    sections = re.split(r"(?m)^(?=## )", PAGE.read_text())[1:]
    found = []
    for section in sections:
        match = SECTION.match(section)
        if match is None:
            raise ValueError(f"no SQL or no answer: {section.splitlines()[0]}")
        found.append(Question(match["title"], match["sql"], match["answer"]))
    return found


def as_table(result: duckdb.DuckDBPyConnection) -> str:
    """The rows of a query as a Markdown table, numbers to the right."""
    names = [column[0] for column in result.description or []]
    rows = result.fetchall()
    numeric = [
        all(isinstance(row[i], int | float | Decimal) and not isinstance(row[i], bool) for row in rows)
        for i in range(len(names))
    ]
    lines = [names, ["--:" if right else "---" for right in numeric]]
    lines += [[_text(name, value) for name, value in zip(names, row, strict=True)] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal) and not name.endswith("year"):
        return f"{value:,}"
    return str(value)
