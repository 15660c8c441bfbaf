"""Connectors that speak the Airbyte protocol, through the server and Airbyte's unmodified client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psutil
import pytest
from airbyte_api import api, models
from airbyte_api.errors import AirbyteAPIError

from tests.benchmarks.engine import memory_of_job
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import free_port
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.scripted import (
    MINUTE,
    connect,
    error,
    record,
    scripted,
    state,
    status,
    stream,
    workspace,
)
from tests.unit.airbyte_local.test_mappers import hash_of, mapper

FOLDERS = Path(__file__).parents[2] / "connectors"
OVERWRITE, APPEND = "full_refresh_overwrite", "full_refresh_append"
INCREMENTAL, DEDUPED = "incremental_append", "incremental_deduped_history"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirbyteServer]:
    """A server that has the connectors of the tests, too."""
    extra = {"AIRBYTE_CONNECTORS": str(FOLDERS)}
    port = free_port()
    made = AirbyteServer(
        tmp_path_factory.mktemp("connectors"), port, client_id=f"connectors {port}", extra=extra
    )
    made.start()
    yield made
    made.stop()


def processes(server: AirbyteServer, command: str) -> list[tuple[int, int]]:
    """Each process that runs a command for this server, and not for another one's tests: its group and its id."""
    answer = subprocess.run(["ps", "-wweo", "pgid=,pid=,args="], capture_output=True, text=True, check=True)
    found = [
        line.split(None, 2)
        for line in answer.stdout.splitlines()
        if command in line and str(server.home) in line
    ]
    return [(int(group), int(pid)) for group, pid, _ in found]


def suppressed(call: Callable[..., Any], *arguments: Any, **more: Any) -> None:
    """Ask a server that may stop meanwhile."""
    with suppress(httpx.HTTPError):
        call(*arguments, **more)


def runs(pid: int) -> bool:
    return subprocess.run(["ps", "-p", str(pid)], capture_output=True).returncode == 0


@pytest.mark.slow
def test_faker_from_the_package_index_is_installed_and_synced(server: AirbyteServer, tmp_path: Path) -> None:
    request = models.SourceCreateRequest(
        name="faker",
        workspace_id=workspace(server),
        configuration=models.SourceFaker(count=300, seed=7, parallelism=1),
    )
    source = server.sdk.sources.create_source(request=request).source_response
    assert source.source_type == "faker"
    modes = {"users": DEDUPED, "products": OVERWRITE, "purchases": INCREMENTAL}
    connection = connect(server, source.source_id, tmp_path / "w.duckdb", modes)
    job = connection.sync()
    assert job["status"] == "succeeded", server.log(job["jobId"])
    assert "making its environment (once)" in server.log(job["jobId"])
    counts = {"users": 300, "products": 100, "purchases": 300}
    assert {one["streamName"]: one["rowsSynced"] for one in job["streams"]} == counts
    assert connection.raw("select count(*), count(distinct id), min(id), max(id) from users") == [
        (300, 300, 1, 300)
    ]
    ((street, at, meta),) = connection.raw(
        "select typeof(address ->> 'street_name'), typeof(created_at), _airbyte_meta::varchar from users where id = 1"
    )
    assert (street, at) == ("VARCHAR", "TIMESTAMP WITH TIME ZONE")
    assert json.loads(meta) == {"sync_id": job["jobId"], "changes": []}
    again = connection.sync()
    assert "making its environment" not in server.log(again["jobId"])
    assert 'Setting state of SourceFaker stream to {"seed": 7' in server.log(again["jobId"]).replace("'", '"')
    read = {one["streamName"]: one["rowsSynced"] for one in again["streams"]}
    assert connection.raw("select count(*), count(distinct id) from users") == [(300, 300)]
    assert connection.raw("select count(*) from purchases") == [(300 + read["purchases"],)]
    found = server.sdk.streams.get_stream_properties(
        request=api.GetStreamPropertiesRequest(source_id=source.source_id), timeout_ms=MINUTE
    ).stream_properties_response
    assert {one.stream_name: one.source_defined_primary_key for one in found} == {
        name: [["id"]] for name in modes
    }
    assert all(
        one.default_cursor_field == ["updated_at"] and one.source_defined_cursor_field for one in found
    )
    assert {str(mode.value) for mode in found[0].sync_modes} == {OVERWRITE, APPEND, INCREMENTAL, DEDUPED}


# sync modes, states


def test_each_state_is_committed_with_its_rows_and_the_next_sync_goes_on_from_the_last(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"numbers": INCREMENTAL})
    made.script([stream("numbers")], [{"count": {"stream": "numbers", "to": 100, "die": 37}}])
    job = made.run()
    assert job["status"] == "failed"
    assert "connector scripted 0.1.0: stream numbers: it ended with exit code 3" in job["failureReason"]
    assert "the wheel came off" in job["failureReason"]
    assert made.ids("numbers") == list(range(1, 31))  # 31 … 37 have no state
    assert made.saved("numbers") == {"n": 30}
    assert [(one["status"], one["rowsSynced"], one["rowsWritten"]) for one in job["streams"]] == [
        ("failed", 37, 30)
    ]
    made.script([stream("numbers")], [{"count": {"stream": "numbers", "to": 45}}])
    assert made.run()["status"] == "succeeded"
    assert made.given()["state"][0]["stream"]["stream_state"] == {"n": 30}
    assert made.ids("numbers") == list(range(1, 46))  # each once
    assert made.saved("numbers") == {"n": 40}  # and what came after the last state is there, too


def test_a_job_that_is_killed_keeps_what_was_committed_and_takes_its_connector_along(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"numbers": INCREMENTAL})
    made.script([stream("numbers")], [{"count": {"stream": "numbers", "to": 20}}, {"hang": 1}])
    job_id = made.connection.start()
    wait_until(lambda: [one.get("rowsWritten") for one in server.job(job_id)["streams"]] == [20])
    ((job, connector),) = processes(server, "source_scripted.py read")
    os.kill(job, signal.SIGKILL)
    assert server.wait(job_id)["status"] == "failed"
    wait_until(lambda: not runs(connector))
    assert not list(
        (server.home / "connectors" / "scratch").iterdir()
    )  # its configuration is not left behind
    assert made.ids("numbers") == list(range(1, 21))
    assert made.saved("numbers") == {"n": 20}
    made.script([stream("numbers")], [{"count": {"stream": "numbers", "to": 30}}])
    assert made.run()["status"] == "succeeded"
    assert made.ids("numbers") == list(range(1, 31))


def test_deduplicated_rows_are_the_newest_by_cursor_then_by_arrival(
    server: AirbyteServer, tmp_path: Path
) -> None:
    fields = {"id": {"type": "integer"}, "at": {"type": "string", "format": "date"}, "v": {"type": "string"}}
    offered = stream("things", fields, default_cursor_field=["at"])
    made = scripted(server, tmp_path, {"things": DEDUPED})
    rows = [
        {"id": 1, "at": "2024-01-02", "v": "newer"},
        {"id": 1, "at": "2024-01-01", "v": "older, sent later"},
        {"id": 2, "at": "2024-01-01", "v": "first"},
        {"id": 2, "at": "2024-01-01", "v": "same cursor, later"},
        {"id": 3, "v": "no cursor"},
        {"id": 4, "at": "2024-01-01", "v": "stays"},
    ]
    made.script([offered], [*(record("things", row) for row in rows), state("things", {"s": 1})])
    assert made.run()["status"] == "succeeded"
    query = "select id, v from things order by id"
    assert made.rows(query) == [(1, "newer"), (2, "same cursor, later"), (3, "no cursor"), (4, "stays")]
    rows = [
        {"id": 1, "at": "2024-01-01", "v": "older"},
        {"id": 2, "at": "2024-01-01", "v": "same cursor, next sync"},
        {"id": 3, "at": "2020-01-01", "v": "any cursor"},
        {"id": 4, "v": "none"},
    ]
    made.script([offered], [*(record("things", row) for row in rows), state("things", {"s": 2})])
    assert made.run()["status"] == "succeeded"
    assert made.rows(query) == [(1, "newer"), (2, "same cursor, next sync"), (3, "any cursor"), (4, "stays")]


def test_append_keeps_every_row_as_it_was_sent(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL, "b": APPEND})
    rows = [record("a", {"id": 1}), record("a", {"id": 1}), state("a", {"s": 1}), record("b", {"id": 1})]
    made.script([stream("a"), stream("b")], rows)
    assert made.run()["status"] == made.run()["status"] == "succeeded"
    assert made.ids("a") == [1, 1, 1, 1]
    assert made.ids("b") == [1, 1]
    generations = made.rows("select distinct _airbyte_generation_id from b order by 1")
    assert generations == [(1,), (2,)]
    assert made.saved("b") is None  # a stream that is read as a whole starts from the beginning each time


def test_a_full_refresh_takes_the_tables_place_only_when_it_is_complete(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": OVERWRITE, "b": OVERWRITE})
    offered = [stream("a"), stream("b")]
    made.script(offered, [record("a", {"id": 1}), record("b", {"id": 1})])
    assert made.run()["status"] == "succeeded"
    made.script(
        offered,
        [
            record("a", {"id": 2}),
            status("a", "COMPLETE"),
            record("b", {"id": 2}),
            state("b", {"half": 1}),
            {"exit": 1},
        ],
    )
    job = made.run()
    assert job["status"] == "failed"
    assert made.ids("a") == [2]  # complete before the end
    assert made.ids("b") == [1]  # as it was
    assert {one["streamName"]: one["status"] for one in job["streams"]} == {"a": "complete", "b": "failed"}


def test_global_states_cover_all_streams_and_come_back_as_one(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL, "b": INCREMENTAL})
    both = [{"stream_descriptor": {"name": name}, "stream_state": {"of": name}} for name in ("a", "b")]
    whole = {"type": "GLOBAL", "global": {"shared_state": {"lsn": 7}, "stream_states": both}}
    sent = [record("a", {"id": 1}), record("b", {"id": 1}), {"line": {"type": "STATE", "state": whole}}]
    made.script([stream("a"), stream("b")], [*sent, record("a", {"id": 2}), {"kill": "SIGKILL"}])
    job = made.run()
    assert "stream a: it was ended by SIGKILL (by hand, or for lack of memory)" in job["failureReason"]
    assert (made.ids("a"), made.ids("b")) == ([1], [1])
    made.script([stream("a"), stream("b")], [])
    assert made.run()["status"] == "succeeded"
    assert made.given()["state"] == [whole]


def test_a_stream_that_a_shared_state_has_passed_by_begins_again(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": DEDUPED, "b": DEDUPED})

    def whole(number: int, *names: str) -> dict[str, Any]:
        blobs = [{"stream_descriptor": {"name": name}, "stream_state": {"n": number}} for name in names]
        said = {"type": "GLOBAL", "global": {"shared_state": {"lsn": number}, "stream_states": blobs}}
        return {"line": {"type": "STATE", "state": said}}

    offered = [stream("a"), stream("b")]
    made.script(offered, [record("a", {"id": 1}), record("b", {"id": 1}), whole(1, "a", "b")])
    assert made.run()["status"] == "succeeded"
    made.script(offered[:1], [record("a", {"id": 2}), whole(2, "a")])
    assert "stream b: connector scripted 0.1.0 has no such stream" in made.run()["failureReason"]
    assert made.ids("a") == [1, 2]
    made.script(offered, [])
    assert made.run()["status"] == "succeeded"
    (given,) = made.given()["state"]
    assert given["global"]["shared_state"] == {"lsn": 2}
    assert [one["stream_descriptor"]["name"] for one in given["global"]["stream_states"]] == ["a"]


def test_a_refresh_that_breaks_off_leaves_the_shared_state_as_it_was(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": DEDUPED, "b": DEDUPED})
    offered = [stream("a"), stream("b")]

    def whole(number: int) -> dict[str, Any]:
        blobs = [{"stream_descriptor": {"name": name}, "stream_state": {"n": number}} for name in ("a", "b")]
        return {"type": "GLOBAL", "global": {"shared_state": {"lsn": number}, "stream_states": blobs}}

    def sent(number: int) -> list[dict[str, Any]]:
        return [record("a", {"id": number}), record("b", {"id": number})]

    # a state that comes when all is complete counts, too
    ends = [status("a", "COMPLETE"), status("b", "COMPLETE"), {"line": {"type": "STATE", "state": whole(1)}}]
    made.script(offered, [*sent(1), *ends])
    assert made.run()["status"] == "succeeded"
    made.script(
        offered,
        [*sent(2), {"line": {"type": "STATE", "state": whole(2)}}, status("a", "COMPLETE"), {"exit": 1}],
    )
    assert made.run("refresh")["status"] == "failed"
    assert (made.ids("a"), made.ids("b")) == ([2], [1])
    made.script(offered, [*sent(3), {"line": {"type": "STATE", "state": whole(3)}}])
    assert made.run()["status"] == "succeeded"
    (given,) = made.given()["state"]
    assert given["global"]["shared_state"] == {"lsn": 1}
    assert [one["stream_state"] for one in given["global"]["stream_states"]] == [{"n": 2}, {"n": 1}]
    assert (made.ids("a"), made.ids("b")) == ([2, 3], [1, 3])


def test_a_legacy_state_is_kept_for_the_connector_as_it_gave_it(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    blob = {"a": {"updated": "2024-01-01"}}
    made.script([stream("a")], [record("a", {"id": 1}), {"line": {"type": "STATE", "state": {"data": blob}}}])
    assert made.run()["status"] == made.run()["status"] == "succeeded"
    assert made.given()["state"] == blob


def test_the_newest_state_counts_in_whatever_form_it_is(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL, "b": INCREMENTAL})
    offered = [stream("a"), stream("b")]
    legacy = {"line": {"type": "STATE", "state": {"data": {"old": 1}}}}
    both = [{"stream_descriptor": {"name": name}, "stream_state": {"of": name}} for name in ("a", "b")]
    whole = {"type": "GLOBAL", "global": {"shared_state": {"lsn": 7}, "stream_states": both}}
    given = []
    for sent in ([legacy], [state("a", {"n": 2})], [{"line": {"type": "STATE", "state": whole}}], [legacy]):
        made.script(offered, [record("a", {"id": len(given)}), *sent])
        assert made.run()["status"] == "succeeded"
        given.append(made.given()["state"])
    made.script(offered, [state("b", {"n": 3})])
    assert made.run()["status"] == "succeeded"
    given.append(made.given()["state"])
    made.script(offered, [])
    assert made.run()["status"] == "succeeded"
    given.append(made.given()["state"])
    of_a, of_b = (
        [{"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": {"n": number}}}]
        for name, number in (("a", 2), ("b", 3))
    )
    assert given == [None, {"old": 1}, of_a, [whole], {"old": 1}, of_b]


def test_other_than_the_connectors_number_of_records_fails_the_stream(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    counted = state("a", {"n": 1})
    counted["line"]["state"]["sourceStats"] = {"recordCount": 2.0}
    made.script(
        [stream("a")],
        [record("a", {"id": 1}), record("a", {"id": 2}), counted, record("a", {"id": 3}), counted],
    )
    job = made.run()
    assert job["status"] == "failed"
    assert "stream a: it says that it sent 2 records before its state, and 1 came" in job["failureReason"]
    assert made.ids("a") == [1, 2]


def test_states_of_interleaved_streams_commit_only_their_own_rows(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL, "b": INCREMENTAL})
    sent = [record("a", {"id": 1}), record("b", {"id": 1}), record("a", {"id": 2}), state("b", {"b": 1})]
    made.script([stream("a"), stream("b")], [*sent, record("b", {"id": 2}), {"exit": 1}])
    assert made.run()["status"] == "failed"
    assert made.ids("b") == [1]
    assert made.rows("select count(*) from duckdb_tables() where table_name = 'a'") == [(0,)]
    assert made.saved("a") is None


def test_refresh_reads_everything_in_one_commit_and_clear_forgets_the_state(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"numbers": DEDUPED})
    made.script([stream("numbers")], [{"count": {"stream": "numbers", "to": 20}}])
    assert made.run()["status"] == "succeeded"
    made.script([stream("numbers")], [{"count": {"stream": "numbers", "to": 30, "die": 15}}])
    assert made.run("refresh")["status"] == "failed"
    assert (made.ids("numbers"), made.saved("numbers")) == (list(range(1, 21)), {"n": 20})  # as it was
    made.script([stream("numbers")], [{"count": {"stream": "numbers", "to": 30}}])
    assert made.run("refresh")["status"] == "succeeded"
    assert made.given()["state"] is None
    assert made.rows("select count(*), min(_airbyte_generation_id) from numbers") == [(30, 1)]
    assert made.saved("numbers") == {"n": 30}
    assert made.run("clear")["status"] == "succeeded"
    assert (made.ids("numbers"), made.saved("numbers")) == ([], None)
    assert made.run()["status"] == "succeeded"
    assert made.ids("numbers") == list(range(1, 31))


def test_each_run_gets_its_generation_and_sync_and_what_was_not_asked_for_is_named(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"kept": INCREMENTAL, "whole": OVERWRITE})
    estimate = {
        "type": "TRACE",
        "trace": {
            "type": "ESTIMATE",
            "emitted_at": 1,
            "estimate": {"name": "kept", "type": "STREAM", "row_estimate": 7},
        },
    }
    read = [
        {"line": estimate},
        record("other", {"id": 1}),
        record("kept", {"id": 1}),
        state("kept", {"n": 1}),
    ]
    made.script([stream("kept"), stream("whole")], read)

    def told(job_type: str) -> list[tuple[int, int]]:
        job = made.run(job_type)
        assert job["status"] == "succeeded"
        found = {one["stream"]["name"]: one for one in made.given()["catalog"]["streams"]}
        assert {one["sync_id"] for one in found.values()} == {job["jobId"]}
        return [
            (found[name]["generation_id"], found[name]["minimum_generation_id"]) for name in ("kept", "whole")
        ]

    assert told("sync") == [(0, 0), (1, 1)]
    assert told("sync") == [(0, 0), (2, 2)]
    assert told("refresh") == [(1, 1), (3, 3)]
    assert told("sync") == [(1, 0), (4, 4)]
    log = server.log(made.run()["jobId"])
    assert "kept: the connector expects 7 rows, ? bytes" in log
    assert "sends records of other, which nobody asked for" in log


# keys, cursors, names


def test_what_has_no_order_or_no_name_is_refused_by_name_before_anything_is_read(
    server: AirbyteServer, tmp_path: Path
) -> None:
    fields = {"id": {"type": "integer"}, "v": {"type": ["string", "integer"]}, "data": {"type": "object"}}
    zoned = {"type": "string", "format": "time", "airbyte_type": "time_with_timezone"}
    offered = [
        stream("union", fields, default_cursor_field=["v"]),
        stream("zoned", fields | {"at": zoned}, default_cursor_field=["at"]),
        stream("key", fields, source_defined_primary_key=[["data", "id"]]),
        stream("cursor", fields, default_cursor_field=["data", "at"]),
        stream(
            "nameless", {"id": {"type": "integer"}, "": {"type": "string"}, "\ufeffid": {"type": "string"}}
        ),
        stream("own", fields | {"#odd": {}}),
        stream("nul", fields | {"n\0": {}}),
        stream("half", fields | {"\ud800": {}}),
        stream("keyless", fields, source_defined_primary_key=[["gone"]]),
        stream("fine", fields),
    ]
    made = scripted(server, tmp_path, {one["name"]: DEDUPED for one in offered})
    made.script(offered, [record("fine", {"id": 1}), state("fine", {"n": 1})])
    job = made.run()
    for said in (
        "stream union: its cursor v is declared as union; its values have no order",
        "stream zoned: its cursor at is declared as time_with_timezone; its values have no order",
        "stream key: its key or cursor data.id is within an object",
        "stream cursor: its key or cursor data.at is within an object",
        'stream nameless: it has a field without a name (""), and no column can be called so',
        r"choose the others with selectedFields: id, \ufeffid",
        "stream own: it has a field named #odd, and no column can be called so",
        r"stream nul: it has a field named n\x00",
        r"stream half: it has a field named \ud800",
        "stream keyless: the connector names gone as its key, and declares no such field",
        "report it to the connector's maintainer",
        "; the other stream is loaded",
    ):
        assert said in job["failureReason"]
    assert "correct the connection" not in job["failureReason"]
    assert made.ids("fine") == [1]
    assert [one["stream"]["name"] for one in made.given()["catalog"]["streams"]] == ["fine"]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"name": "a", "json_schema": None}, "stream a has a value of another type"),
        ({"name": "a"}, "stream a has no json_schema"),
        ({"json_schema": {}}, "a stream has no name"),
    ],
)
def test_a_catalogue_that_is_not_the_protocols_fails_by_name(
    server: AirbyteServer, tmp_path: Path, broken: dict[str, Any], told: str
) -> None:
    made = scripted(server, tmp_path, {"a": OVERWRITE})
    made.script([broken], [])
    reason = made.run()["failureReason"]
    assert f"connector scripted 0.1.0: its catalogue is not as the protocol has it: {told}" in reason
    assert "report it to the connector's maintainer" in reason


def test_a_mapper_cannot_give_a_field_a_name_of_our_own(server: AirbyteServer, tmp_path: Path) -> None:
    fields = {"id": {"type": "integer"}, "#o": {"type": "string"}}
    made = scripted(server, tmp_path, {"renamed": OVERWRITE, "hashed": OVERWRITE, "fine": OVERWRITE})
    rename = mapper("field-renaming", originalFieldName="id", newFieldName="#Changes")
    mappers = {"renamed": rename, "hashed": hash_of("#o", suffix="dd")}
    streams = [
        {"name": name, "syncMode": OVERWRITE, "mappers": [mappers[name]] if name in mappers else []}
        for name in ("renamed", "hashed", "fine")
    ]
    change = {"configurations": {"streams": streams}}
    server.http.patch(f"/connections/{made.connection.id}", json=change).raise_for_status()
    made.script([stream(name, fields) for name in ("renamed", "hashed", "fine")], [record("fine", {"id": 1})])
    reason = made.run()["failureReason"]
    assert "stream renamed: it has a field named #Changes, and no column can be called so" in reason
    assert "stream hashed: it has a field named #odd, and no column can be called so" in reason
    assert "correct the mapper that makes it" in reason and "selectedFields" not in reason
    assert made.ids("fine") == [1]


def test_names_that_cannot_be_written_down_are_listed_by_their_escape(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": OVERWRITE})
    made.script([stream("a\ud800", {"é": {}, "x\udfff": {}}, source_defined_primary_key=[["x\udfff"]])], [])
    answer = server.http.get("/streams", params={"sourceId": made.connection.source_id})
    (one,) = answer.raise_for_status().json()
    assert one["streamName"] == r"a\ud800"
    assert one["propertyFields"] == [["é"], [r"x\udfff"]]
    assert one["sourceDefinedPrimaryKey"] == [[r"x\udfff"]]
    ends = {"sourceId": made.connection.source_id, "destinationId": made.connection.destination_id}
    answer = server.http.post("/connections", json=ends)  # with every stream
    assert answer.status_code == 422
    assert r"no table can be called as the stream a\ud800" in answer.json()["detail"]
    made.script([{"name": "a\ud800"}], [])
    answer = server.http.get("/streams", params={"sourceId": made.connection.source_id})
    assert answer.status_code == 400
    assert r"stream a\ud800 has no json_schema" in answer.json()["detail"]


def test_a_key_that_cannot_be_written_down_ends_the_job_all_the_same(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": DEDUPED})
    half = record("a", {"id": "\ud800"})
    made.script([stream("a", {"id": {"type": "string"}})], [half, state("a", {"n": 1})])
    job = made.run()
    assert job["status"] == "failed"
    assert 'a record has a JSON string of the form "?" there, which does not fit' in job["failureReason"]


def test_a_stream_without_a_namespace_is_read_although_another_of_its_name_has_one(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    offered = [stream("a"), stream("a", namespace="other")]
    made.script(offered, [record("a", {"id": 1}), record("a", {"id": 2}, namespace="other")])
    job = made.run()
    assert job["status"] == "succeeded", job["failureReason"]
    assert made.ids("a") == [1]


def test_a_cursor_within_an_object_is_handed_to_the_connector_where_rows_are_appended(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    nested = {"default_cursor_field": ["data", "at"], "source_defined_primary_key": [["data", "id"]]}
    made.script([stream("a", {"id": {}, "data": {"type": "object"}}, **nested)], [record("a", {"id": 1})])
    assert made.run()["status"] == "succeeded"
    assert made.given()["catalog"]["streams"][0]["cursor_field"] == ["data", "at"]


def test_keys_that_do_not_fit_leave_the_table_as_it_was(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": DEDUPED})
    made.script([stream("a")], [record("a", {"id": 1}), state("a", {"n": 1})])
    assert made.run()["status"] == "succeeded"
    made.script([stream("a")], [record("a", {"id": "x"}), record("a", {"id": "y"}), state("a", {"n": 2})])
    job = made.run()
    assert (
        'its key id is declared as integer, and a record has a JSON string of the form "a"'
        in job["failureReason"]
    )
    assert (made.ids("a"), made.saved("a")) == ([1], {"n": 1})


# faults


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (
            [
                record("a", {"id": 1}),
                state("a", {"n": 1}),
                {"line": '{"type":"RECORD","record":{"stream":"a","dat'},
            ],
            'stream a: line 3 of its output is no whole Airbyte message: {"type":"RECORD"',
        ),
        (
            [
                record("a", {"id": 1}),
                state("a", {"n": 1}),
                {"line": '{"type":"RECORD","record":{"stream":"a","data":{"id":2 3},"emitted_at":1}}'},
            ],
            "stream a: a record is not valid JSON",
        ),
        (
            [record("a", {"id": 1}), state("a", {"n": 1}), {"hang": 1}],
            "has written nothing for 5 s (read); it was ended",
        ),
        (
            [record("a", {"id": 1}), state("a", {"n": 1}), error("the quota is used up", "a"), {"exit": 1}],
            "connector scripted 0.1.0: stream a: the quota is used up",
        ),
        (
            [
                record("a", {"id": 1}),
                state("a", {"n": 1}),
                {"line": '{"type":"STATE","state":{"type":"STREAM"}}'},
            ],
            "line 3 of its output is no whole Airbyte message",
        ),
        (
            [record("a", {"id": 1}), state("a", {"n": 1}), status("a", "COMPLETE"), record("a", {"id": 2})],
            "it sent records of a after it had said that the stream is complete",
        ),
        (
            [record("a", {"id": 1}), state("a", {"n": 1}), status("a", "INCOMPLETE")],
            "stream a: the connector could not complete it",
        ),
    ],
    ids=[
        "broken line",
        "broken record",
        "silence",
        "error trace",
        "broken state",
        "after the end",
        "incomplete",
    ],
)
def test_a_fault_fails_the_job_by_name_and_keeps_what_was_vouched_for(
    server: AirbyteServer, tmp_path: Path, steps: list[dict], reason: str
) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    made.script([stream("a")], steps)
    job = made.run()
    assert job["status"] == "failed"
    assert "connector scripted 0.1.0" in job["failureReason"]
    assert reason in job["failureReason"]
    assert "running" not in {one["status"] for one in job["streams"]}
    assert (made.ids("a"), made.saved("a")) == ([1], {"n": 1})


@pytest.mark.threat("a process that outlives its job")
@pytest.mark.parametrize(("code", "status"), [(0, "succeeded"), (3, "failed")])
def test_a_process_that_the_connector_leaves_does_not_keep_the_job(
    server: AirbyteServer, tmp_path: Path, code: int, status: str
) -> None:
    """It has the connector's outputs open, and would not end for minutes."""
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    seconds = f"{300 + code}.25"
    made.script(
        [stream("a")], [record("a", {"id": 1}), state("a", {"n": 1}), {"leave": seconds}, {"exit": code}]
    )
    job = made.run()
    assert job["status"] == status and "written nothing" not in job.get("failureReason", "")
    assert made.ids("a") == [1]
    assert not [one for one in psutil.process_iter(["cmdline"]) if seconds in (one.info["cmdline"] or [])]


def test_text_that_is_no_message_is_logged_and_does_no_harm(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    made.script([stream("a")], [{"line": "Downloading the model …"}, record("a", {"id": 1}), {"line": "12"}])
    job = made.run()
    assert job["status"] == "succeeded"
    assert "Downloading the model …" in server.log(job["jobId"])
    assert made.ids("a") == [1]


def test_a_check_without_a_status_has_failed(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": OVERWRITE})
    made.script([stream("a")], [], check={})
    assert "its check failed: without a reason" in made.run()["failureReason"]


def test_a_failed_check_and_a_missing_stream_say_so(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": OVERWRITE})
    made.script([stream("a")], [], check={"status": "FAILED", "message": "the key has expired"})
    assert "its check failed: the key has expired" in made.run()["failureReason"]
    made.script([stream("b")], [])
    reason = made.run()["failureReason"]
    assert "stream a: connector scripted 0.1.0 has no such stream" in reason
    assert reason.endswith("take it out of the connection; there are: b")


def test_no_secret_reaches_log_reason_or_answer(server: AirbyteServer, tmp_path: Path) -> None:
    secret = {"api_key": "hush-123", "credentials": {"auth_type": "token", "client_token": "psst-456"}}
    made = scripted(server, tmp_path, {"a": OVERWRITE}, **secret)
    leak = "sent hush-123 and psst-456"
    made.script([stream("a")], [{"stderr": leak}, {"line": leak}, error(leak), {"exit": 1}])
    job = made.run()
    assert "sent ****** and ******" in job["failureReason"]
    assert made.given()["config"] == {"script": str(made.path), **secret}
    assert not [name for name in made.given()["environ"] if name.startswith(("AIRBYTE_", "SOURCE_", "ELT_"))]
    shown = server.http.get(f"/sources/{made.connection.source_id}").json()["configuration"]
    assert shown["api_key"] == shown["credentials"]["client_token"] == "******"
    made.script([stream("a")], [], check={"status": "FAILED", "message": leak}, discover=[error(leak)])
    found = server.http.get("/streams", params={"sourceId": made.connection.source_id}, timeout=60)
    assert found.status_code == 400
    assert "its check failed: sent ****** and ******" in found.text
    made.script([stream("a")], [], discover=[error(leak), {"stderr": leak}, {"exit": 1}])
    again = server.http.get("/streams", params={"sourceId": made.connection.source_id}, timeout=60)
    texts = [server.log(job["jobId"]), json.dumps(job), json.dumps(shown), found.text, again.text]
    files = [*server.home.rglob("airbyte/*"), server.home / "server.log"]
    texts += [path.read_text(errors="replace") for path in files if path.is_file()]
    assert not [text for text in texts if "hush-123" in text or "psst-456" in text]


def test_a_configuration_that_the_connector_changes_is_kept(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": OVERWRITE}, api_key="old")
    changed = {"script": str(made.path), "api_key": "renewed"}
    control = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": changed}}
    made.script([stream("a")], [{"line": {"type": "CONTROL", "control": control}}])
    job = made.run()
    assert job["status"] == "succeeded"
    made.script([stream("a")], [])
    assert made.run()["status"] == "succeeded"
    assert made.given()["config"] == changed
    assert "renewed" not in server.log(job["jobId"])


# configuration


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"script": None}, "configuration.script", "has to be of type string"),
        ({"rows": 0}, "configuration.rows", "has to be 1 or more"),
        ({"colour": "red"}, "configuration.colour", "is not a field of this connector"),
        (
            {"credentials": {"auth_type": "token"}},
            "configuration.credentials.client_token",
            "is required",
        ),
        ({"api_key": 12345}, "configuration.api_key", "has to be of type string"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_fields_name(
    server: AirbyteServer, wrong: dict, field: str, message: str
) -> None:
    configuration = {"sourceType": "scripted", "script": "/nowhere", **wrong}
    body = {"name": "wrong", "workspaceId": workspace(server), "configuration": configuration}
    answer = server.http.post("/sources", json=body)
    assert answer.status_code == 422
    assert answer.json()["data"]["errors"] == [{"field": field, "message": message}]
    assert "12345" not in answer.text


def test_a_missing_field_is_refused_through_the_client(server: AirbyteServer) -> None:
    request = models.SourceCreateRequest(
        name="faker", workspace_id=workspace(server), configuration=models.SourceFaker(count=0)
    )
    with pytest.raises(AirbyteAPIError, match=r"configuration\.count: has to be 1 or more"):
        server.sdk.sources.create_source(request=request)


def test_connectors_are_listed_as_definitions(server: AirbyteServer) -> None:
    request = api.ListSourceDefinitionsRequest(workspace_id=workspace(server))
    listed = server.sdk.source_definitions.list_source_definitions(request=request).definitions_response.data
    assert {"Postgres", "Sample Data (Faker)", "Scripted"} <= {one.name for one in listed}
    faker = next(one for one in listed if one.name.startswith("Sample"))
    assert (faker.id, faker.docker_image_tag) == ("dfd88b22-b603-4c3d-aad7-3701784586b1", "7.2.1")


# types


TYPES = {
    "id": {"type": "integer"},
    "number": {"type": ["null", "number"]},
    "flag": {"type": "boolean"},
    "text": {"type": "string"},
    "day": {"type": "string", "format": "date"},
    "local": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
    "moment": {"type": "string", "format": "date-time"},
    "clock": {"type": "string", "format": "time", "airbyte_type": "time_without_timezone"},
    "zoned_clock": {"type": "string", "format": "time", "airbyte_type": "time_with_timezone"},
    "thing": {"type": "object"},
    "list": {"type": "array"},
    "mixed": {"type": ["string", "integer"]},
    "either": {"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]},
    "whole": {"type": "number", "airbyte_type": "integer"},
}


def test_fields_become_typed_columns(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"types": OVERWRITE})
    row = {
        "id": 9007199254740993,
        "number": 1.5,
        "flag": False,
        "text": "a\u0000b'\"\u20ac",
        "day": "2024-02-29",
        "local": "2024-02-29T12:00:00.123456",
        "moment": "2024-02-29T12:00:00+02:00",
        "clock": "12:34:56.5",
        "zoned_clock": "12:34:56+01:00",
        "thing": {"a": [1, None]},
        "list": [{"b": 1}],
        "mixed": "7",
        "either": 3,
        "whole": 4.0,
    }
    made.script([stream("types", TYPES)], [record("types", row), record("types", {"id": 2, "mixed": 7})])
    assert made.run()["status"] == "succeeded"
    described = made.rows("select column_name, data_type from duckdb_columns() where table_name = 'types'")
    assert [pair for pair in described if not pair[0].startswith("_")] == [
        ("id", "BIGINT"), ("number", "DOUBLE"), ("flag", "BOOLEAN"), ("text", "VARCHAR"), ("day", "DATE"),
        ("local", "TIMESTAMP"), ("moment", "TIMESTAMP WITH TIME ZONE"), ("clock", "TIME"),
        ("zoned_clock", "VARCHAR"), ("thing", "JSON"), ("list", "JSON"), ("mixed", "JSON"), ("either", "DOUBLE"),
        ("whole", "BIGINT"),
    ]  # fmt: skip
    ((*values, meta),) = made.rows(
        "select id, number, flag, text, day::varchar, local::varchar, epoch(moment), clock::varchar, zoned_clock,"
        " thing::varchar, list::varchar, mixed::varchar, either, whole, _airbyte_meta ->> 'changes' from types where id > 2"
    )
    assert values == [
        9007199254740993, 1.5, False, "a\u0000b'\"\u20ac", "2024-02-29", "2024-02-29 12:00:00.123456", 1709200800.0,
        "12:34:56.5", "12:34:56+01:00", '{"a":[1,null]}', '[{"b":1}]', '"7"', 3.0, 4,
    ]  # fmt: skip
    assert meta == "[]"
    assert made.rows("select mixed::varchar, number, thing from types where id = 2") == [("7", None, None)]


def test_values_that_do_not_fit_are_null_and_said_to_be_in_the_rows_meta(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"types": OVERWRITE})
    wrong = {
        "id": "x",
        "number": "many",
        "flag": "true",
        "text": {"kept": 1},
        "day": "2024-02-30",
        "local": "noon",
        "moment": [],
        "clock": "25:00",
        "thing": "{}",
        "list": {},
        "whole": 1.5,
    }
    source_change = {"field": "zoned_clock", "change": "NULLED", "reason": "SOURCE_RETRIEVAL_ERROR"}
    huge = {"id": 10**30, "number": "1e999", "whole": "12"}
    steps = [record("types", wrong, meta={"changes": [source_change]}), record("types", huge)]
    made.script([stream("types", TYPES)], steps)
    assert made.run()["status"] == "succeeded"
    first, second = made.rows("select * exclude (_airbyte_raw_id) from types order by text nulls last")
    assert first[:4] == (None, None, None, '{"kept":1}')
    assert set(first[4:11]) == {None}
    changes = json.loads(first[-2])["changes"]
    nulled = [name for name in wrong if name != "text"]
    typecast = [
        {"field": name, "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"} for name in nulled
    ]
    assert changes == [source_change, *typecast]
    assert (second[0], second[1], second[13]) == (None, None, 12)
    assert json.loads(second[-2])["changes"] == [
        {"field": name, "change": "NULLED", "reason": "DESTINATION_FIELD_SIZE_LIMITATION"}
        for name in ("id", "number")
    ]


def test_a_stream_that_changes_is_followed_as_postgres_tables_are(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"numbers": DEDUPED})
    made.script([stream("numbers", {"id": {"type": "integer"}, "gone": {"type": "string"}})],
                [{"count": {"stream": "numbers", "to": 10, "data": {"gone": "g"}}}])  # fmt: skip
    assert made.run()["status"] == "succeeded"
    fields = {"id": {"type": "integer"}, "new": {"type": "number"}}
    made.script(
        [stream("numbers", fields)], [{"count": {"stream": "numbers", "to": 12, "data": {"new": 0.5}}}]
    )
    assert made.run()["status"] == "succeeded"
    assert made.given()["state"] is None  # read from its start, so that old rows have the new field's values
    assert made.rows("select count(*), count(new), count(gone) from numbers") == [(12, 12, 0)]
    fields["new"] = {"type": "boolean"}
    made.script([stream("numbers", fields)], [{"count": {"stream": "numbers", "to": 13}}])
    job = made.run()
    assert "stream numbers: the column new is boolean in the source now" in job["failureReason"]
    assert "refresh the connection" in job["failureReason"]


def test_a_state_with_half_a_surrogate_pair_comes_back_as_it_was(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    half = {"cursor": "\\ud83d and \ud83d"}
    made.script([stream("a")], [record("a", {"id": 1}), state("a", half)])
    job = made.run()
    assert job["status"] == "succeeded", job["failureReason"]
    made.run()
    assert [one["stream"]["stream_state"] for one in made.given()["state"]] == [half]


def test_the_numbers_of_a_state_come_back_digit_by_digit(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"a": INCREMENTAL})
    numbers = f'{{"n": [12345678901234567.89, 1.10, 1e400, -0, {"9" * 40}, 7, NaN]}}'
    line = json.dumps(state("a", "numbers")["line"]).replace('"numbers"', numbers)
    made.script([stream("a")], [record("a", {"id": 1}), {"line": line}])
    job = made.run()
    assert job["status"] == "succeeded", job["failureReason"]
    made.run()
    assert numbers in made.given()["state_text"]


def test_fields_that_differ_by_case_or_by_what_is_not_seen_fail_their_stream_by_name(
    server: AirbyteServer, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": OVERWRITE, "b": OVERWRITE, "c": OVERWRITE})
    text = {"type": "string"}
    marked = stream("c", {"\ufeffid": {"type": "integer"}, "id": text, "x": text})
    streams = [
        stream("a", {"Id": text, "id": text}),
        stream("b"),
        marked | {"source_defined_primary_key": [["\ufeffid"]]},
    ]
    made.script(streams, [record("b", {"id": 1}), record("c", {"\ufeffid": 7, "id": "y", "x": "z"})])
    job = made.run()
    assert (
        "stream a: the column name id is used twice (upper and lower case are the same)"
        in job["failureReason"]
    )
    assert made.ids("b") == [1]
    assert made.rows('select "\ufeffid", id from c') == [(7, "y")]
    fields = [{"fieldPath": ["nope"]}]
    configured = [{"name": "c", "syncMode": OVERWRITE, "selectedFields": fields}]
    body = {"configurations": {"streams": configured}}
    server.http.patch(f"/connections/{made.connection.id}", json=body).raise_for_status()
    assert "there are: \\ufeffid, id, x" in made.run()["failureReason"]


def test_a_new_field_disables_the_connection_where_its_rule_says_so(
    server: AirbyteServer, tmp_path: Path
) -> None:
    source = scripted(server, tmp_path, {"users": INCREMENTAL})
    source.script([stream("users")], [record("users", {"id": 1}), state("users", {"n": 1})])
    rule = models.NonBreakingSchemaUpdatesBehaviorEnumNoDefault.DISABLE_CONNECTION
    request = api.PatchConnectionRequest(
        connection_id=source.connection.id,
        connection_patch_request=models.ConnectionPatchRequest(non_breaking_schema_updates_behavior=rule),
    )
    server.sdk.connections.patch_connection(request=request)
    assert source.run()["status"] == "succeeded"
    fields = {"id": {"type": "integer"}, "name": {"type": "string"}}
    source.script(
        [stream("users", fields)], [record("users", {"id": 2, "name": "x"}), state("users", {"n": 2})]
    )
    job = source.run()
    assert "users has the new column name; the connection is disabled" in job["failureReason"]
    assert source.ids("users") == [1]
    shown = server.sdk.connections.get_connection(
        request=api.GetConnectionRequest(connection_id=source.connection.id)
    ).connection_response
    assert shown.status == models.ConnectionStatusEnum.INACTIVE
    answer = server.http.post("/jobs", json={"connectionId": source.connection.id, "jobType": "sync"})
    assert (answer.status_code, "inactive" in answer.text) == (409, True)
    source.script([stream("users"), stream("orders")], [])
    server.http.patch(f"/connections/{source.connection.id}", json={"status": "active"}).raise_for_status()
    assert "the stream orders is new; the connection is disabled" in source.run()["failureReason"]


def test_a_stream_without_fields_has_rows_all_the_same(server: AirbyteServer, tmp_path: Path) -> None:
    made = scripted(server, tmp_path, {"bare": APPEND})
    made.script(
        [stream("bare", {}, source_defined_primary_key=[])],
        [record("bare", {"unknown": 1}), record("bare", {})],
    )
    assert made.run()["status"] == "succeeded"
    assert made.rows("select count(*), count(_airbyte_raw_id) from bare") == [(2, 2)]


def test_a_server_that_stops_ends_a_discovery_that_hangs(own_airbyte: AirbyteServer, tmp_path: Path) -> None:
    own_airbyte.stop()
    own_airbyte.extra["AIRBYTE_CONNECTORS"] = str(FOLDERS)
    own_airbyte.start()
    (tmp_path / "script.json").write_text(json.dumps({"streams": [stream("a")]}))
    made = scripted(own_airbyte, tmp_path, {"a": OVERWRITE})
    made.script([stream("a")], [], discover=[{"stderr": "waiting"}, {"hang": 1}])
    params = {"sourceId": made.connection.source_id}
    asking = Thread(target=lambda: suppressed(own_airbyte.http.get, "/streams", params=params), daemon=True)
    asking.start()
    wait_until(lambda: processes(own_airbyte, "source_scripted.py discover"))
    ((_, connector),) = processes(own_airbyte, "source_scripted.py discover")
    own_airbyte.stop()
    wait_until(lambda: not runs(connector))


def test_streams_of_one_name_are_distinguished_by_namespace(server: AirbyteServer, tmp_path: Path) -> None:
    offered = [stream("a", namespace="one"), stream("a", namespace="two")]
    (tmp_path / "script.json").write_text(json.dumps({"streams": offered}))
    made = scripted(server, tmp_path, {})  # all streams
    streams = [{"name": "a", "namespace": one["namespace"], "syncMode": OVERWRITE} for one in offered]
    body = {"configurations": {"streams": streams}, "namespaceDefinition": "source"}
    server.http.patch(f"/connections/{made.connection.id}", json=body).raise_for_status()
    steps = [record("a", {"id": 1}, namespace="one"), record("a", {"id": 2}, namespace="two")]
    made.script(offered, steps * 3)
    assert made.run()["status"] == "succeeded"
    assert (made.ids("one.a"), made.ids("two.a")) == ([1, 1, 1], [2, 2, 2])


@pytest.mark.slow
def test_memory_stays_bounded_while_rows_wait_for_a_state(server: AirbyteServer, tmp_path: Path) -> None:
    wide = {"id": {"type": "integer"}, **{f"text_{n}": {"type": "string"} for n in range(10)}}
    rows = tmp_path / "rows.jsonl"
    with rows.open("w") as file:
        for number in range(10_000):
            data = {"id": number, **{f"text_{n}": f"{number} {n} ".ljust(90, "x") for n in range(10)}}
            file.write(json.dumps(record("wide", data)["line"]) + "\n")
    times = 100
    made = scripted(server, tmp_path, {"wide": INCREMENTAL})
    made.script([stream("wide", wide)], [{"file": str(rows), "times": times}, state("wide", {"all": True})])
    with memory_of_job(server.process.pid) as peak:
        job = made.run()
    assert job["status"] == "succeeded", server.log(job["jobId"])
    assert made.rows("select count(*), count(distinct id) from wide") == [(10_000 * times, 10_000)]
    assert job["bytesSynced"] > 1_100_000_000 > peak.bytes
