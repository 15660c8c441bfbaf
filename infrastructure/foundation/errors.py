"""The one error that a person is meant to read, and who can do something about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum


class Kind(Enum):
    """Who can do something about an error. Callers decide by this, never by the words of the message."""

    MEND = "a person must mend something"
    RETRY = "the same may succeed later: something is away or in use"
    OURS = "this project is wrong, or does not fit what it talks to"


def in_one_line(text: str) -> str:
    """A message without its line breaks: the lines of a library's become one sentence after another."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


class EltError(Exception):
    """What was found, what to do about it, and who can (`kind`; a class says it for its errors, a raise for its own).

    `elt` prints it as one line on stderr and exits with its code, 2 (a subclass that reports what ran
    and failed has 1). Every package raises this (or a subclass)
    where the cause is outside the code: a port taken, a file malformed, a password wrong.
    """

    exit_code = 2
    kind = Kind.MEND

    def __init__(self, message: str, remedy: str = "", *, kind: Kind | None = None) -> None:
        self.message = message
        self.remedy = remedy
        self.kind = kind or type(self).kind
        super().__init__(f"{message} — {remedy}" if remedy else message)


@contextmanager
def one_line(program: str) -> Iterator[None]:
    """For the block that is a program: an EltError becomes one line on stderr that begins with its name, and its exit code."""
    try:
        yield
    except EltError as error:
        print(f"{program}: {in_one_line(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
