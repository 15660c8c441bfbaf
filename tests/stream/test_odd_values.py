"""Values and files that nobody of ours writes: each is refused with its name, none is taken for another."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import EltError
from foundation.settings import Settings, load_settings
from streaming.catalogue import CARDS, ORDERS, Topic
from streaming.producer.payments import payment
from tests.stream.clickhouse.test_sink import order

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
MANY = Decimal(10**17 + 1).scaleb(-2)  # USD, 18 digits


def read(topic: Topic, event: dict[str, Any], **units: int) -> Any:
    """An event as `event_of` gives it, when a writer of another kind wrote decimals as these whole numbers, in units of their scale."""
    import fastavro

    from streaming.sink.messages import event_of

    plain = json.loads(topic.text)
    for field in plain["fields"]:
        if field["name"] in units:
            field["type"] = "bytes"
    raw = {name: number.to_bytes(number.bit_length() // 8 + 1, signed=True) for name, number in units.items()}
    packed = BytesIO()
    fastavro.schemaless_writer(packed, fastavro.parse_schema(plain), event | raw)
    schema = fastavro.parse_schema(json.loads(topic.text))
    return event_of(
        packed.getvalue(),
        topic,
        lambda value, context: fastavro.schemaless_reader(BytesIO(value), schema, None),
    )


def test_a_decimal_of_more_digits_than_its_schema_has_is_refused_and_not_rounded() -> None:
    from streaming.sink.messages import Poison

    event = payment(1, 1, AT)
    assert read(CARDS, event, amount=10**17 + 1)["amount"] == MANY
    assert read(CARDS, event, amount=-1)["amount"] == Decimal("-0.01")
    assert read(CARDS, event, amount=0)["amount"] == 0
    with pytest.raises(Poison, match="amount: has more than its 18 digits"):
        read(CARDS, event, amount=10**18 + 1)
    with pytest.raises(Poison, match="subtotal: has more than its 28 digits"):
        read(ORDERS, order(1), subtotal=10**28 + 1)


def test_sums_are_exact_or_refused() -> None:
    from streaming.enricher.dimensions import Dimensions
    from streaming.enricher.minutes import Cell, counted
    from streaming.enricher.orders import enriched

    price = Decimal("9999999999999999999999.999999")  # 28 digits
    line = {"salesorderdetailid": 1, "productid": 1, "orderqty": 1, "unitpricediscount": Decimal(0)}
    one = order(1) | {"lines": [line | {"unitprice": price}, line | {"unitprice": Decimal("0.000001")}]}
    dimensions = Dimensions(load_settings({}))
    dimensions._look_at = float("inf")
    assert enriched(one | {"lines": [*one["lines"], line | {"unitprice": price}]}, dimensions)[
        "revenue"
    ] == Decimal("19999999999999999999999.999999")

    class State(dict[str, Any]):
        def set(self, key: str, value: Any) -> None:
            self[key] = value

    state, cell = State(), Cell("Online", 1, 10**29 + 1, False)
    counted("orders", "0", AT, cell, state)
    (part,) = counted("orders", "1", AT.replace(hour=9), cell, state)
    assert part["amount"] == Decimal("100000000000000000000000.000001")


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    """With two versions of a model, the second promoted."""
    import numpy

    from streaming.fraud import models, train
    from streaming.fraud.features import features

    found = load_settings({"ELT_HOME": str(tmp_path / "home")})
    names = list(features().names)
    rows = numpy.random.default_rng(7).random((500, len(names)))
    classifier = train.classifier().fit(rows, rows[:, 0] > 0.5)
    import sklearn

    record = models.Record(0, "", [], [], 2, 1, names, 0.5, {}, {}, True, sklearn=sklearn.__version__)
    for _ in range(2):
        models.keep(found, record, classifier)
    models.promote(found, 2)
    return found


def scored(config: Settings) -> dict[str, Any]:
    from streaming.enricher.payments import Scorer

    class State(dict[str, Any]):
        def set(self, key: str, value: Any) -> None:
            self[key] = value

    return Scorer(config).scored(payment(1, 1, AT), State())


def test_a_promoted_model_scores(config: Settings) -> None:
    assert scored(config)["model_version"] == 2


def test_one_payment_is_scored_as_many_are(config: Settings) -> None:
    import numpy

    from streaming.fraud import models

    model = models.load(config, 2)
    rows = numpy.random.default_rng(8).random((300, len(model.record.features)))
    rows[:20] = [float("nan")] * 3 + [float("inf")] + [-1e300] * (rows.shape[1] - 4)
    one_by_one = [model.score(values) for values in rows.tolist()]
    assert one_by_one == pytest.approx(model.scores(rows).tolist(), abs=1e-12)
    assert 0 < min(one_by_one) < 0.2 and 0.8 < max(one_by_one) < 1


def rewritten(folder: Path, content: bytes) -> None:
    """Another model, with the digest that belongs to it."""
    (folder / "model.joblib").write_bytes(content)
    record = json.loads((folder / "record.json").read_text())
    record["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "record.json").write_text(json.dumps(record))


def link(models: Path, target: str) -> None:
    (models / "current").unlink()
    (models / "current").symlink_to(target)


def folder_elsewhere(models: Path) -> None:
    (models / "v2").rename(models.parent / "elsewhere")
    (models / "v2").symlink_to(models.parent / "elsewhere")


def file_elsewhere(models: Path) -> None:
    (models / "v2" / "model.joblib").rename(models.parent / "elsewhere")
    (models / "v2" / "model.joblib").symlink_to(models.parent / "elsewhere")


def no_link(models: Path) -> None:
    (models / "current").unlink()
    (models / "current").mkdir()


def without_features(models: Path) -> None:
    record = json.loads((models / "v2" / "record.json").read_text())
    (models / "v2" / "record.json").write_text(json.dumps(record | {"features": None}))


WRONG = {
    "cut off": lambda models: (models / "v2" / "model.joblib").write_bytes(b"x"),
    "no model": lambda models: rewritten(models / "v2", b"x"),
    "no record": lambda models: (models / "v2" / "record.json").unlink(),
    "a record without features": without_features,
    "a folder elsewhere": folder_elsewhere,
    "a file elsewhere": file_elsewhere,
    "a file that others can write": lambda models: (models / "v2" / "model.joblib").chmod(0o666),
    "a folder that others can write": lambda models: (models / "v2").chmod(0o777),
    "current leads elsewhere": lambda models: link(models, "/elsewhere"),
    "current leads to another place's version": lambda models: link(models, "../v2"),
    "current leads to a version that is not there": lambda models: link(models, "v9"),
    "current is no link": no_link,
}


@pytest.mark.threat("a file that is damaged, empty or foreign")
@pytest.mark.parametrize("what", WRONG)
def test_a_model_that_is_not_the_one_that_was_written_scores_nothing(
    config: Settings, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    from streaming.fraud import models

    WRONG[what](models.folder_of(config))
    assert scored(config)["model_version"] == 0  # by the rules
    (said,) = [
        record.getMessage() for record in caplog.records if record.name == "streaming.enricher.payments"
    ]
    assert "payments are scored as before" in said
    with pytest.raises(EltError):
        models.load(config, models.promoted(config) or 0)


def test_a_damaged_record_is_named(config: Settings) -> None:
    from streaming.fraud import models

    (models.folder_of(config) / "v1" / "record.json").write_text("{")
    with pytest.raises(EltError, match=r"v1/record\.json"):
        models.records(config)


def test_a_version_without_its_record_is_followed_by_another(config: Settings) -> None:
    from streaming.fraud import models

    (models.folder_of(config) / "v2" / "record.json").unlink()
    (record,) = models.records(config)
    assert models.keep(config, record, "a classifier").version == 3
