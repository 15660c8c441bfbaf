"""`python -m streaming.fraud.drift`: whether the payments of the last day look as those did from which the promoted model learned.

The measure is the population stability index of each feature and of the score: the sum over bins of (now - then) · ln(now / then). As JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from foundation.errors import one_line
from foundation.private import private
from foundation.settings import Settings, settings
from streaming.fraud import models

BINS = 10
SCORES = (
    0.01,
    0.05,
    0.2,
    0.5,
    0.8,
)  # most scores are next to nothing, and the differences of these mean nothing
LEAST = 1_000  # payments; fewer say nothing
FLOOR = 1e-4  # the least share of a bin, so that an empty one is not infinitely far

Spread = dict[str, list[float]]  # `edges` between the bins, and the `shares` of the bins
Rows = np.ndarray[Any, Any]


def reference(names: Sequence[str], rows: Rows, scores: Rows) -> dict[str, Spread]:
    """How each feature is spread over bins of about equal shares, and the score over SCORES."""
    found = {}
    for name, values in zip(names, rows.T, strict=True):
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        found[name] = _spread(edges, values)
    return found | {"score": _spread(np.array(SCORES), scores)}


def psi(then: Spread, values: Rows) -> float:
    """How far values are from a spread: 0 is the same; above 0.25 they are taken for others (`streaming.training`)."""
    now = _shares(np.array(then["edges"]), values)
    before = np.maximum(np.array(then["shares"]), FLOOR)
    return float(((now - before) * np.log(now / before)).sum())


def drifted(config: Settings) -> dict[str, Any]:
    """The index of each feature and of the score over the last day; none of a feature, where no model is promoted or it has scored too
    few payments. Raises EltError."""
    from streaming.sink.clickhouse import connect

    version = models.promoted(config)
    if version is None:
        return {"model_version": None, "payments": 0, "psi": {}}
    record = models.load(config, version).record
    found = connect(config, writes=False).query(
        f"select features, score from `{config.stream_clickhouse_database}`.card_transactions_scored final"
        f" where model_version = {version} and occurred_at > now() - interval 1 day"
        " order by cityHash64(event_id) limit 100000"
    )
    if len(found.result_rows) < LEAST:
        return {"model_version": version, "payments": len(found.result_rows), "psi": {}}
    rows = np.array([row[0] for row in found.result_rows])
    scores = np.array([row[1] for row in found.result_rows])
    named = (*zip(record.features, rows.T, strict=True), ("score", scores))
    return {
        "model_version": version,
        "payments": len(rows),
        "psi": {name: round(psi(record.reference[name], values), 4) for name, values in named},
    }


def _spread(edges: Rows, values: Rows) -> Spread:
    return {"edges": edges.tolist(), "shares": _shares(edges, values).tolist()}


def _shares(edges: Rows, values: Rows) -> Rows:
    # a value on an edge is in the bin below it: many features have few values
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return np.maximum(counts / max(1, len(values)), FLOOR)


if __name__ == "__main__":
    private()
    with one_line("drift"):
        print(json.dumps(drifted(settings())))
