"""The engine in this process, and one statement on it: with the limits of its user, in a session where the client keeps one."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chdb import ChdbError
from chdb.state.sqlitelike import Connection
from filelock import FileLock, Timeout

from foundation.errors import EltError
from streaming.clickhouse.accounts import Account
from streaming.clickhouse.statements import (
    READONLY,
    SESSION_WORDS,
    SYNTAX_ERROR,
    RefusedStatement,
    Statement,
    allowed,
)

HERE = Path(__file__).parent
CONFIGURATION = ("config.xml", "users.xml")
DATA = "data"

# What a statement may take at most; a client may ask for less. By whether its user writes; users.xml has the same for a statement's own words.
LIMITS: dict[bool, dict[str, int]] = {
    False: {"max_execution_time": 30, "max_memory_usage": 384 << 20, "max_result_bytes": 64 << 20},
    True: {"max_execution_time": 300, "max_memory_usage": 640 << 20, "max_result_bytes": 64 << 20},
}
# not for clients: what would take a statement out of its limits, or an acknowledged insert out of the files
OURS = frozenset(
    {"readonly", "allow_ddl", "profile", "async_insert", "result_overflow_mode", "timeout_overflow_mode"}
)
SETTING = re.compile(r"[a-z]\w*", re.IGNORECASE)
SESSIONS = 64
SESSION_SECONDS = 60.0

UNKNOWN_SETTING, SESSION_IS_LOCKED = 115, 373
CODE = re.compile(r"Code: (\d+)\.")


class EngineError(Exception):
    """A statement failed: ClickHouse's code, and what the engine says."""

    def __init__(self, message: str) -> None:
        found = CODE.search(message)
        self.code = int(found[1]) if found else 1002  # UNKNOWN_EXCEPTION
        super().__init__(message if found else f"Code: {self.code}. DB::Exception: {message}")


@dataclass(frozen=True)
class Request:
    """A statement with its surroundings. `session`: its name, empty for none; `session_seconds`: how long it is kept after this."""

    statement: Statement
    account: Account
    database: str = ""
    form: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    session_seconds: float = SESSION_SECONDS


@dataclass(frozen=True)
class Answer:
    """What a statement gives: bytes in the form that was asked for, and figures for X-ClickHouse-Summary."""

    body: bytes
    summary: Mapping[str, int]


@dataclass
class _Session:
    handle: Any
    until: float
    busy: bool = True


class Engine:
    """The engine over a folder, which is locked while it runs. Raises EltError when it can't be opened.

    Each request has a connection of its own, unless its session left something behind (SET, USE): then that session's.
    """

    def __init__(self, folder: Path, database: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._owner = FileLock(folder / "owner.lock")  # the engine has one, too, but says that in its own way
        try:
            self._owner.acquire(timeout=0)
        except Timeout:
            raise EltError(f"another ClickHouse runs on {folder}", "end it first: elt down stream") from None
        for name in CONFIGURATION:
            shutil.copyfile(HERE / name, folder / name)
        os.chdir(folder)  # the names below stand in a connection string, where no folder's name is safe
        try:
            self._first = Connection(f"{DATA}?config-file={CONFIGURATION[0]}")
        except RuntimeError as error:
            raise EltError(f"ClickHouse can't open {folder / DATA}: {error}", "see the lines above") from None
        # the one that is meant where a request names none: the engine's own `default` is the files of this folder besides
        self._database = database
        self._first.query(
            "CREATE DATABASE IF NOT EXISTS {database:Identifier}", "TSV", {"database": database}
        )
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], _Session] = {}

    def run(self, request: Request) -> Answer:
        """Run a statement. Raises RefusedStatement: its user may not; EngineError: it failed."""
        with self._handle(request) as (handle, fresh):
            return self._run(handle, request, request.database or (self._database if fresh else ""))

    def close(self) -> None:
        """Close every connection, which ends the engine."""
        with self._lock:
            for session in self._sessions.values():
                session.handle.close()
            self._sessions.clear()
        self._first.close()

    # ------------------------------------------------------------------------------------------ one statement

    def _run(self, handle: Connection, request: Request, database: str) -> Answer:
        statement, account = request.statement, request.account
        started = time.monotonic()
        try:
            if database:
                handle.query("USE {database:Identifier}", "TSV", {"database": database})
            handle.query(f"SET {_settings(request)}", "TSV")
            kind = _class_of(handle, statement)
            allowed(_canonical(handle, statement), kind, request.parameters, writes=account.writes)
            if not account.writes:
                handle.query("SET readonly = 1", "TSV")
            if statement.data is None:
                result = handle.query(
                    statement.text, request.form or "TabSeparated", dict(request.parameters)
                )
                body = bytes(result.bytes() or b"")
                figures = {
                    "read_rows": result.storage_rows_read(),
                    "read_bytes": result.storage_bytes_read(),
                    "result_rows": result.rows_read(),
                    "result_bytes": len(body),
                }
            else:
                with handle.send_insert(statement.text, statement.form) as insert:
                    if statement.data:
                        insert.append(statement.data)
                    done = insert.finish()
                body = b""
                figures = {"written_rows": done.rows_written, "written_bytes": done.bytes_written}
        except RefusedStatement:
            raise
        except (ChdbError, RuntimeError) as error:
            raise EngineError(str(error)) from None
        return Answer(body, figures | {"elapsed_ns": int((time.monotonic() - started) * 1e9)})

    # --------------------------------------------------------------------------------------------- sessions

    @contextmanager
    def _handle(self, request: Request) -> Iterator[tuple[Connection, bool]]:
        """A connection, and whether it is a new one."""
        key = (request.account.name, request.session)
        kept = self._taken(key) if request.session else None
        handle = kept.handle if kept else Connection(f"{DATA}")
        keep = False
        try:
            yield handle, kept is None
            keep = bool(request.session) and (
                kept is not None or request.statement.first_word in SESSION_WORDS
            )
        finally:
            self._put_back(key, handle, kept, keep=keep, seconds=request.session_seconds)

    def _taken(self, key: tuple[str, str]) -> _Session | None:
        """A session that is there, for this request alone. Raises EngineError: another request is in it."""
        with self._lock:
            self._forget()
            session = self._sessions.get(key)
            if session is None:
                return None
            if session.busy:
                raise EngineError(
                    f"Code: {SESSION_IS_LOCKED}. DB::Exception: Session is locked by a concurrent client"
                )
            session.busy = True
            return session

    def _put_back(
        self, key: tuple[str, str], handle: Connection, kept: _Session | None, *, keep: bool, seconds: float
    ) -> None:
        with self._lock:
            until = time.monotonic() + seconds
            if kept is not None:  # its settings stand, however this statement ended
                kept.busy, kept.until = False, until
                return
            if keep and key not in self._sessions:
                self._sessions[key] = _Session(handle, until, busy=False)
                self._forget()
                return
        handle.close()

    def _forget(self) -> None:
        """Close sessions whose time is over, and the oldest beyond SESSIONS."""
        now = time.monotonic()
        idle = sorted((s.until, key) for key, s in self._sessions.items() if not s.busy)
        beyond = len(self._sessions) - SESSIONS
        for number, (until, key) in enumerate(idle):
            if until < now or number < beyond:
                self._sessions.pop(key).handle.close()


def _class_of(handle: Connection, statement: Statement) -> str:
    """What the engine's own parser says of a statement. Raises RefusedStatement: it is several."""
    report = handle._conn.classify_query(statement.whole)
    if int(report["statement_count"]) > 1:
        raise RefusedStatement(SYNTAX_ERROR, "Multi-statements are not allowed: a request has one statement")
    return str(report["query_class"].name)


def _canonical(handle: Connection, statement: Statement) -> str:
    """The statement as the engine writes it, without comments. Where it does not parse, the engine's words say where."""
    found = handle.query(f"SELECT formatQuery({_literal(statement.whole)})", "TSVRaw")
    return bytes(found.bytes() or b"").decode()


def _settings(request: Request) -> str:
    """A request's settings, with the limits of its user: the smaller of two is in force."""
    values: dict[str, Any] = {}
    for name, value in request.settings.items():
        if not SETTING.fullmatch(name):
            raise RefusedStatement(UNKNOWN_SETTING, f"Unknown setting {name[:64]!r}")
        if name in OURS:
            raise RefusedStatement(READONLY, f"the setting {name} is the server's")
        values[name] = value
    for name, most in LIMITS[request.account.writes].items():
        asked = str(values.get(name, most))
        values[name] = min(int(asked), most) if asked.isdigit() and int(asked) > 0 else most
    return ", ".join(f"{name} = {_literal(str(value))}" for name, value in values.items())


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def summary_of(answer: Answer) -> str:
    """The value of X-ClickHouse-Summary: every figure as text."""
    return json.dumps({name: str(value) for name, value in answer.summary.items()})
