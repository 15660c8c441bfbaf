"""Which streams a connection takes by itself, and in which mode."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest

from airbyte_local.configure import plans
from airbyte_local.destinations.duckdb import DuckdbDestination
from airbyte_local.destinations.snowflake import SnowflakeDestination
from airbyte_local.enums import JobStatus
from airbyte_local.failures import Failures
from airbyte_local.jobs.report import Report
from airbyte_local.schema import Column, DataType, Kind, SourceStream
from airbyte_local.schema_rule import first_mode, with_streams_of_now
from airbyte_local.sources.base import GoneError, Reading
from airbyte_local.task import Task
from foundation.errors import EltError

WHOLE, APPEND, DEDUPED = "full_refresh_overwrite", "incremental_append", "incremental_deduped_history"


COLUMNS = (
    Column("id", "integer", DataType(Kind.BIGINT), nullable=True, as_text=False),
    Column("doc", "object", DataType(Kind.JSON), nullable=True, as_text=False),
)


def offered(name: str, namespace: str = "", key: str = "id", **more: Any) -> SourceStream:
    path = tuple(key.split(".")) if key else ()
    keys = {"primary_key": (key,), "key_paths": (path,)} if key else {"primary_key": ()}
    return SourceStream(namespace, name, COLUMNS, **keys, **more)


@pytest.mark.parametrize(
    ("stream", "mode"),
    [
        (offered("a", own_cursor=True), DEDUPED),
        (offered("a", own_cursor=True, full_refresh=False), DEDUPED),
        (offered("a", key=""), WHOLE),
        (offered("a"), WHOLE),  # a cursor would have to be chosen
        (offered("a", key="", own_cursor=True), WHOLE),
        (offered("a", key="", own_cursor=True, full_refresh=False), APPEND),
        (offered("a", key="data.id", own_cursor=True), WHOLE),  # no key by which rows could be compared
        (offered("a", key="gone", own_cursor=True), WHOLE),
        (offered("a", own_cursor=True, incremental=False), WHOLE),
        (offered("a", own_cursor=True, cursors=("doc",), cursor_path=("doc",)), WHOLE),
        (offered("a", own_cursor=True, cursors=("doc.at",), cursor_path=("doc", "at")), WHOLE),
        (offered("a", own_cursor=True, cursors=("id",), cursor_path=("id",)), DEDUPED),
        (offered("a", own_cursor=True, cursors=("no field",), cursor_path=("no field",)), DEDUPED),
    ],
)
def test_the_mode_is_airbytes_for_a_stream_that_nobody_has_configured(
    stream: SourceStream, mode: str
) -> None:
    assert first_mode(stream, None) == mode


WAREHOUSE = DuckdbDestination({"destination_path": "w.duckdb"})
SENT = {
    "jobId": 1,
    "connectionId": "c",
    "connectionName": "c",
    "source": {},
    "destination": {},
    "namespaceDefinition": "source",
}


class Offering:
    """A source as far as planning asks it; `hidden`: what its user may not read any more."""

    reading = Reading.MESSAGES

    def __init__(self, *hidden: str) -> None:
        self._hidden = hidden

    def why_missing(self, namespace: str, name: str) -> EltError:
        return EltError("no right") if name in self._hidden else GoneError(f"no {name}")


def told(
    task: dict[str, Any], streams: list[SourceStream], *hidden: str
) -> tuple[list[Any], list[dict[str, Any]]]:
    """The names of the task's streams then (or the reason to stop), and what the server hears."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as events:
        try:
            then = with_streams_of_now(
                Task.of(SENT | task), Offering(*hidden), streams, WAREHOUSE, Report(writer)
            )
            found: list[Any] = [one["name"] for one in then.streams]
        except EltError as error:
            found = [str(error)]
        os.close(writer)
        return found, [json.loads(line) for line in events]


def test_what_cannot_be_written_down_does_not_keep_the_server_from_hearing() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, encoding="utf-8") as events:
        Report(writer).ended(JobStatus.FAILED, "half \ud800 é")
        os.close(writer)
        assert [json.loads(line)["reason"] for line in events] == ["half ? é"]


def test_what_was_not_offered_before_is_taken_and_reported() -> None:
    task = {"nonBreakingSchemaUpdatesBehavior": "propagate_fully", "streams": [{"name": "a"}]}
    now = [offered("a", "x"), offered("b", "x"), offered("c")]
    everything = [["x", "a"], ["x", "b"], ["", "c"]]
    # a connection of an older version: nothing is known to be new
    assert told(task, now) == (["a"], [{"event": "offered", "offered": everything, "streams": []}])
    new = [{"name": "c", "syncMode": WHOLE}]
    assert told(task | {"offeredStreams": [["x", "b"]]}, now) == (
        ["a", "c"],
        [{"event": "offered", "offered": everything, "streams": new}],
    )
    assert told(task | {"offeredStreams": everything}, now) == (["a"], [])
    for other in ({"chosen": [{"name": "a"}]}, {"nonBreakingSchemaUpdatesBehavior": "propagate_columns"}):
        assert told(task | {"offeredStreams": []} | other, now) == (["a"], [])


def test_a_stream_whose_table_another_has_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    rule = {"nonBreakingSchemaUpdatesBehavior": "propagate_fully", "offeredStreams": [["x", "a"]]}
    task = rule | {"streams": [{"name": "a", "namespace": "x"}]}
    now = [offered(name, "x") for name in ("a", "A", "b", "B")]
    names, heard = told(task, now)
    assert names == ["a", "b"]
    assert [one["name"] for one in heard[0]["streams"]] == ["b"]
    assert [message for message in caplog.messages if "not taken" in message] == [
        "x.A: new in the source, not taken: its table x.A would be that of x.a",
        "x.B: new in the source, not taken: its table x.B would be that of x.b",
    ]
    # where namespaces share a schema, and where the connection's stream has no namespace of its own
    assert told(task | {"namespaceDefinition": "destination"}, [*now[:1], offered("a", "y")])[0] == ["a"]
    assert told(rule | {"streams": [{"name": "a"}]}, now[:2])[0] == ["a"]


@pytest.mark.parametrize("warehouse", [DuckdbDestination, SnowflakeDestination])
def test_names_that_differ_by_case_are_one_in_a_warehouse(warehouse: type) -> None:
    assert warehouse.fold("Straße B") == warehouse.fold("straße b")


def test_a_new_stream_that_cannot_be_loaded_is_left_out_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = {
        "nonBreakingSchemaUpdatesBehavior": "propagate_fully",
        "offeredStreams": [["", "a"]],
        "streams": [{"name": "a"}],
    }
    twice = replace(offered("twice"), columns=(COLUMNS[0], replace(COLUMNS[0], name="ID")))
    nameless = replace(offered("nameless"), columns=(replace(COLUMNS[0], name=""),), primary_key=())
    now = [offered("a"), twice, nameless, offered("half \ud800"), offered("")]
    assert told(task, now) == (["a"], [])  # nothing new is kept: the next sync looks again
    said = [message for message in caplog.messages if "not taken" in message]
    assert len(said) == 4
    assert "twice: new in the source, not taken: stream twice: the column name id is used twice" in said[0]
    assert "nameless: new in the source, not taken: stream nameless: it has a field without a name" in said[1]
    assert r"no schema or table can be called half \ud800" in said[2]
    assert 'no schema or table can be called ""' in said[3]


def test_a_stream_that_is_gone_is_left_out_until_it_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    everything = [["", "a"], ["x", "b"]]
    task = {"nonBreakingSchemaUpdatesBehavior": "propagate_fully", "offeredStreams": everything}
    task["streams"] = [{"name": "a"}, {"name": "b", "namespace": "x"}]
    assert told(task, [offered("a")]) == (["a"], [])  # it is still known, and no new one when it comes back
    assert caplog.messages == [
        "x.b: the source no longer has it; it is not synced, and its table stays as it is"
    ]
    assert told(task | {"chosen": [{"name": "a"}]}, [offered("a")])[0] == ["a"]
    # it fails by name: what a job is for, what was never there, all that there is, what may not be read
    assert told(task | {"chosen": [{"name": "b", "namespace": "x"}]}, [offered("a")])[0] == ["a", "b"]
    assert told(task | {"offeredStreams": everything[:1]}, [offered("a")])[0] == ["a", "b"]
    assert told(task, [])[0] == ["a", "b"]
    assert told(task, [offered("a")], "b")[0] == ["a", "b"]
    assert told(task | {"nonBreakingSchemaUpdatesBehavior": "propagate_columns"}, [])[0] == ["a", "b"]


def test_new_and_gone_streams_disable_a_connection_whose_rule_says_so() -> None:
    rule = {"nonBreakingSchemaUpdatesBehavior": "disable_connection", "streams": [{"name": "a"}]}
    now = [offered("b", "x")]
    everything = {"event": "offered", "offered": [["", "a"]], "streams": []}
    assert told(rule, [offered("a")]) == (["a"], [everything])  # the first look
    (reason,), heard = told(rule | {"offeredStreams": [["", "a"]]}, now)
    assert "the source has changed: the stream x.b is new; the stream a is gone; the connection is" in reason
    assert heard == [{"event": "disable"}]
    assert told(rule | {"offeredStreams": [["", "a"]]}, [offered("a")]) == (["a"], [])
    # what a refresh finds is known from then on; a job of some streams asks for no others
    accepted = {"event": "offered", "offered": [["x", "b"], ["", "a"]], "streams": []}
    assert told(rule | {"offeredStreams": [["", "a"]], "jobType": "refresh"}, now) == (["a"], [accepted])
    assert told(rule | {"offeredStreams": [["", "a"]], "chosen": [{"name": "a"}]}, now) == (["a"], [])


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("W", "in w.x.duckdb DuckDB takes the schema W for a database"),
        ("temp", "DuckDB takes the schema temp for a database"),
        ("Airbyte_Internal", "the schema Airbyte_Internal holds the states of all connections"),
    ],
)
def test_a_schema_that_cannot_be_a_streams_is_refused(schema: str, said: str) -> None:
    task = Task.of(SENT | {"streams": [{"name": "a", "syncMode": WHOLE}]})
    failures = Failures()
    warehouse = DuckdbDestination({"destination_path": "w.x.duckdb"})
    plans(task, Offering(), [offered("a", schema)], warehouse, failures)
    assert said in failures.reasons()[schema, "a"]
