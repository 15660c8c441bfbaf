"""The plugin in front of Airflow's API server: guesses of passwords wait, pages load and show nothing of elsewhere."""

from __future__ import annotations

import importlib.util

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from foundation.limits.brake import FREE
from foundation.limits.requests import STRANGERS_BODY
from foundation.settings import ROOT


@pytest.fixture
def client():
    """An API server of two routes, with the plugin as Airflow would load it."""
    spec = importlib.util.spec_from_file_location("guard", ROOT / "data-orchestration/plugins/guard.py")
    guard = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(guard)

    async def token(request):
        body = await request.json()
        return JSONResponse({}, 201 if body["password"] == "right" else 401)  # pragma: allowlist secret

    async def page(request):
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(
        routes=[
            Route("/auth/token", token, methods=["POST"]),
            Route("/{rest:path}", page, methods=["GET", "POST"]),
        ]
    )
    [middleware] = guard.GuardPlugin.fastapi_root_middlewares
    app.add_middleware(middleware["middleware"])
    return TestClient(app)


def ask(client, password, user="anna"):
    return client.post("/auth/token", json={"username": user, "password": password})


@pytest.mark.threat("guesses of a password")
def test_a_guesser_waits_and_others_do_not(client):
    assert [ask(client, "wrong").status_code for _ in range(FREE)] == [401] * FREE
    refused = ask(client, "right")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "too many wrong passwords" in refused.json()["detail"]
    assert ask(client, "right", "bert").status_code == 201


def test_a_login_is_small_and_other_requests_are_airflows_own(client):
    assert client.post("/auth/token", content=b"x" * (STRANGERS_BODY + 1)).status_code == 413
    assert client.post("/execution/xcoms", content=b"x" * (STRANGERS_BODY + 1)).text == str(
        STRANGERS_BODY + 1
    )


@pytest.mark.threat("a page that loads or is shown elsewhere")
def test_pages_load_nothing_from_elsewhere_and_open_in_no_frame(client):
    for path in ("/", "/cosmos/dbt_docs", "/auth/login/"):
        headers = client.get(path).headers
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'self'"
        assert not any("http" in sources or "*" in sources for sources in policy.values())
        assert ("'unsafe-eval'" in policy["script-src"]) == path.startswith("/cosmos")
        assert headers["x-frame-options"] == "SAMEORIGIN" and headers["x-content-type-options"] == "nosniff"
