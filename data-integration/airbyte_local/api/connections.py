"""Connections: which streams go from a source to a destination, and how."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from airbyte_local.api.actors import get_actor
from airbyte_local.api.common import (
    IncludeDeleted,
    Limit,
    Offset,
    SchedulerOf,
    StoreOf,
    TagIds,
    WorkspaceIds,
    page,
)
from airbyte_local.api.configurations import cursor_needed
from airbyte_local.api.problems import Problem, invalid, not_found
from airbyte_local.api.schemas import ConnectionCreate, ConnectionPatch, StreamConfiguration
from airbyte_local.api.schemas import Request as Body
from airbyte_local.api.streams import discovered
from airbyte_local.api.tags import shown as shown_tag
from airbyte_local.enums import (
    INCREMENTAL_MODES,
    OFFERED,
    RULES_OF_STREAMS,
    ActorKind,
    ConnectionStatus,
    NamespaceDefinition,
    SyncMode,
)
from airbyte_local.jobs.scheduler import next_run
from airbyte_local.mappers.keys import KeyRefusedError, masked_keys, sealed
from airbyte_local.schema import label
from airbyte_local.store import Actor, Connection, Store
from foundation.quoting import is_name

router = APIRouter(prefix="/connections", tags=["connections"])

DEFAULTS: dict[str, Any] = {
    "schedule": {"scheduleType": "manual"},
    "status": ConnectionStatus.ACTIVE,
    "namespaceDefinition": NamespaceDefinition.DESTINATION,
    "namespaceFormat": "",
    "prefix": "",
    "nonBreakingSchemaUpdatesBehavior": "ignore",
}


def get_connection(store: Store, key: str) -> Connection:
    """The row. Raises 404."""
    row = store.connections.get(key)
    if row is None:
        raise not_found("connection", key)
    return row


def shown(row: Connection) -> dict[str, Any]:
    answer = {
        "connectionId": row.id,
        "workspaceId": row.workspace_id,
        "sourceId": row.source_id,
        "destinationId": row.destination_id,
        "createdAt": row.created_at,
        **{field: value for field, value in row.body.items() if field != OFFERED},
        "configurations": {"streams": masked_keys(row.streams)},
        "tags": [shown_tag(tag) for tag in row.tags],
    }
    return answer | ({"status": ConnectionStatus.DEPRECATED} if row.deleted else {})


@router.post("")
def create_connection(body: ConnectionCreate, store: StoreOf, scheduler: SchedulerOf) -> dict[str, Any]:
    for kind, key in ((ActorKind.SOURCE, body.source_id), (ActorKind.DESTINATION, body.destination_id)):
        if store.actors.get(kind, key) is None:
            raise invalid(f"{kind}Id", f"there is no {kind} {key}")
    source = get_actor(store, ActorKind.SOURCE, body.source_id)
    destination = get_actor(store, ActorKind.DESTINATION, body.destination_id)
    given = _given(body)
    tag_ids = _tag_ids(store, source.workspace_id, body) or []
    if not given.get("configurations", {}).get("streams"):
        given["configurations"] = {"streams": _every_stream(source)}
    given["configurations"]["streams"] = _sealed(given["configurations"]["streams"], [], store)
    complete = {"name": f"{source.name} → {destination.name}", **DEFAULTS, **given}
    _check(complete, source)
    if complete["nonBreakingSchemaUpdatesBehavior"] in RULES_OF_STREAMS:
        complete[OFFERED] = _offered(source)
    due = _due(complete)
    ends = source.workspace_id, source.id, destination.id
    row = store.connections.add(*ends, complete, tag_ids, due)
    scheduler.changed()
    return shown(row)


@router.get("")
def list_connections(
    request: Request,
    store: StoreOf,
    workspace_ids: WorkspaceIds = [],  # noqa: B006
    tag_ids: TagIds = [],  # noqa: B006
    include_deleted: IncludeDeleted = False,
    limit: Limit = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    found = store.connections.page(workspace_ids, tag_ids, include_deleted, limit + 1, offset)
    return page(request, [shown(row) for row in found], limit, offset)


@router.get("/{connection_id}")
def read_connection(connection_id: str, store: StoreOf) -> dict[str, Any]:
    return shown(get_connection(store, connection_id))


@router.patch("/{connection_id}")
def patch_connection(
    connection_id: str, body: ConnectionPatch, store: StoreOf, scheduler: SchedulerOf
) -> dict[str, Any]:
    row = get_connection(store, connection_id)
    given = _given(body)
    if "streams" in given.get("configurations", {}):
        given["configurations"]["streams"] = _sealed(given["configurations"]["streams"], row.streams, store)
    complete = row.body | given
    source = get_actor(store, ActorKind.SOURCE, row.source_id)
    _check(complete, source)
    rule = complete["nonBreakingSchemaUpdatesBehavior"]
    chosen = "configurations" in given or rule != row.body["nonBreakingSchemaUpdatesBehavior"]
    if rule in RULES_OF_STREAMS and chosen:
        complete[OFFERED] = _offered(source)
    same = all(complete[field] == row.body[field] for field in ("schedule", "status"))
    due = row.next_run if same else _due(complete)
    row = store.connections.update(connection_id, complete, _tag_ids(store, row.workspace_id, body), due)
    scheduler.changed()
    return shown(row)


@router.delete("/{connection_id}", status_code=204)
def delete_connection(connection_id: str, store: StoreOf) -> Response:
    get_connection(store, connection_id)
    if job_id := store.jobs.active(connection_id):
        raise Problem(409, f"job {job_id} of this connection runs: cancel it first", jobId=job_id)
    store.connections.delete(connection_id)
    return Response(status_code=204)


def _given(body: Body) -> dict[str, Any]:
    """The fields that the request set, under Airbyte's names; what is not kept in the body is left out."""
    return body.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"source_id", "destination_id", "tags"}
    )


def _sealed(
    streams: list[dict[str, Any]], before: list[dict[str, Any]], store: Store
) -> list[dict[str, Any]]:
    """The streams as they are kept. Raises a 422 for a mapper's key that cannot be used."""
    try:
        return sealed(streams, before, store.seal)
    except KeyRefusedError as error:
        raise invalid(error.path, error.reason) from None


def _tag_ids(store: Store, workspace_id: str, body: ConnectionPatch) -> list[str] | None:
    """The tags that the request sets, if it sets any. Raises a 422 for one that the workspace does not have."""
    if body.tags is None:
        return None
    known = {tag.id for tag in store.tags.of([workspace_id])}
    for index, tag in enumerate(body.tags):
        if tag.tag_id not in known:
            raise invalid(f"tags[{index}].tagId", f"the workspace has no tag {tag.tag_id}")
    return [tag.tag_id for tag in body.tags]


def _every_stream(source: Actor) -> list[dict[str, Any]]:
    """Airbyte's default for a connection without a list: every stream, refreshed in full. Raises a 422 for one without a possible name."""
    streams = discovered(source)
    for stream in streams:
        if not all(map(is_name, (stream.name, *filter(None, [stream.namespace])))):
            refused = f"no table can be called as the stream {label(*stream.key)}: list the others"
            raise invalid("configurations.streams", refused)
    return [
        StreamConfiguration(
            name=stream.name, namespace=stream.namespace or None, sync_mode=SyncMode.FULL_REFRESH_OVERWRITE
        ).model_dump(mode="json", by_alias=True, exclude_none=True)
        for stream in streams
    ]


def _offered(source: Actor) -> list[list[str]]:
    """What a connection could have chosen: all else is new. Raises a 400 when the source cannot be read."""
    return [stream.noted for stream in discovered(source)]


def _check(body: dict[str, Any], source: Actor) -> None:
    """What one field says about another. Raises a 422 that names the field."""
    cursor = cursor_needed(source)
    seen = set()
    for index, stream in enumerate(body["configurations"]["streams"]):
        at = f"configurations.streams[{index}]"
        key = (stream.get("namespace"), stream["name"])
        if key in seen:
            raise invalid(f"{at}.name", f"the stream {'.'.join(filter(None, key))} is listed twice")
        seen.add(key)
        if cursor and stream["syncMode"] in INCREMENTAL_MODES and not stream.get("cursorField"):
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
    schedule = body["schedule"]
    if schedule["scheduleType"] == "manual":
        schedule.pop("cronExpression", None)
    elif not schedule.get("cronExpression"):
        raise invalid("schedule.cronExpression", "is required for a cron schedule")


def _due(body: dict[str, Any]) -> float | None:
    """When the next scheduled job is due. Raises a 422 for a moment that never comes."""
    due, schedule = next_run(body), body["schedule"]
    if due is None and schedule["scheduleType"] == "cron" and body["status"] == ConnectionStatus.ACTIVE:
        raise invalid("schedule.cronExpression", f"{schedule['cronExpression']} never comes")
    return due
