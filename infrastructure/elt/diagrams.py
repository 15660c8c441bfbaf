"""Drawings of docs/ from text: `python -m elt.diagrams` makes an SVG in docs/images of each file in docs/diagrams.

A file holds boxes (a place in the grid, a title, a line below it) and arrows between them. A test compares.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import yaml

from foundation.settings import ROOT

DIAGRAMS = ROOT / "docs" / "diagrams"
IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 168, 62, 72, 58, 16
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1b2733;text-anchor:middle}.t{font-weight:600}"
    ".s{font-size:11px;fill:#4a5a68}.b{fill:#eef4fa;stroke:#2f6690;stroke-width:1.5}"
    ".a{fill:none;stroke:#5b6b79;stroke-width:1.5;marker-end:url(#h)}"
)
HEAD = '<marker id="h" markerWidth="9" markerHeight="9" refX="7" refY="3.5" orient="auto"><path d="M0 0L8 3.5L0 7z" fill="#5b6b79"/></marker>'


def svg(diagram: dict[str, Any]) -> str:
    """The drawing as SVG."""
    boxes = {
        name: _Box(given["at"], given["title"], given.get("below", ""))
        for name, given in diagram["boxes"].items()
    }
    width = max(box.x for box in boxes.values()) + WIDTH + MARGIN
    height = max(box.y for box in boxes.values()) + HEIGHT + MARGIN
    drawn = [
        _arrow(boxes[each["from"]], boxes[each["to"]], each.get("says", "")) for each in diagram["arrows"]
    ]
    drawn += [box.drawn() for box in boxes.values()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        f'<title>{escape(diagram["title"])}</title><style>{STYLE}</style><defs>{HEAD}</defs>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


class _Box:
    def __init__(self, at: list[int], title: str, below: str) -> None:
        column, row = at
        self.x = MARGIN + column * (WIDTH + GAP_X)
        self.y = MARGIN + row * (HEIGHT + GAP_Y)
        self.title, self.below = title, below

    def drawn(self) -> str:
        middle = self.x + WIDTH // 2
        lines = [f'<rect class="b" x="{self.x}" y="{self.y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>']
        lines.append(
            f'<text class="t" x="{middle}" y="{self.y + (27 if self.below else 36)}">{escape(self.title)}</text>'
        )
        if self.below:
            lines.append(f'<text class="s" x="{middle}" y="{self.y + 46}">{escape(self.below)}</text>')
        return "".join(lines)


def _arrow(start: _Box, end: _Box, says: str) -> str:
    """A straight line from edge to edge, its word next to the middle."""
    if start.y == end.y:
        right = end.x > start.x
        x1, x2 = (start.x + WIDTH, end.x) if right else (start.x, end.x + WIDTH)
        y1 = y2 = start.y + HEIGHT // 2
        word = (f"{(x1 + x2) // 2}", f"{y1 - 7}")
    else:
        down = end.y > start.y
        x1, x2 = start.x + WIDTH // 2, end.x + WIDTH // 2
        y1, y2 = (start.y + HEIGHT, end.y) if down else (start.y, end.y + HEIGHT)
        word = (f"{(x1 + x2) // 2 + 30}", f"{(y1 + y2) // 2 + 4}")
    label = f'<text class="s" x="{word[0]}" y="{word[1]}">{escape(says)}</text>' if says else ""
    return f'<path class="a" d="M{x1} {y1}L{x2} {y2}"/>{label}'


def drawings() -> dict[Path, str]:
    """Every SVG by the file in which it belongs."""
    return {
        IMAGES / f"{path.stem}.svg": svg(yaml.safe_load(path.read_text()))
        for path in sorted(DIAGRAMS.glob("*.yaml"))
    }


if __name__ == "__main__":
    for target, text in drawings().items():
        target.write_text(text)
