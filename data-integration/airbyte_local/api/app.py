"""The application: routers under both base paths, problems, tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline

from airbyte_local.api import absent, connections, jobs, problems, streams, tags, workspaces
from airbyte_local.api.actors import actor_router
from airbyte_local.api.bodies import StrictJson
from airbyte_local.api.common import require_token
from airbyte_local.api.definitions import declarative, definition_router
from airbyte_local.api.token import health, token
from airbyte_local.enums import ActorKind
from airbyte_local.jobs.runner import JobRunner
from airbyte_local.jobs.scheduler import Scheduler
from airbyte_local.sources.connector.process import end_all
from airbyte_local.store import Store
from airbyte_local.vault import Tokens
from foundation.limits.brake import Brake
from foundation.limits.requests import Limited, Scope, bearer

BODY_BYTES = 16 << 20  # a connection of some thousand tables with their columns
BASE_PATHS = ("/api/public/v1", "/v1")  # self-managed Airbyte's, and Airbyte Cloud's


def create_app(store: Store, runner: JobRunner, tokens: Tokens) -> FastAPI:
    """The server's application. While it lives, scheduled jobs start; its end ends every job."""
    scheduler = Scheduler(store, runner.launch)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        scheduler.start()
        runner.prepare()
        yield
        scheduler.stop()
        end_all()  # a discovery that runs would keep the server
        runner.stop()

    # the pages of /docs with their scripts and styles: nothing is fetched from elsewhere
    app = FastAPIOffline(
        title="airbyte_local",
        description="Airbyte's public API, served locally.",
        lifespan=life,
        redoc_url=None,
    )
    app.state.brake = Brake("airbyte")
    app.state.store, app.state.runner, app.state.tokens = store, runner, tokens
    app.state.scheduler = scheduler
    problems.install(app)
    routers = (
        absent.router,
        workspaces.router,
        declarative,
        *(definition_router(kind) for kind in ActorKind),
        tags.router,
        actor_router(ActorKind.SOURCE),
        actor_router(ActorKind.DESTINATION),
        connections.router,
        streams.router,
        jobs.router,
    )
    for base in ("", *BASE_PATHS):
        described = base == BASE_PATHS[0]
        app.include_router(health, prefix=base, include_in_schema=described)
        app.include_router(token, prefix=base, include_in_schema=described)
    for base in BASE_PATHS:
        for router in routers:
            app.include_router(
                router,
                prefix=base,
                dependencies=[Depends(require_token)],
                include_in_schema=base == BASE_PATHS[0],
            )
    return app


def limited(app: FastAPI, instance: str = "") -> Limited:
    """The application within the limits of a request; a client with a token may send a large body."""
    tokens: Tokens = app.state.tokens

    def admitted(scope: Scope) -> bool:
        return tokens.valid(bearer(scope))

    return Limited(StrictJson(app), body=BODY_BYTES, admitted=admitted, refusal=_problem, instance=instance)


def _problem(status: int, reason: str) -> tuple[bytes, str]:
    return bytes(problems.answer(status, reason, {}).body), problems.MEDIA_TYPE
