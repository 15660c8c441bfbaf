"""A Superset, or a Preset workspace, through its REST API. The two differ in how one logs in."""

from __future__ import annotations

import json
from typing import Any

import httpx

from dashboards.bundle import unzipped, zipped
from dashboards.compare import Item
from foundation.errors import EltError
from foundation.settings import Settings

ENDPOINTS = {"datasets": "dataset", "charts": "chart", "dashboards": "dashboard"}
ORDER = {"dataset": "table_name", "chart": "slice_name", "dashboard": "dashboard_title"}
REMOVAL = ("dashboards", "charts", "datasets")  # what is used goes after what uses it


class Workspace:
    """An open session. Use as a context manager.

    Raises EltError when it does not answer, refuses the login, or refuses what is asked.
    """

    def __init__(self, settings: Settings, timeout: float = 120.0) -> None:
        self.url = settings.superset_url
        self._settings = settings
        self._http = httpx.Client(base_url=self.url, timeout=timeout, follow_redirects=False)

    def __enter__(self) -> Workspace:
        preset = bool(self._settings.preset_api_token)
        token = self._preset_token() if preset else self._superset_token()
        self._http.headers["Authorization"] = f"Bearer {token}"
        self._http.headers["Referer"] = self.url  # Superset holds a form's token against it
        self._http.headers["X-CSRFToken"] = self._ask("GET", "/api/v1/security/csrf_token/").json()["result"]
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def _superset_token(self) -> str:
        login = {
            "username": self._settings.superset_admin_user,
            "password": self._settings.superset_admin_password.get_secret_value(),
            "provider": "db",
            "refresh": False,
        }
        answer = self._send("POST", "/api/v1/security/login", json=login)
        if answer.is_error:
            raise EltError(
                f"Superset at {self.url} refused the login of {login['username']} ({answer.status_code})",
                "check SUPERSET_ADMIN_USER and SUPERSET_ADMIN_PASSWORD",
            )
        return answer.json()["access_token"]

    def _preset_token(self) -> str:
        given = {
            "name": self._settings.preset_api_token,
            "secret": self._settings.preset_api_secret.get_secret_value(),
        }
        answer = self._send("POST", f"{self._settings.preset_api_url.rstrip('/')}/v1/auth/", json=given)
        if answer.is_error:
            raise EltError(
                f"Preset refused the API token {given['name']} ({answer.status_code})",
                "check PRESET_API_TOKEN and PRESET_API_SECRET",
            )
        return answer.json()["payload"]["access_token"]

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise EltError(
                f"{self.url} does not answer: {error or type(error).__name__}",
                "`elt up superset`, or check DASHBOARDS_URL",
            ) from None

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self._send(method, path, **options)
        if answer.is_error or answer.is_redirect:
            raise EltError(
                f"{self.url} answered {answer.status_code} to {method} {path}: {_reason(answer)}",
                "mend what it complains of; `elt logs superset` may tell more",
            )
        return answer

    def export(self) -> dict[str, dict[str, Any]]:
        """Everything that the workspace holds, in Superset's own form."""
        return unzipped(self._ask("GET", "/api/v1/assets/export/").content)

    def load(self, contents: dict[str, dict[str, Any]]) -> None:
        """Create and overwrite, all or nothing."""
        self._ask(
            "POST",
            "/api/v1/assets/import/",
            files={"bundle": ("assets.zip", zipped(contents), "application/zip")},
            data={"sparse": "false", "passwords": json.dumps({})},
        )

    def remove(self, items: list[Item]) -> None:
        """Delete objects, those that use others first. Databases are never deleted."""
        for kind in REMOVAL:
            wanted = {item.uuid for item in items if item.kind == kind}
            if not wanted:
                continue
            for number, uuid in self._ids(ENDPOINTS[kind]):
                if uuid in wanted:
                    self._ask("DELETE", f"/api/v1/{ENDPOINTS[kind]}/{number}")

    def _ids(self, endpoint: str) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        while True:
            query = (
                f"(columns:!(id,uuid),order_column:{ORDER[endpoint]},order_direction:asc,"
                f"page:{len(found) // 100},page_size:100)"
            )
            page = self._ask("GET", f"/api/v1/{endpoint}/", params={"q": query}).json()["result"]
            found += [(entry["id"], entry["uuid"]) for entry in page]
            if len(page) < 100:
                return found


def _reason(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:200]
    errors = body.get("errors") or []
    details = [json.dumps(e.get("extra") or e.get("message")) for e in errors] or [
        str(body.get("message", body))
    ]
    return "; ".join(details)[:500]
