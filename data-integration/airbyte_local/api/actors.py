"""Sources and destinations: the same resource twice, under two names."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from airbyte_local.api.common import IncludeDeleted, Limit, Offset, StoreOf, WorkspaceIds, page
from airbyte_local.api.configurations import definition_of, find_definition, validate
from airbyte_local.api.problems import Problem, invalid, not_found
from airbyte_local.api.schemas import ActorCreate, ActorPatch, ActorPut
from airbyte_local.enums import ActorKind
from airbyte_local.masking import masked, unmasked
from airbyte_local.store import Actor, Store


def get_actor(store: Store, kind: ActorKind, key: str) -> Actor:
    """The row. Raises 404."""
    row = store.actors.get(kind, key)
    if row is None:
        raise not_found(kind, key)
    return row


def shown(row: Actor) -> dict[str, Any]:
    kind, definition = row.kind, definition_of(row.kind, row.type)
    return {
        f"{kind}Id": row.id,
        "name": row.name,
        f"{kind}Type": row.type,
        "definitionId": definition.id,
        "workspaceId": row.workspace_id,
        "configuration": masked(row.configuration, definition.secret_fields),
        "createdAt": row.created_at,
    }


def actor_router(kind: ActorKind) -> APIRouter:
    """The routes of `/sources` or `/destinations`."""
    router = APIRouter(prefix=f"/{kind}s", tags=[f"{kind}s"])

    def changed(store: Store, key: str, name: str, configuration: dict[str, Any]) -> dict[str, Any]:
        row = get_actor(store, kind, key)
        definition = definition_of(kind, row.type)
        given = unmasked(configuration, row.configuration, definition.secret_fields)
        complete = {f"{kind}Type": row.type} | given
        validate(definition, complete)
        return shown(store.actors.update(kind, key, name, complete))

    @router.post("", name=f"create {kind}")
    def create(body: ActorCreate, store: StoreOf) -> dict[str, Any]:
        if store.workspaces.get(body.workspace_id) is None:
            raise invalid("workspaceId", f"there is no workspace {body.workspace_id}")
        definition = find_definition(kind, body.configuration, body.definition_id)
        configuration = {f"{kind}Type": definition.type} | body.configuration
        validate(definition, configuration)
        return shown(store.actors.add(kind, body.workspace_id, body.name, definition.type, configuration))

    @router.get("", name=f"list {kind}s")
    def list_(
        request: Request,
        store: StoreOf,
        workspace_ids: WorkspaceIds = [],  # noqa: B006
        include_deleted: IncludeDeleted = False,
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        found = store.actors.page(kind, workspace_ids, include_deleted, limit + 1, offset)
        return page(request, [shown(row) for row in found], limit, offset)

    @router.get("/{actor_id}", name=f"get {kind}")
    def read(actor_id: str, store: StoreOf) -> dict[str, Any]:
        return shown(get_actor(store, kind, actor_id))

    @router.patch("/{actor_id}", name=f"patch {kind}")
    def patch(actor_id: str, body: ActorPatch, store: StoreOf) -> dict[str, Any]:
        row = get_actor(store, kind, actor_id)
        if body.workspace_id not in (None, row.workspace_id):
            raise invalid("workspaceId", f"this server does not move a {kind} to another workspace")
        configuration = row.configuration | (body.configuration or {})
        return changed(store, actor_id, body.name or row.name, configuration)

    @router.put("/{actor_id}", name=f"put {kind}")
    def put(actor_id: str, body: ActorPut, store: StoreOf) -> dict[str, Any]:
        return changed(store, actor_id, body.name, body.configuration)

    @router.delete("/{actor_id}", name=f"delete {kind}", status_code=204)
    def delete(actor_id: str, store: StoreOf) -> Response:
        get_actor(store, kind, actor_id)
        for connection_id in store.connections.ids_of_actor(actor_id):
            if job_id := store.jobs.active(connection_id):
                raise Problem(409, f"job {job_id} uses it: cancel the job, or wait for its end", jobId=job_id)
        store.actors.delete(actor_id)
        return Response(status_code=204)

    return router
