"""The plugin in front of Airflow's API server: guesses of passwords wait, pages load and show nothing of elsewhere."""

from __future__ import annotations

import importlib.util

import jwt
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from foundation.limits.brake import FREE
from foundation.limits.requests import STRANGERS_BODY
from foundation.settings import ROOT, load_settings

SECRET = "a secret of the API server's tests, as long as one that a machine makes for itself"  # pragma: allowlist secret


@pytest.fixture
def client(monkeypatch):
    """An API server of two routes, with the plugin as Airflow would load it."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", SECRET)
    spec = importlib.util.spec_from_file_location("guard", ROOT / "data-orchestration/plugins/guard.py")
    guard = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(guard)

    async def token(request):
        body = await request.json()
        return JSONResponse({}, 201 if body["password"] == "right" else 401)  # pragma: allowlist secret

    async def form(request):
        """As Airflow's: 302 for right and wrong ones."""
        right = b"password=right" in await request.body()
        answer = RedirectResponse("/" if right else "/auth/login/", 302)
        if right:
            answer.set_cookie("_token", "eyJhbGciOi")
        return answer

    async def page(request):
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(
        routes=[
            Route("/auth/token", token, methods=["POST"]),
            Route("/auth/login/", form, methods=["POST"]),
            Route("/{rest:path}", page, methods=["GET", "POST", "PATCH", "PUT", "DELETE"]),
        ]
    )
    [middleware] = guard.GuardPlugin.fastapi_root_middlewares
    app.add_middleware(middleware["middleware"])
    asking = TestClient(app)
    asking.guard = guard
    return asking


def ask(client, password, user="anna"):
    return client.post("/auth/token", json={"username": user, "password": password})


@pytest.mark.threat("guesses of a password")
def test_a_guesser_waits_and_others_do_not(client):
    assert [ask(client, "wrong").status_code for _ in range(FREE)] == [401] * FREE
    refused = ask(client, "right")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "too many wrong passwords" in refused.json()["detail"]
    assert ask(client, "right", "bert").status_code == 201


@pytest.mark.threat("guesses of a password")
def test_a_guesser_at_the_form_waits_too(client):
    def log_in(password, user="anna"):
        return client.post(
            "/auth/login/", data={"username": user, "password": password}, follow_redirects=False
        ).status_code

    assert [log_in("wrong") for _ in range(FREE - 1)] == [302] * (FREE - 1)
    assert [log_in("right"), *(log_in("wrong") for _ in range(FREE))] == [302] * (FREE + 1)
    assert log_in("right") == 429 and ask(client, "right").status_code == 429
    assert log_in("right", "bert") == 302


@pytest.mark.threat("guesses of a password")
def test_a_guesser_with_two_names_is_known_by_the_one_that_counts(client):
    for name in range(FREE + 1):
        answer = client.post(
            "/auth/login/",
            data={"username": ["anna", f"nobody {name}"], "password": "wrong"},  # pragma: allowlist secret
            follow_redirects=False,
        )
    assert answer.status_code == 429


@pytest.mark.threat("guesses of a password")
def test_who_guesses_keeps_our_own_programs_not_out(client, monkeypatch):
    """A run records itself, and `elt run` triggers one, with a password that nobody guesses."""
    login = {"AIRFLOW_ADMIN_USER": "admin", "AIRFLOW_ADMIN_PASSWORD": "a" * 20}
    monkeypatch.setattr(client.guard, "settings", lambda: load_settings(login))
    for _ in range(FREE + 1):
        assert ask(client, "wrong", "admin").status_code in (401, 429)
    assert ask(client, "right", "admin").status_code == 429  # a person's
    half = rb'{"username": "admin", "password": "\ud800"}'
    assert client.post("/auth/token", content=half).status_code == 429
    assert ask(client, "a" * 20, "admin").status_code == 401  # heard: this server knows another password
    monkeypatch.setattr(
        client.guard, "settings", lambda: load_settings(login | {"AIRFLOW_ADMIN_PASSWORD": "short"})
    )
    assert ask(client, "short", "admin").status_code == 429


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_stranger_sends_little_and_a_task_as_much_as_it_has_found(client):
    large = b"x" * (STRANGERS_BODY + 1)
    token = jwt.encode({"sub": "a task", "aud": "urn:task"}, SECRET, "HS512")
    forged = jwt.encode({"sub": "a task"}, f"{SECRET}?", "HS512")
    unsigned = jwt.encode({"sub": "a task"}, None, "none")
    for path in ("/auth/token", "/auth/login/", "/api/v2/dags/x/dagRuns", "/execution/xcoms", "/"):
        for headers in ({}, {"authorization": f"Bearer {forged}"}, {"authorization": f"Bearer {unsigned}"}):
            assert client.post(path, content=large, headers=headers).status_code == 413, path
    for headers in ({"authorization": f"Bearer {token}"}, {"cookie": f"a=b; _token={token}"}):
        assert client.post("/execution/xcoms", content=large, headers=headers).text == str(len(large))


@pytest.mark.threat("a page that loads or is shown elsewhere")
def test_pages_load_nothing_from_elsewhere_and_open_in_no_frame(client):
    for path in ("/", "/cosmos/dbt_docs", "/auth/login/"):
        headers = client.get(path).headers
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'self'"
        assert not any("http" in sources or "*" in sources for sources in policy.values())
        assert ("'unsafe-eval'" in policy["script-src"]) == path.startswith("/cosmos")
        assert headers["x-frame-options"] == "SAMEORIGIN" and headers["x-content-type-options"] == "nosniff"


class Users:
    """Airflow's roles as far as the plugin asks: a token is its user's name."""

    async def get_user_from_token(self, token):
        if token not in ("operator", "admin"):
            raise jwt.InvalidTokenError
        return token

    def is_authorized_dag(self, *, method, access_entity, user):
        return (method, access_entity.value, user) == ("DELETE", "RUN", "admin")


@pytest.mark.threat("a user who does more than the role says")
def test_who_triggers_and_clears_does_not_mark_pause_or_backfill(client, monkeypatch):
    monkeypatch.setattr(client.guard, "get_auth_manager", Users)
    run = "/api/v2/dags/a/dagRuns/b"
    changes = [
        ("PATCH", "/api/v2/dags/a"),
        ("PATCH", "/api/v2/dags"),
        ("PATCH", run),
        ("PATCH", "/api/v2/dags/a/dagRuns"),
        ("PATCH", f"{run}/taskInstances/c"),
        ("PATCH", f"{run}/taskInstances"),
        ("PATCH", f"{run}/taskGroupInstances/c"),
        ("PUT", f"{run}/taskInstances/c/state-store/d"),
        ("DELETE", "/api/v2/dags/a/assets/queuedEvents"),
        ("POST", "/api/v2/backfills"),
        ("PUT", "/api/v2/backfills/1/cancel"),
    ]

    def answers(user, asked):
        login = {"Authorization": f"Bearer {user}"} if user else {}
        return {client.request(method, path, headers=login).status_code for method, path in asked}

    assert answers("operator", changes) == {403}
    assert answers("admin", changes) == {200}
    assert answers("", changes) == answers("nobody", changes) == {401}
    triggers = [
        ("POST", "/api/v2/dags/a/dagRuns"),
        ("POST", "/api/v2/dags/a/clearTaskInstances"),
        ("POST", f"{run}/clear"),
        ("POST", "/api/v2/backfills/dry_run"),
        ("GET", run),
    ]
    assert answers("operator", triggers) == {200}
    client.cookies.set("_token", "operator")  # a browser's
    assert answers("", changes) == {403}
