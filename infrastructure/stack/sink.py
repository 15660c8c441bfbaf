"""The sink: takes Slack webhooks and e-mail on one machine, and keeps each message as one line of JSON.

It answers as Slack's incoming webhooks do (https://api.slack.com/messaging/webhooks#handling_errors), so that what it
accepts here is accepted there: `ok`, or the error's short name. `python -m stack.sink` runs it in the foreground.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hmac
import json
import logging
import math
import os
import signal
import time
import warnings
from collections import deque
from email import message_from_bytes, policy
from email.message import MIMEPart
from pathlib import Path
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from foundation.disk import full
from foundation.errors import one_line
from foundation.limits.brake import Brake, unguessable
from foundation.limits.http import configured
from foundation.limits.instance import instance
from foundation.limits.requests import Limited, Scope, bearer
from foundation.limits.strict_json import UnfitError, loads
from foundation.listening import listen
from foundation.private import private
from foundation.settings import Settings, settings
from stack import SMTP_USER
from stack.sink_page import POLICY, page

log = logging.getLogger(__name__)

LOOKED_AT = 5_000  # messages that the page looks through, and the most that a listing has
LARGEST_RECORD = 64 << 20  # bytes; then the record goes aside, in the place of the one before it
MAX_BODY = 1024 * 1024  # bytes
# connections of the mail server, how long one may be silent, and how long it may take until its login
MAILS, MAIL_SECONDS, LOGIN_SECONDS = 32, 60.0, 30.0
# Slack's limits: https://api.slack.com/reference/block-kit/blocks, …/methods/chat.postMessage
MAX_BLOCKS, MAX_ATTACHMENTS, MAX_TEXT, MAX_SECTION, MAX_HEADER = 50, 100, 40_000, 3_000, 150


def messages_file(home: Path) -> Path:
    """Where the sink of this `ELT_HOME` keeps its messages."""
    return home / "sink" / "messages.jsonl"


class Messages:
    """The record: one JSON object a line, on disk before the sender hears that it was taken."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self.path, self.older = path, path.with_name(f"{path.name}.1")
        if (content := path.read_bytes()) and not content.endswith(b"\n"):
            with path.open("ab") as file:  # a crash tore the last line; the next event begins a new one
                file.write(b"\n")

    def add(self, channel: str, **fields: Any) -> None:
        """Keep a message. Raises OSError; then nothing of it is there."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = json.dumps({"time": moment, "channel": channel, **fields}, ensure_ascii=False)
        line = text.encode(errors="replace") + b"\n"  # half a surrogate pair, from a mail: "?"
        if self.path.exists() and self.path.stat().st_size > LARGEST_RECORD:
            self.path.replace(self.older)
            log.warning("the record has %d MiB: older messages are in %s", LARGEST_RECORD >> 20, self.older)
        with self.path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)  # half a line would spoil the next one
                raise

    def last(self, limit: int) -> list[dict[str, Any]]:
        """The newest `limit` messages, oldest first; a torn line is left out."""
        lines: deque[bytes] = deque(maxlen=limit)
        for path in (self.older, self.path):
            if path.exists():
                with path.open("rb") as file:
                    lines.extend(file)
        messages = []
        for line in lines:
            try:
                messages.append(loads(line))
            except (ValueError, UnfitError):
                continue
        return messages


def refusal(payload: object) -> str | None:
    """Slack's name for what is wrong with a webhook's payload, or None when Slack would take it."""
    if not isinstance(payload, dict):
        return "invalid_payload"
    text, blocks, attachments = (payload.get(name) for name in ("text", "blocks", "attachments"))
    if not (text or blocks or attachments):
        return "no_text"
    if text is not None and not isinstance(text, str):
        return "invalid_payload"
    if len(text or "") > MAX_TEXT:
        return "msg_too_long"
    if attachments is not None and (not isinstance(attachments, list) or len(attachments) > MAX_ATTACHMENTS):
        return "too_many_attachments"
    if blocks is not None and not (
        isinstance(blocks, list) and len(blocks) <= MAX_BLOCKS and all(_is_block(block) for block in blocks)
    ):
        return "invalid_blocks"
    return None


def words(payload: dict[str, Any]) -> str:
    """What a message says: its text, and its attachments' titles and texts, in which Alertmanager puts all."""
    attachments = [each for each in payload.get("attachments") or [] if isinstance(each, dict)]
    said = [payload.get("text"), *(each.get(field) for each in attachments for field in ("title", "text"))]
    return "\n".join(part for part in said if isinstance(part, str) and part)


def _is_block(block: object) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    limit = {"section": MAX_SECTION, "header": MAX_HEADER}.get(block["type"])
    text = block.get("text")
    if limit is None or text is None:
        return True
    content = text.get("text") if isinstance(text, dict) else None
    return isinstance(content, str) and 0 < len(content) <= limit


class Sink:
    """Handlers of the two protocols over one record."""

    def __init__(self, config: Settings) -> None:
        self.token = config.slack_webhook_token.get_secret_value()
        self.messages = Messages(messages_file(config.home))
        self.brake, self.hooks = Brake("sink"), Brake("sink, webhook")
        self.mails = 0  # connections
        self.app = Starlette(
            routes=[
                Route("/services/{token:path}", self.webhook, methods=["POST"]),
                Route("/messages", self.recorded, methods=["GET"]),
                Route("/health", self.health, methods=["GET"]),
                Route("/", self.page, methods=["GET"]),
            ]
        )

    def limited(self, instance: str) -> Limited:
        """The application within the limits of a request; a client that knows the webhook may send as much as to Slack."""

        def admitted(scope: Scope) -> bool:
            return self._knows(scope["path"].removeprefix("/services/")) or self._knows(bearer(scope))

        def refusal(status: int, reason: str) -> tuple[bytes, str]:
            return {413: "request_too_large"}.get(status, reason).encode(), "text/plain; charset=utf-8"

        return Limited(self.app, body=MAX_BODY, admitted=admitted, refusal=refusal, instance=instance)

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="replace"), self.token.encode())

    async def webhook(self, request: Request) -> Response:
        address, right = _address(request), self._knows(request.path_params["token"])
        if (wait := self.hooks.wait(address)) and not (right and unguessable(self.token)):
            return PlainTextResponse("rate_limited", 429, {"Retry-After": str(math.ceil(wait))})
        self.hooks.tried(address, right=right)
        if not right:
            return PlainTextResponse("invalid_token", 403)
        try:
            payload = loads(await request.body())
        except (ValueError, UnfitError):
            return PlainTextResponse("invalid_payload", 400)
        if reason := refusal(payload):
            return PlainTextResponse(reason, 400)
        try:
            self.messages.add("slack", text=words(payload), payload=payload)
        except OSError as error:
            return PlainTextResponse(self._not_kept(error), 507 if full(error) else 500)
        return PlainTextResponse("ok")

    async def recorded(self, request: Request) -> Response:
        self._demand_token(request)
        try:
            limit = int(request.query_params.get("limit", "1000"))
        except ValueError:
            raise HTTPException(400, "limit: not a number") from None
        return JSONResponse({"messages": self.messages.last(min(max(0, limit), LOOKED_AT))})

    async def page(self, request: Request) -> Response:
        self._demand_token(request)
        asked = request.query_params
        messages = self.messages.last(LOOKED_AT)
        content = page(messages, asked.get("channel", ""), asked.get("kind", ""), asked.get("words", ""))
        return HTMLResponse(content, headers={"Content-Security-Policy": POLICY})

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def _demand_token(self, request: Request) -> None:
        """The token as a bearer, or as the password of a browser's login prompt."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value, validate=True).decode().partition(":")[2]
            except ValueError:
                value = ""
        address = _address(request)
        right = self._knows(value)
        if (wait := self.brake.wait(address)) and not (right and unguessable(self.token)):
            raise HTTPException(429, "too many wrong tokens", {"Retry-After": str(math.ceil(wait))})
        if value:  # a browser's first request has none
            self.brake.tried(address, right=right)
        if not right:
            raise HTTPException(401, "the token, please", {"WWW-Authenticate": 'Basic realm="sink"'})

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any
    ) -> AuthResult:
        who = (str((session.peer or ("",))[0]), "SMTP")
        matches = (
            isinstance(login, LoginPassword)
            and login.login == SMTP_USER.encode()
            and hmac.compare_digest(login.password, self.token.encode())
        )
        if self.brake.wait(*who) and not (matches and unguessable(self.token)):
            return AuthResult(success=False, handled=False, message="454 4.7.0 too many wrong passwords")
        self.brake.tried(*who, right=matches)
        return AuthResult(success=matches, handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        body, rich = mail.get_body(("plain", "html")), mail.get_body(("html",))
        try:
            self.messages.add(
                "email",
                sender=envelope.mail_from,
                recipients=envelope.rcpt_tos,
                subject=str(mail.get("subject", "")),
                text=_text(body).strip(),
                html=_text(rich),
            )
        except OSError as error:
            return f"452 4.3.1 {self._not_kept(error)}"
        return "250 OK"

    def _not_kept(self, error: OSError) -> str:
        """Why a message was not kept, for its sender and the log."""
        place = self.messages.path.parent
        reason = f"the disk is full at {place}: free some space there" if full(error) else f"{place}: {error}"
        log.error("a message was not kept: %s", reason)
        return reason


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _text(part: MIMEPart | None) -> str:
    """What a part of a mail says. Of a character set that nobody knows, its bytes as UTF-8: an alert is not lost for that."""
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):
        return bytes(part.get_payload(decode=True) or b"").decode(errors="replace")


class Mail(SMTP):
    """A connection to the mail server. It refuses mail when too many connections are open, and does not wait for a login for ever."""

    _refused = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self.event_handler.mails += 1
        if self.event_handler.mails > MAILS:
            self._refused = True
            transport.write(b"421 4.7.0 too many connections: try later\r\n")
            transport.close()
        else:
            super().connection_made(transport)
            self._patience = self.loop.call_later(LOGIN_SECONDS, self._end_stranger)

    def _end_stranger(self) -> None:
        if self.transport is not None and not (self.session and self.session.authenticated):
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self.event_handler.mails -= 1
        if not self._refused:
            super().connection_lost(error)


async def serve(config: Settings) -> None:
    """Run both servers until SIGTERM or SIGINT."""
    sink = Sink(config)
    web = listen(config.listen_host, config.sink_port, "SINK_PORT", "the sink")
    mail = listen(config.listen_host, config.sink_smtp_port, "SINK_SMTP_PORT", "the sink")
    # a login without TLS is acceptable on the loopback interface, or between the containers of one machine
    smtp = await asyncio.get_running_loop().create_server(
        lambda: Mail(
            sink,
            timeout=MAIL_SECONDS,
            hostname="localhost",
            data_size_limit=MAX_BODY,
            auth_required=True,
            auth_require_tls=False,
            authenticator=sink.authenticate,
            loop=asyncio.get_running_loop(),
        ),
        sock=mail,
    )
    # no access log: the webhook's path is its secret
    application = sink.limited(instance(config.home, "sink"))
    server = uvicorn.Server(configured(application, timeout_graceful_shutdown=2))
    print(
        f"sink: webhook on {config.listen_host}:{config.sink_port}, SMTP on {config.listen_host}:{config.sink_smtp_port}",
        flush=True,
    )
    async with smtp:
        await server.serve(sockets=[web])


def main() -> None:
    """Run the sink in the foreground; a port that is taken is one line and exit code 2."""
    private()
    # uvicorn ends the open requests and then raises the signal again: let that be an ordinary end
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
    with one_line("sink"):
        asyncio.run(serve(settings()))


if __name__ == "__main__":
    main()
