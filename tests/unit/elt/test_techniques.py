"""docs/techniques.md points to what is there."""

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
    lines = [
        line
        for line in (DOCS / "techniques.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| technique")
    ]
    rows = [ROW.match(line) for line in lines]
    assert all(rows), [line for line, row in zip(lines, rows, strict=True) if not row]
    for row in rows:
        path = (DOCS / row["path"]).resolve()
        assert row["label"] in (path.stem, path.name)
        assert row["code"] in path.read_text(), row["name"]
    assert {row["name"] for row in rows} >= TEN
