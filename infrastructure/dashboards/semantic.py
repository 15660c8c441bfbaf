"""The metrics of dbt's semantic layer as SQL: their one definition, for charts too; and those that a dataset adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from transformation.project import files_of

AGGREGATIONS = {
    "sum": "SUM({})",
    "count": "COUNT({})",
    "count_distinct": "COUNT(DISTINCT {})",
    "average": "AVG({})",
    "min": "MIN({})",
    "max": "MAX({})",
}


@dataclass(frozen=True)
class Metric:
    """A metric in SQL over the columns of `model`, with the words that people see."""

    name: str
    label: str
    description: str
    model: str
    sql: str


@lru_cache(maxsize=3)
def metrics(rows: str = "") -> dict[str, Metric]:
    """Every metric that is one SQL expression over one model. A cumulative metric is not, nor is what derives from it.

    `rows`: a condition in SQL; the expression counts only the rows for which it holds.
    """
    measures: dict[str, tuple[str, str]] = {}  # name → (model, SQL)
    defined: dict[str, dict[str, Any]] = {}
    for path in files_of("models/semantic", "*.yml"):
        document = yaml.safe_load(path.read_text())
        for model in document.get("semantic_models", []):
            table = model["model"].removeprefix("ref('").removesuffix("')")
            for measure in model.get("measures", []):
                expression = str(measure.get("expr", measure["name"]))
                if rows:
                    expression = f"case when {rows} then {expression} end"
                measures[measure["name"]] = (table, AGGREGATIONS[measure["agg"]].format(expression))
        for metric in document.get("metrics", []):
            defined[metric["name"]] = metric
    found: dict[str, Metric] = {}
    for name, metric in defined.items():
        if (resolved := _resolve(name, defined, measures)) is not None:
            description = " ".join(metric["description"].split())
            found[name] = Metric(name, metric["label"], description, *resolved)
    return found


def metric(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """A metric by its name in the semantic layer; its change since the period before (`change_of`: in parts of what it was, `points_of`: of
    a rate, in percentage points); or, with `sql`, one of the dataset's own.
    """
    words: dict[str, str | None] = {}
    if changed := given.get("change_of") or given.get("points_of"):
        now, before = (metrics(rows)[changed].sql for rows in ("not is_before", "is_before"))
        ratio = f"CAST({now} AS DOUBLE) / NULLIF({before}, 0) - 1"
        words = {"sql": ratio if "change_of" in given else f"100 * ({now} - {before})"}
    elif "sql" not in given:
        shared = metrics()[name]
        words = {"sql": shared.sql, "label": shared.label, "description": shared.description}
    words |= given
    return {
        "metric_name": name,
        "verbose_name": words.get("label"),
        "metric_type": None,
        "expression": str(words["sql"]).strip(),
        "description": words.get("description"),
        "d3format": words.get("format"),
    }


def _resolve(
    name: str, defined: dict[str, dict[str, Any]], measures: dict[str, tuple[str, str]]
) -> tuple[str, str] | None:
    """(model, SQL) of a metric, or None when it can't be one expression."""
    metric = defined[name]
    parameters = metric["type_params"]
    if "filter" in metric:
        return None
    if metric["type"] == "simple":
        measure = parameters["measure"]
        if isinstance(measure, str):
            return measures[measure]
        # what is filled for periods without rows: a chart has no row for those
        return None if "filter" in measure else measures[measure["name"]]
    if metric["type"] == "ratio":
        above = _resolve(parameters["numerator"], defined, measures)
        below = _resolve(parameters["denominator"], defined, measures)
        if above is None or below is None or above[0] != below[0]:
            return None
        # in floating point, as people read a ratio; nothing by nothing is nothing
        return above[0], f"CAST({above[1]} AS DOUBLE) / NULLIF({below[1]}, 0)"
    return None
