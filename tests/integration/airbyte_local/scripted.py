"""Connections from the scripted connector (tests/connectors), made through Airbyte's unmodified client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airbyte_api import api, models

from tests.fixtures.airbyte import AirbyteServer
from tests.integration.airbyte_local.conftest import Connection

MINUTE = 60_000  # of milliseconds: the client's own patience is 5 s, a connector may need longer to start
NUMBERS = {"id": {"type": "integer"}}


def stream(name: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A stream of the connector's catalogue: incremental, with its own cursor and the key `id`."""
    return {
        "name": name,
        "json_schema": {"type": "object", "properties": NUMBERS if properties is None else properties},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "source_defined_primary_key": [["id"]],
        **more,
    }


def record(name: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {"type": "RECORD", "record": {"stream": name, "data": data, "emitted_at": 1, **more}}
    return {"line": message}


def state(name: str, value: Any) -> dict[str, Any]:
    described = {"stream_descriptor": {"name": name}, "stream_state": value}
    return {"line": {"type": "STATE", "state": {"type": "STREAM", "stream": described}}}


def status(name: str, value: str) -> dict[str, Any]:
    told = {"stream_descriptor": {"name": name}, "status": value}
    return {
        "line": {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": told}}
    }


def error(message: str, name: str | None = None) -> dict[str, Any]:
    told = {"message": message, "failure_type": "system_error"}
    told |= {"stream_descriptor": {"name": name}} if name else {}
    return {"line": {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": told}}}


@dataclass
class Scripted:
    """A connection whose source follows a script."""

    server: AirbyteServer
    folder: Path
    connection: Connection

    @property
    def path(self) -> Path:
        return self.folder / "script.json"

    def script(self, streams: list[dict[str, Any]], read: list[dict[str, Any]], **more: Any) -> None:
        """What the connector does from now on."""
        self.path.write_text(json.dumps({"streams": streams, "read": read, **more}))

    def given(self) -> dict[str, Any]:
        """What the connector was given with its last `read`."""
        return json.loads(Path(f"{self.path}.given").read_text())

    def run(self, job_type: str = "sync") -> dict[str, Any]:
        return self.connection.run(job_type)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.raw(query)

    def ids(self, table: str) -> list[int]:
        return [row[0] for row in self.rows(f"select id from {table} order by id")]

    def saved(self, name: str) -> Any:
        """The connector's state of a stream, as the warehouse holds it."""
        found = self.rows(f"select state -> 'blob' from airbyte_internal.state where stream_name = '{name}'")
        return json.loads(found[0][0]) if found else None


def workspace(server: AirbyteServer) -> str:
    answer = server.sdk.workspaces.list_workspaces(request=api.ListWorkspacesRequest())
    return answer.workspaces_response.data[0].workspace_id


def duckdb_destination(server: AirbyteServer, path: Path) -> str:
    request = models.DestinationCreateRequest(
        name="warehouse",
        workspace_id=workspace(server),
        configuration=models.DestinationDuckdb(destination_path=str(path)),
    )
    return server.sdk.destinations.create_destination(request=request).destination_response.destination_id


def connect(
    server: AirbyteServer, source_id: str, warehouse: Path, modes: dict[str, str], **changes: Any
) -> Connection:
    """A connection that reads these streams in these modes."""
    streams = [
        models.StreamConfiguration(name=name, sync_mode=models.ConnectionSyncModeEnum(mode))
        for name, mode in modes.items()
    ]
    destination_id = duckdb_destination(server, warehouse)
    rule = models.NonBreakingSchemaUpdatesBehaviorEnum.PROPAGATE_COLUMNS
    changes = {"non_breaking_schema_updates_behavior": rule} | changes
    request = models.ConnectionCreateRequest(
        name="connector",
        source_id=source_id,
        destination_id=destination_id,
        configurations=models.StreamConfigurations(streams=streams),
        **changes,
    )
    made = server.sdk.connections.create_connection(request=request).connection_response
    return Connection(server, made.connection_id, source_id, destination_id, warehouse)


def scripted(server: AirbyteServer, folder: Path, modes: dict[str, str], **configuration: Any) -> Scripted:
    """A scripted source in `folder`, connected to a warehouse there."""
    request = {
        "name": "scripted",
        "workspaceId": workspace(server),
        "configuration": {"sourceType": "scripted", "script": str(folder / "script.json"), **configuration},
    }
    answer = server.http.post("/sources", json=request)  # the client knows only Airbyte's own source types
    assert answer.is_success, answer.text
    source_id = answer.json()["sourceId"]
    return Scripted(server, folder, connect(server, source_id, folder / "warehouse.duckdb", modes))
