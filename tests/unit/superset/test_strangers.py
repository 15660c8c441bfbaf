"""What somebody without a login may send to Superset, and how long it may take."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from flask import Flask, g, request
from flask_jwt_extended import JWTManager, create_access_token, verify_jwt_in_request
from flask_login import LoginManager, UserMixin, current_user, login_user

from foundation.limits.requests import STRANGERS_BODY
from foundation.settings import ROOT
from tests.fixtures.waiting import wait_until

FOLDER = ROOT / "infrastructure" / "superset"


@pytest.fixture
def app(monkeypatch):
    """An application with both kinds of login, as Superset has them."""
    monkeypatch.syspath_prepend(FOLDER)
    import strangers

    app = Flask(__name__)
    app.secret_key = "of a test, as long as one that a machine makes"  # pragma: allowlist secret
    manager = JWTManager(app)
    user = UserMixin()
    user.id = "anna"
    LoginManager(app).user_loader(lambda key: user)

    @manager.user_lookup_loader
    def of_token(header, content):
        g.user = content["sub"]
        return g.user

    @app.before_request
    def csrf():
        """Superset's comes first, and reads forms; then it sets the user of a session."""
        request.form.get("csrf_token")
        g.user = current_user.get_id()

    strangers.install(app)

    @app.post("/log-in")
    def log_in():
        return str(login_user(user))

    @app.post("/api/v1/chart/data")
    def size():
        verify_jwt_in_request(optional=True)
        return f"{len(request.get_data())} {g.user}"

    return app


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_who_is_not_logged_in_sends_little(app):
    def send(client, body=b"x" * (STRANGERS_BODY + 1), **headers):
        answer = client.post("/api/v1/chart/data", data=body, headers=headers)
        return answer.status_code, answer.get_data(as_text=True)

    client = app.test_client()
    assert send(client, b"x" * STRANGERS_BODY) == (200, f"{STRANGERS_BODY} None")
    assert send(client)[0] == send(client, authorization="Bearer no.such.token")[0] == 413
    with app.app_context():
        token = create_access_token("anna")
    assert send(client, authorization=f"Bearer {token}") == (200, f"{STRANGERS_BODY + 1} anna")
    form = b"csrf_token=" + b"x" * STRANGERS_BODY
    assert send(client, form, content_type="application/x-www-form-urlencoded")[0] == 413
    client.post("/log-in")
    assert send(client) == (200, f"{STRANGERS_BODY + 1} anna")


@pytest.mark.threat("a request that is too large, too slow or one of too many")
def test_a_body_that_does_not_come_holds_no_thread_for_ever(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import receiving

    client, server = socket.socketpair()
    client.sendall(b"half")
    with client, server:
        started = time.monotonic()
        with receiving.in_time(server, 0.2):
            received = b"".join(iter(lambda: server.recv(100), b""))
        assert received == b"half" and time.monotonic() - started < 5
        server.sendall(b"an answer")
        assert client.recv(100) == b"an answer"
        before = threading.active_count()
        with receiving.in_time(server, 60):
            pass
        wait_until(lambda: threading.active_count() <= before, 10)
    configuration = (FOLDER / "gunicorn_config.py").read_text()
    assert "with receiving.in_time(conn.sock)" in configuration and "worker_class = Worker" in configuration
