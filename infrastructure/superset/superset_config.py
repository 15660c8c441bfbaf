"""Superset's configuration on one machine. Values that differ from stack to stack come through the environment
(`stack.superset.environment`); it runs in Superset's own environment, so nothing of ours is imported here.
"""

import json
import os
import threading
from pathlib import Path

import bounded_requests
import guests
import login_brake
import narrow
import results_cache
import statement_timeout
import strangers
from flask import redirect, request
from flask_login import current_user
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import StaticPool
from superset.key_value.types import JsonKeyValueCodec
from superset.stats_logger import DummyStatsLogger
from superset.utils.log import AbstractEventLogger

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_DATABASE_URI"]
STATS_LOGGER = DummyStatsLogger()


class NoEventLogger(AbstractEventLogger):
    """Keeps no record of views: it would be five rows in the metadata database for each chart."""

    def log(self, *args, **kwargs):
        """Nothing."""

    def log_with_context(self, *args, **kwargs):
        """Nothing, and nothing is gathered for it."""


EVENT_LOGGER = NoEventLogger()


HOME = "/superset/dashboard/sales-overview/"


def FLASK_APP_MUTATOR(app):
    """Every answer names the instance, so that a health check knows its own; and a user who is logged in finds the sales overview
    in the place of Superset's own home (a user's `welcome_dashboard_id` would change no more than that page's title).
    """

    strangers.install(app)
    login_brake.install(app)
    guests.install(app)
    bounded_requests.install(app)
    bounded_requests.install_filling()
    narrow.install(app)

    @app.before_request
    def report():
        """Drops a page's report of its loading. Superset answers the login page's report with a redirect to that page and
        a new session; where this came after the login's answer, the login was lost.
        """
        return ("", 200) if request.path == "/superset/log/" else None

    @app.before_request
    def home():
        at_home = request.path in ("/", "/superset/welcome/")
        return redirect(HOME) if at_home and current_user.is_authenticated else None

    @app.after_request
    def named(response):
        response.headers["elt-instance"] = os.environ.get("ELT_INSTANCE", "")
        return response


# A login for everything: an anonymous visitor has no rights at all. The analyst's role is made by prepare.py.
AUTH_ROLE_PUBLIC = "Public"
PUBLIC_ROLE_LIKE = None
RATELIMIT_ENABLED = True  # of logins: five a second
RATELIMIT_STORAGE_URI = "memory://"
RATELIMIT_APPLICATION = "1000 per second"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
FAB_API_SWAGGER_UI = False

# A browser loads nothing from elsewhere and tells nobody anything: no fonts, tiles, avatars or telemetry pixels.
CONTENT_SECURITY_POLICY_WARNING = False
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'"],
        "object-src": "'none'",
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,  # it listens on 127.0.0.1 only
    "session_cookie_secure": False,
}
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []

# A dashboard shows what was published last: results of charts are kept for the version that they came from.
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
DATA_CACHE_CONFIG = results_cache.configured(
    os.environ["SUPERSET_SHOWN_FILES"], os.environ["SUPERSET_RESULTS"]
)
_IN_METADATA = {
    "CACHE_TYPE": "SupersetMetastoreCache",
    "CACHE_DEFAULT_TIMEOUT": 7 * 24 * 3600,
    "REFRESH_TIMEOUT_ON_RETRIEVAL": True,
    "CODEC": JsonKeyValueCodec(),  # its name instead would fail at each write
}
FILTER_STATE_CACHE_CONFIG = {**_IN_METADATA, "CACHE_KEY_PREFIX": "filters"}
EXPLORE_FORM_DATA_CACHE_CONFIG = {**_IN_METADATA, "CACHE_KEY_PREFIX": "explore"}

# The streaming lane's page embeds one board for guests (prepare.py); without the lane nothing can be embedded.
_EMBEDDED = json.loads(os.environ["SUPERSET_EMBEDDED"] or "{}")
GUEST_ROLE_NAME = "Guest"
GUEST_TOKEN_JWT_SECRET = os.environ["SUPERSET_GUEST_SECRET"]
GUEST_TOKEN_JWT_AUDIENCE = _EMBEDDED.get("audience", "nobody")

APP_NAME = "AdventureWorks"
FEATURE_FLAGS = {
    "DASHBOARD_VIRTUALIZATION": False,  # charts below the fold load at once: they are there when one scrolls
    "EMBEDDED_SUPERSET": bool(_EMBEDDED),
    "DRILL_BY": True,
    "DRILL_TO_DETAIL": True,
    "ENABLE_TEMPLATE_PROCESSING": False,
    "ALERT_REPORTS": False,  # they need Celery and a browser as well: see infrastructure/preset/README.md
}
SQL_MAX_ROW = 100_000
statement_timeout.install()
ADDITIONAL_MIDDLEWARE = [bounded_requests.InTime]
SUPERSET_WEBSERVER_TIMEOUT = 60
# the assets name a DuckDB file; Superset would else refuse every database that is a file
PREVENT_UNSAFE_DB_CONNECTIONS = True
LOG_LEVEL = "WARNING"

# Superset opens a database three times for each chart. While somebody in this process holds a file open, DuckDB opens it again
# at no cost: so the version that was asked for last is held, under its own name and not that of the link to it. A version
# never changes; the next one has another name.
_held: dict[str, Connection] = {}
_lock = threading.Lock()


def DB_CONNECTION_MUTATOR(uri, params, username, security_manager, source):
    """The version that is published now."""
    if uri.drivername != "duckdb" or not Path(uri.database).parent.is_symlink():
        return uri, params
    uri = uri.set(database=str(Path(uri.database).resolve()))
    with _lock:
        if uri.database not in _held:
            engine = create_engine(uri, connect_args=params.get("connect_args", {}), poolclass=StaticPool)
            opened = engine.connect()
            for outdated in list(_held):  # a query that still reads it has a connection of its own
                _held.pop(outdated).close()
            _held[uri.database] = opened
    return uri, params
