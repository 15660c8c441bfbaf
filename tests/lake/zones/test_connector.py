"""A connector's rows in the lake: committed with its states, each commit a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airbyte_local.destinations.lake.manifests import Log
from airbyte_local.destinations.lake.store import Store
from lake.load import load, replay
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.lake import Lake, configuration
from tests.fixtures.source import free_port
from tests.integration.airbyte_local.conftest import Connection
from tests.integration.airbyte_local.scripted import Scripted, record, state, stream, workspace
from tests.integration.airbyte_local.test_connectors import FOLDERS

MODES = {"items": "incremental_append", "whole": "full_refresh_overwrite"}
PLACES = {"id": {"type": "integer"}, "label": {"type": "string"}}


@pytest.fixture
def scripted(lake: Lake, tmp_path: Path) -> Iterator[Scripted]:
    """A connection of the scripted connector into the lake, through the server's API."""
    server = AirbyteServer(
        tmp_path / "airbyte", free_port(), client_id="lake", extra={"AIRBYTE_CONNECTORS": str(FOLDERS)}
    )
    (tmp_path / "airbyte").mkdir()
    server.start()

    def made(kind: str, settings: dict[str, object]) -> str:
        body = {"name": kind, "workspaceId": workspace(server), "configuration": settings}
        answer = server.http.post(f"/{kind}s", json=body)
        assert answer.is_success, answer.text
        assert "******" in answer.text or kind == "source", "the answer shows credentials"
        return answer.json()[f"{kind}Id"]

    source = made("source", {"sourceType": "scripted", "script": str(tmp_path / "script.json")})
    destination = made("destination", configuration(lake.place))
    Path(tmp_path / "script.json").write_text('{"streams": [], "read": []}')
    one = Scripted(server, tmp_path, Connection(server, "", source, destination, lake.config.warehouse_path))
    one.script([stream("items", PLACES), stream("whole", PLACES)], [])
    body = {
        "name": "scripted",
        "sourceId": source,
        "destinationId": destination,
        "namespaceDefinition": "custom_format",
        "namespaceFormat": "raw",
        "configurations": {"streams": [{"name": name, "syncMode": mode} for name, mode in MODES.items()]},
    }
    answer = server.http.post("/connections", json=body)
    assert answer.is_success, answer.text
    one.connection.id = answer.json()["connectionId"]
    yield one
    server.stop()


def test_rows_of_a_connector_come_once_with_its_states(scripted: Scripted, lake: Lake) -> None:
    streams = [stream("items", PLACES), stream("whole", PLACES)]
    scripted.script(
        streams,
        [
            record("items", {"id": 1, "label": "a"}),
            record("whole", {"id": 1, "label": "first"}),
            state("items", {"at": 1}),
            record("items", {"id": 2, "label": "lost with the connector"}),
            {"exit": 1},
        ],
    )
    assert scripted.run()["status"] == "failed"
    load("scripted", lake.config)
    assert scripted.rows("select id, label from raw.items") == [(1, "a")]
    scripted.script(
        streams,
        [
            record("items", {"id": 2, "label": "b"}),
            record("whole", {"id": 2, "label": "second"}),
            state("items", {"at": 2}),
        ],
    )
    assert scripted.run()["status"] == "succeeded"
    assert scripted.run()["status"] == "succeeded"
    load("scripted", lake.config)
    rows = "select id, label from raw.items order by _airbyte_extracted_at, id"
    assert scripted.rows(rows) == [(1, "a"), (2, "b"), (2, "b")], "an appended stream has what was sent"
    assert scripted.rows("select id, label from raw.whole") == [(2, "second")]
    latest = Log(Store(lake.place), scripted.connection.id).latest()
    assert latest.state.streams["", "items"].blob == {"at": 2}
    before = scripted.rows("from raw.items order by _airbyte_raw_id")
    replay("scripted", lake.config)
    assert scripted.rows("from raw.items order by _airbyte_raw_id") == before
