"""Who is not logged in sends Superset little: a login, and no more.

It runs in Superset's own environment; of ours it imports only modules that need nothing but the standard library.
"""

import contextlib

from flask import Flask, jsonify, request
from flask_jwt_extended import decode_token
from flask_login import current_user

from foundation.limits.requests import STRANGERS_BODY

BODY = 32 << 20  # bytes, of a user's request: a bundle of dashboards


def install(app: Flask) -> None:
    """Limit the bodies of an application's requests, before anything reads them."""

    def small():
        length = request.content_length or 0
        if length <= STRANGERS_BODY and "Transfer-Encoding" not in request.headers:
            return None  # for anybody: nobody is asked for, since a look at the session renews it
        request.max_content_length = BODY if _is_known() else STRANGERS_BODY
        if length > request.max_content_length:
            return jsonify(message=f"the body has more than {request.max_content_length} bytes"), 413
        return None

    # before Superset's look for a CSRF token, which would read a whole form, files and all
    app.before_request_funcs.setdefault(None, []).insert(0, small)


def _is_known() -> bool:
    """By the session of a browser, or by the signature of the API's token. (`verify_jwt_in_request` would remember the user, and the
    request's own look for it, after Superset has set its user, would not set it again.)
    """
    if current_user.is_authenticated:
        return True
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    with contextlib.suppress(Exception):  # many kinds, from two libraries: all mean that it is not ours
        return scheme.lower() == "bearer" and bool(decode_token(token))
    return False
