"""Parts of Airbyte's API that this server lacks: users and OAuth. It answers a client with 403."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from airbyte_local.api.problems import Problem

NO_USERS = "this server has one client and no users, organizations or permissions"
NO_OAUTH = "no connector of this server logs in with OAuth"

ABSENT = {
    "/organizations": (["GET"], NO_USERS),
    "/organizations/{organization_id}/oauthCredentials": (["PUT"], NO_OAUTH),
    "/organizations/{organization_id}/oauthCredentials/{actor_type}/{name}": (["DELETE"], NO_OAUTH),
    "/users": (["GET"], NO_USERS),
    "/permissions": (["GET", "POST"], NO_USERS),
    "/permissions/{permission_id}": (["GET", "PATCH", "DELETE"], NO_USERS),
    "/sources/initiateOAuth": (["POST"], NO_OAUTH),
    "/workspaces/{workspace_id}/oauthCredentials": (["PUT"], NO_OAUTH),
    "/workspaces/{workspace_id}/oauthCredentials/{actor_type}/{name}": (["DELETE"], NO_OAUTH),
}

router = APIRouter(include_in_schema=False)


def _refusal(reason: str) -> Callable[[], None]:
    def refuse() -> None:
        raise Problem(403, reason)

    return refuse


for _path, (_methods, _reason) in ABSENT.items():
    router.add_api_route(_path, _refusal(_reason), methods=_methods)
