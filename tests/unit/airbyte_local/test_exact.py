"""States: what a warehouse keeps of one is, to the last digit, what the connector sent."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from airbyte_local import exact
from airbyte_local.schema import StreamState
from airbyte_local.states import packed, unpacked
from tests.unit.airbyte_local.test_connector_messages import heard

NUMBERS = ["12345678901234567.89", "1.10", "1e400", "1E+2", "-0", "0.0", "9" * 5000, "NaN", "-Infinity"]


@pytest.mark.parametrize("number", NUMBERS, ids=[number[:20] for number in NUMBERS])
def test_a_number_of_a_state_keeps_its_digits(number: str) -> None:
    blob = f'{{"at": {number}, "all": [[{number}], null, true, "{number}"]}}'
    stream = f'{{"stream_descriptor": {{"name": "a"}}, "stream_state": {blob}}}'
    (state,) = heard(f'{{"type": "STATE", "state": {{"type": "STREAM", "stream": {stream}}}}}')
    ((_, sent),) = state.blobs.items()
    saved = packed(asdict(StreamState(blob=sent)))
    assert json.loads(saved).keys() == {"text"}  # no JSON of a warehouse can change it
    assert exact.written(StreamState(**unpacked(saved)).blob) == blob


def test_a_state_without_such_numbers_stays_readable() -> None:
    saved = packed(asdict(StreamState(blob={"n": 9007199254740993, "day": "2024-02-29"})))
    assert json.loads(saved)["blob"] == {"n": 9007199254740993, "day": "2024-02-29"}


def test_a_count_of_records_may_have_a_fraction() -> None:
    stream = '{"stream_descriptor": {"name": "a"}, "stream_state": 1}'
    stats = '"sourceStats": {"recordCount": 2.00}'
    (state,) = heard(f'{{"type": "STATE", "state": {{"type": "STREAM", "stream": {stream}, {stats}}}}}')
    assert state.records == 2
