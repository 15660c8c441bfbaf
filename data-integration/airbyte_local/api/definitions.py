"""Connector definitions of a workspace: those built in and the connectors' folders, the same in every workspace. None can be
added through the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from airbyte_local.api.common import StoreOf
from airbyte_local.api.configurations import Definition, definitions
from airbyte_local.api.problems import Problem, not_found
from airbyte_local.api.workspaces import get_workspace
from airbyte_local.enums import ActorKind

FIXED = (
    "this server runs no images: its connectors are built in or folders, and cannot be added or changed here"
)


def existing_workspace(workspace_id: str, store: StoreOf) -> str:
    """Raises 404."""
    return get_workspace(store, workspace_id).id


WorkspaceOf = Annotated[str, Depends(existing_workspace)]


def shown(definition: Definition) -> dict[str, Any]:
    connector = definition.connector
    specification = {"connectionSpecification": connector.specification} if connector else {}
    return specification | {
        "id": definition.id,
        "name": definition.name,
        "dockerRepository": f"airbyte/{definition.kind}-{definition.type}",
        "dockerImageTag": connector.version if connector else "built-in",
        "documentationUrl": (connector and connector.documentation)
        or f"https://docs.airbyte.com/integrations/{definition.kind}s/{definition.type}",
    }


def definition_router(kind: ActorKind) -> APIRouter:
    """The routes of `/workspaces/{workspaceId}/definitions/sources` or `…/destinations`."""
    router = APIRouter(prefix=f"/workspaces/{{workspace_id}}/definitions/{kind}s", tags=["definitions"])

    def known() -> dict[str, Definition]:
        return {one.id: one for one in definitions(kind)}

    def found(definition_id: str) -> Definition:
        there = known()
        if definition_id not in there:
            raise not_found(f"{kind} definition", definition_id)
        return there[definition_id]

    @router.get("", name=f"list {kind} definitions")
    def list_(_: WorkspaceOf) -> dict[str, Any]:
        return {"data": [shown(one) for one in known().values()]}

    @router.get("/{definition_id}", name=f"get {kind} definition")
    def read(_: WorkspaceOf, definition_id: str) -> dict[str, Any]:
        return shown(found(definition_id))

    @router.post("", name=f"create {kind} definition")
    def create(_: WorkspaceOf) -> dict[str, Any]:
        raise Problem(403, FIXED)

    @router.put("/{definition_id}", name=f"update {kind} definition")
    @router.delete("/{definition_id}", name=f"delete {kind} definition")
    def change(_: WorkspaceOf, definition_id: str) -> dict[str, Any]:
        found(definition_id)
        raise Problem(403, FIXED)

    return router


declarative = APIRouter(
    prefix="/workspaces/{workspace_id}/definitions/declarative_sources", tags=["definitions"]
)


@declarative.get("")
def list_declarative_sources(_: WorkspaceOf) -> dict[str, Any]:
    """There are none, and none can be made."""
    return {"data": []}


@declarative.post("")
def create_declarative_source(_: WorkspaceOf) -> dict[str, Any]:
    raise Problem(403, FIXED)


@declarative.get("/{definition_id}", name="get declarative source")
@declarative.put("/{definition_id}", name="update declarative source")
@declarative.delete("/{definition_id}", name="delete declarative source")
def declarative_source(_: WorkspaceOf, definition_id: str) -> dict[str, Any]:
    raise not_found("declarative source definition", definition_id)
