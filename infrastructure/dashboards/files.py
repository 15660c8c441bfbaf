"""The files of `infrastructure/preset`, read: databases, datasets, charts, dashboards and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

from airbyte_config.documents import Document, read
from dashboards import FOLDER
from foundation.errors import EltError
from foundation.settings import settings

WAREHOUSE = "AdventureWorks"  # the name of the one database that has a file per place
COMPARED = """
select
    compared.* replace (
        case when shifted.is_before then compared.{by}_after else compared.{by} end as {by},
        case when shifted.is_before then compared.{time} + interval '{shift}' else compared.{time} end as {time}
    ),
    shifted.is_before
from (
{base}
) as compared
cross join (select false as is_before union all select true as is_before) as shifted
where {where} and not (shifted.is_before and compared.{by}_after is null)
"""
KINDS = ("databases", "datasets", "charts", "dashboards")


@dataclass(frozen=True)
class Assets:
    """Every file by name (its stem), and `style.yaml`: colours, and the parameters that charts of a type share."""

    folder: Path
    style: Document
    databases: dict[str, Document]
    datasets: dict[str, Document]
    charts: dict[str, Document]
    dashboards: dict[str, Document]
    left_out: dict[
        str, list[Any]
    ]  # by dashboard: its last rows, whose charts are of sources that are not in use

    def every_chart(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """(file, title, definition) of each chart."""
        for name, document in self.charts.items():
            for title, definition in document.data.items():
                yield name, title, definition


def load(warehouse: str, folder: Path = FOLDER) -> Assets:
    """Read the folder; files in a folder of an optional source's name only where it is in use (ELT_SOURCES), and the rows of a dashboard
    that show their charts, which come last. Of the databases with one name, the file named by `warehouse` (`DASHBOARDS_WAREHOUSE`) counts.

    Raises EltError naming file and line when a file is no YAML mapping.
    """
    kinds = {
        kind: {
            path.stem: read(path)
            for place in (folder / kind, *(folder / kind / source for source in settings().sources))
            for path in sorted(place.glob("*.yaml"))
        }
        for kind in KINDS
    }
    places = [name for name, doc in kinds["databases"].items() if doc.data.get("name") == WAREHOUSE]
    if not places:
        raise EltError(
            f"{folder / 'databases'} holds no database named {WAREHOUSE}",
            "name a folder that is like infrastructure/preset",
        )
    if warehouse not in places:
        raise EltError(
            f"DASHBOARDS_WAREHOUSE={warehouse}: there is no such file in {folder / 'databases'}",
            f"choose from {', '.join(places)}",
        )
    for name in places:
        if name != warehouse:
            del kinds["databases"][name]
    for document in kinds["datasets"].values():
        if base := kinds["datasets"].get(str(document.data.get("compares"))):
            _compare(document.data, base.data)
    every = {path.stem for path in (folder / "charts").glob("**/*.yaml")}
    left_out = {
        name: _leave_out(document.data, every - kinds["charts"].keys())
        for name, document in kinds["dashboards"].items()
    }
    return Assets(folder, read(folder / "style.yaml"), **kinds, left_out=left_out)


def _leave_out(data: dict[str, Any], unused: set[str]) -> list[Any]:
    """Take a dashboard's last rows away as long as one of their charts is in a file that is not in use; these rows."""

    def of_unused(row: Any) -> bool:
        items = row.get("items") if isinstance(row, dict) else None
        return any(
            isinstance(item, dict) and str(item.get("chart", "")).partition("/")[0] in unused
            for item in items or []
        )

    rows: Any = data.get("rows")
    taken: list[Any] = []
    while isinstance(rows, list) and rows and of_unused(rows[-1]):
        taken.insert(0, rows.pop())
    return taken


def _compare(data: dict[str, Any], base: dict[str, Any]) -> None:
    """Complete a dataset that `compares` the rows of another one with those of the period before (`by`: its column).

    The other one has a column of that name and one with `_after`: the period that follows, null for the newest. A row of the period before
    has this one's days, `shift` later, so that a filter of days leaves the same days of both. Of the columns it offers those that it
    `keeps` for filters, and none to add up: each row is there twice.
    """
    by, time = data.get("by", "period"), base["time"]
    data["sql"] = COMPARED.format(
        by=by,
        time=time,
        shift=data.get("shift", "365 days"),
        base=indent(base["sql"].strip(), "    "),
        where=data.get("where", "true"),
    )
    offered = [time, by, *data.get("keeps", [])]
    data["columns"] = {name: base["columns"].get(name) for name in offered}
    data |= {key: base[key] for key in ("time", "semantic") if key in base}


def charts_of(assets: Assets, dashboard: str) -> int:
    """How many charts a dashboard shows."""
    return sum("chart" in item for row in assets.dashboards[dashboard].data["rows"] for item in row["items"])
