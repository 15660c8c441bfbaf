"""`python -m streaming.fraud.train`: train on the payments that ClickHouse has, compare on days that were held out, promote what is better.

The truth is the generator's (`producer.payments.truth`), which is in no event. The report is one JSON object on standard output.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sklearn
from clickhouse_connect.driver.client import Client
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from foundation.errors import EltError, one_line
from foundation.private import private
from foundation.settings import Settings, settings
from streaming.fraud import drift, models, rules
from streaming.fraud.features import features
from streaming.producer.payments import truth
from streaming.sink.clickhouse import connect

LARGEST = 400_000  # payments; of more, whole cards are left out
HELD_OUT = 0.2  # of the days, the newest; at least one
FEWEST_FRAUDS = 20  # in the days for training, and in those held out
ONLINE = 100_000  # payments from which the online variant learns before the held-out days
GENERATED = re.compile(r"card-(\d+)-(\d+)")

Rows = np.ndarray[Any, Any]


def classifier() -> HistGradientBoostingClassifier:
    """The model as it begins: small trees, so that a payment is scored within a millisecond or so."""
    return HistGradientBoostingClassifier(max_iter=80, max_leaf_nodes=15, min_samples_leaf=30, random_state=7)


def payments(client: Client, database: str) -> tuple[list[str], Rows, Rows]:
    """Days (ISO), features (payments, features) and truth (0 or 1) of the payments, by time. Raises EltError: there are none."""
    names = features().names
    (total,) = client.query(f"select count() from `{database}`.card_transactions").result_rows[0]
    part = max(1, math.ceil(total / LARGEST))
    columns = ", ".join(f"feature_{name}" for name in names)
    found = client.query(
        f"select event_id, toString(toDate(paid_at)), {columns} from `{database}_marts`.card_features"
        f" where cityHash64(credit_card_id) % {part} = 0 order by paid_at, event_id"
    )
    days, kept, frauds = [], [], []
    for event_id, day, *values in found.result_rows:
        if made := GENERATED.fullmatch(event_id):  # of others the truth is not known
            days.append(day)
            kept.append(values)
            frauds.append(truth(int(made[1]), int(made[2])) is not None)
    return days, np.array(kept, dtype=float).reshape(len(kept), len(names)), np.array(frauds, dtype=int)


def train(config: Settings, client: Client) -> models.Record:
    """Train, compare, keep the version, and promote it if it is better than what scores now. Raises EltError: too few payments."""
    models.records(config)  # a damaged one is said before the work, not after it
    days, rows, frauds = payments(client, config.stream_clickhouse_database)
    known = sorted(set(days))
    if len(known) > 3:  # on the first day most cards have no history yet
        known = known[1:]
    held_out = known[-max(1, round(len(known) * HELD_OUT)) :]
    by_day = np.array(days)
    learn, test = np.isin(by_day, known[: -len(held_out)]), np.isin(by_day, held_out)
    if min(frauds[learn].sum(), frauds[test].sum()) < FEWEST_FRAUDS:
        raise EltError(
            f"the payments of {len(known)} days have {frauds[learn].sum()} frauds to learn from and {frauds[test].sum()} to test by,"
            f" and {FEWEST_FRAUDS} of each are needed",
            "let the lane run for some days",
        )
    guessed = cross_val_predict(classifier(), rows[learn], frauds[learn], cv=3, method="predict_proba")[:, 1]
    threshold = best_threshold(frauds[learn], guessed)
    made = classifier().fit(rows[learn], frauds[learn])
    scores = made.predict_proba(rows[test])[:, 1]
    names = list(features().names)
    by_rules = np.array([rules.score(names, values) for values in rows[test]])
    metrics = {
        "model": figures(frauds[test], scores, threshold),
        "rules": figures(frauds[test], by_rules, rules.THRESHOLD),
        "online": online(rows[learn], frauds[learn], rows[test], frauds[test]),
    }
    current = _current(config, names)
    if current:
        metrics["promoted"] = figures(frauds[test], current.scores(rows[test]), current.record.threshold)
    better = metrics["model"]["pr_auc"] > metrics["promoted" if current else "rules"]["pr_auc"]
    record = models.keep(
        config,
        models.Record(
            version=0,
            trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
            days=known[: -len(held_out)],
            held_out_days=held_out,
            payments=len(days),
            frauds=int(frauds.sum()),
            features=names,
            threshold=threshold,
            metrics=metrics,
            reference=drift.reference(names, rows[learn], scores),
            promoted=better,
            sklearn=sklearn.__version__,
        ),
        made,
    )
    if better:
        models.promote(config, record.version)
    return record


def best_threshold(frauds: Rows, scores: Rows) -> float:
    """The score from which the harmonic mean of precision and recall is largest."""
    precision, recall, thresholds = precision_recall_curve(frauds, scores)
    mean = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-12)
    return float(thresholds[int(mean.argmax())])


def figures(frauds: Rows, scores: Rows, threshold: float) -> dict[str, float]:
    """Precision and recall at the threshold, and the area under their curve."""
    taken = scores >= threshold
    hits = int((taken & (frauds == 1)).sum())
    return {
        "precision": round(hits / max(1, int(taken.sum())), 4),
        "recall": round(hits / max(1, int(frauds.sum())), 4),
        "pr_auc": round(float(average_precision_score(frauds, scores)), 4),
    }


def online(rows: Rows, frauds: Rows, test_rows: Rows, test_frauds: Rows) -> dict[str, float]:
    """The variant that learns from payment after payment (river), which scores each held-out payment before it learns from it."""
    from river import linear_model, preprocessing

    names = features().names
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()

    def scored(part: Rows, truths: Rows) -> Rows:
        scores = []
        for values, fraud in zip(part.tolist(), truths.tolist(), strict=True):
            x = dict(zip(names, values, strict=True))
            scores.append(model.predict_proba_one(x).get(True, 0.0))
            model.learn_one(x, bool(fraud))
        return np.array(scores)

    threshold = best_threshold(frauds[-ONLINE:], scored(rows[-ONLINE:], frauds[-ONLINE:]))
    return figures(test_frauds, scored(test_rows, test_frauds), threshold)


def _current(config: Settings, names: list[str]) -> models.Model | None:
    """The promoted one, if it can be compared: one of other features or of another scikit-learn can't score, here as in the enricher."""
    version = models.promoted(config)
    if version is None:
        return None
    try:
        found = models.load(config, version)
    except EltError:
        return None
    return found if found.record.features == names else None


def write_rows(config: Settings, client: Client) -> None:
    """The rows of all versions, in ClickHouse, for people: the folder has the truth, and a row that is missing comes again."""
    table = f"`{config.stream_clickhouse_database}`.fraud_models"
    client.command(
        f"create table if not exists {table} (version Int32, trained_at DateTime('UTC'), held_out_days Array(String), payments Int64,"
        " frauds Int64, threshold Float64, promoted Bool, metrics Map(String, Map(String, Float64)), sha256 String)"
        " engine = ReplacingMergeTree order by version"
    )
    found = [asdict(record) for record in models.records(config)]
    names = (
        "version",
        "trained_at",
        "held_out_days",
        "payments",
        "frauds",
        "threshold",
        "promoted",
        "metrics",
        "sha256",
    )
    for each in found:
        each["trained_at"] = datetime.fromisoformat(each["trained_at"])
    client.insert(table, [[each[name] for name in names] for each in found], list(names))


def main() -> None:
    """Train, and say how it went."""
    private()
    with one_line("train"):
        config = settings()
        client = connect(config)
        with threadpool_limits(1):  # the other cores are the lane's
            record = train(config, client)
        write_rows(config, client)
        print(json.dumps(asdict(replace(record, reference={}))))


if __name__ == "__main__":
    main()
