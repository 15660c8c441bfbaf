"""The way to an Airbyte, ours or a real one: the unmodified SDK, with errors that a person can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from airbyte_api import AirbyteAPI, models
from airbyte_api.errors import AirbyteAPIError, ResponseValidationError

from foundation.errors import EltError, Kind
from foundation.settings import Settings
from foundation.settings import settings as current_settings

REQUEST_SECONDS = 120.0  # a create waits for the connector's check
PAGE = 100  # the most that Airbyte lists at once


class AirbyteError(EltError):
    """Airbyte refused a request; `status` is the HTTP status, `detail` its own words."""

    def __init__(self, status: int, detail: str, message: str, remedy: str) -> None:
        self.status = status
        self.detail = detail
        again = status >= 500 or status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
        super().__init__(message, remedy, kind=Kind.RETRY if again else Kind.MEND)


def sdk(settings: Settings | None = None) -> AirbyteAPI:
    """A client of the configured Airbyte (`AIRBYTE_URL`, else the local server), logged in on first use."""
    settings = settings or current_settings()
    base = settings.airbyte_api.rstrip("/")
    credentials = models.SchemeClientCredentials(
        client_id=settings.airbyte_client_id,
        client_secret=settings.airbyte_client_secret.get_secret_value(),
        token_url=f"{base}/applications/token",  # the SDK's default would drop the base path
    )
    return AirbyteAPI(
        server_url=base,
        security=models.Security(client_credentials=credentials),
        client=http_client(settings),
        timeout_ms=int(REQUEST_SECONDS * 1000),
    )


def http_client(settings: Settings) -> httpx.Client:
    """A plain client for that Airbyte, not logged in."""
    base = settings.airbyte_api.rstrip("/")
    # a proxy of the environment has no way to this machine's own loopback
    loopback = urlsplit(base).hostname in {"127.0.0.1", "localhost", "::1"}
    return _http_client(base_url=base, follow_redirects=True, timeout=REQUEST_SECONDS, trust_env=not loopback)


def _http_client(**options: Any) -> httpx.Client:
    return httpx.Client(**options)


@contextmanager
def talking(doing: str, settings: Settings | None = None) -> Iterator[None]:
    """Turn what can go wrong while `doing` ("creating source adventureworks") into an EltError.

    Raises AirbyteError for an answer of 4xx or 5xx, EltError when there is no answer.
    """
    settings = settings or current_settings()
    at = settings.airbyte_api
    start = "mend AIRBYTE_URL or the way there" if settings.airbyte_url else "start it with `elt up airbyte`"
    try:
        yield
    except ResponseValidationError as error:
        raise EltError(
            f"{doing}: the answer of {at} is not what airbyte-api expects",
            "compare the versions of Airbyte and airbyte-api",
            kind=Kind.OURS,
        ) from error
    except AirbyteAPIError as error:
        detail = detail_of(error.body) or f"HTTP {error.status_code}"
        raise AirbyteError(
            error.status_code, detail, f"{doing}: Airbyte says: {detail}", remedy(error.status_code)
        ) from None
    except httpx.TimeoutException:
        raise EltError(
            f"{doing}: no answer from {at} in time", "see its log: `elt logs airbyte`", kind=Kind.RETRY
        ) from None
    except httpx.TransportError as error:
        raise EltError(
            f"{doing}: Airbyte does not answer at {at} ({error})", start, kind=Kind.RETRY
        ) from None
    except EltError:
        raise
    except Exception as error:
        # the SDK's log-in hook raises bare exceptions; anything else is a fault of ours and keeps its trace
        if "token endpoint" not in str(error):
            raise
        raise EltError(
            f"{doing}: {at} refused the log-in of client {settings.airbyte_client_id}",
            "set AIRBYTE_CLIENT_ID and AIRBYTE_CLIENT_SECRET to an application of that Airbyte",
            kind=Kind.RETRY if re.search(r"status code 5\d\d", str(error)) else Kind.MEND,
        ) from None


def token(http: httpx.Client, doing: str, settings: Settings) -> str:
    """A token for what the SDK has no operation for. Raises AirbyteError."""
    body = {
        "client_id": settings.airbyte_client_id,
        "client_secret": settings.airbyte_client_secret.get_secret_value(),
        "grant_type": "client_credentials",
    }
    with talking(doing, settings):
        answer = http.post("applications/token", json=body)
    check(answer, doing)
    found: str = answer.json()["access_token"]
    return found


def check(answer: httpx.Response, doing: str) -> None:
    """Raises AirbyteError for an answer of 4xx or 5xx."""
    if not answer.is_success:
        detail = detail_of(answer.text) or f"HTTP {answer.status_code}"
        raise AirbyteError(
            answer.status_code, detail, f"{doing}: Airbyte says: {detail}", remedy(answer.status_code)
        )


def detail_of(body: str) -> str:
    """What a problem document says (`detail`, `message` or `title`), on one line; "" when it says nothing."""
    try:
        problem = json.loads(body)
    except ValueError:
        return " ".join(body.split())[:300]
    if not isinstance(problem, dict):
        return ""
    data = problem.get("data")
    if not isinstance(data, dict):
        data = {}
    said = [problem.get("detail"), problem.get("message"), data.get("message"), problem.get("title")]
    return next((" ".join(text.split()) for text in said if isinstance(text, str) and text.strip()), "")


def remedy(status: int) -> str:
    """What to do about a refusal."""
    if status in {401, 403}:
        return "check AIRBYTE_CLIENT_ID, AIRBYTE_CLIENT_SECRET and what that application may do"
    if status >= 500:
        return "see Airbyte's log: `elt logs airbyte`"
    return "correct the file or the settings that it refers to"


def answer(call: Callable[[], Any]) -> dict[str, Any]:
    """What Airbyte answered to a call of the SDK that is about a source or a destination, as it sent it.

    The SDK's models are a list of Airbyte's own connectors: an answer about any other one fits none of them, though it
    is right. Raises what the SDK raises for anything that is not an answer about connectors at all.
    """
    try:
        understood: dict[str, Any] = call().raw_response.json()
        return understood
    except ResponseValidationError as error:
        try:
            sent = error.raw_response.json()
        except ValueError:
            raise error from None
        items = sent.get("data", [sent]) if isinstance(sent, dict) else None
        if not isinstance(sent, dict) or not isinstance(items, list):
            raise
        if not all(isinstance(item, dict) and "configuration" in item for item in items):
            raise
        return sent


def pages(call: Callable[[int, int], Any]) -> Iterator[dict[str, Any]]:
    """All items of a listing, as Airbyte sent them; `call(limit, offset)` asks for one page and returns its JSON."""
    offset = 0
    while True:
        listing = call(PAGE, offset)
        items = listing.get("data", [])
        yield from items
        # a server may give less at once than it was asked for
        if not items or (len(items) < PAGE and not listing.get("next")):
            return
        offset += len(items)


def workspace(api: AirbyteAPI, settings: Settings | None = None) -> str:
    """Id of the workspace that AIRBYTE_WORKSPACE names (by name or id), else of the first one."""
    from airbyte_api import api as requests

    settings = settings or current_settings()
    wanted = settings.airbyte_workspace
    with talking("listing workspaces", settings):
        found = list(
            pages(
                lambda limit, offset: api.workspaces.list_workspaces(
                    request=requests.ListWorkspacesRequest(limit=limit, offset=offset)
                ).raw_response.json()
            )
        )
    for item in found:
        key: str = item["workspaceId"]
        if wanted in ("", key, item["name"]):
            return key
    if wanted:
        names = ", ".join(sorted(item["name"] for item in found)) or "none"
        raise EltError(f"Airbyte has no workspace {wanted}", f"set AIRBYTE_WORKSPACE to one of: {names}")
    raise EltError(f"{settings.airbyte_api} has no workspace", "create one in Airbyte")


def named(items: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any] | None:
    """The one item of that name, or None. Raises EltError when there are several: Airbyte's names are not unique."""
    same = [item for item in items if item["name"] == name]
    if len(same) > 1:
        ids = ", ".join(item[f"{kind}Id"] for item in same)
        raise EltError(
            f"Airbyte has {len(same)} {kind}s named {name} ({ids})", "delete or rename all but one"
        )
    return same[0] if same else None


def connections(api: AirbyteAPI, workspace_id: str, settings: Settings | None = None) -> list[dict[str, Any]]:
    """All connections of a workspace, as Airbyte sent them."""
    from airbyte_api import api as requests

    with talking("listing connections", settings):
        return list(
            pages(
                lambda limit, offset: api.connections.list_connections(
                    request=requests.ListConnectionsRequest(
                        workspace_ids=[workspace_id], limit=limit, offset=offset
                    )
                ).raw_response.json()
            )
        )


def connection_id(api: AirbyteAPI, name: str, settings: Settings | None = None) -> str:
    """Look a connection up by name. Raises EltError when it is not there."""
    found = named(connections(api, workspace(api, settings), settings), "connection", name)
    if found is None:
        raise EltError(f"Airbyte has no connection {name}", "create it with `elt airbyte apply`")
    key: str = found["connectionId"]
    return key
