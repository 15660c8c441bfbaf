"""What the routers share: the server's parts, the token check, pages."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator

from airbyte_local.api.bodies import LARGEST
from airbyte_local.api.problems import Problem
from airbyte_local.jobs.runner import JobRunner
from airbyte_local.jobs.scheduler import Scheduler
from airbyte_local.store import Store
from airbyte_local.vault import Tokens
from foundation.limits.brake import Brake

bearer = HTTPBearer(auto_error=False, description="from POST /applications/token")


def get_store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def get_runner(request: Request) -> JobRunner:
    runner: JobRunner = request.app.state.runner
    return runner


def get_scheduler(request: Request) -> Scheduler:
    scheduler: Scheduler = request.app.state.scheduler
    return scheduler


def get_tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.tokens
    return tokens


def require_token(
    tokens: Annotated[Tokens, Depends(get_tokens)],
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> None:
    """Without a valid token nothing answers. Raises 401."""
    if given is None:
        raise Problem(401, "no bearer token: ask for one at POST /applications/token")
    if not tokens.valid(given.credentials):
        raise Problem(401, "the token is not valid or has expired: ask for a new one")


def get_brake(request: Request) -> Brake:
    brake: Brake = request.app.state.brake
    return brake


def uuid_text(value: str) -> str:
    """An id that is looked for. Raises ValueError for what none can be: nothing would be found, without a word."""
    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError("is not a UUID") from None


StoreOf = Annotated[Store, Depends(get_store)]
RunnerOf = Annotated[JobRunner, Depends(get_runner)]
SchedulerOf = Annotated[Scheduler, Depends(get_scheduler)]
TokensOf = Annotated[Tokens, Depends(get_tokens)]
BrakeOf = Annotated[Brake, Depends(get_brake)]
Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=LARGEST - 100)]  # plus a page: still what SQLite holds
JobId = Annotated[int, Path(ge=0, le=LARGEST)]
UuidText = Annotated[str, AfterValidator(uuid_text)]
WorkspaceIds = Annotated[list[UuidText], Query(alias="workspaceIds")]
TagIds = Annotated[list[UuidText], Query(alias="tagIds")]
ConnectionId = Annotated[UuidText | None, Query(alias="connectionId")]
IncludeDeleted = Annotated[bool, Query(alias="includeDeleted")]


def page(request: Request, found: list[Any], limit: int, offset: int) -> dict[str, Any]:
    """A list answer with the addresses of its neighbours; `found` holds one row more than `limit` if there are more."""
    url = request.url
    answer: dict[str, Any] = {"data": found[:limit]}
    if len(found) > limit:
        answer["next"] = str(url.include_query_params(limit=limit, offset=offset + limit))
    if offset > 0:
        answer["previous"] = str(url.include_query_params(limit=limit, offset=max(0, offset - limit)))
    return answer
