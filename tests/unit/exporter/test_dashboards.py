"""Dashboards for Grafana: of its own schema, about metrics that there are, laid out so that no panel covers another."""

import itertools
import json

import pytest
from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from exporter.catalogue import METRICS
from stack.monitoring import FILES
from tests.unit.exporter.test_names import OF_PROMETHEUS, RECORDED, names

FILES_OF_BOARDS = sorted((FILES / "grafana").glob("*.json"))
BOARDS = {file.stem: json.loads(file.read_text()) for file in FILES_OF_BOARDS}
UNITS = {"none", "short", "s", "bytes", "percentunit", "cps"}
every_board = pytest.mark.parametrize("name", BOARDS)


def understood(board: dict) -> dict:
    """What Grafana's own types make of a dashboard: a field that they do not have is not there."""
    plugins.register_default_plugins()
    return json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(board)))


def lacking(given, kept, place=""):
    """Places of what is given and not kept as it is; what a type adds by itself is no matter."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            yield from lacking(value, kept.get(key), f"{place}/{key}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lacking(one, other, f"{place}/{number}")
    elif given != kept:
        yield place


@every_board
def test_grafana_knows_every_field(name):
    assert list(lacking(BOARDS[name], understood(BOARDS[name]))) == []


def test_a_field_that_grafana_does_not_know_is_found():
    board = json.loads(json.dumps(BOARDS["machine"]))
    board["panels"][0]["options"]["reduceOptions"]["calc"] = ["last"]
    board["panels"][1]["fieldConfig"]["defaults"]["units"] = "s"
    board["panels"][2]["targets"][0]["expression"] = "up"
    board["titel"] = "Machine"
    assert {place.rpartition("/")[2] for place in lacking(board, understood(board))} == {
        "calc",
        "units",
        "expression",
        "titel",
    }


@every_board
def test_every_panel_reads_metrics_that_there_are_from_the_chosen_prometheus(name):
    board = BOARDS[name]
    assert [variable["type"] for variable in board["templating"]["list"]] == ["datasource"]
    for panel in board["panels"]:
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        for target in panel["targets"]:
            read = names(target["expr"].replace("$__rate_interval", "5m"))
            assert read and read <= {*METRICS, *RECORDED, *OF_PROMETHEUS, "ALERTS"}, target["expr"]


def test_every_metric_is_on_a_dashboard_or_in_a_rule():
    from tests.unit.exporter.test_names import rules

    expressions = [
        *(rule["expr"] for rule in rules()),
        *(
            target["expr"]
            for board in BOARDS.values()
            for panel in board["panels"]
            for target in panel["targets"]
        ),
    ]
    read = set().union(*(names(each.replace("$__rate_interval", "5m")) for each in expressions))
    assert {*METRICS, *RECORDED} - read <= {
        "elt_airflow_dag_paused",
        "elt_airflow_scheduler_heartbeat_timestamp_seconds",
        "elt_dbt_last_build_timestamp_seconds",
        "elt_program_processes",
    }


@every_board
def test_no_panel_covers_another(name):
    panels = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_each_dashboard_has_an_address_of_its_own():
    assert {board["uid"] for board in BOARDS.values()} == {f"elt-{name}" for name in BOARDS}
    assert set(BOARDS) == {"batch", "lane", "machine"}
