"""Every operation that Airbyte's own client has for the parts of the API that this server serves, unmodified."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airbyte_api import AirbyteAPI, api, errors, models

from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local.conftest import Connection, connect, source_configuration, stream

pytestmark = pytest.mark.promise

GROUPS = (
    "health", "workspaces", "sources", "destinations", "connections", "streams", "jobs", "tags",
    "source_definitions", "destination_definitions", "declarative_source_definitions",
)  # fmt: skip


class Walk:
    """The SDK, with a list of what was asked of it."""

    def __init__(self, sdk: AirbyteAPI) -> None:
        self._sdk = sdk
        self.asked: set[str] = set()

    def __call__(self, operation: str, request: Any = None, **names: Any) -> Any:
        """Ask; returns the model in the answer (None for an empty one)."""
        group, _, name = operation.partition(".")
        self.asked.add(operation)
        arguments = {"request": request or names} if request or names else {}
        answer = getattr(getattr(self._sdk, group), name)(**arguments)
        assert answer.status_code in (200, 204)
        found = [value for key, value in vars(answer).items() if key.endswith("_response")]
        return next((value for value in found if not hasattr(value, "headers")), None)

    def refused(self, status: int, operation: str, request: Any = None, **names: Any) -> str:
        """Ask what the server must refuse; returns its words."""
        with pytest.raises(errors.SDKError) as error:
            self(operation, request, **names)
        assert error.value.status_code == status, error.value
        problem = error.value.raw_response.json()
        assert problem["status"] == status
        return problem["detail"]


def operations(sdk: AirbyteAPI) -> Iterator[str]:
    """`group.operation` of all that the SDK can ask in these groups."""
    for group in GROUPS:
        for name, _ in inspect.getmembers(getattr(sdk, group), inspect.ismethod):
            if not name.startswith(("_", "do_")) and not name.endswith("_async"):
                yield f"{group}.{name}"


@pytest.fixture
def walk(airbyte: AirbyteServer) -> Walk:
    return Walk(airbyte.sdk)


@pytest.fixture
def made(airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path) -> Connection:
    streams = [stream("shop.orders"), stream("shop.lines")]
    return connect(airbyte, source_configuration(shop), tmp_path / "warehouse.duckdb", streams)


def test_every_operation_is_answered(walk: Walk, airbyte: AirbyteServer, made: Connection) -> None:
    assert walk("health.get_health_check") is None
    workspace = walk_workspaces(walk)
    walk_actors(walk, workspace)
    walk_definitions(walk, workspace)
    walk_tags_and_connections(walk, made)
    walk_jobs(walk, made)
    assert walk.asked == set(operations(airbyte.sdk))


def walk_workspaces(walk: Walk) -> str:
    made = walk("workspaces.create_workspace", models.WorkspaceCreateRequest(name=f"walk {uuid4()}"))
    key = made.workspace_id
    assert walk("workspaces.get_workspace", workspace_id=key) == made
    patch = models.WorkspaceUpdateRequest(name="walked")
    assert (
        walk(
            "workspaces.update_workspace",
            api.UpdateWorkspaceRequest(workspace_id=key, workspace_update_request=patch),
        ).name
        == "walked"
    )
    listed = walk("workspaces.list_workspaces", workspace_ids=[key], include_deleted=True, limit=5, offset=0)
    assert [item.workspace_id for item in listed.data] == [key]
    credentials = models.WorkspaceOAuthCredentialsRequest(
        actor_type="source", name="airtable", configuration={}
    )
    request = api.CreateOrUpdateWorkspaceOAuthCredentialsRequest(
        workspace_id=key, workspace_o_auth_credentials_request=credentials
    )
    assert "OAuth" in walk.refused(403, "workspaces.create_or_update_workspace_o_auth_credentials", request)
    walk.refused(
        403,
        "workspaces.delete_workspace_o_auth_credentials",
        workspace_id=key,
        actor_type="source",
        name="airtable",
    )
    gone = walk("workspaces.create_workspace", models.WorkspaceCreateRequest(name="gone")).workspace_id
    walk("workspaces.delete_workspace", workspace_id=gone)
    walk.refused(404, "workspaces.get_workspace", workspace_id=gone)
    return key


def walk_actors(walk: Walk, workspace: str) -> None:
    oauth = models.InitiateOauthRequest(
        redirect_url="http://127.0.0.1", workspace_id=workspace, source_type="airtable"
    )
    assert "OAuth" in walk.refused(403, "sources.initiate_o_auth", oauth)
    postgres = models.SourcePostgres(host="h", database="d", username="u", password="hush")
    duckdb = models.DestinationDuckdb(destination_path="/data/w.duckdb")
    for kind, configuration in (("source", postgres), ("destination", duckdb)):
        word = kind.title()

        def body(action: str, word: str = word, **fields: Any) -> Any:
            return getattr(models, f"{word}{action}Request")(**fields)

        def change(
            action: str, key: str, content: Any, kind: str = kind, word: str = word
        ) -> tuple[str, Any]:
            request = getattr(api, f"{action.title()}{word}Request")
            fields = {f"{kind}_id": key, f"{kind}_{action}_request": content}
            return f"{kind}s.{action}_{kind}", request(**fields)

        created = walk(
            f"{kind}s.create_{kind}",
            body("Create", name="walked", workspace_id=workspace, configuration=configuration),
        )
        key = getattr(created, f"{kind}_id")
        assert walk(f"{kind}s.get_{kind}", **{f"{kind}_id": key}) == created
        assert walk(*change("patch", key, body("Patch", name="patched"))).name == "patched"
        put = walk(*change("put", key, body("Put", name="put", configuration=configuration)))
        assert (put.name, put.configuration) == ("put", created.configuration)
        listed = walk(f"{kind}s.list_{kind}s", workspace_ids=[workspace], limit=1, offset=0)
        assert [item.name for item in listed.data] == ["put"]
        walk(f"{kind}s.delete_{kind}", **{f"{kind}_id": key})
        walk.refused(404, f"{kind}s.get_{kind}", **{f"{kind}_id": key})


def walk_definitions(walk: Walk, workspace: str) -> None:
    new = models.CreateDefinitionRequest(docker_image_tag="1", docker_repository="own/image", name="own")
    update = models.UpdateDefinitionRequest(docker_image_tag="1", name="own")
    for kind in ("source", "destination"):
        group, word = f"{kind}_definitions", kind.title()
        listed, *_ = walk(f"{group}.list_{kind}_definitions", workspace_id=workspace).data
        ids = {"workspace_id": workspace, "definition_id": listed.id}
        assert walk(f"{group}.get_{kind}_definition", **ids) == listed
        create = getattr(api, f"Create{word}DefinitionRequest")
        change = getattr(api, f"Update{word}DefinitionRequest")
        refusals = {
            f"create_{kind}_definition": create(workspace_id=workspace, create_definition_request=new),
            f"update_{kind}_definition": change(**ids, update_definition_request=update),
            f"delete_{kind}_definition": ids,
        }
        for operation, request in refusals.items():
            assert "built in" in walk.refused(403, f"{group}.{operation}", request)
        walk.refused(
            404, f"{group}.get_{kind}_definition", workspace_id=workspace, definition_id=str(uuid4())
        )
    group, ids = "declarative_source_definitions", {
        "workspace_id": workspace,
        "definition_id": str(uuid4()),
    }
    assert walk(f"{group}.list_declarative_source_definitions", workspace_id=workspace).data == []
    manifest = models.CreateDeclarativeSourceDefinitionRequest(name="own", manifest={})
    walk.refused(
        403,
        f"{group}.create_declarative_source_definition",
        api.CreateDeclarativeSourceDefinitionRequest(
            workspace_id=workspace, create_declarative_source_definition_request=manifest
        ),
    )
    changed = models.UpdateDeclarativeSourceDefinitionRequest(manifest={})
    request = api.UpdateDeclarativeSourceDefinitionRequest(
        **ids, update_declarative_source_definition_request=changed
    )
    walk.refused(404, f"{group}.update_declarative_source_definition", request)
    walk.refused(404, f"{group}.get_declarative_source_definition", **ids)
    walk.refused(404, f"{group}.delete_declarative_source_definition", **ids)


def walk_tags_and_connections(walk: Walk, made: Connection) -> None:
    workspace = walk("connections.get_connection", connection_id=made.id).workspace_id
    name = f"nightly {uuid4()}"
    new = models.TagCreateRequest(name=name, color="FF8800", workspace_id=workspace)
    tag = walk("tags.create_tag", new)
    assert (tag.name, tag.color, tag.workspace_id) == (name, "FF8800", workspace)
    assert name in walk.refused(409, "tags.create_tag", new)
    assert tag in walk("tags.list_tags", workspace_ids=[workspace]).data
    patch = models.TagPatchRequest(name=name + "!", color="#00ff00")
    tag = walk("tags.update_tag", api.UpdateTagRequest(tag_id=tag.tag_id, tag_patch_request=patch))
    assert walk("tags.get_tag", tag_id=tag.tag_id) == tag

    source = walk("streams.get_stream_properties", source_id=made.source_id, ignore_cache=True)
    assert {item.stream_name for item in source} == {"orders", "lines"}
    whole = models.Tag(**tag.model_dump())
    created = walk(
        "connections.create_connection",
        models.ConnectionCreateRequest(
            source_id=made.source_id,
            destination_id=made.destination_id,
            tags=[whole],
            data_residency="auto",
            schedule=models.AirbyteAPIConnectionSchedule(
                schedule_type=models.ScheduleTypeEnum.CRON, cron_expression="0 0 0/6 * * ?"
            ),
        ),
    )
    assert created.tags == [whole]
    assert created.schedule.cron_expression == "0 0 0/6 * * ? UTC"
    assert len(created.configurations.streams) == 2
    listed = walk("connections.list_connections", workspace_ids=[workspace], tag_ids=[tag.tag_id])
    assert listed.data == [created]
    request = api.PatchConnectionRequest(
        connection_id=created.connection_id, connection_patch_request=models.ConnectionPatchRequest(tags=[])
    )
    assert walk("connections.patch_connection", request).tags == []
    assert walk("connections.list_connections", tag_ids=[tag.tag_id]).data == []
    request.connection_patch_request = models.ConnectionPatchRequest(tags=[whole])
    assert walk("connections.patch_connection", request).tags == [whole]
    walk("tags.delete_tag", tag_id=tag.tag_id)
    walk.refused(404, "tags.get_tag", tag_id=tag.tag_id)
    assert walk("connections.get_connection", connection_id=created.connection_id).tags == []
    walk("connections.delete_connection", connection_id=created.connection_id)
    everything = walk(
        "connections.list_connections", workspace_ids=[workspace], include_deleted=True, limit=100
    ).data
    statuses = {item.connection_id: item.status for item in everything}
    assert statuses[created.connection_id] == models.ConnectionStatusEnum.DEPRECATED


def walk_jobs(walk: Walk, made: Connection) -> None:
    begun = datetime.now(UTC).replace(microsecond=0)
    for job_type in models.JobTypeEnum:
        started = walk("jobs.create_job", models.JobCreateRequest(connection_id=made.id, job_type=job_type))
        made.server.wait(started.job_id)
        job = walk("jobs.get_job", job_id=started.job_id)
        assert (job.job_type, job.status) == (job_type, models.JobStatusEnum.SUCCEEDED)
        assert walk("jobs.cancel_job", job_id=job.job_id) == job  # it has ended: nothing to cancel
    listed = walk(
        "jobs.list_jobs",
        connection_id=made.id,
        status=models.JobStatusEnum.SUCCEEDED,
        created_at_start=begun,
        updated_at_end=datetime(2100, 1, 1, tzinfo=UTC),
        order_by="createdAt|ASC",
        limit=3,
        offset=1,
    )
    assert [item.job_type for item in listed.data] == list(models.JobTypeEnum)[1:]
    clear = walk("jobs.list_jobs", connection_id=made.id, job_type=models.JobTypeEnum.CLEAR).data
    assert [item.job_type for item in clear] == [models.JobTypeEnum.CLEAR]
    assert walk("jobs.list_jobs", status=models.JobStatusEnum.QUEUED).data == []


def test_each_kind_of_error_reaches_the_client_with_its_status(
    walk: Walk, airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path
) -> None:
    nobody = Walk(AirbyteAPI(server_url=airbyte.url, security=models.Security(bearer_auth="wrong")))
    assert "not valid" in nobody.refused(401, "jobs.list_jobs", limit=1)
    down = connect(
        airbyte, source_configuration(shop, port=1), tmp_path / "w.duckdb", [stream("shop.orders")]
    )
    assert "Connection refused" in walk.refused(
        400, "streams.get_stream_properties", source_id=down.source_id
    )
    bad = models.AirbyteAPIConnectionSchedule(
        schedule_type=models.ScheduleTypeEnum.CRON, cron_expression="0 25 * * ?"
    )
    request = api.PatchConnectionRequest(
        connection_id=down.id, connection_patch_request=models.ConnectionPatchRequest(schedule=bad)
    )
    assert "schedule.cronExpression" in walk.refused(422, "connections.patch_connection", request)
    walk.refused(404, "jobs.get_job", job_id=10**9)
    assert "no users" in walk.refused(403, "organizations.list_organizations_for_user")
    assert "no users" in walk.refused(403, "permissions.list_permissions", user_id="somebody")
    assert "no users" in walk.refused(403, "users.list_users_within_an_organization", organization_id="own")


def test_a_hundred_connections_are_listed_in_pages_within_a_second(
    own_airbyte: AirbyteServer, tmp_path: Path
) -> None:
    nowhere = {"sourceType": "postgres", "host": "h", "database": "d", "username": "u"}
    made = connect(own_airbyte, nowhere, tmp_path / "w.duckdb", [stream("shop.orders")])
    body = own_airbyte.http.get(f"/connections/{made.id}").json()
    for number in range(100):
        own_airbyte.http.post("/connections", json=body | {"name": str(number)}).raise_for_status()
    started = time.monotonic()
    names, url = [], f"{own_airbyte.url}/connections?limit=20&workspaceIds={body['workspaceId']}"
    while url:
        page = own_airbyte.http.get(url).raise_for_status().json()
        names += [item["name"] for item in page["data"]]
        url = page.get("next")
    assert time.monotonic() - started < 1
    assert names == ["shop", *map(str, range(100))]  # each once, in the order of their creation
