"""A visitor who is not logged in gets a session from the login page alone.

The session is the cookie: the answer that arrives last decides. The login page reports its own loading a second later
(`/superset/log/`), and Superset answers a visitor with a session that says where they wanted to go. Who had logged in
meanwhile was a visitor again.
"""

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin

PAGES = ("/login/", "/logout/")


class Sessions(SecureCookieSessionInterface):
    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set the cookie for who is logged in, and on the pages where that changes."""
        if "_user_id" in session or request.path in PAGES:
            super().save_session(app, session, response)
