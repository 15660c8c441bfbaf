"""Each type of a schema crossed with each form of JSON, through the reader that a sync uses."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airbyte_local.enums import SyncMode
from airbyte_local.schema import Column, StreamPlan
from airbyte_local.sources.base import CHANGES, SEQUENCE
from airbyte_local.sources.connector.rows import Typed, parser
from airbyte_local.sources.connector.types import travel_type
from airbyte_local.sources.connector.values import FORMS, TABLE
from foundation.errors import EltError
from foundation.settings import ROOT

TEXT = {"type": "string"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "string": TEXT,
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {**TEXT, "format": "date"},
    "timestamptz": {**TEXT, "format": "date-time"},
    "timestamp": {**TEXT, "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
    "time": {**TEXT, "format": "time", "airbyte_type": "time_without_timezone"},
    "time_with_timezone": {**TEXT, "format": "time"},
    "object": {"type": "object"},
    "array": {"type": "array"},
    "union": {"type": ["string", "object"]},
    "any": {},
}
# JSON texts of each form, plain ones and others
VALUES = {
    "null": ["null"],
    "boolean": ["true", "false"],
    "number": [
        *("0", "-0", "7", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "9007199254740993"),
        *("1.0", "1.10", "-0.0", "3.5", "1e3", "1E3", "1e-05", "12345678901234567.89", "0.1000000000000000055"),
        *("0.30000000000000004", "1e400", "1e-400", "123456789012345678901234567890", "2e0"),
    ],
    "NaN, infinity": ["NaN", "Infinity", "-Infinity"],
    "object": ["{}", '{"a": 1.10, "b": [1e2, {"c": null}]}', '{"a":12345678901234567.89}', '{"x":NaN}', '{"\\ud800":1}'],
    "array": ["[]", "[1.10]", '["a", "\\u0000", "\\u001f", "\\/", "é"]', '["\\udc00"]', "[NaN]"],
    "string": [
        json.dumps(text)
        for text in (
            *("", " ", "x", "true", "NaN", "null", "é", "\U0001f600", "a\x00b", "\ud800", "[1.10]", '{"a":1.10}'),
            *("12", "+12", "-0", "007", "1.10", "1e3", "0x10", "5_000", " 5 ", "5.", ".5", "9223372036854775808"),
            *("2024-02-29", "2023-02-29", "2024/02/29", "20240229", "0044-03-15 BC", "2024-W09-4", "24-02-29"),
            *("2024-02-29T12:00Z", "2024-02-29T12:00+02:00", "2024-02-29 12:00", "2024-02-29T12:00:00"),
            *("2024-02-29T12:00:00Z", "2024-02-29t12:00:00z", "2024-02-29T00:00:00Z", "2024-02-29T12:00:00 UTC"),
            *("2024-02-29T12:00:00.123456+05:30", "2024-02-29T12:00:00.1234567Z", "2024-02-29T12:00:00+0200"),
            *("2024-02-29T12:00:00+02", "2024-02-29T12:00:00Z BC", "2024-02-29T23:59:60Z", "2024-02-29T24:00:00Z"),
            *("2024-02-29T12:00:00+24:00", "2024-02-29T12:00:00 PST", "9999-12-31T23:59:59Z", "0000-01-01"),
            *("01:34", "01:34:56", "01:34:56.123456", "01:34:56.1234567", "01:34:56 PM", "01:34:56Z", "25:00:00"),
            *("01:34:56+02:00", "infinity", "now", "epoch"),
        )
    ],
}  # fmt: skip


def plan_of(schemas: dict[str, dict[str, Any]], key: tuple[str, ...] = (), cursor: str = "") -> StreamPlan:
    columns = {}
    for name, schema in schemas.items():
        type_, said = travel_type(schema)
        columns[name] = Column(name, said, type_, nullable=True, as_text=False)
    mode = SyncMode.INCREMENTAL_DEDUPED_HISTORY if key else SyncMode.INCREMENTAL_APPEND
    return StreamPlan(
        "", "a", mode, tuple(columns.values()), (), key, False, columns.get(cursor), "main", "a", emitted=True
    )


def typed_of(plan: StreamPlan) -> Typed:
    return Typed(plan, "connector demo 1", parser())


def line(*values: str, more: str = "") -> bytes:
    """A record whose fields are these JSON texts, named by number."""
    data = ",".join(f'"{index}":{value}' for index, value in enumerate(values))
    return f'{{"type":"RECORD","record":{{"stream":"a","data":{{{data}}},"emitted_at":1{more}}}}}\n'.encode()


ALL = plan_of({str(index): schema for index, schema in enumerate(SCHEMAS.values())})


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with their dates as days, their times as microseconds."""
    fields = []
    for field in table.schema:
        as_integer = pa.int32() if pa.types.is_date32(field.type) else pa.int64()
        fields.append(field.with_type(as_integer) if pa.types.is_temporal(field.type) else field)
    return table.cast(pa.schema(fields)).to_pylist()


def crossed(*texts: str) -> list[dict[str, tuple[Any, tuple[str, str] | None]]]:
    """Of each JSON text: what it is as each type, and what is said of it."""
    found = []
    for row in rows_of(typed_of(ALL).table(b"".join(line(*[text] * len(SCHEMAS)) for text in texts))):
        said = {one["field"]: (one["change"], one["reason"]) for one in json.loads(row[CHANGES] or "[]")}
        found.append({type_: (row[str(index)], said.get(str(index))) for index, type_ in enumerate(SCHEMAS)})
    return found


def exactly(text: str) -> Any:
    """JSON with the digits of its numbers."""
    return json.loads(text, parse_float=str, parse_int=lambda digits: "0" if digits == "-0" else digits)


def same_number(value: Any, text: str) -> bool:
    return Decimal(text) in (Decimal(repr(value)), Decimal(value))


def same_moment(type_: str, value: int, text: str) -> bool:
    """By Python's own reading of ISO 8601, for what it reads."""
    if text.endswith(" BC") or text.startswith("0000"):
        return True  # has tests of its own
    text = re.sub(r" ?UTC$", "Z", text.replace("/", "-"))
    if type_ == "time":
        clock = datetime.fromisoformat(f"1970-01-01T{text}")
        return clock.tzinfo is None and (clock - datetime(1970, 1, 1)) == timedelta(microseconds=value)
    moment = datetime.fromisoformat(text.upper())
    if type_ == "date":
        return (
            moment.date() == date(1970, 1, 1) + timedelta(value) and moment.time().isoformat() == "00:00:00"
        )
    if type_ == "timestamp":
        return moment.tzinfo is None and moment - datetime(1970, 1, 1) == timedelta(microseconds=value)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(microseconds=value)


def is_all_of_it(type_: str, value: Any, text: str) -> bool:
    """Whether a column's value says what the JSON text said."""
    given = json.loads(text, parse_float=str, parse_int=str)
    if type_ in ("string", "time_with_timezone"):
        number = isinstance(given, str) and not text.startswith('"')
        return value == ("0" if text == "-0" else text) if number or text[0] not in '"[{' else (
            value == given if text[0] == '"' else exactly(value) == exactly(text)
        )  # fmt: skip
    if type_ in ("integer", "number"):
        return same_number(value, given)
    if type_ == "boolean":
        return json.dumps(value) == text
    if type_ in ("object", "array", "union", "any"):
        return exactly(value) == exactly(text)
    return same_moment(type_, value, given)


@pytest.mark.parametrize("form", VALUES)
def test_a_value_is_whole_or_its_loss_is_said(form: str) -> None:
    for text, found in zip(VALUES[form], crossed(*VALUES[form]), strict=True):
        for type_, (value, said) in found.items():
            case = f"{text} as {type_}: {value!r}, {said}"
            if text == "null":
                assert (value, said) == (None, None), case
            elif said is None:
                assert value is not None, case
                assert is_all_of_it(type_, value, text), case
            else:
                assert (value is None) == (said[0] == "NULLED"), case
                assert said[0] in ("NULLED", "TRUNCATED"), case
                assert said[1] in (
                    "DESTINATION_TYPECAST_ERROR",
                    "DESTINATION_FIELD_SIZE_LIMITATION",
                    "DESTINATION_SERIALIZATION_ERROR",
                ), case


@pytest.mark.parametrize("form", [form for form in VALUES if form != "null"])
def test_a_value_of_its_type_is_never_null(form: str) -> None:
    for text, found in zip(VALUES[form], crossed(*VALUES[form]), strict=True):
        types = {"string", "time_with_timezone"}
        if form != "NaN, infinity":
            types |= {form, "union", "any"} & set(TABLE)
        for type_ in types - ({"number"} if text == "1e400" else set()):
            assert found[type_][0] is not None, (text, type_)


@pytest.mark.parametrize(
    ("type_", "text", "moment"),
    [
        ("date", "2021-01-23", "2021-01-23"),
        ("date", "2021-01-23 BC", -1457296),
        ("timestamptz", "2022-11-22T01:23:45.123456+05:00", "2022-11-21T20:23:45.123456"),
        ("timestamptz", "2022-11-22T01:23:45Z", "2022-11-22T01:23:45"),
        ("timestamptz", "2022-11-22T01:23:45Z BC", -125915726175000000),
        ("timestamptz", "2024-02-29T12:00Z", "2024-02-29T12:00:00"),
        ("timestamptz", "2024-02-29T12:00+02:00", "2024-02-29T10:00:00"),
        ("timestamptz", "2024-02-29T12:00:00-0230", "2024-02-29T14:30:00"),
        ("timestamptz", "2024-02-29t12:00:00.5z", "2024-02-29T12:00:00.500000"),
        ("timestamptz", "2024-02-29 12:00:00 UTC", "2024-02-29T12:00:00"),
        ("timestamp", "2022-11-22T01:23:45", "2022-11-22T01:23:45"),
        ("timestamp", "2022-11-22T01:23", "2022-11-22T01:23:00"),
        ("time", "01:23:45.123456", 5025123456),
        ("time", "01:23:45", 5025000000),
        ("time", "01:23", 4980000000),
    ],
)
def test_every_form_of_a_moment_that_the_protocol_allows_is_read(
    type_: str, text: str, moment: str | int
) -> None:
    ((value, said),) = [one[type_] for one in crossed(json.dumps(text))]
    if isinstance(moment, str):
        since = datetime.fromisoformat(moment) - datetime(1970, 1, 1)
        moment = since.days if type_ == "date" else since // timedelta(microseconds=1)
    assert (value, said) == (moment, None)


@pytest.mark.parametrize(
    ("type_", "text", "value", "said"),
    [
        ("integer", '"0x10"', None, "NULLED TYPECAST_ERROR"),
        ("integer", '"5_000"', None, "NULLED TYPECAST_ERROR"),
        ("number", '"5_000"', None, "NULLED TYPECAST_ERROR"),
        ("date", '"2024-02-29T10:00:00Z"', 19782, "TRUNCATED TYPECAST_ERROR"),
        ("date", '"2024-02-29T00:00:00Z"', 19782, None),
        ("time", '"01:34:56 PM"', None, "NULLED TYPECAST_ERROR"),
        ("time", '"01:34:56+02:00"', 5696000000, "TRUNCATED TYPECAST_ERROR"),
        ("timestamptz", '"2024-02-29T12:00:00.1234567Z"', 1709208000123456, "TRUNCATED FIELD_SIZE_LIMITATION"),
        ("timestamptz", '"2024-02-29T23:59:60Z"', 1709251200000000, "TRUNCATED FIELD_SIZE_LIMITATION"),
        ("timestamptz", '"2024-02-29T12:00:00 PST"', None, "NULLED TYPECAST_ERROR"),
        ("timestamptz", "1709208000", None, "NULLED TYPECAST_ERROR"),
        ("string", "12345678901234567.89", "12345678901234567.89", None),
        ("string", "1.10", "1.10", None),
        ("string", "1E5", "1E5", None),
        ("string", '[1.10, {"a": 1E5}]', '[1.10,{"a":1E5}]', None),
        ("object", '{"a": 1.10, "b": 12345678901234567.89}', '{"a":1.10,"b":12345678901234567.89}', None),
        ("number", "12345678901234567.89", 12345678901234568.0, "TRUNCATED FIELD_SIZE_LIMITATION"),
        ("number", "1e400", None, "NULLED FIELD_SIZE_LIMITATION"),
        ("string", '"half \\ud800"', "half \N{REPLACEMENT CHARACTER}", "TRUNCATED SERIALIZATION_ERROR"),
        ("object", '{"a":NaN}', '{"a":null}', "TRUNCATED SERIALIZATION_ERROR"),
        ("any", "NaN", None, "NULLED TYPECAST_ERROR"),
        ("string", "NaN", "NaN", None),
    ],
)  # fmt: skip
def test_what_is_lost_is_said_and_what_is_not_lost_is_not(
    type_: str, text: str, value: Any, said: str | None
) -> None:
    ((found, change),) = [one[type_] for one in crossed(text)]
    assert found == value
    assert (change and f"{change[0]} {change[1].removeprefix('DESTINATION_')}") == said


def test_bytes_that_are_no_text_are_replaced_and_said() -> None:
    whole = line('"fine"') + line('"\\u0041"').replace(b"\\u0041", b"bad \xff") + line('"fine, too"')
    table = typed_of(plan_of({"0": TEXT})).table(whole)
    assert table["0"].to_pylist() == ["fine", "bad \N{REPLACEMENT CHARACTER}", "fine, too"]
    assert [said and json.loads(said)[0]["reason"] for said in table[CHANGES].to_pylist()] == [
        None,
        "DESTINATION_SERIALIZATION_ERROR",
        None,
    ]


# the fast path and the rules


NUMBERS = st.one_of(
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
STRINGS = st.one_of(
    st.sampled_from(VALUES["string"]),
    st.text().map(json.dumps),
    st.text(st.characters(codec="utf-8")).map(lambda text: json.dumps(text, ensure_ascii=False)),
    NUMBERS.map(json.dumps),
    st.datetimes().map(lambda moment: json.dumps(moment.isoformat())),
    st.datetimes(timezones=st.timezones()).map(lambda moment: json.dumps(moment.isoformat(" "))),
    st.dates().map(lambda day: json.dumps(day.isoformat())),
    st.times().map(lambda clock: json.dumps(clock.isoformat())),
)
BLANK = st.sampled_from(["", "", " ", "\t"])
JSON = st.recursive(
    st.one_of(NUMBERS, STRINGS, st.sampled_from(["null", "true", "false", "NaN", "-Infinity"])),
    lambda inner: st.one_of(
        st.tuples(BLANK, st.lists(inner, max_size=3)).map(lambda p: f"[{p[0]}{(',' + p[0]).join(p[1])}]"),
        st.tuples(BLANK, st.dictionaries(STRINGS, inner, max_size=3)).map(
            lambda p: "{" + ",".join(f"{p[0]}{name}:{p[0]}{value}" for name, value in p[1].items()) + "}"
        ),
    ),
    max_leaves=5,
)
FAST = typed_of(ALL)
RECORDS = st.lists(
    st.tuples(*[st.one_of(JSON, st.sampled_from(list(chain(*VALUES.values()))))] * len(SCHEMAS)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS, st.sampled_from(["", ', "meta":{"changes":[]}', ', "meta": {"changes":[{"field":"x"}]}']))
def test_the_fast_path_gives_what_the_rules_give(records: list[tuple[str, ...]], meta: str) -> None:
    lines = [line(*record, more=meta) for record in records]
    found = FAST.table(b"".join(lines))
    ruled = FAST.by_rules(lines, found[SEQUENCE].to_pylist())
    assert [repr(row) for row in rows_of(found)] == [repr(row) for row in rows_of(ruled)]


@pytest.mark.parametrize("type_", SCHEMAS)
def test_each_value_alone_is_read_by_the_fast_path_as_by_the_rules(type_: str) -> None:
    typed = typed_of(plan_of({"0": SCHEMAS[type_]}))
    # a half of a pair sends all of its block to the rules
    texts = [text for text in chain(*VALUES.values()) if not re.search(r"\\ud[8c]00", text)]
    found = typed.table(b"".join(map(line, texts)))
    ruled = typed.by_rules(map(line, texts), found[SEQUENCE].to_pylist())
    assert [repr(row) for row in rows_of(found)] == [repr(row) for row in rows_of(ruled)]


# keys and cursors


ID = {"0": {"type": "integer"}, "1": SCHEMAS["timestamptz"], "2": TEXT}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('"x-12"', 'JSON string of the form "a-99"'),
        ("1.5", 'JSON number of the form "9.9"'),
        ("true", "JSON boolean there"),
    ],
)
def test_keys_that_do_not_fit_fail_the_stream_and_show_their_form(value: str, told: str) -> None:
    typed = typed_of(plan_of(ID, key=("0",)))
    with pytest.raises(EltError, match="stream a: its key 0 is declared as integer") as failure:
        typed.table(line("1") + line(value))
    assert told in str(failure.value)
    assert "x-12" not in str(failure.value)
    assert typed_of(plan_of(ID)).table(line(value))["0"].to_pylist() == [
        None
    ]  # appended, it is null and said


def test_a_key_that_would_lose_something_fails_the_stream() -> None:
    typed = typed_of(plan_of({"0": SCHEMAS["date"]}, key=("0",)))
    with pytest.raises(EltError, match="its key 0 is declared as date"):
        typed.table(line('"2024-02-29T10:00:00Z"'))


def test_a_cursor_that_does_not_fit_fails_a_deduplicated_stream() -> None:
    typed = typed_of(plan_of(ID, key=("0",), cursor="1"))
    with pytest.raises(EltError, match="its cursor 1 is declared as timestamptz"):
        typed.table(line("1", '"yesterday"'))
    assert typed.table(line("1", '"2024-02-29T12:00Z"')).num_rows == 1


def test_a_cursor_that_is_cut_off_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    typed = typed_of(plan_of(ID, key=("0",), cursor="1"))
    typed.table(line("1", '"2024-02-29T12:00:00.1234567Z"') + line("1", '"2024-02-29T12:00:00.1234568Z"'))
    assert [message.partition("stream a: ")[2] for message in caplog.messages] == [
        "its cursor 1 holds more than a timestamptz; of records that differ only in that, the one that is sent later counts"
    ]


def test_records_without_any_key_fail_the_stream() -> None:
    with pytest.raises(
        EltError, match="stream a: 2 records have no value for the key 0; they would become one row"
    ):
        typed_of(plan_of(ID, key=("0",))).table(line("null") + line("1") + line())
    both = typed_of(plan_of(ID, key=("0", "2")))
    assert both.table(line("null", "null", '"x"') + line("1")).num_rows == 2  # a part of the key is enough


# the page


def test_the_table_of_the_docs_is_the_table_of_the_code() -> None:
    head = ["type", *dict.fromkeys(FORMS.values())]
    rows = [
        [type_, *(rules[form].__doc__.partition("\n")[0] for form in FORMS)]
        for type_, rules in TABLE.items()
    ]  # fmt: skip
    wanted = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    page = (ROOT / "docs" / "types.md").read_text()
    assert "\n".join(wanted) in page


def test_every_type_is_crossed_with_every_form() -> None:
    assert set(SCHEMAS) == set(TABLE)
    assert set(VALUES) == {"null", *FORMS.values()}
