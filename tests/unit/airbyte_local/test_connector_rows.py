"""Records as typed rows: what is held in memory and on disk, and what a broken one does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from airbyte_local.enums import SyncMode
from airbyte_local.schema import Column, StreamPlan
from airbyte_local.sources.base import CHANGES, SEQUENCE
from airbyte_local.sources.connector.rows import Typed, parser
from airbyte_local.sources.connector.types import travel_type
from airbyte_local.uncommitted_rows import UncommittedRows
from foundation.errors import EltError


def plan_of(**schemas: dict) -> StreamPlan:
    columns = []
    for name, schema in schemas.items():
        type_, word = travel_type(schema)
        columns.append(Column(name, word, type_, nullable=True, as_text=False))
    return StreamPlan(
        "", "a", SyncMode.INCREMENTAL_APPEND, tuple(columns), (), (), False, None, "main", "a", emitted=True
    )  # fmt: skip


def lines(*rows: dict, **more: object) -> bytes:
    return b"".join(
        json.dumps({"type": "RECORD", "record": {"stream": "a", "data": row, **more}}).encode() + b"\n"
        for row in rows
    )


NUMBERS = plan_of(id={"type": "integer"})


@pytest.fixture
def typed() -> Typed:
    return Typed(NUMBERS, "connector demo 1", parser())


def single(schema: dict, value: object) -> tuple[object, str | None]:
    """A value as it gets into a column of that type, and what is said of it."""
    table = Typed(plan_of(v=schema), "connector demo 1", parser()).table(lines({"v": value}))
    (row,) = table.to_pylist()
    said = row[CHANGES] and json.loads(row[CHANGES])
    return row["v"], said and said[0]["reason"].removeprefix("DESTINATION_")


INTEGER, NUMBER, BOOLEAN = {"type": "integer"}, {"type": "number"}, {"type": "boolean"}
DAY = {"type": "string", "format": "date"}
MOMENT = {"type": "string", "format": "date-time"}
LOCAL = {**MOMENT, "airbyte_type": "timestamp_without_timezone"}


@pytest.mark.parametrize(
    ("schema", "value", "becomes", "reason"),
    [
        (INTEGER, 2**63 - 1, 2**63 - 1, None),
        (INTEGER, 2**63, None, "FIELD_SIZE_LIMITATION"),
        (INTEGER, "12", 12, None),
        (INTEGER, 3.0, 3, None),
        (INTEGER, 3.5, None, "TYPECAST_ERROR"),
        (INTEGER, True, None, "TYPECAST_ERROR"),
        (INTEGER, "", None, "TYPECAST_ERROR"),
        (INTEGER, None, None, None),
        (NUMBER, "1e3", 1000.0, None),
        (NUMBER, "NaN", None, "TYPECAST_ERROR"),
        (NUMBER, [1], None, "TYPECAST_ERROR"),
        (BOOLEAN, False, False, None),
        (BOOLEAN, 1, None, "TYPECAST_ERROR"),
        ({"type": "string"}, 1.5, "1.5", None),
        ({"type": "string"}, True, "true", None),
        ({"type": "string"}, [1, "x"], '[1,"x"]', None),
        ({"type": "object"}, {"a": {}}, '{"a":{}}', None),
        ({"type": "object"}, [1], None, "TYPECAST_ERROR"),
        ({"type": "array"}, "[1]", None, "TYPECAST_ERROR"),
        ({"type": ["string", "integer"]}, "x", '"x"', None),
        (DAY, "2024-13-01", None, "TYPECAST_ERROR"),
        (DAY, "2024-01-01T00:00:00", date(2024, 1, 1), None),
        (DAY, "infinity", None, "TYPECAST_ERROR"),
        (MOMENT, "yesterday", None, "TYPECAST_ERROR"),
    ],
)
def test_values_are_coerced_by_airbytes_rules(
    schema: dict, value: object, becomes: object, reason: str | None
) -> None:
    assert single(schema, value) == (becomes, reason)


@pytest.mark.parametrize(
    ("schema", "value", "iso"),
    [
        (DAY, "2024-02-29", "2024-02-29"),
        (MOMENT, "2024-02-29T12:00:00+02:00", "2024-02-29T10:00:00+00:00"),
        (MOMENT, "2024-02-29T12:00:00.123456", "2024-02-29T12:00:00.123456+00:00"),
        (MOMENT, "2024-02-29", "2024-02-29T00:00:00+00:00"),
        (LOCAL, "2024-02-29T12:00:00", "2024-02-29T12:00:00"),
    ],
)
def test_moments_keep_their_instant_and_local_times_their_clock(schema: dict, value: str, iso: str) -> None:
    moment, reason = single(schema, value)
    assert (moment.isoformat(), reason) == (iso, None)


def test_a_zone_that_is_cut_off_is_said() -> None:
    for text in ("2024-02-29T12:00:00+02:00", "2024-02-29T12:00:00Z"):
        assert single(LOCAL, text) == (datetime(2024, 2, 29, 12), "TYPECAST_ERROR")


def test_a_year_before_christ_arrives() -> None:
    table = Typed(plan_of(v=DAY), "c", parser()).table(lines({"v": "0044-03-15 BC"}))
    assert table["v"].cast("int32").to_pylist() == [-735160]  # days before 1970


UNDECLARED = (
    "connector demo 1, stream a: records have fields that its schema does not declare: {}; they are left out"
)


@pytest.mark.parametrize("value", [1, "odd"], ids=["by DuckDB", "by the rules"])
def test_a_field_that_the_schema_does_not_declare_is_said_once(
    typed: Typed, caplog: pytest.LogCaptureFixture, value: object
) -> None:
    assert typed.table(lines({"id": value})).num_rows == 1
    assert not caplog.messages
    assert typed.table(lines({"id": value, "more": 1})).column_names == ["id", SEQUENCE, CHANGES]
    typed.table(lines(*[{"id": value}] * 2001, {"id": value, "more": 1, "rare": 1}))
    assert caplog.messages == [UNDECLARED.format("more"), UNDECLARED.format("rare")]


def test_many_undeclared_fields_are_said_in_a_short_line(caplog: pytest.LogCaptureFixture) -> None:
    names = ["x" * 1000, *(f"f{n}" for n in range(1000))]
    Typed(NUMBERS, "connector demo 1", parser()).table(lines(dict.fromkeys(names, 1)))
    assert caplog.messages == [
        UNDECLARED.format("f0, f1, f10, f100, f101 and 996 more"),
        "connector demo 1, stream a: 1001 such fields so far; the log does not name further ones",
    ]


def test_a_declared_field_that_is_not_selected_needs_no_word(caplog: pytest.LogCaptureFixture) -> None:
    plan = replace(NUMBERS, offered=("id", "more"))
    Typed(plan, "connector demo 1", parser()).table(lines({"id": 1, "more": 1}))
    assert not caplog.messages


@pytest.mark.parametrize("meta", ["text", 7, {"changes": "text"}, {"changes": {"field": "id"}}])
@pytest.mark.parametrize("value", [1, 3.0], ids=["by DuckDB", "by the rules"])
def test_changes_that_are_no_list_are_said_once(
    typed: Typed, caplog: pytest.LogCaptureFixture, meta: object, value: float
) -> None:
    rows = typed.table(lines({"id": value}, {"id": value}, meta=meta)).to_pylist()
    assert [(row["id"], row[CHANGES]) for row in rows] == [(value, None), (value, None)]
    assert caplog.messages == [
        "connector demo 1, stream a: a record has a meta.changes that is no list of the protocol's; it is left out"
    ]


def test_changes_may_hold_what_json_has_not(typed: Typed) -> None:
    (row,) = typed.table(lines({"id": 1}, meta={"changes": [float("nan"), {"field": "id"}]})).to_pylist()
    assert json.loads(row[CHANGES]) == [None, {"field": "id"}]


def test_names_of_fields_may_be_anything() -> None:
    names = ['say "hi"', "it's", "a.b", "select", "$x", "ä", "record"]
    row = dict(enumerate(names))
    table = Typed(plan_of(**dict.fromkeys(names, INTEGER)), "c", parser()).table(
        lines({v: k for k, v in row.items()})
    )
    assert [table[name].to_pylist() for name in names] == [[index] for index in row]


def test_a_carriage_return_between_messages_moves_no_row() -> None:
    typed = Typed(plan_of(id=INTEGER, n=NUMBER), "connector demo 1", parser())
    rows = [
        lines({"id": 1, "n": 1}).replace(b"\n", b"\r\r\n"),
        lines({"id": 2, "n": 2}, {"id": 3, "n": "+3"}),
    ]
    assert typed.table(b"".join(rows))["id"].to_pylist() == [1, 2, 3]


def test_fields_that_differ_by_case_are_distinguished() -> None:
    """A mapper may have renamed one of them."""
    typed = Typed(plan_of(A={"type": "string"}, a=INTEGER), "connector demo 1", parser())
    found = typed.table(lines({"A": "up", "a": 1}, {"a": 2}, {"A": "up", "a": "3.0"}, {"A": "up"}))
    assert [column.to_pylist() for column in found.columns[:2]] == [["up", None, "up", "up"], [1, 2, 3, None]]


def test_what_the_source_changed_comes_before_what_we_did(typed: Typed) -> None:
    told = {"field": "x", "change": "TRUNCATED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"}
    (row,) = typed.table(lines({"id": "?"}, meta={"changes": [told]})).to_pylist()
    assert [one["field"] for one in json.loads(row[CHANGES])] == ["x", "id"]
    (row,) = typed.table(lines({"id": 1}, meta={"changes": []})).to_pylist()
    assert row[CHANGES] is None


def test_rows_are_numbered_through_all_blocks(typed: Typed) -> None:
    numbers = [typed.table(lines({"id": 1}, {"id": 2}))[SEQUENCE].to_pylist() for _ in range(2)]
    assert numbers == [[0, 1], [2, 3]]


def test_a_record_that_cannot_be_read_is_named(typed: Typed) -> None:
    bad = b'{"type":"RECORD","record":{"data":{"id":1 2,"name":"Ann"}}}\n'
    with pytest.raises(EltError, match=r"connector demo 1, stream a: a record is not valid JSON") as failure:
        typed.table(lines({"id": 1}) + bad)
    assert 'record":{"data":{"aa":9 9,"aaaa":"aaa"}}}' in str(failure.value)  # what it says may be personal


def test_rows_keep_their_order_in_memory_and_on_disk(typed: Typed, tmp_path: Path) -> None:
    first, second = UncommittedRows(typed, tmp_path), UncommittedRows(typed, tmp_path)
    first.add(lines({"id": 1}), 1)
    first.to_disk()
    first.add(lines({"id": 2}), 1)
    second.add(lines({"id": 3}), 1)
    second.to_disk()
    second.add(lines({"id": 4}), 1)
    first.take(second)
    assert (first.rows, second.rows, list(second.batches())) == (4, 0, [])
    assert [id_ for batch in first.batches() for id_ in batch.column("id").to_pylist()] == [1, 2, 3, 4]
    first.clear()
    assert list(tmp_path.iterdir()) == []


def test_only_text_counts_as_memory(typed: Typed, tmp_path: Path) -> None:
    held = UncommittedRows(typed, tmp_path)
    held.add(lines({"id": 1}), 1)
    assert held.size > 0
    held.to_disk()
    assert (held.size, held.rows) == (0, 1)
