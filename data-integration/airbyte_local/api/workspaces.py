"""Workspaces: each holds sources, destinations and connections."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from airbyte_local.api.common import IncludeDeleted, Limit, Offset, StoreOf, WorkspaceIds, page
from airbyte_local.api.problems import Problem, not_found
from airbyte_local.api.schemas import WorkspaceCreate, WorkspaceUpdate
from airbyte_local.enums import ActorKind
from airbyte_local.store import Store, Workspace

router = APIRouter(prefix="/workspaces", tags=["workspaces"])


def get_workspace(store: Store, key: str) -> Workspace:
    """The row. Raises 404."""
    row = store.workspaces.get(key)
    if row is None:
        raise not_found("workspace", key)
    return row


def shown(row: Workspace) -> dict[str, Any]:
    return {
        "workspaceId": row.id,
        "name": row.name,
        "dataResidency": "auto",
        "notifications": row.notifications,
    }


@router.post("")
def create_workspace(body: WorkspaceCreate, store: StoreOf) -> dict[str, Any]:
    return shown(store.workspaces.add(body.name, body.notifications))


@router.get("")
def list_workspaces(
    request: Request,
    store: StoreOf,
    workspace_ids: WorkspaceIds = [],  # noqa: B006 - FastAPI copies it
    include_deleted: IncludeDeleted = False,
    limit: Limit = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    found = store.workspaces.page(workspace_ids, include_deleted, limit + 1, offset)
    return page(request, [shown(row) for row in found], limit, offset)


@router.get("/{workspace_id}")
def read_workspace(workspace_id: str, store: StoreOf) -> dict[str, Any]:
    return shown(get_workspace(store, workspace_id))


@router.patch("/{workspace_id}")
def update_workspace(workspace_id: str, body: WorkspaceUpdate, store: StoreOf) -> dict[str, Any]:
    row = get_workspace(store, workspace_id)
    notifications = row.notifications if body.notifications is None else body.notifications
    return shown(store.workspaces.update(workspace_id, body.name or row.name, notifications))


@router.delete("/{workspace_id}", status_code=204)
def delete_workspace(workspace_id: str, store: StoreOf) -> Response:
    get_workspace(store, workspace_id)
    if any(store.actors.page(kind, [workspace_id], False, 1, 0) for kind in ActorKind):
        raise Problem(409, "the workspace still has sources or destinations: delete them first")
    store.workspaces.delete(workspace_id)
    return Response(status_code=204)
