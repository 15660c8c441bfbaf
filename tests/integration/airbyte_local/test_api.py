"""The HTTP side of a real server, through the SDK and in the raw."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from airbyte_api import AirbyteAPI, api, errors, models
from cryptography.fernet import Fernet

from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import free_port
from tests.integration.airbyte_local.conftest import Connection, connect, stream

pytestmark = pytest.mark.promise

POSTGRES = {
    "sourceType": "postgres",
    "host": "127.0.0.1",
    "port": 1,
    "database": "d",
    "username": "u",
    "password": "hush",
}
STREAM = {"streams": [{"name": "t"}]}
CDC = {"method": "CDC", "replication_slot": "s", "publication": "p"}
NOWHERE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def workspace(airbyte: AirbyteServer) -> str:
    """A workspace of the test's own."""
    answer = airbyte.sdk.workspaces.create_workspace(request=models.WorkspaceCreateRequest(name="own"))
    return answer.workspace_response.workspace_id


@pytest.fixture
def made(airbyte: AirbyteServer, tmp_path: Path) -> Connection:
    streams = [stream("shop.orders")]
    return connect(airbyte, POSTGRES, tmp_path / "warehouse.duckdb", streams)


def problem(answer: httpx.Response, status: int, found: str) -> dict[str, Any]:
    """Assert that an answer is a problem about `found`."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert found in body["detail"]
    assert {"type", "title", "detail", "data"} <= body.keys()
    return body


@pytest.mark.parametrize("base", ["", "/v1", "/api/public/v1"])
@pytest.mark.parametrize("form", [True, False])
def test_tokens_are_given_at_every_address_for_form_and_json(
    airbyte: AirbyteServer, base: str, form: bool
) -> None:
    body = {
        "client_id": airbyte.client_id,
        "client_secret": airbyte.client_secret,
        "grant_type": "client_credentials",
    }
    for path in ("/applications/token", "/v1/applications/token"):
        answer = httpx.post(
            f"http://127.0.0.1:{airbyte.port}{base}{path}", **{"data" if form else "json": body}
        )
        given = answer.raise_for_status().json()
        assert given["token_type"] == "bearer"
        assert given["expires_in"] > 60
        headers = {"Authorization": f"Bearer {given['access_token']}"}
        for prefix in ("/v1", "/api/public/v1"):
            assert httpx.get(
                f"http://127.0.0.1:{airbyte.port}{prefix}/workspaces", headers=headers
            ).is_success


@pytest.mark.parametrize(
    "token_url", ["v1/applications/token", "/applications/token", "/v1/applications/token"]
)
def test_the_sdk_finds_the_token_under_every_usual_url(airbyte: AirbyteServer, token_url: str) -> None:
    from airbyte_api._hooks.clientcredentials import ClientCredentialsHook

    ClientCredentialsHook._sessions.clear()  # the SDK would go on with the token it has
    credentials = models.SchemeClientCredentials(
        client_id=airbyte.client_id, client_secret=airbyte.client_secret, token_url=token_url
    )
    sdk = AirbyteAPI(server_url=airbyte.url, security=models.Security(client_credentials=credentials))
    assert sdk.workspaces.list_workspaces(request=api.ListWorkspacesRequest()).workspaces_response.data


def test_without_the_right_credentials_nothing_answers_but_health_and_docs(airbyte: AirbyteServer) -> None:
    root = f"http://127.0.0.1:{airbyte.port}"
    assert httpx.get(f"{root}/api/public/v1/health").is_success
    assert httpx.get(f"{root}/docs").is_success
    paths = httpx.get(f"{root}/openapi.json").json()["paths"]
    assert "/api/public/v1/jobs" in paths
    for path in paths:
        if not path.endswith(("/health", "/applications/token")):
            for method in paths[path]:
                answer = httpx.request(method, root + path.replace("{job_id}", "1"))
                problem(answer, 401, "no bearer token")
    token = airbyte.http.get("/workspaces").request.headers["authorization"].removeprefix("Bearer ")
    expires, signature = token.split(".")
    for wrong in ("x", f"{int(expires) + 1}.{signature}", f"{expires}.", f"ü.{signature}"):
        headers = {"Authorization": f"Bearer {wrong}".encode()}
        assert httpx.get(f"{airbyte.url}/jobs", headers=headers).status_code == 401
    for body, status in (
        ({"client_id": airbyte.client_id, "client_secret": "no"}, 401),
        ({"client_id": "no", "client_secret": airbyte.client_secret}, 401),
        ({"client_id": airbyte.client_id}, 422),
        ({"client_id": airbyte.client_id, "client_secret": 1}, 422),
        ({"client_id": "a", "client_secret": "b", "grant_type": "password"}, 422),
        ([], 400),
    ):
        assert httpx.post(f"{airbyte.url}/applications/token", json=body).status_code == status
    broken = httpx.post(
        f"{airbyte.url}/applications/token", content="{", headers={"content-type": "application/json"}
    )
    problem(broken, 400, "not JSON")


def test_workspaces_live_through_the_sdk(airbyte: AirbyteServer, workspace: str) -> None:
    workspaces = airbyte.sdk.workspaces
    listed = workspaces.list_workspaces(
        request=api.ListWorkspacesRequest(workspace_ids=[workspace])
    ).workspaces_response.data
    assert [(item.name, item.workspace_id) for item in listed] == [("own", workspace)]
    workspaces.update_workspace(
        request=api.UpdateWorkspaceRequest(
            workspace_id=workspace, workspace_update_request=models.WorkspaceUpdateRequest(name="renamed")
        )
    )
    got = workspaces.get_workspace(request=api.GetWorkspaceRequest(workspace_id=workspace)).workspace_response
    assert got.name == "renamed"
    source = airbyte.http.post(
        "/sources", json={"name": "s", "workspaceId": workspace, "configuration": POSTGRES}
    )
    problem(airbyte.http.delete(f"/workspaces/{workspace}"), 409, "still has sources")
    airbyte.http.delete(f"/sources/{source.json()['sourceId']}")
    workspaces.delete_workspace(request=api.DeleteWorkspaceRequest(workspace_id=workspace))
    with pytest.raises(errors.SDKError, match="resource-not-found"):
        workspaces.get_workspace(request=api.GetWorkspaceRequest(workspace_id=workspace))


def test_sources_live_through_the_sdk(airbyte: AirbyteServer, workspace: str) -> None:
    sources = airbyte.sdk.sources
    made = sources.create_source(
        request=models.SourceCreateRequest(
            name="shop",
            workspace_id=workspace,
            configuration=models.SourcePostgres(
                host="h", database="d", username="u", password="hush", schemas=["a", "b"],
                ssl_mode=models.SourcePostgresDisable(),
                replication_method=models.SourcePostgresScanChangesWithUserDefinedCursor(),
            ),
        )
    ).source_response  # fmt: skip
    assert made.source_type == "postgres"
    assert made.configuration.password == "******"
    patched = sources.patch_source(
        request=api.PatchSourceRequest(
            source_id=made.source_id,
            source_patch_request=models.SourcePatchRequest(
                name="renamed",
                configuration=models.SourcePostgres(host="h2", database="d", username="u", password="******"),
            ),
        )
    ).source_response
    assert (patched.name, patched.configuration.host, patched.configuration.schemas) == (
        "renamed",
        "h2",
        ["a", "b"],
    )
    put = sources.put_source(
        request=api.PutSourceRequest(
            source_id=made.source_id,
            source_put_request=models.SourcePutRequest(
                name="put", configuration=models.SourcePostgres(host="h3", database="d", username="u")
            ),
        )
    ).source_response
    assert (put.name, put.configuration.host, put.configuration.password) == ("put", "h3", None)
    sources.delete_source(request=api.DeleteSourceRequest(source_id=made.source_id))
    with pytest.raises(errors.SDKError, match="there is no source"):
        sources.get_source(request=api.GetSourceRequest(source_id=made.source_id))
    deleted = sources.list_sources(
        request=api.ListSourcesRequest(workspace_ids=[workspace], include_deleted=True)
    ).sources_response.data
    assert [item.source_id for item in deleted] == [made.source_id]
    assert not sources.list_sources(
        request=api.ListSourcesRequest(workspace_ids=[workspace])
    ).sources_response.data


def test_a_masked_secret_in_a_patch_keeps_the_stored_one(airbyte: AirbyteServer, made: Connection) -> None:
    """Seen in the only way there is: in the file, through the key."""
    from airbyte_local.enums import ActorKind
    from airbyte_local.store import Store
    from airbyte_local.vault import Vault

    def stored() -> str:
        store = Store(airbyte.home / "airbyte" / "airbyte.sqlite", Vault(airbyte.encryption_key))
        try:
            return store.actors.get(ActorKind.SOURCE, made.source_id).configuration["password"]
        finally:
            store.close()

    path = f"/sources/{made.source_id}"
    shown = airbyte.http.get(path).json()["configuration"]
    assert airbyte.http.patch(path, json={"configuration": shown}).is_success
    assert stored() == "hush"
    assert airbyte.http.patch(path, json={"configuration": shown | {"password": "other"}}).is_success
    assert stored() == "other"


def test_destinations_live_through_the_sdk(airbyte: AirbyteServer, workspace: str) -> None:
    destinations = airbyte.sdk.destinations
    made = destinations.create_destination(
        request=models.DestinationCreateRequest(
            name="w",
            workspace_id=workspace,
            configuration=models.DestinationDuckdb(destination_path="/data/w.duckdb", schema_="main"),
        )
    ).destination_response
    assert (made.destination_type, made.configuration.schema_) == ("duckdb", "main")
    got = destinations.get_destination(
        request=api.GetDestinationRequest(destination_id=made.destination_id)
    ).destination_response
    assert got == made
    destinations.delete_destination(request=api.DeleteDestinationRequest(destination_id=made.destination_id))


def test_connections_live_through_the_sdk(airbyte: AirbyteServer, made: Connection) -> None:
    connections = airbyte.sdk.connections
    got = connections.get_connection(
        request=api.GetConnectionRequest(connection_id=made.id)
    ).connection_response
    assert (got.name, got.status.value, got.schedule.schedule_type.value) == ("shop", "active", "manual")
    assert got.configurations.streams[0].cursor_field == ["updated"]
    patched = connections.patch_connection(
        request=api.PatchConnectionRequest(
            connection_id=made.id,
            connection_patch_request=models.ConnectionPatchRequest(
                name="renamed",
                status=models.ConnectionStatusEnum.INACTIVE,
                schedule=models.AirbyteAPIConnectionSchedule(schedule_type=models.ScheduleTypeEnum.MANUAL),
                configurations=models.StreamConfigurations(
                    streams=[
                        models.StreamConfiguration(
                            name="orders",
                            namespace="shop",
                            sync_mode=models.ConnectionSyncModeEnum.FULL_REFRESH_OVERWRITE,
                            selected_fields=[models.SelectedFieldInfo(field_path=["id"])],
                        )
                    ]
                ),
            ),
        )
    ).connection_response
    assert patched.name == "renamed"
    assert patched.configurations.streams[0].selected_fields[0].field_path == ["id"]
    assert patched.namespace_format == "raw_${SOURCE_NAMESPACE}"
    problem(airbyte.http.post("/jobs", json={"connectionId": made.id, "jobType": "sync"}), 409, "inactive")
    connections.delete_connection(request=api.DeleteConnectionRequest(connection_id=made.id))
    problem(airbyte.http.get(f"/connections/{made.id}"), 404, made.id)
    everything = airbyte.http.get("/connections", params={"includeDeleted": True, "limit": 100}).json()[
        "data"
    ]
    assert {item["connectionId"]: item["status"] for item in everything}[made.id] == "deprecated"


def test_a_deleted_source_takes_its_connections_along(airbyte: AirbyteServer, made: Connection) -> None:
    assert airbyte.http.delete(f"/sources/{made.source_id}").status_code == 204
    problem(airbyte.http.get(f"/connections/{made.id}"), 404, "connection")


def test_lists_come_in_pages(airbyte: AirbyteServer, workspace: str) -> None:
    for number in range(5):
        body = {"name": str(number), "workspaceId": workspace, "configuration": POSTGRES}
        airbyte.http.post("/sources", json=body).raise_for_status()
    first = airbyte.http.get("/sources", params={"workspaceIds": workspace, "limit": 2}).json()
    assert [item["name"] for item in first["data"]] == ["0", "1"]
    assert "previous" not in first
    second = airbyte.http.get(first["next"]).json()
    assert [item["name"] for item in second["data"]] == ["2", "3"]
    last = airbyte.http.get(second["next"]).json()
    assert [item["name"] for item in last["data"]] == ["4"]
    assert "next" not in last
    assert airbyte.http.get(last["previous"]).json()["data"] == second["data"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/sources", {"name": "s", "configuration": POSTGRES}, "workspaceId"),
        ("/sources", {"name": "s", "workspaceId": NOWHERE, "configuration": POSTGRES}, "workspaceId"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": {}}, "configuration.sourceType"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": {"sourceType": "unheard-of"}}, "configuration.sourceType"),
        ("/sources", {"name": "s", "workspaceId": "W", "definitionId": NOWHERE, "configuration": {}}, "definitionId"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"port": 0}}, "configuration.port"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"hots": "x"}}, "configuration.hots"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"replication_method": {"method": "Xmin"}}}, "configuration.replication_method.method"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"replication_method": {"method": "CDC", "publication": "p"}}}, "configuration.replication_method.replication_slot"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"replication_method": CDC | {"replication_slot": "Not-A-Slot"}}}, "configuration.replication_method.replication_slot"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"replication_method": CDC | {"lsn_commit_behaviour": "While reading Data"}}}, "configuration.replication_method.lsn_commit_behaviour"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"replication_method": CDC | {"heartbeat_action_query": "insert"}}}, "configuration.replication_method.heartbeat_action_query"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"replication_method": CDC | {"invalid_cdc_cursor_position_behavior": "Re-sync data"}}}, "configuration.replication_method.invalid_cdc_cursor_position_behavior"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"replication_method": {"method": "Standard", "replication_slot": "s"}}}, "configuration.replication_method.replication_slot"),
        ("/sources", {"name": "s", "workspaceId": "W", "configuration": POSTGRES | {"ssl_mode": {"mode": "verify-full"}}}, "configuration.ssl_mode.ca_certificate"),
        ("/destinations", {"name": "d", "workspaceId": "W", "configuration": {"destinationType": "duckdb", "destination_path": "x.duckdb"}}, "configuration.destination_path"),
        ("/destinations", {"name": "d", "workspaceId": "W", "configuration": {"destinationType": "bigquery"}}, "configuration.destinationType"),
        ("/destinations", {"name": "d", "workspaceId": "W", "configuration": {"destinationType": "snowflake"}}, "configuration.credentials"),
        ("/connections", {"sourceId": NOWHERE, "destinationId": NOWHERE}, "sourceId"),
        ("/connections", {"sourceId": "S", "destinationId": NOWHERE}, "destinationId"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "schedule": {"scheduleType": "basic"}}, "schedule.scheduleType"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "schedule": {"scheduleType": "cron"}, "configurations": STREAM}, "schedule.cronExpression"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "schedule": {"scheduleType": "cron", "cronExpression": "0 12 * * *"}}, "schedule.cronExpression"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "schedule": {"scheduleType": "cron", "cronExpression": "0 0 0 30 2 ?"}, "configurations": STREAM}, "schedule.cronExpression"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "tags": [{"name": "t"}]}, "tags[0].tagId"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "tags": [{"tagId": NOWHERE}]}, "tags[0].tagId"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "configurations": {"streams": [{"name": "t", "mappers": [{"type": "hashing"}]}]}}, "configurations.streams[0].mappers[0].mapperConfiguration"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "configurations": {"streams": [{"name": "t", "destinationObjectName": "u"}]}}, "configurations.streams[0].destinationObjectName"),
        ("/tags", {"workspaceId": NOWHERE, "name": "t", "color": "ff0000"}, "workspaceId"),
        ("/tags", {"workspaceId": "W", "name": "t", "color": "red"}, "color"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "configurations": {"streams": [{"name": "t", "syncMode": "nope"}]}}, "configurations.streams[0].syncMode"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "configurations": {"streams": [{"name": "t", "syncMode": "incremental_deduped_history"}]}}, "configurations.streams[0].cursorField"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "configurations": {"streams": [{"name": "t"}, {"name": "t"}]}}, "configurations.streams[1].name"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "configurations": {"streams": [{"name": "t", "selectedFields": [{"fieldPath": ["a"]}], "primaryKey": [["b"]]}]}}, "configurations.streams[0].primaryKey"),
        ("/connections", {"sourceId": "S", "destinationId": "D", "configurations": {"streams": [{"name": "t", "primaryKey": [["data", "id"]]}]}}, "configurations.streams[0].primaryKey[0]"),
        ("/jobs", {"connectionId": NOWHERE, "jobType": "party"}, "jobType"),
        ("/jobs", {"jobType": "sync"}, "connectionId"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_the_name_of_its_field(
    airbyte: AirbyteServer, made: Connection, path: str, body: dict[str, Any], field: str
) -> None:
    workspace = airbyte.http.get("/workspaces").json()["data"][0]["workspaceId"]
    ids = {"W": workspace, "S": made.source_id, "D": made.destination_id}
    body = {key: ids.get(value, value) if isinstance(value, str) else value for key, value in body.items()}
    answer = problem(airbyte.http.post(path, json=body), 422, field)
    assert field in [item["field"] for item in answer["data"]["errors"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("jobs?workspaceIds=shop", "workspaceIds[0]"),
        ("jobs?status=waiting", "status"),
        ("jobs?connectionId=shop", "connectionId"),
        ("connections?tagIds=shop", "tagIds[0]"),
    ],
)
def test_a_filter_that_can_find_nothing_is_refused(airbyte: AirbyteServer, query: str, field: str) -> None:
    problem(airbyte.http.get(f"/{query}"), 422, field)
    assert airbyte.http.get("/jobs?status=queued").status_code == 200  # one of Airbyte's, which none has here


def test_a_job_of_an_unknown_stream_is_answered_with_those_that_there_are(
    airbyte: AirbyteServer, made: Connection
) -> None:
    body = {"connectionId": made.id, "jobType": "sync", "streams": [{"name": "nope"}]}
    problem(
        airbyte.http.post("/jobs/streams", json=body), 422, "the connection has no such stream; there are: "
    )


def test_a_refused_configuration_does_not_repeat_the_secret(airbyte: AirbyteServer, workspace: str) -> None:
    body = {"name": "s", "workspaceId": workspace, "configuration": POSTGRES | {"password": ["hush hush"]}}
    answer = airbyte.http.post("/sources", json=body)
    problem(answer, 422, "configuration.password")
    assert "hush" not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/sources/{NOWHERE}"),
        ("PATCH", f"/sources/{NOWHERE}"),
        ("DELETE", f"/destinations/{NOWHERE}"),
        ("GET", f"/connections/{NOWHERE}"),
        ("GET", f"/workspaces/{NOWHERE}"),
        ("GET", f"/tags/{NOWHERE}"),
        ("GET", f"/workspaces/W/definitions/sources/{NOWHERE}"),
        ("GET", "/jobs/999999"),
        ("GET", "/jobs/999999/logs"),
        ("DELETE", "/jobs/999999"),
        ("GET", f"/streams?sourceId={NOWHERE}"),
        ("GET", "/nothing"),
    ],
)
def test_what_is_not_there_is_a_404(airbyte: AirbyteServer, method: str, path: str) -> None:
    workspace = airbyte.http.get("/workspaces").json()["data"][0]["workspaceId"]
    path = path.replace("/W/", f"/{workspace}/")
    answer = airbyte.http.request(method, path, json={} if method == "PATCH" else None)
    problem(answer, 404, "" if path == "/nothing" else re.split(r"[/=]", path.removesuffix("/logs"))[-1])


def test_a_job_of_an_unknown_connection_is_a_404(airbyte: AirbyteServer) -> None:
    problem(airbyte.http.post("/jobs", json={"connectionId": NOWHERE, "jobType": "sync"}), 404, NOWHERE)


def test_broken_json_is_a_400_and_a_wrong_method_a_405(airbyte: AirbyteServer) -> None:
    answer = airbyte.http.post("/sources", content="{", headers={"content-type": "application/json"})
    problem(answer, 400, "not JSON")
    problem(airbyte.http.put("/jobs"), 405, "Method Not Allowed")


def test_jobs_are_filtered_and_ordered(airbyte: AirbyteServer, made: Connection) -> None:
    ids = [made.sync()["jobId"] for _ in range(2)]

    def listed(**parameters: Any) -> list[int]:
        answer = airbyte.http.get("/jobs", params={"connectionId": made.id, **parameters})
        return [item["jobId"] for item in answer.raise_for_status().json()["data"]]

    assert listed() == ids[::-1]
    assert listed(orderBy="createdAt|ASC") == ids
    assert listed(orderBy="updatedAt|DESC", limit=1) == ids[1:]
    assert listed(status="failed", jobType="sync") == ids[::-1]
    assert listed(status="succeeded") == []
    assert listed(createdAtEnd="2020-01-01T00:00:00Z") == []
    assert listed(createdAtStart="2020-01-01T00:00:00", updatedAtEnd="2100-01-01T00:00:00Z") == ids[::-1]
    problem(airbyte.http.get("/jobs", params={"orderBy": "color"}), 422, "orderBy")
    problem(airbyte.http.get("/jobs", params={"limit": 101}), 422, "limit")
    workspace = airbyte.http.get(f"/connections/{made.id}").json()["workspaceId"]
    of_workspace = airbyte.http.get("/jobs", params={"workspaceIds": workspace, "limit": 2}).json()["data"]
    assert [item["jobId"] for item in of_workspace] == ids[::-1]
    assert airbyte.http.get("/jobs", params={"workspaceIds": NOWHERE}).json()["data"] == []


def refused(server: AirbyteServer, **environ: str) -> str:
    """Start another server process that must not start; its one line."""
    answer = subprocess.run(
        server.command(), env={**server.environ, **environ}, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    return answer.stderr


def test_a_second_server_is_refused(own_airbyte: AirbyteServer) -> None:
    assert f":{own_airbyte.port}: Address already in use" in refused(own_airbyte)
    assert "AIRBYTE_PORT" in refused(own_airbyte)
    home = own_airbyte.home / "airbyte"
    other = AirbyteServer(own_airbyte.home, free_port())
    assert f"another server uses {home}" in refused(other)


def test_another_key_or_a_newer_layout_is_refused(own_airbyte: AirbyteServer) -> None:
    own_airbyte.stop()
    other_key = Fernet.generate_key().decode()
    assert "AIRBYTE_ENCRYPTION_KEY" in refused(own_airbyte, AIRBYTE_ENCRYPTION_KEY=other_key)
    assert "a Fernet key is 32 bytes" in refused(own_airbyte, AIRBYTE_ENCRYPTION_KEY="short")
    with sqlite3.connect(own_airbyte.home / "airbyte" / "airbyte.sqlite") as database:
        database.execute("pragma user_version = 99")
    database.close()
    assert "written by a newer version" in refused(own_airbyte)


def test_the_server_does_not_load_the_engine(own_airbyte: AirbyteServer) -> None:
    """Its process stays light: Arrow, ADBC and DuckDB belong to the jobs."""
    script = "import airbyte_local.__main__, sys; print([m for m in ('duckdb', 'pyarrow', 'adbc_driver_manager', 'psycopg') if m in sys.modules])"
    answer = subprocess.run(
        [own_airbyte.command()[0], "-c", script],
        env=own_airbyte.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"


def test_the_documentation_needs_no_internet(airbyte: AirbyteServer) -> None:
    root = f"http://127.0.0.1:{airbyte.port}"
    page = httpx.get(f"{root}/docs").raise_for_status().text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith("/")
        assert httpx.get(root + address).raise_for_status().content
    assert not re.search(r"https?://", page)
    assert httpx.get(f"{root}/redoc").status_code == 404


def test_a_log_is_followed_from_an_offset(airbyte: AirbyteServer, made: Connection) -> None:
    job_id = made.sync()["jobId"]
    whole = airbyte.log(job_id).encode()
    assert whole.count(b"\n") >= 2
    rest = airbyte.http.get(f"/jobs/{job_id}/logs", params={"offset": 10}).content
    assert rest == whole[10:]
    assert airbyte.http.get(f"/jobs/{job_id}/logs", params={"offset": len(whole) + 5}).content == b""
    problem(airbyte.http.get(f"/jobs/{job_id}/logs", params={"offset": -1}), 422, "offset")
