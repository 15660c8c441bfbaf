"""The questions of docs/optional-sources.md, with their SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from foundation.settings import ROOT

PAGE = ROOT / "docs" / "optional-sources.md"
QUESTION = re.compile(r"^### (?P<title>[^\n]+\?)$.*?```sql\n(?P<sql>.*?)```", re.M | re.S)


@dataclass(frozen=True)
class Question:
    title: str
    sql: str

    def __str__(self) -> str:
        return self.title


def questions() -> list[Question]:
    """Every question of the page."""
    return [Question(found["title"], found["sql"]) for found in QUESTION.finditer(PAGE.read_text())]
