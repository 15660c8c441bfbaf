"""Guesses of a password at Superset's two logins."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin, login_user

from foundation.limits.brake import FREE
from foundation.settings import ROOT


@pytest.fixture
def client(monkeypatch):
    """An application with the login page and the login of the API, as Superset has them, and the brake."""
    monkeypatch.syspath_prepend(ROOT / "infrastructure" / "superset")
    import login_brake

    app = Flask(__name__)
    app.secret_key = "of a test"  # pragma: allowlist secret
    manager = LoginManager(app)
    manager.user_loader(lambda key: None)
    login_brake.install(app)

    @app.post("/login/")
    def page():
        from flask import redirect, request

        if request.form["password"] == "right":  # pragma: allowlist secret
            user = UserMixin()
            user.id = request.form["username"]
            login_user(user)
        return redirect("/")

    @app.post("/api/v1/security/login")
    def api():
        from flask import request

        return {}, 200 if request.json["password"] == "right" else 401  # pragma: allowlist secret

    return app.test_client()


@pytest.mark.threat("guesses of a password")
@pytest.mark.parametrize(
    ("path", "form", "refused"), [("/login/", "data", 302), ("/api/v1/security/login", "json", 401)]
)
def test_a_guesser_at_superset_waits(client, path, form, refused):
    def ask(password, user="anna"):
        return client.post(path, **{form: {"username": user, "password": password}})

    assert [ask("wrong").status_code for _ in range(FREE)] == [refused] * FREE
    answer = ask("right")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert ask("right", "bert").status_code == (302 if form == "data" else 200)


def test_a_right_password_makes_wrong_ones_forgotten(client):
    for _ in range(3):
        for password in ["wrong"] * (FREE - 1) + ["right"]:
            answer = client.post("/login/", data={"username": "anna", "password": password})
            assert answer.status_code == 302
