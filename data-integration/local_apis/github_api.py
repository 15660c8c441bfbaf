"""What GitHub's API has of the tools' repositories, below one path, so that the official connector reads it.

    GET  rate_limit, orgs/{org}/repos, repos/{owner}/{name}, …/branches, …/commits?sha=&since=, …/stats/contributors, …/stargazers
    POST graphql (releases)

Pages go by the header `Link`. A token has a quota, counted in `X-RateLimit-…`; when it is used up the answer is 403 until the
reset. `stats/contributors` is 202 when it is first asked for, while GitHub computes it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foundation.limits.service import moment
from foundation.limits.strict_json import UnfitError, loads, texts
from local_apis.github import TOOLS, Github, Tool

QUOTA = 5_000  # calls of a token in an hour
HOUR = 3_600
PAGE = 100  # records, at most
LARGEST = (1 << 63) - 1
DIGITS = re.compile(r"[0-9]{1,19}")


@dataclass
class Token:
    """What is left of a token's quota, and when it is whole again (seconds since 1970)."""

    quota: int = QUOTA
    left: int = QUOTA
    reset: float = field(default_factory=lambda: time.time() + HOUR)

    def renew(self) -> None:
        if time.time() >= self.reset:
            self.left, self.reset = self.quota, time.time() + HOUR

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.quota),
            "X-RateLimit-Remaining": str(self.left),
            "X-RateLimit-Reset": str(int(self.reset)),
        }


class GithubApi:
    """Handlers. `tokens`: those that are valid, with their quotas."""

    def __init__(self, github: Github, tokens: dict[str, Token], now: Callable[[], datetime]) -> None:
        self.github, self.tokens, self._now = github, tokens, now
        self._computed: set[str] = set()
        self.routes = [
            Route("/rate_limit", self.rate_limit, methods=["GET"]),
            Route("/orgs/{owner}/repos", self.of_organisation, methods=["GET"]),
            Route("/repos/{owner}/{name}", self.repository, methods=["GET"]),
            Route("/repos/{owner}/{name}/branches", self.branches, methods=["GET"]),
            Route("/repos/{owner}/{name}/commits", self.commits, methods=["GET"]),
            Route("/repos/{owner}/{name}/stats/contributors", self.contributors, methods=["GET"]),
            Route("/repos/{owner}/{name}/stargazers", self.stargazers, methods=["GET"]),
            Route("/graphql", self.graphql, methods=["POST"]),
        ]

    def rate_limit(self, request: Request) -> Response:
        """The token's quota; asking costs nothing."""
        token = self._token(request)
        shown = {"limit": token.quota, "remaining": token.left, "reset": int(token.reset)}
        return JSONResponse({"resources": {"core": shown, "graphql": shown}, "rate": shown})

    def of_organisation(self, request: Request) -> Response:
        owner = request.path_params["owner"]
        now = self._now()
        found = [self.github.repository(tool, now) for tool in TOOLS if tool.full_name.split("/")[0] == owner]
        # an organization has others, too
        others = [
            one
            | {"id": one["id"] + 500, "name": "website", "full_name": f"{owner}/website", "language": None}
            for one in found
        ]
        return self._pages(request, [*found, *others])

    def repository(self, request: Request) -> Response:
        tool, token = self._tool(request), self._spend(request)
        return JSONResponse(self.github.repository(tool, self._now()), headers=token.headers())

    def branches(self, request: Request) -> Response:
        self._tool(request)
        return self._pages(request, [{"name": "main", "commit": {"sha": "0"}, "protected": True}])

    def commits(self, request: Request) -> Response:
        since = f"{moment(request, 'since'):%Y-%m-%dT%H:%M:%SZ}" if "since" in request.query_params else ""
        found = self.github.commits(self._tool(request), self._now())
        return self._pages(request, [one for one in found if one["commit"]["committer"]["date"] >= since])

    def contributors(self, request: Request) -> Response:
        tool = self._tool(request)
        if tool.full_name not in self._computed:
            token = self._spend(request)
            self._computed.add(tool.full_name)
            return JSONResponse({}, 202, headers=token.headers() | {"Retry-After": "1"})
        return self._pages(request, self.github.contributors(tool, self._now()), whole=True)

    def stargazers(self, request: Request) -> Response:
        return self._pages(request, self.github.stargazers(self._tool(request), self._now()))

    async def graphql(self, request: Request) -> Response:
        """A page of releases; the cursor is the number of those before."""
        token = self._spend(request)
        asked = _variables(await request.body())
        tool = _named(f"{_text(asked, 'owner')}/{_text(asked, 'name')}")
        start, first = _count(asked, "after", 0, LARGEST), _count(asked, "first", 10, PAGE)
        if not first:
            raise _refused(422, f"variables.first: a whole number from 1 to {PAGE}")
        found = self.github.releases(tool, self._now())
        ends = start + first >= len(found)
        page = {"hasNextPage": not ends, "endCursor": None if ends else str(start + first)}
        connection = {"nodes": found[start : start + first], "pageInfo": page}
        return JSONResponse({"data": {"repository": {"releases": connection}}}, headers=token.headers())

    def _tool(self, request: Request) -> Tool:
        return _named(f"{request.path_params['owner']}/{request.path_params['name']}")

    def _pages(self, request: Request, rows: list[dict[str, Any]], *, whole: bool = False) -> Response:
        token = self._spend(request)
        headers = token.headers()
        number, size = _number(request, "page", 1), len(rows) if whole else _number(request, "per_page", 30)
        if not whole and number * size < len(rows):
            query = urlencode(dict(request.query_params) | {"page": str(number + 1)})
            headers["Link"] = f'<{request.url.replace(query=query)}>; rel="next"'
        return JSONResponse(rows[(number - 1) * size : number * size] if size else [], headers=headers)

    def _spend(self, request: Request) -> Token:
        token = self._token(request)
        token.renew()
        if token.left < 1:
            raise _refused(403, "API rate limit exceeded", token.headers())
        token.left -= 1
        return token

    def _token(self, request: Request) -> Token:
        value = request.headers.get("authorization", "").partition(" ")[2]
        if value not in self.tokens:
            raise _refused(401, "Bad credentials")
        return self.tokens[value]


def _named(full_name: str) -> Tool:
    for tool in TOOLS:
        if tool.full_name == full_name:
            return tool
    raise _refused(404, "Not Found")


def _number(request: Request, name: str, default: int) -> int:
    try:
        found = int(request.query_params.get(name, default))
    except ValueError:
        raise _refused(422, f"{name} is no number") from None
    return min(max(found, 1), PAGE if name == "per_page" else 1 << 31)


def _variables(body: bytes) -> dict[str, Any]:
    """The variables of a GraphQL call. Raises HTTPException that names the field: no JSON, or JSON that nobody could keep."""
    try:
        asked = loads(body)
        for path, text in texts(asked):
            if "\0" in text:
                raise UnfitError("holds a NUL character", path)
    except UnfitError as unfit:
        raise _refused(400, f"{_field(unfit.path)} {unfit.reason}") from None
    except ValueError:
        raise _refused(400, "the body is no JSON") from None
    if not isinstance(asked, dict):
        raise _refused(400, "the body is no JSON object")
    variables = asked.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise _refused(422, "variables is no JSON object")
    return variables or {}


def _field(path: tuple[Any, ...] | None) -> str:
    """A place in the body, for a line of text."""
    return ascii(".".join(map(str, path)))[1:-1][:80] if path else "the body"


def _text(variables: dict[str, Any], name: str) -> str:
    value = variables.get(name)
    if not isinstance(value, str):
        raise _refused(422, f"variables.{name} is no text")
    return value


def _count(variables: dict[str, Any], name: str, default: int, most: int) -> int:
    """A number from 0, or its digits: the connector's template language makes the one of the other."""
    value = variables.get(name)
    if value is None:
        return default
    digits = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(digits, str) and DIGITS.fullmatch(digits) and int(digits) <= most:
        return int(digits)
    raise _refused(422, f"variables.{name} is no whole number from 0 to {most}")


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> HTTPException:
    return HTTPException(status, message, headers)
