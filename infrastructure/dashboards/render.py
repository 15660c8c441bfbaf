"""From the files to Superset's own form: what its import API takes, one mapping per database, dataset, chart and
dashboard, each with a uuid that follows from its name.

The files say what a person decides. This module adds the rest that Superset wants (positions in a tree, flags of columns,
the SQL of a metric, the parameters that all charts of a type share); `dashboards.pull` takes it away again.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from airbyte_config.documents import Document
from airbyte_config.references import resolve
from dashboards import DETAILS, OWNER
from dashboards.contracts import types_of
from dashboards.files import Assets, load
from dashboards.semantic import metric
from foundation.settings import Settings

NAMESPACE = UUID("6f0b8f3e-54d1-5a0c-9a3b-2c3f0f6f8b11")
VERSION = "1.0.0"
TEMPORAL = ("DATE", "TIMESTAMP")
MASK = ":XXXXXXXXXX"  # what Superset shows of a password that it keeps
SCOPE = {"rootPath": ["ROOT_ID"], "excluded": []}

Rendered = dict[str, dict[str, Any]]  # file in the bundle → content


def uuid_of(kind: str, name: str) -> str:
    """The same name has the same uuid, in every workspace."""
    return str(uuid5(NAMESPACE, f"{kind}/{name}"))


def slug(text: str) -> str:
    """A title as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def rendered(settings: Settings, assets: Assets | None = None) -> Rendered:
    """Everything that the files define. Raises EltError, naming file and line, when something in them is wrong."""
    from dashboards.check import check

    assets = assets or load(settings.dashboards_warehouse)
    check(assets)
    found: Rendered = {}
    for name, document in assets.databases.items():
        found[f"databases/{slug(document.data['name'])}.yaml"] = database(name, document, settings)
    for name, document in assets.datasets.items():
        found[f"datasets/{name}.yaml"] = dataset(name, document, assets, settings)
    for file, title, definition in assets.every_chart():
        found[f"charts/{file}_{slug(title)}.yaml"] = chart(file, title, definition, assets)
    for name, document in assets.dashboards.items():
        found[f"dashboards/{name}.yaml"] = dashboard(name, document, assets)
    return found


# ------------------------------------------------------------------------------------------------ databases


def database(name: str, document: Document, settings: Settings) -> dict[str, Any]:
    """A connection. Its secrets are references in the file; they are resolved here, on the way to Superset."""
    data, _ = resolve(document, document.data, (), settings)
    extra = {
        "allows_virtual_table_explore": True,
        "engine_params": {"connect_args": data.get("connect_args", {})},
        "metadata_params": {},
        "schemas_allowed_for_file_upload": [],
    }
    content = {
        "database_name": data["name"],
        "sqlalchemy_uri": _uri(data["uri"], masked="password" in data),
        "cache_timeout": data.get("cache_timeout", 0),
        "expose_in_sqllab": data.get("expose_in_sqllab", True),
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "extra": extra,
        "uuid": uuid_of("database", data["name"]),
        "version": VERSION,
    }
    if "password" in data:  # beside the URI, which an export shows with a mask in its place
        content["password"] = data["password"]
    if "encrypted" in data:
        content["encrypted_extra"] = json.dumps(data["encrypted"])
    return content


def _uri(parts: dict[str, Any], *, masked: bool) -> str:
    login = f"{quote(parts['username'], safe='')}{MASK if masked else ''}@" if "username" in parts else ""
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in parts.get("query", {}).items())
    return f"{parts['driver']}://{login}{parts.get('host', '')}/{parts['database']}" + (
        f"?{query}" if query else ""
    )


# ------------------------------------------------------------------------------------------------ datasets


def dataset(name: str, document: Document, assets: Assets, settings: Settings) -> dict[str, Any]:
    """A table of the marts, or a query over them, with the columns and metrics that charts may use."""
    data = document.data
    within = assets.databases[database_of(data, assets)]
    base, _ = resolve(within, within.data, (), settings)
    described = types_of(document, assets)
    columns = []
    for column, given in data["columns"].items():
        given = given or {}
        kind = described[column]
        columns.append(
            {
                "column_name": column,
                "verbose_name": given.get("label"),
                "description": given.get("description"),
                "expression": given.get("sql"),
                "type": kind,
                "is_dttm": kind.startswith(TEMPORAL),
                "is_active": True,
                "groupby": True,
                "filterable": True,
            }
        )
    return {
        "table_name": data.get("table", name),
        "schema": data.get("schema") or base.get("schema") or ("main" if data.get("database") else "marts"),
        "catalog": base.get("catalog"),
        "sql": data["sql"].strip() if "sql" in data else None,
        "main_dttm_col": data.get("time"),
        "description": data["description"].strip(),
        "filter_select_enabled": True,
        "extra": {"certification": {"certified_by": OWNER, "details": DETAILS}},
        "columns": columns,
        "metrics": [metric(key, given or {}) for key, given in data.get("metrics", {}).items()],
        "uuid": uuid_of("dataset", name),
        "database_uuid": uuid_of("database", base["name"]),
        "version": VERSION,
    }


def database_of(data: dict[str, Any], assets: Assets) -> str:
    """The file of a dataset's database: the warehouse, unless it names another."""
    from dashboards.files import WAREHOUSE

    wanted = data.get("database", WAREHOUSE)
    return next(key for key, document in assets.databases.items() if document.data["name"] == wanted)


# ------------------------------------------------------------------------------------------------ charts


def chart(file: str, title: str, definition: dict[str, Any], assets: Assets) -> dict[str, Any]:
    """A chart: the parameters of its type from `style.yaml`, and over them its own."""
    viz = definition["viz"]
    shared = assets.style.data["charts"].get(viz, {})
    params = {"viz_type": viz, **assets.style.data["charts"]["all"], **shared, **definition["params"]}
    time = assets.datasets[definition["dataset"]].data.get("time")
    filters = [_time_filter(time)] if time else []
    params["adhoc_filters"] = filters + [_condition(text) for text in definition.get("where", [])]
    content = {
        "slice_name": definition.get("title", title),
        "description": definition.get("description"),
        "certified_by": OWNER,
        "certification_details": DETAILS,
        "viz_type": viz,
        "params": params,
        "cache_timeout": None,
        "uuid": chart_uuid(file, title, definition),
        "dataset_uuid": uuid_of("dataset", definition["dataset"]),
        "version": VERSION,
    }
    if any(
        document.data.get("embedded") and shows(document, f"{file}/{title}")
        for document in assets.dashboards.values()
    ):
        content["query_context"] = json.dumps({"queries": [asked(definition["params"])]})
    return content


def shows(dashboard: Document, chart: str) -> bool:
    """Whether a dashboard has that chart (`file/title`)."""
    return any(item.get("chart") == chart for row in dashboard.data.get("rows", []) for item in row["items"])


def asked(params: dict[str, Any]) -> dict[str, Any]:
    """The columns and metrics that a chart asks for: Superset lets a guest ask for no others. Its pages keep this with each chart that is saved there."""
    columns: list[Any] = [*params.get("groupby", []), *params.get("all_columns", [])]
    if axis := params.get("x_axis"):
        columns.insert(
            0,
            {
                "timeGrain": params.get("time_grain_sqla"),
                "columnType": "BASE_AXIS",
                "sqlExpression": axis,
                "label": axis,
                "expressionType": "SQL",
                "isColumnReference": True,
            },
        )
    metrics = params.get("metrics") or [params[name] for name in ("metric",) if name in params]
    return {"columns": columns, "metrics": metrics}


def chart_uuid(file: str, title: str, definition: dict[str, Any]) -> str:
    """A chart's uuid: of its place in the files, unless it was made in a browser and brought its own."""
    return definition.get("uuid") or uuid_of("chart", f"{file}/{title}")


def _time_filter(column: str) -> dict[str, Any]:
    """What lets the dashboard's period reach the chart."""
    return {
        "clause": "WHERE",
        "expressionType": "SIMPLE",
        "operator": "TEMPORAL_RANGE",
        "subject": column,
        "comparator": "No filter",
    }


def _condition(given: str | dict[str, Any]) -> dict[str, Any]:
    """A condition in SQL; or one as Superset has it, of a chart that was made in a browser."""
    if isinstance(given, dict):
        return given
    return {"clause": "WHERE", "expressionType": "SQL", "sqlExpression": given}


# ------------------------------------------------------------------------------------------------ dashboards


def dashboard(name: str, document: Document, assets: Assets) -> dict[str, Any]:
    """A dashboard: its rows of charts, its filters, and the colours that are the same on all of them."""
    data = document.data
    tree = data.get("position") or position(data["title"], data["rows"], assets)
    charts = numbers(tree, assets)
    for number, each in enumerate(data.get("filters", [])):
        if absent := [chart for chart in each.get("excluding", []) if chart not in charts]:
            raise document.error(
                ("filters", number, "excluding"),
                f"filters: no row shows the chart {absent[0]}",
                f"name one of {', '.join(charts)}",
            )
    return {
        "dashboard_title": data["title"],
        "description": data["description"].strip(),
        "css": assets.style.data["css"].strip(),
        "slug": name.replace("_", "-"),
        "certified_by": OWNER,
        "certification_details": DETAILS,
        "published": True,
        "uuid": uuid_of("dashboard", name),
        "position": tree,
        "metadata": {
            "native_filter_configuration": data.get("native_filters")
            or [native_filter(each, charts) for each in data.get("filters", [])],
            "cross_filters_enabled": True,
            "color_scheme": data.get("color_scheme", assets.style.data["color_scheme"]),
            "label_colors": assets.style.data["colors"],
            "shared_label_colors": sorted(assets.style.data["colors"]),
            "refresh_frequency": data.get("refresh_seconds", 0),
            "stagger_refresh": False,  # else a chart's turn comes up to five seconds later
            "timed_refresh_immune_slices": [],
            "expanded_slices": {},
        },
        "version": VERSION,
    }


def position(title: str, rows: list[dict[str, Any]], assets: Assets) -> dict[str, Any]:
    """Superset's tree of a grid of twelve columns. A row holds charts (`file/title: width`) or text (`text: …`)."""
    charts = {f"{each[0]}/{each[1]}": chart_uuid(*each) for each in assets.every_chart()}
    children: list[str] = []
    tree: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"id": "ROOT_ID", "type": "ROOT", "children": ["GRID_ID"]},
        "GRID_ID": {"id": "GRID_ID", "type": "GRID", "parents": ["ROOT_ID"], "children": children},
        "HEADER_ID": {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": title}},
    }
    for number, row in enumerate(rows, 1):
        key = f"ROW-{number}"
        children.append(key)
        tree[key] = {
            "id": key,
            "type": "ROW",
            "parents": ["ROOT_ID", "GRID_ID"],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
            "children": [],
        }
        for place, item in enumerate(row["items"], 1):
            kind = "MARKDOWN" if "text" in item else "CHART"
            own = f"{kind}-{number}-{place}"
            meta: dict[str, Any] = {"width": item["width"], "height": row["height"]}
            if kind == "MARKDOWN":
                meta["code"] = item["text"].strip()
            else:
                meta["sliceName"] = item["chart"].partition("/")[2]
                meta |= {"uuid": charts[item["chart"]], "chartId": number * 100 + place}
                if "title" in item:
                    meta["sliceNameOverride"] = item["title"]
            tree[key]["children"].append(own)
            tree[own] = {
                "id": own,
                "type": kind,
                "parents": ["ROOT_ID", "GRID_ID", key],
                "meta": meta,
                "children": [],
            }
    return tree


def numbers(tree: dict[str, Any], assets: Assets) -> dict[str, int]:
    """By which number a layout knows each chart of the files (`file/title`); another workspace gives it another one."""
    names = {chart_uuid(*each): f"{each[0]}/{each[1]}" for each in assets.every_chart()}
    nodes = [node["meta"] for node in tree.values() if isinstance(node, dict) and node.get("type") == "CHART"]
    return {names[str(meta["uuid"])]: meta["chartId"] for meta in nodes if str(meta["uuid"]) in names}


def native_filter(given: dict[str, Any], charts: dict[str, int]) -> dict[str, Any]:
    """A filter of the bar on the left: days, or values of a column; `default: last`: one of them, at first the last by name.

    `charts`: the number of each chart, for those that it leaves alone (`excluding`).
    """
    last = given.get("default") == "last"
    content = {
        "id": f"NATIVE_FILTER-{slug(given['name'])}",
        "name": given["name"],
        "description": given.get("description", ""),
        "type": "NATIVE_FILTER",
        "scope": SCOPE | {"excluded": [charts[name] for name in given.get("excluding", [])]},
        "cascadeParentIds": [f"NATIVE_FILTER-{slug(name)}" for name in given.get("within", [])],
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
    }
    if given["type"] == "time":
        return content | {"filterType": "filter_time", "targets": [{}], "controlValues": {}}
    return content | {
        "filterType": "filter_select",
        "requiredFirst": last,
        "targets": [
            {"column": {"name": given["column"]}, "datasetUuid": uuid_of("dataset", given["dataset"])}
        ],
        "controlValues": {
            "enableEmptyFilter": False,
            "multiSelect": not last,
            "searchAllOptions": False,
            "inverseSelection": False,
            "defaultToFirstItem": last,
            "sortAscending": not last,
        },
    }
