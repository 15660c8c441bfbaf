"""From a workspace back to the files: what somebody changed in the browser, in the form in which a person reviews it.

The inverse of `dashboards.render`: what rendering adds is taken away. A layout or a filter that the short form can't say is
written as Superset has it (`position`, `native_filters`), so that nothing is lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from airbyte_config.documents import Document
from dashboards.compare import ADDED, Item, compare, normal
from dashboards.files import Assets, load
from dashboards.render import chart_uuid, native_filter, numbers, position, rendered, uuid_of
from dashboards.semantic import metric, metrics
from foundation.settings import Settings


def pull(settings: Settings, export: dict[str, dict[str, Any]], assets: Assets | None = None) -> list[Path]:
    """Write what differs into the files; the files that were written. Connections are left alone: they are secrets' places.

    Charts that somebody added to one of these dashboards come along; other people's dashboards don't.
    """
    assets = assets or load(settings.dashboards_warehouse)
    wanted = rendered(settings, assets)
    difference = compare(wanted, export)
    held = {str(content["uuid"]): content for content in export.values() if "uuid" in content}
    changed: dict[Path, Document] = {}
    for uuid, (item, _) in difference.update.items():
        if item.kind == "datasets":
            document = next(d for name, d in assets.datasets.items() if uuid_of("dataset", name) == uuid)
            document.data.update(_dataset(held[uuid], document.data))
            changed[document.path] = document
        elif item.kind == "charts":
            file, title, old = next(each for each in assets.every_chart() if chart_uuid(*each) == uuid)
            assets.charts[file].data[title] = _chart(held[uuid], title, old, assets)
            changed[assets.charts[file].path] = assets.charts[file]
    for uuid, (item, _) in difference.update.items():
        if item.kind == "dashboards":
            name = next(name for name in assets.dashboards if uuid_of("dashboard", name) == uuid)
            for added in _added(held[uuid], difference.foreign, held, assets):
                assets.charts[name].data[added["slice_name"]] = _chart(
                    added, added["slice_name"], {}, assets
                ) | {"uuid": str(added["uuid"])}
                changed[assets.charts[name].path] = assets.charts[name]
            document = assets.dashboards[name]
            _dashboard(name, held[uuid], document.data, assets)
            changed[document.path] = document
    for document in changed.values():
        _write(document)
    return sorted(changed)


def _write(document: Document) -> None:
    """The file with new content, under the comment that it began with."""
    head = []
    for line in document.path.read_text().splitlines():
        if not line.startswith("#"):
            break
        head.append(line)
    body = yaml.dump(document.data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    document.path.write_text("".join(f"{line}\n" for line in head) + body)


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, as a person writes them; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _dataset(content: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """The fields of a dataset's file that a workspace can change."""
    columns = {}
    for name, column in normal("datasets", content)["columns"].items():
        words = {"label": column.get("verbose_name"), "sql": column.get("expression")}
        words["description"] = column.get("description")
        columns[name] = {key: value for key, value in words.items() if value} or None
    found: dict[str, Any] = {
        "description": content.get("description") or "",
        "columns": {name: columns[name] for name in [*old["columns"], *columns] if name in columns},
    }
    if content.get("sql"):
        found["sql"] = content["sql"]
    named = {metric["metric_name"]: metric for metric in content["metrics"]}
    ordered = [name for name in [*old.get("metrics", {}), *named] if name in named]
    if ordered:
        given = old.get("metrics", {})
        found["metrics"] = {name: _metric(named[name], given.get(name)) for name in dict.fromkeys(ordered)}
    return found


def _metric(held: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """What a file says of a metric: what its name, or what it is the change of (`old`), does not say already."""
    name = held["metric_name"]
    words = {
        "sql": held["expression"],
        "label": held.get("verbose_name"),
        "description": held.get("description"),
        "format": held.get("d3format"),
    }
    of = {key: value for key, value in (old or {}).items() if key in ("change_of", "points_of")}
    if (of or name in metrics()) and (said := metric(name, of))["expression"] == held["expression"]:
        same = {"sql": said["expression"], "label": said["verbose_name"], "description": said["description"]}
        words = of | {key: value for key, value in words.items() if value != same.get(key)}
    return {key: value for key, value in words.items() if value} or None


def _chart(content: dict[str, Any], title: str, old: dict[str, Any], assets: Assets) -> dict[str, Any]:
    viz = content["viz_type"]
    shared = {**assets.style.data["charts"]["all"], **assets.style.data["charts"].get(viz, {})}
    params = {
        key: value
        for key, value in content["params"].items()
        if key not in ADDED["params"] | {"viz_type", "adhoc_filters"} and shared.get(key, _MISSING) != value
    }
    where = [
        each["sqlExpression"] if each.get("expressionType") == "SQL" else each
        for each in content["params"].get("adhoc_filters", [])
        if each.get("operator") != "TEMPORAL_RANGE"
    ]
    dataset = next(
        name for name in assets.datasets if uuid_of("dataset", name) == str(content["dataset_uuid"])
    )
    found = {
        "title": content["slice_name"] if content["slice_name"] != title else None,
        "viz": viz,
        "dataset": dataset,
        "description": content.get("description"),
        "where": where,
        "params": params,
        "uuid": old.get("uuid"),
    }
    return {key: value for key, value in found.items() if value or key == "params"}


_MISSING = object()


def _added(
    content: dict[str, Any], foreign: list[Item], held: dict[str, dict[str, Any]], assets: Assets
) -> list[dict[str, Any]]:
    """Charts over our datasets that somebody placed on a dashboard of ours."""
    ours = {uuid_of("dataset", name) for name in assets.datasets}
    placed = {str(node["meta"]["uuid"]) for node in content["position"].values() if _is(node, "CHART")}
    return [
        held[item.uuid]
        for item in foreign
        if item.kind == "charts" and item.uuid in placed and str(held[item.uuid]["dataset_uuid"]) in ours
    ]


def _is(node: Any, kind: str) -> bool:
    return isinstance(node, dict) and node.get("type") == kind


def _dashboard(name: str, content: dict[str, Any], data: dict[str, Any], assets: Assets) -> None:
    """Bring a dashboard's file to what the workspace holds."""
    data["title"] = content["dashboard_title"]
    data["description"] = content.get("description") or ""
    names = {chart_uuid(*each): f"{each[0]}/{each[1]}" for each in assets.every_chart()}
    rows = _rows(content["position"], names)
    form = normal("dashboards", content)
    for key in ("rows", "position", "filters", "native_filters"):
        data.pop(key, None)
    places = numbers(content["position"], assets)
    native = content["metadata"].get("native_filter_configuration", [])
    filters = [_filter(each, places, assets) for each in native]
    wanted = {
        **content,
        "metadata": {"native_filter_configuration": [native_filter(f, places) for f in filters if f]},
    }
    said = normal("dashboards", wanted)["metadata"].get("native_filter_configuration", [])
    if None not in filters and said == form["metadata"].get("native_filter_configuration", []):
        data["filters"] = filters
    else:
        data["native_filters"] = content["metadata"]["native_filter_configuration"]
    rebuilt = rows and {**content, "position": position(content["dashboard_title"], rows, assets)}
    if rebuilt and _laid_out(rebuilt) == _laid_out(content):
        data["rows"] = (rows or []) + assets.left_out[name]
    else:
        data["position"] = content["position"]


def _laid_out(content: dict[str, Any]) -> list[Any]:
    """A layout without the names of its nodes, which the browser makes up."""
    tree = content["position"]

    def node(key: str) -> Any:
        meta = {
            k: v for k, v in tree[key].get("meta", {}).items() if k not in ("chartId", "sliceName", "text")
        }
        return [tree[key]["type"], meta, [node(child) for child in tree[key].get("children", [])]]

    return node("ROOT_ID")


def _rows(tree: dict[str, Any], names: dict[str, str]) -> list[dict[str, Any]] | None:
    """A tree as rows, or None when it is more than rows of charts and texts."""
    rows = []
    for key in tree.get("GRID_ID", {}).get("children", []):
        nodes = [tree[child] for child in tree[key].get("children", [])]
        if tree[key]["type"] != "ROW" or any(node["type"] not in ("CHART", "MARKDOWN") for node in nodes):
            return None
        found = []
        for node in nodes:
            meta = node["meta"]
            if node["type"] == "MARKDOWN":
                found.append({"text": meta.get("code", "") + "\n", "width": meta["width"]})
            elif (chart := names.get(str(meta["uuid"]))) is None:
                return None
            else:
                title = {"title": meta["sliceNameOverride"]} if meta.get("sliceNameOverride") else {}
                found.append({"chart": chart, "width": meta["width"], **title})
        heights = {node["meta"]["height"] for node in nodes}
        row = {"height": max(heights, default=0), "items": found}
        if len(heights) > 1:
            return None
        rows.append(row)
    return rows


def _filter(native: dict[str, Any], places: dict[str, int], assets: Assets) -> dict[str, Any] | None:
    left_out = native.get("scope", {}).get("excluded", [])
    excluding = [name for name, number in places.items() if number in left_out]
    more: dict[str, Any] = {"excluding": excluding} if excluding else {}
    if native.get("filterType") == "filter_time":
        return {"name": native["name"], "type": "time"} | more
    if native.get("filterType") != "filter_select":
        return None
    target = native["targets"][0]
    dataset = next(
        (n for n in assets.datasets if uuid_of("dataset", n) == str(target.get("datasetUuid"))), None
    )
    if dataset is None:
        return None
    if native.get("controlValues", {}).get("defaultToFirstItem"):
        more = {"default": "last"} | more
    target_of = {"dataset": dataset, "column": target["column"]["name"]}
    return {"name": native["name"], "type": "select"} | target_of | more
