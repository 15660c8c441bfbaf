"""The SQL of `infrastructure/snowflake` as statements that know their place."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

from sqlglot import tokenize
from sqlglot.tokens import TokenType

from foundation.errors import EltError
from foundation.settings import ROOT, Settings, suffix_of

DIRECTORY = ROOT / "infrastructure" / "snowflake"
KEYS = ("SNOWFLAKE_LOADER_PUBLIC_KEY", "SNOWFLAKE_TRANSFORMER_PUBLIC_KEY", "SNOWFLAKE_REPORTER_PUBLIC_KEY")
ADDRESSES = "SNOWFLAKE_ALLOWED_IPS"


@dataclass(frozen=True)
class Statement:
    """One statement, ready to run, without its semicolon."""

    path: Path
    line: int
    text: str

    @property
    def place(self) -> str:
        """`40_grants.sql:7`"""
        return f"{self.path.name}:{self.line}"


def statements(settings: Settings, *, complete: bool = True, directory: Path = DIRECTORY) -> list[Statement]:
    """All statements for the configured environment, in the order in which they run.

    A value that is not set raises EltError; unless it need not be `complete`: then its name takes its place.
    """
    values = {"SUFFIX": suffix_of(settings.snowflake_environment)}
    for name in KEYS:
        values[name] = _public_key(name, getattr(settings, name.lower()), complete)
    values[ADDRESSES] = _addresses(settings.snowflake_allowed_ips, complete)
    return [
        Statement(path, line, Template(text).substitute(values))
        for path in sorted(directory.glob("*.sql"))
        for line, text in _split(path.read_text(encoding="utf-8"))
    ]


def position(given: list[Statement], start: str | None) -> int:
    """Which statement is at `start` ("40_grants.sql:7"); the first without one. Raises EltError when none is."""
    if start is None:
        return 0
    for index, statement in enumerate(given):
        if statement.place == start:
            return index
    raise EltError(f"no statement begins at {start}", "name FILE:LINE as the error did, or run all again")


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of each statement; comments and strings may hold semicolons."""
    started = None
    for token in tokenize(text, dialect="snowflake"):
        if token.token_type is TokenType.SEMICOLON:
            if started is not None:
                yield started.line, text[started.start : token.start].strip()
            started = None
        elif started is None:
            started = token
    if started is not None:
        yield started.line, text[started.start :].strip()


def _public_key(name: str, given: str, needed: bool) -> str:
    """The key as Snowflake wants it: base64 alone. `given` is that, a PEM text, or the path of a file that holds one."""
    if not given:
        if needed:
            raise EltError(
                f"{name} is not set", "name the file of the public key; README of infrastructure/snowflake"
            )
        return f"<{name}>"
    text = given
    if "\n" not in given and len(given) < 200:
        path = Path(given).expanduser()
        if not path.is_file():
            raise EltError(
                f"{name}: there is no file {given}", "make a key pair (infrastructure/snowflake/README.md)"
            )
        text = path.read_text()
    if "PRIVATE KEY" in text:
        raise EltError(f"{name} holds a private key", "name the public one, which ends in .pub")
    key = "".join(line.strip() for line in text.splitlines() if not line.startswith("-----"))
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise EltError(f"{name} is no public key", "PEM, as `openssl rsa -pubout` writes it") from None
    return key


def _addresses(given: str, needed: bool) -> str:
    """The allowed addresses as SQL strings."""
    if not given:
        if needed:
            raise EltError(
                f"{ADDRESSES} is not set",
                "list the addresses that services log in from: 203.0.113.7,198.51.100.0/24",
            )
        return f"'<{ADDRESSES}>'"
    words = [word.strip() for word in given.split(",") if word.strip()]
    for word in words:
        try:
            ipaddress.IPv4Network(word)
        except ValueError as error:
            raise EltError(
                f"{ADDRESSES}: {error}", "IPv4 addresses or networks, with commas between"
            ) from None
    return ", ".join(f"'{word}'" for word in words)
