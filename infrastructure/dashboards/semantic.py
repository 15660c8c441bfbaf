"""The metrics of dbt's semantic layer as SQL: their one definition, for charts too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from foundation.settings import ROOT

SEMANTIC = ROOT / "data-transformation" / "models" / "semantic"
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


@lru_cache(maxsize=1)
def metrics() -> dict[str, Metric]:
    """Every metric that is one SQL expression over one model. A cumulative metric is not, nor is what derives from it."""
    measures: dict[str, tuple[str, str]] = {}  # name → (model, SQL)
    defined: dict[str, dict[str, Any]] = {}
    for path in sorted(SEMANTIC.glob("*.yml")):
        document = yaml.safe_load(path.read_text())
        for model in document.get("semantic_models", []):
            table = model["model"].removeprefix("ref('").removesuffix("')")
            for measure in model.get("measures", []):
                expression = str(measure.get("expr", measure["name"]))
                measures[measure["name"]] = (table, AGGREGATIONS[measure["agg"]].format(expression))
        for metric in document.get("metrics", []):
            defined[metric["name"]] = metric
    found: dict[str, Metric] = {}
    for name, metric in defined.items():
        if (resolved := _resolve(name, defined, measures)) is not None:
            description = " ".join(metric["description"].split())
            found[name] = Metric(name, metric["label"], description, *resolved)
    return found


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
