"""Airflow's pages and its logins, within our limits: an API server that has this plugin takes no large body from a stranger, slows down
who guesses passwords, lets an operator trigger and clear and do no more, tells browsers to load nothing from elsewhere and to show its
pages in no other site's frame, and names its instance.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import math
import os
import re
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import jwt
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from foundation.limits.brake import Brake, unguessable
from foundation.limits.instance import INSTANCE
from foundation.limits.requests import Limited, Message, Scope, bearer
from foundation.settings import settings

FORM = "/auth/login/"
LOGINS = ("/auth/token", "/auth/token/cli", FORM)
COOKIE = "_token"  # of a browser that is logged in
KNOWN_BODY = 32 << 20  # bytes: tasks hand over what they have found
AT_ONCE = 256  # requests: a page of a run that goes on waits for more
POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline'",  # Airflow's page begins with a script of its own
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
# what else changes something: POST triggers and clears
CHANGES = re.compile(r"(PATCH|PUT|DELETE) .*/api/v2/.*|POST .*/api/v2/backfills")
DOCS = "/cosmos"  # dbt's page compiles its templates in the browser


def policy(path: str) -> str:
    """The content policy of a page."""
    rules = POLICY | (
        {"script-src": f"{POLICY['script-src']} 'unsafe-eval'"} if path.startswith(DOCS) else {}
    )
    return "; ".join(f"{name} {value}" for name, value in rules.items())


class Guard:
    """ASGI middleware around all of the API server."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._brake = Brake("airflow")
        self._login = Limited(self._tried)
        self._other = Limited(Changes(app), body=KNOWN_BODY, admitted=_signed(), at_once=AT_ONCE)

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", ()), *_headers(scope["path"])]}
            await send(message)

        login = scope["method"] == "POST" and scope["path"] in LOGINS
        await (self._login if login else self._other)(scope, receive, with_headers)

    async def _tried(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """A login with name and password, which Limited has read whole."""
        message = await receive()
        user, password = _given(message.get("body", b""))
        who = ((scope.get("client") or ("",))[0], user)
        if (wait := self._brake.wait(*who)) and not _is_a_program(user, password):
            detail = {"detail": f"too many wrong passwords: try again in {math.ceil(wait)} s"}
            headers = [
                (b"content-type", b"application/json"),
                (b"retry-after", str(math.ceil(wait)).encode()),
            ]
            await send({"type": "http.response.start", "status": 429, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(detail).encode()})
            return

        async def first() -> Message:
            nonlocal message
            given, message = message, None
            return given or await receive()

        async def judged(answer: Message) -> None:
            if answer["type"] == "http.response.start" and answer["status"] in (201, 302, 400, 401, 403):
                self._brake.tried(*who, right=answer["status"] == 201 or _cookie_is_set(answer))
            await send(answer)

        await self._app(scope, first, judged)


class Changes:
    """ASGI middleware: who may trigger and clear may not mark, pause or backfill for that.

    Airflow asks for one and the same right where a task is cleared and where it is marked a success, where a run is triggered and where its
    DAG is paused. Here these need the right to delete runs as well, which Airflow's own roles from User upwards have, and an operator has not.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        answer: Callable[..., Any] = self._app
        if scope["type"] == "http" and CHANGES.fullmatch(f"{scope['method']} {scope['path']}"):
            answer = await self._refusal(scope) or answer
        await answer(scope, receive, send)

    async def _refusal(self, scope: Scope) -> JSONResponse | None:
        token = bearer(scope) or Request(scope).cookies.get(COOKIE, "")
        manager = get_auth_manager()
        try:
            user = await manager.get_user_from_token(token)
        except jwt.PyJWTError:
            return JSONResponse({"detail": "Not authenticated"}, 401)
        may = await run_in_threadpool(
            manager.is_authorized_dag, method="DELETE", access_entity=DagAccessEntity.RUN, user=user
        )
        return None if may else JSONResponse({"detail": "Forbidden"}, 403)


def _given(body: bytes) -> tuple[str, str]:
    """Whom a login is for and the password, as JSON or as a form says it."""
    try:
        given = json.loads(body)
        return str(given["username"]), str(given.get("password", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    with contextlib.suppress(ValueError):  # a form of very many fields; of two names the form takes the first
        form = parse_qs(body.decode(errors="replace"), max_num_fields=32)
        return form.get("username", [""])[0], form.get("password", [""])[0]
    return "", ""


def _is_a_program(user: str, password: str) -> bool:
    """Whether this is the login of our own programs, with a password that nobody guesses: they do not wait for others' wrong tries."""
    config = settings()
    right = config.airflow_admin_password.get_secret_value()
    same = hmac.compare_digest(password.encode(errors="replace"), right.encode())
    return same and user == config.airflow_admin_user and unguessable(right)


def _cookie_is_set(answer: Message) -> bool:
    """Whether a browser is logged in by this answer; the form answers right and wrong passwords with 302."""
    return any(
        name.lower() == b"set-cookie" and value.startswith(f"{COOKIE}=ey".encode())
        for name, value in answer.get("headers", ())
    )


def _signed() -> Callable[[Scope], bool]:
    """Whether a request has a token that Airflow has signed, of a user or a task. What it may, Airflow says; this is about size only."""
    secret = conf.get("api_auth", "jwt_secret", fallback="")

    def known(scope: Scope) -> bool:
        cookies = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookies.load(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
        for token in (bearer(scope), cookies[COOKIE].value if COOKIE in cookies else ""):
            with contextlib.suppress(jwt.PyJWTError):
                if secret and jwt.decode(token, secret, algorithms=["HS512"], options={"verify_aud": False}):
                    return True
        return False

    return known


def _headers(path: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", policy(path).encode()),
        (b"x-frame-options", b"SAMEORIGIN"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (INSTANCE.encode(), os.environ.get("ELT_INSTANCE", "").encode()),
    ]


class GuardPlugin(AirflowPlugin):
    """What Airflow finds here."""

    name = "guard"
    fastapi_root_middlewares = [{"name": "guard", "middleware": Guard}]  # noqa: RUF012 - Airflow's way
