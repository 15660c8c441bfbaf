"""A board on a narrow screen: its charts one below the other, its filters folded into one line, and no numbers on narrow columns.

Superset draws the same twelve columns at every width. A browser says how wide it is by a client hint (where it knows them; others
say that they are a telephone's), and the board's layout is changed on its way there. Who may write boards gets them as they are: an edit
would keep the changed layout.
"""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Flask, Response, request

BOARD = re.compile(r"/api/v1/dashboard/[^/]+(/charts)?")
HINT = "Sec-CH-Viewport-Width"
NARROW = 700  # pixels
COLUMNS = 12
TEXT = 2.5  # how much higher a text is there
LOW = 24  # a chart's least height there: its title may take two lines
# a column is narrower than its number and its name; a touch shows the number
WITHOUT_NUMBERS: dict[str, dict[str, Any]] = {
    "heatmap_v2": {"show_values": False, "x_axis_label_rotation": 90},
    "echarts_timeseries_bar": {"show_value": False, "xAxisLabelRotation": 45},
}


def install(app: Flask) -> None:
    """Ask browsers for their width, and give narrow ones the other layout."""

    @app.after_request
    def fit(response: Response) -> Response:
        response.headers["Accept-CH"] = HINT
        board = BOARD.fullmatch(request.path)
        if board and response.status_code == 200 and _is_narrow() and not _may_write():
            answer = response.get_json()
            if board[1]:
                without_numbers(answer["result"])
            else:
                in_one_column(answer["result"])
            response.set_data(json.dumps(answer))
        response.vary.add(HINT)
        return response


def without_numbers(charts: list[dict[str, Any]]) -> None:
    """Take the numbers off the columns of a board's charts; bars that lie keep theirs."""
    for chart in charts:
        form = chart["form_data"]
        if form.get("orientation") != "horizontal":
            form |= WITHOUT_NUMBERS.get(form.get("viz_type"), {})


def in_one_column(board: dict[str, Any]) -> None:
    """Stack the charts of a board and fold its filters."""
    if board.get("position_json"):
        board["position_json"] = json.dumps(stacked(json.loads(board["position_json"])))
        metadata = json.loads(board.get("json_metadata") or "{}")
        board["json_metadata"] = json.dumps(metadata | {"filter_bar_orientation": "HORIZONTAL"})


def _is_narrow() -> bool:
    width = request.headers.get(HINT, "")
    return int(width) < NARROW if width.isdecimal() else "Mobi" in request.headers.get("User-Agent", "")


def _may_write() -> bool:
    from superset import security_manager

    return security_manager.can_access("can_write", "Dashboard")


def stacked(tree: dict[str, Any]) -> dict[str, Any]:
    """A layout of one column. A grid of other things than rows of charts and texts stays as it is."""
    grid = tree.get("GRID_ID", {})
    rows = [tree[key] for key in grid.get("children", [])]
    if any(row["type"] != "ROW" for row in rows):
        return tree
    changed = {key: node for key, node in tree.items() if node not in rows}
    children: list[str] = []
    for row in rows:
        for key in row["children"]:
            own, node = f"ROW-{key}", tree[key]
            height = max(LOW, int(node["meta"]["height"] * (TEXT if node["type"] == "MARKDOWN" else 1)))
            meta = {**node["meta"], "width": COLUMNS, "height": height}
            changed[own] = {**row, "id": own, "children": [key]}
            changed[key] = {**node, "parents": [*row["parents"], own], "meta": meta}
            children.append(own)
    changed["GRID_ID"] = {**grid, "children": children}
    return changed
