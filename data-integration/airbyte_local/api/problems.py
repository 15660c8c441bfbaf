"""Errors as Airbyte answers them: `application/problem+json` with title, status, detail and data."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from airbyte_local.mappers.models import TAGS
from foundation import disk
from foundation.errors import EltError
from foundation.quoting import encodable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "resource-not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    409: "state-conflict",
    413: "content-too-large",
    422: "unprocessable-entity",
    429: "too-many-requests",
    500: "internal-server-error",
    503: "service-unavailable",
    507: "insufficient-storage",
}


class Problem(Exception):
    """An error answer: `status`, what is wrong (`detail`), and what it is about (`data`)."""

    def __init__(self, status: int, detail: str, **data: Any) -> None:
        self.status, self.detail, self.data = status, detail, data
        super().__init__(detail)


def not_found(kind: str, key: Any) -> Problem:
    return Problem(404, f"there is no {kind} with id {key}", resourceType=kind, resourceId=str(key))


def invalid(field: str, message: str) -> Problem:
    """A value that cannot be accepted; `field` is its path in the body, as `configuration.host`."""
    return Problem(422, f"{field}: {message}", errors=[{"field": field, "message": message}])


def answer(
    status: int, detail: str, data: dict[str, Any], headers: dict[str, str] | None = None
) -> JSONResponse:
    body = {
        "type": f"error:{TITLES.get(status, 'error')}",
        "title": TITLES.get(status, "error"),
        "status": status,
        "detail": encodable(detail),  # a connector may call a stream as it likes
        "documentationUrl": None,
        "data": data,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def answer_to(problem: Problem) -> JSONResponse:
    headers = {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if "retryAfter" in problem.data:
        headers["Retry-After"] = str(problem.data["retryAfter"])
    return answer(problem.status, problem.detail, problem.data, headers)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""

    @app.exception_handler(Problem)
    async def known(_: Request, problem: Problem) -> JSONResponse:
        return answer_to(problem)

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, f"{request.method} {request.url.path}: {error.detail}", {})

    @app.exception_handler(RequestValidationError)
    async def validation(_: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        if any(item["type"] == "json_invalid" for item in found):
            return answer(400, f"the body is not JSON: {found[0]['ctx']['error']}", {})
        errors = [{"field": field_path(item["loc"]), "message": _message(item)} for item in found]
        return answer(
            422, "; ".join(f"{item['field']}: {item['message']}" for item in errors), {"errors": errors}
        )

    @app.exception_handler(EltError)
    async def faulty(_: Request, error: EltError) -> JSONResponse:
        return answer(500, str(error), {})  # something on the server's machine, which its owner can mend

    @app.exception_handler(sqlite3.OperationalError)
    @app.exception_handler(OSError)
    async def storage(request: Request, error: Exception) -> JSONResponse:
        place = request.app.state.store.path.parent
        if full(error):
            return answer(507, f"the disk is full at {place}: free some space there", {})
        log.error("%s %s", request.method, request.url.path, exc_info=error)
        return answer(500, f"{place}: {error}", {})

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        return answer(500, f"{type(error).__name__}: see the server's log", {})


def _message(item: dict[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "no field of this request"
    text: str = item["msg"]
    return text.removeprefix("Value error, ")


def full(error: Exception) -> bool:
    """Whether this is what SQLite or the system says of a disk without room."""
    if isinstance(error, sqlite3.Error):
        return error.sqlite_errorcode == sqlite3.SQLITE_FULL if hasattr(error, "sqlite_errorcode") else False
    return disk.full(error)


def field_path(location: tuple[Any, ...]) -> str:
    """`configurations.streams[0].syncMode` for pydantic's ("body", "configurations", "streams", 0, "syncMode")."""
    path = ""
    for part in location if location[0] not in ("body", "query", "path") else location[1:]:
        if part in TAGS:
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "body"
