"""The model of fraud on a real ClickHouse: its features are those of scoring, and a better one scores, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import EltError
from streaming.catalogue import CARDS, CARDS_SCORED
from streaming.fraud import models
from streaming.fraud.features import features
from streaming.marts import build
from streaming.producer.payments import payment, truth
from streaming.sink.tables import LANDED, columns_of, create
from tests.fixtures.clickhouse import ClickHouse, served

DAYS, PER_DAY = 6, 4_000
NUMBER = DAYS * PER_DAY
BEGIN = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)


def made(number: int) -> dict[str, Any]:
    return payment(42, number, BEGIN + number * timedelta(days=1) / PER_DAY)


def rows_of(payments: list[dict[str, Any]]) -> list[list[Any]]:
    """As the sink writes them; each twice, as after a kill."""
    columns = list(columns_of(CARDS))[4:]
    rows = [
        [CARDS.name, 0, offset, datetime.now(UTC), *(one[name] for name in columns)]
        for offset, one in enumerate(payments)
    ]
    return [*rows, *rows[:100]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A ClickHouse with some days of payments, whose features are built; models are trained on one core, as `elt stream train` does."""
    import sklearn.ensemble  # noqa: F401 - what is not loaded yet is not limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), served(tmp_path_factory.mktemp("fraud") / "home") as running:
        client = running.client(database="shop")
        client.command("create database if not exists shop")
        for topic in LANDED:
            for statement in create(topic, "shop"):
                client.command(statement)
        rows = rows_of([made(number) for number in range(NUMBER)])
        client.insert("card_transactions", rows, list(columns_of(CARDS)))
        build(running.settings, ["--select", "+card_features"])
        yield running


def test_training_and_scoring_have_the_same_features(house: ClickHouse) -> None:
    columns = ", ".join(f"feature_{name}" for name in features().names)
    found = house.client(writes=True).query(
        f"select event_id, {columns} from shop_marts.card_features order by paid_at, event_id"
    )
    built = {row[0]: list(row[1:]) for row in found.result_rows}
    assert len(found.result_rows) == len(built) == NUMBER
    histories: dict[int, list[dict[str, Any]]] = {}
    longest = 0
    for number in range(NUMBER):
        one = made(number)
        history = histories.get(one["creditcardid"], [])
        longest = max(longest, len(history))
        assert built[one["event_id"]] == features().of(one, history), one
        histories[one["creditcardid"]] = features().after(one, history)
    assert longest == features().remembered, "some card has more payments than are remembered"


def test_a_better_model_scores_and_another_does_not(house: ClickHouse) -> None:
    from streaming.fraud.train import train, write_rows

    config, client = house.settings, house.client()
    assert models.promoted(config) is None
    first = train(config, client)
    print(first.metrics)
    assert first.promoted and models.promoted(config) == first.version == 1
    assert first.metrics["model"]["pr_auc"] > first.metrics["rules"]["pr_auc"]
    assert first.metrics["model"]["precision"] > 0.5 and first.metrics["model"]["recall"] > 0.5
    assert not set(first.days) & set(first.held_out_days)
    assert 0.005 < first.frauds / first.payments < 0.03
    again = train(config, client)  # it learns the same, and is no better
    assert (again.version, again.promoted, models.promoted(config)) == (2, False, 1)
    write_rows(config, client)
    write_rows(config, client)
    shown = client.query(
        "select version, promoted, metrics['model']['pr_auc'] from shop.fraud_models final order by 1"
    )
    assert shown.result_rows == [
        (1, True, first.metrics["model"]["pr_auc"]),
        (2, False, again.metrics["model"]["pr_auc"]),
    ]

    model = models.load(config, 1)
    seconds = []
    for number in range(NUMBER - 500, NUMBER):
        values = features().of(made(number), [])
        started = time.thread_time()
        score = model.score(values)
        seconds.append(time.thread_time() - started)
        assert 0 <= score <= 1
    print(
        "scoring, milliseconds of processor: p50",
        sorted(seconds)[250] * 1e3,
        "p99",
        sorted(seconds)[495] * 1e3,
    )

    file = models.folder_of(config) / "v1" / models.FILE
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(EltError, match="is not the file that was written"):
        models.load(config, 1)
    file.write_bytes(content)


def test_drift_is_red_for_others_and_quiet_for_the_same(house: ClickHouse) -> None:
    from streaming.fraud.drift import drifted
    from streaming.training import DriftError, unless_drifted

    config, client = house.settings, house.client(database="shop")
    record = models.load(config, 1).record
    model = models.load(config, 1)
    now = datetime.now(UTC)
    assert drifted(config) == {"model_version": 1, "payments": 0, "psi": {}}

    def score(factor: float) -> dict[str, Any]:
        """What the index is when the payments of a day have so many times the amounts."""
        client.command("truncate table card_transactions_scored")
        histories: dict[int, list[dict[str, Any]]] = {}
        rows = []
        for number in range(NUMBER):
            one = made(number)
            one["amount"] = (one["amount"] * int(factor)).quantize(one["amount"])
            history = histories.get(one["creditcardid"], [])
            values = features().of(one, history)
            histories[one["creditcardid"]] = features().after(one, history)
            if number >= NUMBER - PER_DAY:
                rows.append((one, values))
        scores = model.scores([values for _, values in rows])
        columns = list(columns_of(CARDS_SCORED))
        client.insert(
            "card_transactions_scored",
            [
                [
                    CARDS_SCORED.name,
                    0,
                    offset,
                    now,
                    one["event_id"],
                    now,
                    one["creditcardid"],
                    one["amount"],
                    one["channel"],
                    values,
                    float(each),
                    False,
                    "",
                    record.version,
                    0.001,
                ]
                for offset, ((one, values), each) in enumerate(zip(rows, scores, strict=True))
            ],
            columns,
        )
        return drifted(config)

    same = score(1)
    print("the same", same)
    assert same["payments"] == PER_DAY
    unless_drifted(same)
    other = score(4)
    print("others", other)
    with pytest.raises(DriftError, match="amount"):
        unless_drifted(other)


def test_too_few_payments_are_said_to_be_too_few(tmp_path: Path, house: ClickHouse) -> None:
    from streaming.fraud import train

    client = house.client()
    days, rows, frauds = train.payments(client, "shop")
    assert (len(days), rows.shape, int(frauds.sum())) == (
        NUMBER,
        (NUMBER, len(features().names)),
        sum(truth(42, number) is not None for number in range(NUMBER)),
    )
    few = (list(days[:500]), rows[:500], frauds[:500])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "payments", lambda *_: few)
        with pytest.raises(EltError, match="20 of each are needed"):
            train.train(house.settings, client)
