"""Tags: words with a color that group the connections of a workspace."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from airbyte_local.api.common import StoreOf, WorkspaceIds
from airbyte_local.api.problems import Problem, invalid, not_found
from airbyte_local.api.schemas import TagCreate, TagPatch
from airbyte_local.store import Store, Tag, TakenError

router = APIRouter(prefix="/tags", tags=["tags"])


def get_tag(store: Store, key: str) -> Tag:
    """The row. Raises 404."""
    row = store.tags.get(key)
    if row is None:
        raise not_found("tag", key)
    return row


def shown(row: Tag) -> dict[str, Any]:
    return {"tagId": row.id, "workspaceId": row.workspace_id, "name": row.name, "color": row.color}


def taken(name: str) -> Problem:
    return Problem(409, f"the workspace has a tag named {name} already", name=name)


@router.post("")
def create_tag(body: TagCreate, store: StoreOf) -> dict[str, Any]:
    if store.workspaces.get(body.workspace_id) is None:
        raise invalid("workspaceId", f"there is no workspace {body.workspace_id}")
    try:
        return shown(store.tags.add(body.workspace_id, body.name, body.color))
    except TakenError:
        raise taken(body.name) from None


@router.get("")
def list_tags(store: StoreOf, workspace_ids: WorkspaceIds = []) -> dict[str, Any]:  # noqa: B006
    return {"data": [shown(row) for row in store.tags.of(workspace_ids)]}


@router.get("/{tag_id}")
def read_tag(tag_id: str, store: StoreOf) -> dict[str, Any]:
    return shown(get_tag(store, tag_id))


@router.patch("/{tag_id}")
def update_tag(tag_id: str, body: TagPatch, store: StoreOf) -> dict[str, Any]:
    get_tag(store, tag_id)
    try:
        return shown(store.tags.update(tag_id, body.name, body.color))
    except TakenError:
        raise taken(body.name) from None


@router.delete("/{tag_id}", status_code=204)
def delete_tag(tag_id: str, store: StoreOf) -> Response:
    """Its connections lose it."""
    get_tag(store, tag_id)
    store.tags.delete(tag_id)
    return Response(status_code=204)
