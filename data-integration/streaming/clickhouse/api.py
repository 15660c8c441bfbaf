"""ClickHouse's HTTP interface over the engine: what clickhouse-connect, dbt-clickhouse and Superset's dialect ask of a server.

    GET, POST /     a statement: `query`, the body, or both, one after the other; settings and `param_…` beside it
    GET /ping       "Ok."
    GET /health     the same for `elt status`

Users log in by HTTP's basic scheme or X-ClickHouse-User and -Key; not in the URL, which ends up in logs. Files that a client sends beside
a query are not taken.
"""

from __future__ import annotations

import gzip
import hmac
import io
import logging
import math
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import lz4.frame
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from foundation.limits.basic import basic
from foundation.limits.brake import Brake, unguessable
from streaming.clickhouse.accounts import Account
from streaming.clickhouse.engine import SESSION_SECONDS, Engine, EngineError, Request, summary_of
from streaming.clickhouse.statements import RefusedStatement, statement_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

log = logging.getLogger(__name__)

BODY_BYTES = 64 << 20  # as it comes, and again when it is unpacked
SESSION_MOST_SECONDS = 3600.0
# parameters that are no settings of the engine
TRANSPORT = frozenset(
    {
        *(
            "query",
            "database",
            "default_format",
            "query_id",
            "quota_key",
            "compress",
            "decompress",
            "buffer_size",
        ),
        *(
            "session_id",
            "session_timeout",
            "session_check",
            "close_session",
            "wait_end_of_query",
            "client_protocol_version",
        ),
    }
)
BAD_ARGUMENTS, TOO_MANY_TRIES, AUTHENTICATION_FAILED = 36, 202, 516
# ClickHouse's codes whose answer is no 500
STATUS = {
    **dict.fromkeys((36, 43, 46, 47, 62, 115), 400),  # arguments, types, functions, names, syntax, settings
    **dict.fromkeys((60, 81), 404),
    **dict.fromkeys((164, 452, 497), 403),
    159: 408,
}
READERS: dict[str, Callable[[io.BytesIO], Any]] = {
    "gzip": lambda source: gzip.GzipFile(fileobj=source),
    "lz4": lz4.frame.LZ4FrameFile,
    "zstd": zstd.ZstdFile,
}


class Failure(Exception):
    """An answer that is an error: HTTP's status, ClickHouse's code, what is said, and further headers."""

    def __init__(
        self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})
        super().__init__(message)


class Front:
    """Handlers over one engine."""

    def __init__(self, engine: Engine, accounts: tuple[Account, ...]) -> None:
        self._engine = engine
        self._accounts = {account.name: account for account in accounts}
        self._brake = Brake("clickhouse")
        self.app = Starlette(
            routes=[
                Route("/", self.statement, methods=["GET", "POST"]),
                Route("/ping", self.ping, methods=["GET"]),
                Route("/health", self.ping, methods=["GET"]),
            ],
            exception_handlers={Failure: failed},
        )

    async def ping(self, request: HttpRequest) -> Response:
        return PlainTextResponse("Ok.\n")

    async def statement(self, request: HttpRequest) -> Response:
        """Run what a request asks."""
        account = self._admit(request)
        asked = await self._asked(request, account)
        query_id = request.query_params.get("query_id") or str(uuid.uuid4())
        try:
            answer = await run_in_threadpool(self._engine.run, asked)
        except RefusedStatement as refused:
            raise refusal(refused) from None
        except EngineError as error:
            raise Failure(STATUS.get(error.code, 500), error.code, str(error)) from None
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Summary": summary_of(answer),
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": "chdb",
        }
        return Response(answer.body, headers=headers, media_type="text/plain; charset=UTF-8")

    def knows(self, headers: Headers) -> bool:
        """Whether a request's header has the name and the password of one of our users."""
        return self._account(*credentials(headers)) is not None

    def _account(self, name: str, password: str) -> Account | None:
        found = self._accounts.get(name)
        given, wanted = password.encode(), (found.password if found else uuid.uuid4().hex).encode()
        return found if hmac.compare_digest(given, wanted) else None

    def _admit(self, request: HttpRequest) -> Account:
        if {"user", "password"} & set(request.query_params):
            raise Failure(400, BAD_ARGUMENTS, "user and password belong in a header, not in the URL")
        name, password = credentials(request.headers)
        address = request.client.host if request.client else ""
        account = self._account(name, password)
        wait = self._brake.wait(address, name)
        if wait and not (account and unguessable(account.password)):
            raise Failure(
                429, TOO_MANY_TRIES, "too many wrong passwords", {"Retry-After": str(math.ceil(wait))}
            )
        if name or password:
            self._brake.tried(address, name, right=account is not None)
        if account is None:
            said = f"{name[:64] or 'default'}: Authentication failed: password is incorrect, or there is no user with such name."
            raise Failure(
                401,
                AUTHENTICATION_FAILED,
                said,
                {"WWW-Authenticate": 'Basic realm="ClickHouse server HTTP API"'},
            )
        return account

    async def _asked(self, request: HttpRequest, account: Account) -> Request:
        """The request in the engine's terms."""
        fields = dict(request.query_params)
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            body, fields = b"", fields | await form(request)
        else:
            body = await run_in_threadpool(
                unpacked, await request.body(), request.headers.get("content-encoding", "")
            )
        if query := fields.get("query", ""):
            body = query.encode() + (b"\n" + body if body else b"")
        if not body.strip():
            raise Failure(400, BAD_ARGUMENTS, "there is no statement")
        try:
            statement = statement_of(body)
        except RefusedStatement as refused:
            raise refusal(refused) from None
        return Request(
            statement,
            account,
            database=fields.get("database") or request.headers.get("x-clickhouse-database", ""),
            form=fields.get("default_format") or request.headers.get("x-clickhouse-format", ""),
            settings={n: v for n, v in fields.items() if n not in TRANSPORT and not n.startswith("param_")},
            parameters={n.removeprefix("param_"): v for n, v in fields.items() if n.startswith("param_")},
            session=fields.get("session_id", ""),
            session_seconds=seconds(fields.get("session_timeout", "")),
        )


def credentials(headers: Headers) -> tuple[str, str]:
    """Name and password of a request's header; empty where there are none."""
    header = headers.get("authorization", "")
    if header.lower().startswith("basic "):
        return basic(header)
    return headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")


async def form(request: HttpRequest) -> dict[str, str]:
    """The fields of a form. Raises Failure: it holds files."""
    async with request.form(max_files=1, max_fields=1_000, max_part_size=BODY_BYTES) as fields:
        if files := [name for name, value in fields.items() if isinstance(value, UploadFile)]:
            raise Failure(400, BAD_ARGUMENTS, f"{files[0]}: files beside a query are not taken here")
        return {name: str(value) for name, value in fields.items()}


def unpacked(body: bytes, encoding: str) -> bytes:
    """A body without its compression. Raises Failure: unknown, broken, or larger than BODY_BYTES."""
    if encoding in ("", "identity"):
        return body
    if encoding not in READERS:
        raise Failure(415, BAD_ARGUMENTS, f"Content-Encoding {encoding[:32]!r}: lz4, zstd and gzip are taken")
    try:
        with READERS[encoding](io.BytesIO(body)) as reader:
            plain: bytes = reader.read(BODY_BYTES + 1)
    except (OSError, EOFError, RuntimeError, zstd.ZstdError) as error:
        raise Failure(400, BAD_ARGUMENTS, f"the body is no {encoding}: {error}") from None
    if len(plain) > BODY_BYTES:
        raise Failure(413, BAD_ARGUMENTS, f"the body has more than {BODY_BYTES} bytes when it is unpacked")
    return plain


def seconds(given: str) -> float:
    """How long a session is kept."""
    return min(float(given), SESSION_MOST_SECONDS) if given.isdigit() else SESSION_SECONDS


def refusal(refused: RefusedStatement) -> Failure:
    return Failure(
        STATUS.get(refused.code, 400), refused.code, f"Code: {refused.code}. DB::Exception: {refused.reason}"
    )


def failed(request: HttpRequest, error: Exception) -> Response:
    """ClickHouse's way to say an error: a line, and its code in a header."""
    if not isinstance(error, Failure):
        raise error
    said = (
        error.message
        if error.message.startswith("Code: ")
        else f"Code: {error.code}. DB::Exception: {error.message}"
    )
    log.info("%d: %s", error.status, said[:500])
    return PlainTextResponse(
        f"{said}\n", error.status, {"X-ClickHouse-Exception-Code": str(error.code), **error.headers}
    )
