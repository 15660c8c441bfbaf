"""Connectors that speak the Airbyte protocol, into the emulated Snowflake: many commits in one session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest
from airbyte_api import models

from airbyte_local.states import unpacked
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.snowflake import Snowflake
from tests.fixtures.source import free_port
from tests.integration.airbyte_local.conftest import Connection, snowflake_configuration
from tests.integration.airbyte_local.scripted import (
    connect,
    error,
    record,
    scripted,
    state,
    stream,
    workspace,
)
from tests.snowflake.leaning import ddl_inside, leaning, transactions
from tests.unit.airbyte_local.test_connector_values import SCHEMAS, VALUES

CONNECTORS = Path(__file__).parents[2] / "connectors"
DEDUPED, APPEND, OVERWRITE = "incremental_deduped_history", "incremental_append", "full_refresh_overwrite"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirbyteServer]:
    """A server that has the connectors of the tests, too."""
    port = free_port()
    made = AirbyteServer(
        tmp_path_factory.mktemp("connectors"),
        port,
        client_id=f"connectors {port}",
        extra={"AIRBYTE_CONNECTORS": str(CONNECTORS)},
    )
    made.start()
    yield made
    made.stop()


class Place:
    """A database of the emulator as the destination of connections."""

    def __init__(self, server: AirbyteServer, emulator: Snowflake) -> None:
        self.emulator, self.database = emulator, f"RAW_{uuid4().hex.upper()}"
        body = {
            "name": "snowflake",
            "workspaceId": workspace(server),
            "configuration": snowflake_configuration(emulator, self.database),
        }
        self.id = server.http.post("/destinations", json=body).raise_for_status().json()["destinationId"]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.emulator.connect(database=self.database) as session:
            return session.cursor().execute(query).fetchall()

    def statements(self, connection: Connection) -> list[dict[str, Any]]:
        return [each for each in self.emulator.statements() if connection.id in each["query_tag"]]


@pytest.fixture
def place(server: AirbyteServer, snowflake_emulator: Snowflake) -> Place:
    return Place(server, snowflake_emulator)


def turned(server: AirbyteServer, connection: Connection, place: Place) -> Connection:
    """The same connection, into Snowflake."""
    body = server.http.get(f"/connections/{connection.id}").raise_for_status().json()
    kept = ("name", "sourceId", "configurations")
    new = {key: body[key] for key in kept} | {"destinationId": place.id}
    answer = server.http.post("/connections", json=new)
    assert answer.is_success, answer.text
    return Connection(
        server, answer.json()["connectionId"], connection.source_id, place.id, connection.warehouse
    )


@pytest.mark.slow
def test_faker_from_the_package_index_arrives_as_in_duckdb(
    server: AirbyteServer, place: Place, tmp_path: Path
) -> None:
    request = models.SourceCreateRequest(
        name="faker",
        workspace_id=workspace(server),
        configuration=models.SourceFaker(count=300, seed=7, parallelism=1),
    )
    source = server.sdk.sources.create_source(request=request).source_response
    modes = dict.fromkeys(("users", "products", "purchases"), OVERWRITE)
    into_duckdb = connect(server, source.source_id, tmp_path / "w.duckdb", modes)
    for connection in (into_duckdb, turned(server, into_duckdb, place)):
        job = connection.sync()
        assert job["status"] == "succeeded", server.log(job["jobId"])
        assert job["rowsSynced"] == 700
    with duckdb.connect(tmp_path / "w.duckdb", read_only=True) as duck:
        for query in (
            "select id, name, email, age, height, weight, academic_degree, cast(created_at as date) from {}users order by id",
            "select id, make, model, year, price from {}products order by id",
            "select id, product_id, user_id from {}purchases order by id",
        ):
            expected = duck.execute(query.format("")).fetchall()
            # what faker makes of the clock differs from run to run: those columns are left out
            assert place.rows(query.format("PUBLIC.")) == expected


def test_each_state_is_committed_with_its_rows_and_a_failure_keeps_what_was_covered(
    server: AirbyteServer, place: Place, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": DEDUPED, "b": APPEND})
    connection = turned(server, made.connection, place)
    streams = [stream("a"), stream("b")]
    made.script(
        streams,
        [
            record("a", {"id": 1}),
            record("a", {"id": 1}),
            state("a", {"at": 1}),
            record("b", {"id": 1}),
            state("b", {"at": 1}),
            record("a", {"id": 2}),
            record("b", {"id": 2}),
            state("b", {"at": 2}),
            error("it broke"),
            {"exit": 1},
        ],
    )
    job = connection.sync()
    assert job["status"] == "failed"
    assert place.rows("select ID from PUBLIC.A order by 1") == [
        (1,)
    ]  # 2 was not covered by a state of its stream
    assert place.rows("select ID from PUBLIC.B order by 1") == [(1,), (2,)]
    saved = place.rows(
        "select STREAM_NAME, STATE from AIRBYTE_INTERNAL.STATE where STREAM_NAME is not null order by 1"
    )
    assert [(name, json.loads(text)["blob"]) for name, text in saved] == [("a", {"at": 1}), ("b", {"at": 2})]
    line = json.dumps(state("a", "2.10")["line"]).replace('"2.10"', "2.10")
    made.script(streams, [record("a", {"id": 2}), {"line": line}])
    assert connection.sync()["status"] == "succeeded"
    ((text,),) = place.rows("select STATE from AIRBYTE_INTERNAL.STATE where STREAM_NAME = 'a'")
    assert unpacked(text)["blob"] == "2.10"  # a number in the state that is text in the column
    assert place.rows("select ID from PUBLIC.A order by 1") == [(1,), (2,)]
    done = transactions(place.statements(connection))
    assert len(done) >= 2
    assert ddl_inside(done) == []
    assert leaning(place.statements(connection)) == []
    left = place.rows(
        "select schema_name from information_schema.schemata where schema_name like 'AIRBYTE_STAGE%'"
    )
    assert left == []


def test_a_value_that_does_not_fit_is_null_and_said_to_be_in_the_rows_meta(
    server: AirbyteServer, place: Place, tmp_path: Path
) -> None:
    fields = {
        "id": {"type": "integer"},
        "n": {"type": "integer"},
        "doc": {"type": "object"},
        "ok": {"type": "boolean"},
    }
    made = scripted(server, tmp_path, {"a": DEDUPED})
    connection = turned(server, made.connection, place)
    rows = [
        {"id": 1, "n": "x'\\y", "doc": {"k": [1, "it's"]}, "ok": True},
        {"id": 2, "n": 7, "doc": None, "ok": False},
    ]
    made.script([stream("a", fields)], [*(record("a", row) for row in rows), state("a", {"at": 1})])
    job = connection.sync()
    assert job["status"] == "succeeded", server.log(job["jobId"])
    found = place.rows("select ID, N, DOC, OK, _AIRBYTE_META from PUBLIC.A order by ID")
    assert [row[:2] for row in found] == [(1, None), (2, 7)]
    assert json.loads(found[0][2]) == {"k": [1, "it's"]}
    assert [row[3] for row in found] == [True, False]
    changes = [json.loads(row[4])["changes"] for row in found]
    assert changes[0] == [{"field": "n", "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"}]
    assert changes[1] == []


def test_a_moment_that_snowflake_cannot_hold_is_null_and_said_so(
    server: AirbyteServer, place: Place, tmp_path: Path
) -> None:
    made = scripted(server, tmp_path, {"a": APPEND})
    connection = turned(server, made.connection, place)
    fields = {
        "id": {"type": "integer"},
        "seen": {"type": "string", "format": "date-time"},
        "born": {"type": "string", "format": "date"},
    }
    made.script(
        [stream("a", fields)],
        [
            record("a", {"id": 1, "seen": "0044-03-15T12:00:00Z BC", "born": "2024-02-29"}),
            record("a", {"id": 2, "seen": "2024-02-29T12:00:00Z", "born": "0044-03-15 BC"}),
            state("a", {"n": 1}),
        ],
    )
    job = connection.sync()
    assert job["status"] == "succeeded", job["failureReason"]
    found = place.rows(
        "select ID, SEEN is null, BORN is null, _AIRBYTE_META:changes from PUBLIC.A order by 1"
    )
    lost = {"change": "NULLED", "reason": "DESTINATION_FIELD_SIZE_LIMITATION"}
    assert [(id_, at, day, json.loads(told)) for id_, at, day, told in found] == [
        (1, True, False, [{"field": "seen", **lost}]),
        (2, False, True, [{"field": "born", **lost}]),
    ]


def by_value(text: str) -> Any:
    """JSON whose numbers are what they say: a VARIANT has 1.1 for 1.10, and the emulator's has no digits beyond a double's."""
    return json.loads(text)


def test_every_form_of_every_type_arrives_as_in_duckdb(
    server: AirbyteServer, place: Place, tmp_path: Path
) -> None:
    """The values, and what is said of those that lost something; numbers within JSON by their value."""
    texts = [
        text
        for form in VALUES.values()
        for text in form
        if not text.startswith(('"0044', '"0000')) and "Z BC" not in text
    ]
    lines = []
    for number, text in enumerate(texts):
        data = ",".join(f'"{name}":{text}' for name in SCHEMAS)
        lines.append(
            {
                "line": f'{{"type":"RECORD","record":{{"stream":"a","data":{{"n":{number},{data}}},"emitted_at":1}}}}'
            }
        )
    made = scripted(server, tmp_path, {"a": DEDUPED})
    into_snowflake = turned(server, made.connection, place)
    fields = {"n": {"type": "integer"}, **SCHEMAS}
    made.script(
        [stream("a", fields, source_defined_primary_key=[["n"]])], [*lines, state("a", {"at": len(texts)})]
    )
    for connection in (made.connection, into_snowflake):
        job = connection.sync()
        assert job["status"] == "succeeded", job["failureReason"]
    columns = ", ".join(f'"{name}"' for name in SCHEMAS)
    duck = made.rows(f"select {columns}, _airbyte_meta ->> 'changes' from a order by n")
    snow = place.rows(f"select {columns.upper()}, _AIRBYTE_META:changes from PUBLIC.A order by N")
    as_json = {"object", "array", "union", "any"}
    for text, ours, theirs in zip(texts, duck, snow, strict=True):
        for name, one, other in zip([*SCHEMAS, "changes"], ours, theirs, strict=True):
            if one is not None and name in {*as_json, "changes"}:
                one, other = by_value(one), by_value(other)
            assert one == other, (text, name)


def test_null_in_a_part_of_the_key_counts_as_a_value(
    server: AirbyteServer, place: Place, tmp_path: Path
) -> None:
    fields = {"a": {"type": "integer"}, "b": {"type": "string"}, "v": {"type": "integer"}}
    keyed = stream("a", fields, source_defined_primary_key=[["a"], ["b"]])
    made = scripted(server, tmp_path, {"a": DEDUPED})
    into_snowflake = turned(server, made.connection, place)
    for rows in (
        [{"a": 1, "v": 1}, {"a": 1, "b": "x", "v": 2}, {"a": 1, "b": None, "v": 3}, {"b": "x", "v": 4}],
        [{"a": 1, "v": 5}, {"a": 1, "b": "", "v": 6}],
    ):
        made.script([keyed], [*(record("a", row) for row in rows), state("a", {"n": len(rows)})])
        for connection in (made.connection, into_snowflake):
            job = connection.sync()
            assert job["status"] == "succeeded", job["failureReason"]
    expected = [(1, "x", 2), (None, "x", 4), (1, None, 5), (1, "", 6)]
    assert made.rows("select a, b, v from a order by v") == expected
    assert place.rows("select A, B, V from PUBLIC.A order by V") == expected
