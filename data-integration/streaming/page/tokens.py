"""What gives a viewer a guest token of Superset's: for one board, with the rows of his territory, for five minutes.

POST /token     HTTP Basic with his name and password → {"token": …, "dashboard": …}
GET  /health    for `elt status`
"""

from __future__ import annotations

import hmac
import math
import secrets
import time

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from foundation.limits.basic import basic
from foundation.limits.brake import Brake, unguessable
from foundation.settings import Settings
from streaming.page.embedded import AUDIENCE, UUID
from streaming.page.viewers import Viewer, viewers

SECONDS = 300


class Tokens:
    """Handlers over the viewers of the settings."""

    def __init__(self, config: Settings) -> None:
        self._viewers = viewers(config)
        self._secret = config.superset_guest_secret.get_secret_value()
        self._brake = Brake("page")
        self.app = Starlette(
            routes=[
                Route("/token", self.token, methods=["POST"]),
                Route("/health", self.health, methods=["GET"]),
            ]
        )

    async def health(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def token(self, request: Request) -> Response:
        """A token for who has the password."""
        name, password = basic(request.headers.get("authorization", ""))
        address = request.client.host if request.client else ""
        viewer = self._viewer(name, password)
        wait = self._brake.wait(address, name)
        if wait and not (viewer and unguessable(viewer.password)):
            return PlainTextResponse(
                f"too many wrong passwords: try again in {math.ceil(wait)} s\n",
                429,
                {"Retry-After": str(math.ceil(wait))},
            )
        self._brake.tried(address, name, right=viewer is not None)
        if viewer is None:
            # no challenge of HTTP's: a browser would show a window of its own
            return PlainTextResponse("the viewer or the password is wrong\n", 403)
        answer = {"token": self.signed(viewer), "dashboard": UUID}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    def _viewer(self, name: str, password: str) -> Viewer | None:
        found = self._viewers.get(name)
        wanted = found.password if found else secrets.token_hex(16)
        return found if hmac.compare_digest(password.encode(), wanted.encode()) else None

    def signed(self, viewer: Viewer) -> str:
        """The token, as Superset's documentation of embedding has it."""
        now = int(time.time())
        claims = {
            "user": {"username": viewer.name, "first_name": viewer.name, "last_name": ""},
            "resources": [{"type": "dashboard", "id": UUID}],
            "rls_rules": viewer.rules,
            "iat": now,
            "exp": now + SECONDS,
            "aud": AUDIENCE,
            "type": "guest",
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")
