"""A client that guesses passwords of Superset has to wait, at the login page and at the API alike.

It runs in Superset's own environment; of ours it imports only modules that need nothing but the standard library.
"""

import math

from flask import Flask, Response, g, jsonify, request
from flask_login import current_user

from foundation.limits.brake import Brake

LOGINS = ("/login/", "/api/v1/security/login")


def install(app: Flask) -> None:
    """Watch the logins of an application."""
    brake = Brake("superset")

    @app.before_request
    def wait():
        if request.method != "POST" or request.path not in LOGINS:
            return None
        given = request.get_json(silent=True) if request.is_json else request.form
        user = str(given.get("username", "")) if hasattr(given, "get") else ""
        who = (request.remote_addr or "", user)
        if seconds := math.ceil(brake.wait(*who)):
            answer = jsonify(message=f"too many wrong passwords: try again in {seconds} s")
            answer.headers["Retry-After"] = str(seconds)
            return answer, 429
        g.tries_as = who
        return None

    @app.after_request
    def tried(response: Response) -> Response:
        if who := g.pop("tries_as", None):
            at_api = request.path != LOGINS[0]
            brake.tried(*who, right=response.status_code == 200 if at_api else current_user.is_authenticated)
        return response
