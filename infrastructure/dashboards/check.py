"""Whether the files hold together: every column, metric, dataset and chart that is named exists, and all SQL binds.

Nothing but the files and the dbt project is read, so this runs where there is neither Superset nor data.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from airbyte_config.documents import At, Document
from dashboards.contracts import bound, types_of
from dashboards.files import WAREHOUSE, Assets
from dashboards.semantic import metric, metrics
from dashboards.shapes import Chart, Dashboard, Database, Dataset, Style, check_shape

# parameters of charts that name columns and metrics, one or a list of them
COLUMNS = (
    "x_axis",
    "groupby",
    "columns",
    "all_columns",
    "groupbyRows",
    "groupbyColumns",
    "entity",
    "series",
    "x",
    "y",
)
METRICS = (
    "metric", "metrics", "percent_metrics", "metrics_b", "secondary_metric", "size", "timeseries_limit_metric",
)  # fmt: skip
FIELDS: dict[str, tuple[set[str], set[str]]] = {  # kind → (must have, may have)
    "dataset": (
        {"description", "columns"},
        {
            "table",
            "sql",
            "schema",
            "time",
            "metrics",
            "database",
            "semantic",
            "compares",
            "by",
            "shift",
            "keeps",
            "where",
        },
    ),
    "chart": ({"viz", "dataset", "params"}, {"description", "where", "title", "uuid"}),
    "dashboard": (
        {"title", "description"},
        {"rows", "position", "filters", "native_filters", "refresh_seconds", "color_scheme", "embedded"},
    ),
    "metric": (set(), {"sql", "change_of", "points_of", "label", "description", "format"}),
    "column": (set(), {"sql", "label", "description"}),
}
WIDTH = 12


def check(assets: Assets) -> None:
    """Raises EltError, naming file, line and field, at the first thing that is wrong."""
    check_shape(assets.style, Style)
    for document in assets.databases.values():
        check_shape(document, Database)
    for document in assets.datasets.values():
        _dataset(document, assets)
    for file, title, definition in assets.every_chart():
        _chart(assets.charts[file], title, definition, assets)
    for document in assets.dashboards.values():
        _dashboard(document, assets)


def _fields(document: Document, at: At, kind: str, data: Any) -> None:
    required, optional = FIELDS[kind]
    if not isinstance(data, dict):
        raise document.error(at, f"{kind}: not a mapping of fields", "see infrastructure/preset/README.md")
    for name in sorted(required - set(data)):
        raise document.error(at, f"{kind}: {name} is missing", f"add {name}")
    for name in data:
        if name not in required | optional:
            raise document.error(
                (*at, name), f"there is no field {name} in a {kind}", _near(name, required | optional)
            )


def _near(name: str, known: Any) -> str:
    close = get_close_matches(str(name), [str(each) for each in known], n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(map(str, known)))}"


# ------------------------------------------------------------------------------------------------ datasets


def _dataset(document: Document, assets: Assets) -> None:
    data = document.data
    if (base := data.get("compares")) is not None and base not in assets.datasets:
        raise document.error(
            ("compares",), f"compares: there is no dataset {base}", _near(base, assets.datasets)
        )
    _fields(document, (), "dataset", data)
    check_shape(document, Dataset)
    if ("table" in data) == ("sql" in data):
        raise document.error((), "a dataset has either a table or its sql", "keep one of them")
    known = {each.data["name"] for each in assets.databases.values()}
    if (database := data.get("database", WAREHOUSE)) not in known:
        raise document.error(("database",), f"there is no database {database}", _near(database, known))
    for column, given in data["columns"].items():
        _fields(document, ("columns", column), "column", given or {})
    types = types_of(document, assets)
    if (time := data.get("time")) is not None and not types.get(time, "").startswith(("DATE", "TIMESTAMP")):
        raise document.error(("time",), f"time: {time} is no column of dates", "name one, or leave time out")
    for name, given in data.get("metrics", {}).items():
        at = ("metrics", name)
        _fields(document, at, "metric", given or {})
        if "sql" in (given or {}):
            bound(document, (*at, "sql"), given["sql"])
            continue
        named = (given or {}).get("change_of") or (given or {}).get("points_of") or name
        shared = metrics().get(named)
        if shared is None:
            raise document.error(
                at,
                f"metrics: the semantic layer has no metric {named}",
                _near(named, metrics()) + " Or give its sql",
            )
        if shared.model not in (data.get("table"), data.get("semantic")):
            raise document.error(
                at,
                f"metrics: {named} is defined over {shared.model}, not over this dataset",
                f"use it on a dataset with `table: {shared.model}` or, over a query of it, `semantic: {shared.model}`",
            )
        bound(document, at, metric(name, given or {})["expression"])


# ------------------------------------------------------------------------------------------------ charts


def _chart(document: Document, title: str, definition: Any, assets: Assets) -> None:
    at: At = (title,)
    _fields(document, at, "chart", definition)
    check_shape(document, Chart, at, definition)
    dataset = assets.datasets.get(definition["dataset"])
    if dataset is None:
        raise document.error(
            (*at, "dataset"),
            f"{title}: there is no dataset {definition['dataset']}",
            _near(definition["dataset"], assets.datasets),
        )
    if definition["viz"] not in assets.style.data["charts"]:
        known = set(assets.style.data["charts"]) - {"all"}
        raise document.error(
            (*at, "viz"),
            f"{title}: style.yaml knows no charts of type {definition['viz']}",
            _near(definition["viz"], known),
        )
    for name, place, value in _named(definition["params"], COLUMNS):
        if isinstance(value, dict):  # an expression of the chart's own
            if not isinstance(value.get("sqlExpression"), str):
                raise document.error(
                    (*at, "params", *place),
                    f"{title}: {name}: an expression has no sqlExpression",
                    "add it, or name a column",
                )
            bound(document, (*at, "params", *place), value["sqlExpression"], over=dataset)
        elif value not in dataset.data["columns"]:
            raise document.error(
                (*at, "params", *place),
                f"{title}: {name}: the dataset {definition['dataset']} has no column {value}",
                _near(value, dataset.data["columns"]),
            )
    for name, place, value in _named(definition["params"], METRICS):
        if isinstance(value, dict) or value not in dataset.data.get("metrics", {}):
            raise document.error(
                (*at, "params", *place),
                f"{title}: {name}: the dataset {definition['dataset']} has no metric {value}",
                _near(value, dataset.data.get("metrics", {})),
            )
    for number, condition in enumerate(definition.get("where", [])):
        if isinstance(condition, dict):
            continue
        bound(document, (*at, "where", number), "1", over=dataset, where=condition)


def _named(params: dict[str, Any], fields: tuple[str, ...]) -> Iterator[tuple[str, At, Any]]:
    """(parameter, its place, what it names) for each of the fields."""
    for name in fields:
        value = params.get(name)
        if isinstance(value, list):
            for number, each in enumerate(value):
                yield name, (name, number), each
        elif value is not None:
            yield name, (name,), value


# ------------------------------------------------------------------------------------------------ dashboards


def _dashboard(document: Document, assets: Assets) -> None:
    data = document.data
    _fields(document, (), "dashboard", data)
    check_shape(document, Dashboard)
    charts = {f"{file}/{title}": definition for file, title, definition in assets.every_chart()}
    for number, row in enumerate(data.get("rows", [])):
        at: At = ("rows", number)
        for place, item in enumerate(row["items"]):
            if "chart" in item and item["chart"] not in charts:
                raise document.error(
                    (*at, "items", place, "chart"),
                    f"rows: there is no chart {item['chart']}",
                    _near(item["chart"], charts),
                )
        if (width := sum(item["width"] for item in row["items"])) > WIDTH:
            raise document.error(
                at, f"rows: a row of width {width}, a dashboard has {WIDTH} columns", "make it narrower"
            )
    names = [each["name"] for each in data.get("filters", [])]
    for number, each in enumerate(data.get("filters", [])):
        at = ("filters", number)
        if each["type"] == "time":
            continue
        dataset = assets.datasets.get(each["dataset"])
        if dataset is None:
            raise document.error(
                (*at, "dataset"),
                f"filters: there is no dataset {each['dataset']}",
                _near(each["dataset"], assets.datasets),
            )
        if each["column"] not in dataset.data["columns"]:
            raise document.error(
                (*at, "column"),
                f"filters: the dataset {each['dataset']} has no column {each['column']}",
                _near(each["column"], dataset.data["columns"]),
            )
        for name in each.get("within", []):
            if name not in names:
                raise document.error(
                    (*at, "within"), f"filters: there is no filter {name}", _near(name, names)
                )
