"""Connections: which streams go from a source to a destination, and how."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request, Response

from airbyte_local.api.actors import get_actor
from airbyte_local.api.common import IncludeDeleted, Limit, Offset, StoreOf, WorkspaceIds, page
from airbyte_local.api.problems import Problem, invalid, not_found
from airbyte_local.api.schemas import ConnectionCreate, ConnectionPatch, StreamConfiguration
from airbyte_local.api.schemas import Request as Body
from airbyte_local.api.streams import discovered
from airbyte_local.enums import INCREMENTAL_MODES, ActorKind, ConnectionStatus, NamespaceDefinition, SyncMode
from airbyte_local.store import Store

router = APIRouter(prefix="/connections", tags=["connections"])

DEFAULTS: dict[str, Any] = {
    "schedule": {"scheduleType": "manual"},
    "status": ConnectionStatus.ACTIVE,
    "namespaceDefinition": NamespaceDefinition.DESTINATION,
    "namespaceFormat": "",
    "prefix": "",
    "nonBreakingSchemaUpdatesBehavior": "ignore",
    "tags": [],
}


def get_connection(store: Store, key: str) -> dict[str, Any]:
    """The row. Raises 404."""
    row = store.connection(key)
    if row is None:
        raise not_found("connection", key)
    return row


def shown(row: dict[str, Any]) -> dict[str, Any]:
    answer = {
        "connectionId": row["id"],
        "workspaceId": row["workspace_id"],
        "sourceId": row["source_id"],
        "destinationId": row["destination_id"],
        "createdAt": row["created_at"],
        **row["body"],
    }
    return answer | ({"status": ConnectionStatus.DEPRECATED} if row["deleted"] else {})


@router.post("")
def create_connection(body: ConnectionCreate, store: StoreOf) -> dict[str, Any]:
    for kind, key in ((ActorKind.SOURCE, body.source_id), (ActorKind.DESTINATION, body.destination_id)):
        if store.actor(kind, key) is None:
            raise invalid(f"{kind}Id", f"there is no {kind} {key}")
    source = get_actor(store, ActorKind.SOURCE, body.source_id)
    destination = get_actor(store, ActorKind.DESTINATION, body.destination_id)
    given = _given(body)
    if not given.get("configurations", {}).get("streams"):
        given["configurations"] = {"streams": _every_stream(source)}
    complete = {"name": f"{source['name']} → {destination['name']}", **DEFAULTS, **given}
    _check(complete)
    return shown(store.add_connection(source["workspace_id"], source["id"], destination["id"], complete))


@router.get("")
def list_connections(
    request: Request,
    store: StoreOf,
    workspace_ids: WorkspaceIds = [],  # noqa: B006
    tag_ids: list[str] = Query([], alias="tagIds"),  # noqa: B008 - FastAPI's way
    include_deleted: IncludeDeleted = False,
    limit: Limit = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    if tag_ids:
        return page(request, [], limit, offset)  # no connection has a tag
    found = store.connections(workspace_ids, include_deleted, limit + 1, offset)
    return page(request, [shown(row) for row in found], limit, offset)


@router.get("/{connection_id}")
def read_connection(connection_id: str, store: StoreOf) -> dict[str, Any]:
    return shown(get_connection(store, connection_id))


@router.patch("/{connection_id}")
def patch_connection(connection_id: str, body: ConnectionPatch, store: StoreOf) -> dict[str, Any]:
    row = get_connection(store, connection_id)
    complete = row["body"] | _given(body)
    _check(complete)
    return shown(store.update_connection(connection_id, complete))


@router.delete("/{connection_id}", status_code=204)
def delete_connection(connection_id: str, store: StoreOf) -> Response:
    get_connection(store, connection_id)
    if job_id := store.active_job(connection_id):
        raise Problem(409, f"job {job_id} of this connection runs: cancel it first", jobId=job_id)
    store.delete_connection(connection_id)
    return Response(status_code=204)


def _given(body: Body) -> dict[str, Any]:
    """The fields that the request set, under Airbyte's names; both ends are columns of their own."""
    fields = body.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"source_id", "destination_id"}
    )
    if fields.get("tags"):
        raise invalid("tags", "this server has no tags")
    return fields


def _every_stream(source: dict[str, Any]) -> list[dict[str, Any]]:
    """Airbyte's default for a connection without a list: every stream, refreshed in full."""
    return [
        StreamConfiguration(
            name=stream.name, namespace=stream.namespace, sync_mode=SyncMode.FULL_REFRESH_OVERWRITE
        ).model_dump(mode="json", by_alias=True, exclude_none=True)
        for stream in discovered(source)
    ]


def _check(body: dict[str, Any]) -> None:
    """What one field says about another. Raises a 422 that names the field."""
    seen = set()
    for index, stream in enumerate(body["configurations"]["streams"]):
        at = f"configurations.streams[{index}]"
        key = (stream.get("namespace"), stream["name"])
        if key in seen:
            raise invalid(f"{at}.name", f"the stream {'.'.join(filter(None, key))} is listed twice")
        seen.add(key)
        if stream["syncMode"] in INCREMENTAL_MODES and not stream.get("cursorField"):
            raise invalid(f"{at}.cursorField", f"is required for {stream['syncMode']}")
        selected = [field["fieldPath"][0] for field in stream.get("selectedFields", [])]
        needed = {
            "cursorField": stream.get("cursorField", []),
            "primaryKey": [path[0] for path in stream.get("primaryKey", []) if path],
        }
        for field, columns in needed.items():
            for column in columns:
                if selected and column not in selected:
                    raise invalid(f"{at}.{field}", f"{column} is not among the selectedFields")
    if body["namespaceDefinition"] == NamespaceDefinition.CUSTOM_FORMAT and not body["namespaceFormat"]:
        raise invalid("namespaceFormat", "is required when namespaceDefinition is custom_format")
