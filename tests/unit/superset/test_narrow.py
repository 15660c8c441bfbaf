"""The layout of a board on a narrow screen."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from dashboards.files import load
from dashboards.render import rendered
from foundation.settings import ROOT, load_settings

BOARD = "/api/v1/dashboard/sales-overview"
TELEPHONE = {"User-Agent": "Mozilla/5.0 (iPhone) Mobile/15E148"}


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "infrastructure" / "superset")
    import narrow

    return narrow


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The layout of the sales overview, as the files say."""
    config = load_settings({"ELT_HOME": str(tmp_path_factory.mktemp("home"))})
    return rendered(config, load("duckdb"))["dashboards/sales_overview.yaml"]["position"]


@pytest.fixture
def ask(narrow, tree, monkeypatch):
    """Ask for a board with these headers; `ask.writes = True`: as somebody who may write it."""
    app = Flask(__name__)
    narrow.install(app)
    monkeypatch.setattr(narrow, "_may_write", lambda: asked.writes)

    @app.get("/api/v1/dashboard/<name>")
    def board(name):
        return {"result": {"position_json": json.dumps(tree), "json_metadata": '{"refresh_frequency": 60}'}}

    def asked(headers):
        answer = app.test_client().get(BOARD, headers=headers)
        assert answer.headers["Accept-CH"] in answer.headers["Vary"]
        return {key: json.loads(value) for key, value in answer.json["result"].items()}

    asked.writes = False
    return asked


def test_each_chart_has_a_row_of_its_own(narrow, tree):
    stacked = narrow.stacked(tree)
    rows = [stacked[key]["children"] for key in stacked["GRID_ID"]["children"]]
    shown = [key for key in tree if key.startswith(("CHART", "MARKDOWN"))]
    assert rows == [[key] for key in shown]
    assert all(
        stacked[key]["meta"]["width"] == 12 and stacked[key]["parents"][-1] in stacked for key in shown
    )


def test_only_a_narrow_screen_of_a_reader_gets_it(ask, tree):
    wide = [{}, {"Sec-CH-Viewport-Width": "1440"}, {"Sec-CH-Viewport-Width": "a"}]
    assert all(ask(headers)["position_json"] == tree for headers in wide)
    for headers in ({"Sec-CH-Viewport-Width": "390"}, TELEPHONE):
        board = ask(headers)
        assert board["position_json"] != tree
        assert board["json_metadata"] == {"refresh_frequency": 60, "filter_bar_orientation": "HORIZONTAL"}
        ask.writes = True
        assert ask(headers)["position_json"] == tree
        ask.writes = False


def test_only_on_a_telephone_columns_are_without_numbers(narrow, monkeypatch):
    app = Flask(__name__)
    narrow.install(app)
    monkeypatch.setattr(narrow, "_may_write", lambda: False)
    bars = {"viz_type": "echarts_timeseries_bar", "show_value": True}
    forms = [{"viz_type": "heatmap_v2", "show_values": True}, bars, bars | {"orientation": "horizontal"}]
    app.get(f"{BOARD}/charts")(lambda: {"result": [{"form_data": form} for form in forms]})

    def shown(headers):
        result = app.test_client().get(f"{BOARD}/charts", headers=headers).json["result"]
        return [
            chart["form_data"].get("show_value", chart["form_data"].get("show_values")) for chart in result
        ]

    assert shown(TELEPHONE) == [False, False, True]
    assert shown({}) == [True, True, True]


def test_a_layout_with_tabs_stays_as_it_is(narrow, tree):
    tabs = {**tree, "ROW-1": {**tree["ROW-1"], "type": "TABS"}}
    assert narrow.stacked(tabs) == tabs
