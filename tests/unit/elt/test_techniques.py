"""docs/marts.md: each technique is used in the file that it names."""

from __future__ import annotations

import re

from elt.pages import DOCS

ROW = re.compile(
    r"^\| (?P<name>[^|]+?) \| \[`(?P<label>[^`]+)`\]\((?P<path>[^)]+)\) \| .*\(`(?P<code>[^`]+)`\) \|$"
)
TEN = {
    *("aggregation", "grouping", "window functions", "calculation", "casting"),
    *("filtering", "sorting", "joins", "unions", "renaming"),
}


def test_each_technique_is_used_in_the_file_that_the_page_names() -> None:
    page = (DOCS / "marts.md").read_text()
    section = page.partition("\n## Techniques\n")[2].partition("\n## ")[0]
    lines = [
        line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| technique")
    ]
    rows = [ROW.match(line) for line in lines]
    assert all(rows), [line for line, row in zip(lines, rows, strict=True) if not row]
    for row in rows:
        path = (DOCS / row["path"]).resolve()
        assert row["label"] in (path.stem, path.name)
        assert row["code"] in path.read_text(), row["name"]
    assert {row["name"] for row in rows} >= TEN
