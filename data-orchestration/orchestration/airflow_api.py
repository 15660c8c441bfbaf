"""Airflow's REST API, as this project asks it: a client that logs in, and the health of Airflow's components."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from foundation.errors import EltError, Kind
from foundation.settings import Settings

COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def healthy(settings: Settings, timeout: float = 5.0) -> dict[str, str]:
    """Status of each component ("healthy", "unhealthy", or "down" when the API server does not answer).

    The API server builds the part that serves tasks when it is first asked, which takes seconds: that is asked here, so
    that a run's first task need not wait for it.
    """
    url = settings.airflow_base
    try:
        httpx.get(f"{url}/execution/health", timeout=timeout).raise_for_status()
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=timeout)
        answer.raise_for_status()
        report = answer.json()
    except (httpx.HTTPError, ValueError):
        return {"api_server": "down"}
    return {"api_server": "healthy"} | {
        name: (report.get(name) or {}).get("status") or "unhealthy" for name in COMPONENTS
    }


class _Login(httpx.Auth):
    """Airflow's token for a user's name and password; asked for when needed, and again when it has expired."""

    requires_response_body = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = ""

    def _ask(self) -> httpx.Request:
        return httpx.Request(
            "POST",
            f"{self._settings.airflow_base}/auth/token",
            json={
                "username": self._settings.airflow_admin_user,
                "password": self._settings.airflow_admin_password.get_secret_value(),
            },
        )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        for _ in range(2):
            if not self._token:
                answer = yield self._ask()
                if answer.is_error:
                    raise EltError(
                        f"Airflow refused the login of {self._settings.airflow_admin_user} ({answer.status_code})",
                        "check AIRFLOW_ADMIN_USER and AIRFLOW_ADMIN_PASSWORD, then `elt up airflow`",
                    )
                self._token = answer.json()["access_token"]
            request.headers["Authorization"] = f"Bearer {self._token}"
            response = yield request
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return
            self._token = ""


class _Transport(httpx.HTTPTransport):
    """Where no answer comes, says so as everything else here does."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return super().handle_request(request)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise EltError(
                f"Airflow does not answer at {self._base} ({reason})",
                "elt status; elt up airflow",
                kind=Kind.RETRY,
            ) from error


def client(settings: Settings, timeout: float = 30.0) -> httpx.Client:
    """A client of Airflow's REST API: `client(settings).post("/dags/adventureworks_elt/dagRuns", json={…})`.

    Raises EltError where no answer comes; an answer of 4xx or 5xx is the caller's.
    """
    return httpx.Client(
        base_url=f"{settings.airflow_base}/api/v2",
        auth=_Login(settings),
        timeout=timeout,
        transport=_Transport(settings.airflow_base),
    )
