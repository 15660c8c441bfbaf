#!/usr/bin/env bash
# apache-superset 6.1.0: the login page reports its loading (POST /superset/log/), without a login. Superset redirects that report to
# the login page, and both answers set the visitor's session. If the user logs in before they arrive, the browser keeps the answer
# that came last: the user, logged in a moment ago, is a visitor again.
#
# Output seen:
#   the login:                     302
#   who I am, logged in:           200
#   the report, sent before login: 302, sets a session: True
#   who I am, after its answer:    401
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-superset==6.1.0 'flask-caching<2.5' 'flask-limiter<4' cachetools
export SUPERSET_CONFIG_PATH="$folder/superset_config.py" SUPERSET_HOME="$folder" FLASK_APP=superset
cat >"$SUPERSET_CONFIG_PATH" <<CONFIG
SECRET_KEY = "$(head -c 24 /dev/urandom | base64)"
SQLALCHEMY_DATABASE_URI = "sqlite:///$folder/superset.db"
WTF_CSRF_ENABLED = False
RATELIMIT_ENABLED = False
TALISMAN_ENABLED = False
CONFIG
"$folder/venv/bin/superset" db upgrade >"$folder/log" 2>&1
"$folder/venv/bin/superset" init >>"$folder/log" 2>&1
"$folder/venv/bin/superset" fab create-admin --username ada --firstname Ada --lastname L --email ada@example.com --password secret >>"$folder/log" 2>&1
"$folder/venv/bin/python" - 2>>"$folder/log" <<'PYTHON' | grep -v '^Loaded your'
from superset.app import create_app

app = create_app()
cookie = lambda answer: answer.headers.get("Set-Cookie", "").partition(";")[0].partition("=")[2]
browser, earlier = app.test_client(), app.test_client()
earlier.set_cookie("session", cookie(browser.get("/login/")) or "")
login = browser.post("/login/", data={"username": "ada", "password": "secret"})
print("the login:                    ", login.status_code)
me = browser.get("/api/v1/me/").status_code
print("who I am, logged in:          ", me)
report = earlier.post("/superset/log/?explode=events", data={"events": "[]"})
session = cookie(report)
print(f"the report, sent before login: {report.status_code}, sets a session: {bool(session)}")
browser.set_cookie("session", session)  # as a browser does with the answer that comes last
after = browser.get("/api/v1/me/").status_code
print("who I am, after its answer:   ", after)
assert (login.status_code, me, report.status_code, bool(session), after) == (302, 200, 302, True, 401)
PYTHON
