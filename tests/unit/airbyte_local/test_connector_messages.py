"""The kinds of what a connector writes: without a process, from blocks of text as they may come."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airbyte_local.sources.connector.messages import (
    Control,
    Messages,
    Rows,
    State,
    Status,
    without_traceback,
)
from airbyte_local.sources.connector.registry import Connector
from foundation.errors import EltError

CONNECTOR = Connector(Path("/nowhere"), "demo", "Demo", "id", ("demo",), "1.2.3")
A, B = ("", "a"), ("", "b")


@dataclass
class Said:
    """Stands in for a process: what it wrote, in these blocks, and how it ended."""

    written: list[bytes]
    code: int = 0
    rest: bytes = b""
    last_words: str = ""
    command: str = "read"
    connector: Connector = field(default=CONNECTOR)

    def clean(self, text: str) -> str:
        return text

    def blocks(self) -> list[bytes]:
        return self.written

    def exit_code(self) -> int:
        return self.code


def heard(*lines: str | dict, streams: tuple = (A, B), **more) -> list:
    """The items of lines that came in one block."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return list(Messages(Said(["".join(f"{text}\n" for text in texts).encode()], **more), streams))


def record(stream: str, data: dict, separators: tuple[str, str] = (",", ":"), **more) -> str:
    content = {"stream": stream, "data": data, "emitted_at": 1, **more}
    return json.dumps({"type": "RECORD", "record": content}, separators=separators)


def test_records_come_in_runs_of_one_stream() -> None:
    items = heard(*[record("a", {"id": n}) for n in range(3)], record("b", {}), record("a", {"id": 3}))
    assert [(item.key, item.count) for item in items] == [(A, 3), (B, 1), (A, 1)]
    assert items[0].lines.count(b"\n") == 3


@pytest.mark.parametrize(
    "line",
    [
        record("a", {"id": 1}, (", ", ": ")),
        '{"record":{"data":{"id":1},"stream":"a","emitted_at":1},"type":"RECORD"}',
        '{"type":"RECORD","record":{"emitted_at":1,"stream":"a","data":{"id":1}}}',
        '{"type":"RECORD","record":{"namespace":null,"stream":"a","data":{"id":1},"emitted_at":1}}  ',
        '{"type":"RECORD","record":{"stream":"a","data":{"id":1},"emitted_at":1}}\r',
    ],
    ids=["spaces", "type last", "data last", "trailing blanks", "carriage return"],
)
def test_a_record_is_known_however_it_is_written(line: str) -> None:
    (run,) = heard(line, line)
    assert (run.key, run.count) == (A, 2)


def test_the_namespace_counts_where_two_streams_have_one_name() -> None:
    streams = (("one", "a"), ("two", "a"))
    before = '{"type":"RECORD","record":{"namespace":"two","stream":"a","data":{},"emitted_at":1}}'
    items = heard(record("a", {}, namespace="one"), record("a", {}, namespace="two"), before, streams=streams)
    assert [(item.key, item.count) for item in items] == [(("one", "a"), 1), (("two", "a"), 2)]


def test_a_record_that_may_be_of_two_streams_ends_the_sync() -> None:
    streams = [("one", "a"), ("two", "a")]
    with pytest.raises(EltError, match="a record of a without a namespace, and 2 streams"):
        heard(record("a", {}, namespace="one"), record("a", {}), streams=streams)
    assert len(heard(record("a", {}, namespace="one"), record("b", {}), streams=streams)) == 1


def test_the_namespace_counts_wherever_it_is_written() -> None:
    streams = (("one", "a"),)
    lines = [record("a", {"id": 1}, namespace="one"), record("a", {"id": 2}, namespace="two")]
    lines += [record("a", {"namespace": "two"}), record("a", {"namespace": "two"}, namespace="one")]
    lines += [record("a", {"id": 5}, meta={"changes": []}, namespace="two")]
    items = heard(*lines, streams=streams)
    found = [json.loads(line)["record"]["data"] for item in items for line in item.lines.splitlines()]
    assert found == [{"id": 1}, {"namespace": "two"}, {"namespace": "two"}]
    assert {item.key for item in items} == {("one", "a")}


def test_records_that_nobody_asked_for_are_left_out_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    items = heard(record("c", {}), record("c", {}), record("a", {}))
    assert [(item.key, item.count) for item in items] == [(A, 1)]
    assert [one.levelno for one in caplog.records] == [logging.WARNING]


def test_states_statuses_and_controls_mean_something() -> None:
    descriptor = {"name": "a"}
    stream_state = {"stream_descriptor": descriptor, "stream_state": {"n": 1}}
    status = {"stream_descriptor": descriptor, "status": "COMPLETE"}
    config = {"connectorConfig": {"config": {"token": "t"}}, "type": "CONNECTOR_CONFIG"}
    assert heard(
        {"type": "STATE", "state": {"type": "STREAM", "stream": stream_state}},
        {
            "type": "STATE",
            "state": {"type": "GLOBAL", "global": {"shared_state": 7, "stream_states": [stream_state]}},
        },
        {"type": "STATE", "state": {"data": {"old": 1}}},
        {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "stream_status": status}},
        {"type": "TRACE", "trace": {"type": "ANALYTICS", "analytics": {"type": "x"}}},
        {"type": "TRACE", "trace": {"type": "ESTIMATE", "estimate": {"name": "a", "row_estimate": 5}}},
        {"type": "CONTROL", "control": config},
        {
            "type": "STATE",
            "state": {
                "type": "STREAM",
                "stream": {**stream_state, "stream_state": 0},
                "sourceStats": {"recordCount": 2.0},
            },
        },
        {"type": "A_LATER_INVENTION"},
    ) == [
        State({A: {"n": 1}}),
        State({A: {"n": 1}}, {"type": "GLOBAL", "shared_state": 7}),
        State({}, {"type": "LEGACY", "data": {"old": 1}}),
        Status(A, "COMPLETE"),
        Control({"token": "t"}),
        State({A: 0}, records=2.0),
    ]


def test_a_broken_line_shows_the_form_of_its_data_alone() -> None:
    with pytest.raises(EltError) as failure:
        heard('{"type":"RECORD","record":{"stream":"a","data":{"id":7,"name":"Jo-1')
    assert failure.value.message.endswith('{"stream":"a","data":{"aa":9,"aaaa":"aa-9')


def test_what_was_whole_before_a_broken_line_is_handed_out_first() -> None:
    said = Said([f"{record('a', {'id': 1})}\n".encode() + b'{"type":"RECORD","record":{"stream":"a"\n'])
    blocks = Messages(said, [A]).blocks()
    assert next(blocks) == [Rows(A, f"{record('a', {'id': 1})}\n".encode(), 1)]
    with pytest.raises(EltError, match=r"connector demo 1.2.3, stream a: line 2 of its output is no whole"):
        next(blocks)


@pytest.mark.parametrize(
    "line",
    [
        'Hello{"type":"RECORD","record":{"stream":"a","data":{}}}',
        '{"type":"RECORD","record":{"stream":"a","data":null}}',
        '{"type":"RECORD","record":{"stream":"a"}}',
        '{"type":"STATE"}',
        '{"type":"LOG","log":"text"}',
        '{"type":"STATE","state":{"data":{},"sourceStats":{"recordCount":"many"}}}',
        '{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":5}}}}',
        '{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"stream_descriptor":{"name":5},"status":""}}}',
        '{"type":"CONTROL","control":{"connectorConfig":{"config":[]}}}',
        pytest.param(f'{{"type":"STATE","state":{"[" * 2000 + "]" * 2000}}}', id="nested deeply"),
    ],
)
def test_a_line_that_was_meant_to_be_a_message_is_an_error(line: str) -> None:
    with pytest.raises(EltError, match="is no whole Airbyte message"):
        heard(line)


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"STATE","state":{"data":%s}}',
        '{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":%s,"stream_states":[]}}}',
        '{"type":"CONTROL","control":{"connectorConfig":{"config":{"x":%s}}}}',
        '{"type":"CATALOG","catalog":{"streams":[%s]}}',
    ],
)
def test_what_is_kept_is_not_nested_without_end(line: str) -> None:
    assert len(heard(line % ('{"a":[' * 90 + "]}" * 90))) == 1
    with pytest.raises(
        EltError, match=r"line 1 of its output is a [A-Z]+ message that is nested more than 200"
    ):
        heard(line % ('{"a":[' * 200 + "]}" * 200))


def test_an_error_without_a_message_is_still_an_error() -> None:
    with pytest.raises(EltError, match="read: an error without a message"):
        heard({"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": ""}}})


def test_a_record_that_breaks_off_is_an_error_although_it_begins_like_the_last() -> None:
    with pytest.raises(EltError, match=r"stream a: line 2 of its output is no whole Airbyte message"):
        heard(record("a", {"id": 1}), record("a", {"id": 2})[:-5])


@pytest.mark.parametrize(
    "line",
    [
        *(
            "Progress: 10 %",
            "12",
            "[1]",
            '{"a": 1}',
            "{not json",
            '{"type": "event"}',
            '{"type": ["RECORD"]}',
        ),
        *('sent {"type": "event", "id": 7}', 'sent {"type":"RECORD" …', '{"type":"event", broken'),
        'the API answered: {"type":"STATE","value":1}',
        pytest.param("[" * 2000 + "]" * 2000, id="nested deeply"),
    ],
)
def test_other_text_is_logged(line: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert heard(line) == []
    assert line in caplog.text


def test_the_number_of_all_records_says_nothing_where_some_were_not_wanted() -> None:
    whole = {"type": "GLOBAL", "global": {"stream_states": []}, "sourceStats": {"recordCount": 1.0}}
    (state,) = heard({"type": "STATE", "state": whole})
    assert state.records == 1
    (state,) = heard(record("nobody asked for it", {}), {"type": "STATE", "state": whole})
    assert state.records is None


def test_a_failure_tells_the_stream_and_the_last_useful_words() -> None:
    log = {"type": "LOG", "log": {"level": "ERROR", "message": "quota\nexceeded"}}
    with pytest.raises(
        EltError,
        match=r"^connector demo 1.2.3: stream a: it ended with exit code 1; the last it said: quota exceeded",
    ):
        heard(record("a", {}), log, {"type": "LOG", "log": {"level": "INFO", "message": "bye"}}, code=1)
    with pytest.raises(EltError, match=r"read: it was ended by SIGKILL .*the last it said: out of memory"):
        heard(code=-9, last_words="out of memory", streams=(A,))


def test_errors_that_it_reported_are_the_reason_whatever_its_exit_code() -> None:
    error = {"message": "no access", "stream_descriptor": {"name": "b"}, "failure_type": "config_error"}
    trace = {"type": "TRACE", "trace": {"type": "ERROR", "error": error}}
    echo = {"type": "TRACE", "trace": {"type": "ERROR", "error": {**error, "message": "1 stream failed"}}}
    for code in (0, 1):
        with pytest.raises(
            EltError, match=r"^connector demo 1.2.3: stream b: no access — see the job's log$"
        ):
            heard(record("a", {}), trace, echo, code=code)


def test_half_a_line_at_the_end_is_an_error_only_after_a_good_end() -> None:
    with pytest.raises(EltError, match="no whole Airbyte message"):
        heard(rest=b'{"type":"RECORD"')
    with pytest.raises(EltError, match="exit code 1"):
        heard(rest=b'{"type":"RECORD"', code=1)
    (run,) = heard(rest=record("a", {}).encode())
    assert run.count == 1


def test_of_a_traceback_only_what_it_says_in_the_end_is_an_error() -> None:
    text = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nKeyError: 1\n\nThe above exception was the direct cause\n\n'
        'Traceback (most recent call last):\n  File "b.py", line 2, in h\n    f()\nsome.module.CheckError: Error listing files.\nstream=posts\n'
    )
    assert without_traceback(text) == "CheckError: Error listing files.\nstream=posts"
    assert without_traceback("no traceback: 1") == "no traceback: 1"
    assert without_traceback("Traceback (most recent call last):") == "Traceback (most recent call last):"
