"""Rows on their way: read ahead, grouped, counted, stopped; infinities mended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from airbyte_local.batches import AHEAD, ReadAhead, by_stream, greatest
from airbyte_local.enums import SyncMode
from airbyte_local.schema import Column, DataType, Kind, StreamPlan
from airbyte_local.sources.base import StreamBatch, StreamStart
from airbyte_local.sources.postgres.snapshot import mended
from foundation.errors import EltError


def plan(name: str, kind: Kind = Kind.INTEGER) -> StreamPlan:
    column = Column("n", "?", DataType(kind), nullable=True, as_text=False)
    mode = SyncMode.INCREMENTAL_DEDUPED_HISTORY
    return StreamPlan("shop", name, mode, (column,), (), ("n",), True, column, "raw", name)


def batch(*numbers: int | None, type_: pa.DataType | None = None) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array(numbers, type_ or pa.int32())})


def nothing() -> None:
    """There is nothing to cancel."""


def test_batches_come_grouped_and_counted() -> None:
    schema = batch(1).schema
    items = [
        StreamStart(plan("a"), schema), StreamBatch(batch(1, 5)), StreamBatch(batch(3, None)),
        StreamStart(plan("b"), schema),
        StreamStart(plan("c"), schema), StreamBatch(batch(None)),
    ]  # fmt: skip
    seen, told = [], []
    with ReadAhead(iter(items), nothing) as ahead:
        for batches in by_stream(
            iter(ahead), lambda plan, rows, _: told.append((plan.name, rows)), map(plan, "abc")
        ):
            empty = batches.is_empty
            rows = [] if empty else batches.reader().read_all()["n"].to_pylist()
            seen.append((batches.plan.name, empty, rows, batches.rows, batches.greatest))
    assert seen == [
        ("a", False, [1, 5, 3, None], 4, 5),
        ("b", True, [], 0, None),
        ("c", False, [None], 1, None),
    ]
    assert told == [("a", 2), ("a", 4), ("c", 1)]


def test_an_error_of_the_reader_comes_out_where_the_rows_are_used() -> None:
    def items() -> Iterator[Any]:
        yield StreamStart(plan("a"), batch(1).schema)
        yield StreamBatch(batch(1))
        raise EltError("the source is gone")

    with pytest.raises(EltError, match="the source is gone"), ReadAhead(items(), nothing) as ahead:
        for batches in by_stream(iter(ahead), lambda *_: None, [plan("a")]):
            try:
                batches.reader().read_all()
            except Exception:  # noqa: BLE001 - Arrow wraps it in one of its own
                assert isinstance(batches.error, EltError)
                raise batches.error from None


def test_a_reader_that_is_ahead_waits_and_ends_when_nobody_reads_on() -> None:
    taken = 0
    cancelled = threading.Event()

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with ReadAhead(endless(), cancelled.set) as ahead:
        assert next(iter(ahead)) == 1
    assert cancelled.is_set()
    assert taken <= AHEAD + 3
    assert not ahead._thread.is_alive()


def test_the_greatest_value_is_an_integer_in_arrows_unit() -> None:
    assert greatest(pa.array([None, 3, 2], pa.int16())) == 3
    assert greatest(pa.array([1, 7], pa.timestamp("us"))) == 7
    assert greatest(pa.array([1, 7], pa.timestamp("us", "UTC"))) == 7
    assert greatest(pa.array([5, None], pa.date32())) == 5
    assert greatest(pa.array([None], pa.date32())) is None


@pytest.mark.parametrize(
    ("kind", "type_", "wrapped"),
    [
        (Kind.TIMESTAMP, pa.timestamp("us"), (-9222425352054775809, -9222425352054775808, 2**63 - 1)),
        (
            Kind.TIMESTAMPTZ,
            pa.timestamp("us", "UTC"),
            (-9222425352054775809, -9222425352054775808, 2**63 - 1),
        ),
        (Kind.DATE, pa.date32(), (-2147472692, -2147472691, 2**31 - 1)),
    ],
)
def test_infinities_that_the_driver_wraps_around_are_mended(
    kind: Kind, type_: pa.DataType, wrapped: tuple[int, int, int]
) -> None:
    plus, minus, infinity = wrapped
    integers = pa.int64() if infinity > 2**32 else pa.int32()
    arrived = pa.record_batch({"n": pa.array([plus, minus, 0, None], integers).view(type_)})
    column = mended(arrived, plan("a", kind)).column(0)
    assert column.type == type_
    assert column.view(integers).to_pylist() == [infinity, -infinity, 0, None]
    untouched = pa.record_batch({"n": pa.array([0, None], integers).view(type_)})
    assert mended(untouched, plan("a", kind)) is untouched
    beyond = pa.record_batch({"n": pa.array([minus + 1], integers).view(type_)})
    with pytest.raises(EltError, match="beyond the year"):
        mended(beyond, plan("a", kind))
