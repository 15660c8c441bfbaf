"""The exporter's two pages: `/metrics`, for who has the password (HTTP Basic), and `/health`."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from foundation.limits.basic import basic
from foundation.limits.brake import Brake, unguessable
from foundation.limits.requests import Scope

REALM = {"WWW-Authenticate": 'Basic realm="exporter"'}


class Api:
    """`text`: makes the page of metrics."""

    def __init__(self, text: Callable[[], bytes], user: str, password: str) -> None:
        self._text, self._user, self._password = text, user, password
        self._brake = Brake("exporter")
        self.app = Starlette(
            routes=[
                Route("/metrics", self.metrics, methods=["GET"]),
                Route("/health", self.health, methods=["GET"]),
            ]
        )

    def knows(self, scope: Scope) -> bool:
        """Whether a request's header has the user and the password (compared in constant time)."""
        return self._right(*basic(dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")))

    def _right(self, user: str, password: str) -> bool:
        same_user = hmac.compare_digest(user.encode(), self._user.encode())
        return hmac.compare_digest(password.encode(), self._password.encode()) and same_user

    async def metrics(self, request: Request) -> Response:
        """Prometheus's text; a part that does not answer is a figure there."""
        user, password = basic(request.headers.get("authorization", ""))
        address = request.client.host if request.client else ""
        right = self._right(user, password)
        if (wait := self._brake.wait(address, user)) and not (right and unguessable(self._password)):
            return PlainTextResponse("too many wrong passwords\n", 429, {"Retry-After": str(math.ceil(wait))})
        if user or password:
            self._brake.tried(address, user, right=right)
        if not right:
            return PlainTextResponse("user and password, please\n", 401, REALM)
        return Response(await run_in_threadpool(self._text), media_type=CONTENT_TYPE_LATEST)

    async def health(self, request: Request) -> Response:
        """Whether it serves at all."""
        return JSONResponse({"status": "ok"})
