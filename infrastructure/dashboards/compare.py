"""What differs between the files and a workspace, object by object and field by field.

Both sides are brought to one form first: an export says more than an import (ids of that workspace, defaults, empty fields),
and none of that is a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dashboards import OWNER

NAMES = {
    "databases": "database_name",
    "datasets": "table_name",
    "charts": "slice_name",
    "dashboards": "dashboard_title",
}
KEPT = {
    "databases": ("sqlalchemy_uri", "cache_timeout", "expose_in_sqllab", "allow_run_async", "allow_ctas", "allow_cvas",
                  "allow_dml", "extra"),
    "datasets": ("schema", "catalog", "sql", "main_dttm_col", "description", "filter_select_enabled", "extra",
                 "database_uuid", "columns", "metrics"),
    "charts": ("description", "certified_by", "certification_details", "viz_type", "params", "cache_timeout",
               "dataset_uuid"),
    "dashboards": ("description", "css", "slug", "certified_by", "certification_details", "published", "position",
                   "metadata"),
}  # fmt: skip
# what a workspace adds by itself
ADDED = {
    "params": {"datasource", "slice_id", "url_params", "dashboards", "annotation_layers", "dashboardId", "slice_name"},
    "metadata": {"chart_configuration", "global_chart_configuration", "map_label_colors", "color_namespace",
                 "filter_scopes", "color_scheme_domain", "show_chart_timestamps", "chart_customization_config",
                 "import_time", "native_filters_version", "remote_id"},
    "extra": {"version", "cancel_query_on_windows_unload"},
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One object of either side: what it is, what it is called, and its form."""

    kind: str
    uuid: str
    name: str
    form: dict[str, Any]
    ours: bool  # certified by us: these files made it
    file: str


@dataclass
class Difference:
    """Between what the files say and what the workspace holds."""

    create: list[Item] = field(default_factory=list)
    update: dict[str, tuple[Item, list[str]]] = field(default_factory=dict)  # uuid → (item, changed fields)
    remove: list[Item] = field(default_factory=list)  # ours, and no longer in the files
    foreign: list[Item] = field(default_factory=list)  # made by somebody else

    def __bool__(self) -> bool:
        return bool(self.create or self.update or self.remove)

    def lines(self) -> Iterator[str]:
        for item in self.create:
            yield f"+ {item.kind[:-1]} {item.name}"
        for item, fields in self.update.values():
            yield f"~ {item.kind[:-1]} {item.name}"
            yield from (f"    {line}" for line in fields)
        for item in self.remove:
            yield f"- {item.kind[:-1]} {item.name}"


def items(contents: dict[str, dict[str, Any]]) -> dict[str, Item]:
    """Every object by uuid, in its comparable form."""
    found = {}
    for file, content in contents.items():
        kind = file.partition("/")[0]
        if kind in NAMES:
            uuid = str(content["uuid"])
            found[uuid] = Item(
                kind, uuid, content[NAMES[kind]], normal(kind, content), _ours(kind, content), file
            )
    return found


def _ours(kind: str, content: dict[str, Any]) -> bool:
    if kind == "datasets":
        return ((content.get("extra") or {}).get("certification") or {}).get("certified_by") == OWNER
    return content.get("certified_by") == OWNER


def normal(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """A content without what differs between workspaces, or says nothing."""
    form: dict[str, Any] = {"name": content[NAMES[kind]]}
    for key in KEPT[kind]:
        value: Any = content.get(key)
        if key in ADDED and isinstance(value, dict):
            value = {name: each for name, each in value.items() if name not in ADDED[key]}
        if key in ("columns", "metrics"):
            value = _by_name(value or [])
        if key == "position":
            value = _positions(value)
        if key == "metadata":
            charts = {
                node["meta"]["chartId"]: str(node["meta"].get("uuid"))
                for node in content["position"].values()
                if isinstance(node, dict) and node.get("type") == "CHART"
            }
            value["native_filter_configuration"] = [
                _filter(one, charts) for one in value.get("native_filter_configuration", [])
            ]
        value = _without_nothing(value)
        if value not in (None, {}, [], ""):
            form[key] = value
    return form


FILTER = {"id", "name", "description", "type", "filterType", "targets", "controlValues", "defaultDataMask",
          "cascadeParentIds", "scope"}  # fmt: skip


def _filter(content: dict[str, Any], charts: dict[int, str]) -> dict[str, Any]:
    """A filter; a chart that it leaves alone is known by its uuid. `charts`: uuid by number."""
    kept = {name: each for name, each in content.items() if name in FILTER}
    if scope := kept.get("scope"):
        kept["scope"] = scope | {
            "excluded": sorted(charts.get(each, str(each)) for each in scope.get("excluded", []))
        }
    return kept


def _by_name(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns and metrics come in no order."""
    named: dict[str, Any] = {}
    for entry in entries:
        name = entry.get("column_name") or entry["metric_name"]
        kept = {
            key: value for key, value in entry.items() if not key.endswith("_name") or key == "verbose_name"
        }
        named[name] = {key: value for key, value in kept.items() if key != "metric_type"}
    return dict(sorted(named.items()))


def _positions(tree: dict[str, Any]) -> dict[str, Any]:
    """The uuid of a chart identifies it, not its number in one workspace."""
    form = {}
    for key, node in tree.items():
        if isinstance(node, dict):
            meta = {name: value for name, value in node.get("meta", {}).items() if name != "chartId"}
            form[key] = {**{name: value for name, value in node.items() if name != "parents"}, "meta": meta}
    return form


def _without_nothing(value: Any) -> Any:
    """Without keys that hold nothing: an export writes them out, an import leaves them out."""
    if isinstance(value, dict):
        cleaned = {key: _without_nothing(each) for key, each in value.items()}
        return {key: each for key, each in cleaned.items() if each not in (None, {}, [], "")}
    if isinstance(value, list):
        return [_without_nothing(each) for each in value]
    return value


def compare(files: dict[str, dict[str, Any]], workspace: dict[str, dict[str, Any]]) -> Difference:
    """What a push would do to the workspace."""
    wanted, held = items(files), items(workspace)
    difference = Difference()
    for uuid, item in wanted.items():
        if uuid not in held:
            difference.create.append(item)
        elif fields := list(changed(held[uuid].form, item.form)):
            difference.update[uuid] = (item, fields)
    for uuid, item in held.items():
        if uuid not in wanted:
            (difference.remove if item.ours else difference.foreign).append(item)
    return difference


def changed(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """A line for each field that differs: `params.y_axis_format: '$,.0f' → '$,.2s'`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from changed(old.get(key), new.get(key), f"{at}.{key}" if at else str(key))
    elif old != new:
        yield f"{at}: {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
