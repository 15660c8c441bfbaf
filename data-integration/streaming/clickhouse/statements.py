"""What a request wants of the engine: one statement, and for an INSERT the data that follow its head.

The engine is a library, and has what a server must not offer: it can read a local file into a table (FROM INFILE), write an answer into
one (INTO OUTFILE), and look into the memory of its process (`Python`, `arrowstream`); one of its functions (`file`) asks for no right. What
changes the engine itself, or needs rights, is refused by the class that the engine's own parser gives a statement, what only its words tell by
its words: those of the text that the engine makes of it, which has no comments, and one kind of quotes. Files and the network are besides no right of the engine's
one user (users.xml), and the kernel lets this process reach neither (`shut_in`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

# as ClickHouse's lexer has them; a quote that never ends is a token of its own
TOKEN = re.compile(
    rb"""
      (?P<blank> \s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/ )
    | (?P<text> '(?:[^'\\]|\\.|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<name> "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*` )
    | (?P<word> [A-Za-z_]\w* )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
TEXT_BYTES = 256 << 10  # of a statement without its data: ClickHouse's own max_query_size
QUERIES = frozenset({"SELECT", "WITH", "WATCH", "EXPLAIN"})  # an INSERT that has one of these brings no data
FILES = frozenset({"INFILE", "OUTFILE"})
# what reads a file or asks the network whatever the user's rights are, runs a program, or looks into this process
INSIDES = frozenset({"FILE", "DISK", "EXECUTABLE", "PYTHON", "ARROWSTREAM"})
READS_A_FILE = (
    "FILE"  # of them a function of values: another function takes its name alone (arrayMap(file, …))
)
NAMED_BY_A_PARAMETER = re.compile(r"\{\s*(\w+)\s*:\s*Identifier\s*\}")
MAKES = frozenset({"CREATE", "ATTACH", "REPLACE"})  # statements in which ENGINE is no column's name
ENGINES = re.compile(r"\w*MERGETREE|ATOMIC|MEMORY|NULL|(TINY|STRIPE)?LOG")  # those that reach nothing outside
SESSION_WORDS = ("SET", "USE")  # change nothing but the session

READS, WRITES, CONTROLS = "READ_ONLY", "MUTATING", "CONTROL"  # classes of the engine's parser
SYNTAX_ERROR, READONLY, ACCESS_DENIED = 62, 164, 497


class RefusedStatement(Exception):
    """A statement that this front does not run: ClickHouse's code for the error, and why."""

    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(reason)


@dataclass(frozen=True)
class Statement:
    """`text` without the data; `data` in `form`, where it is an INSERT that brings some."""

    text: str
    data: bytes | memoryview | None = None
    form: str = ""

    @property
    def first_word(self) -> str:
        return next((word.text for word in _words(self.text.encode())), "")

    @property
    def whole(self) -> str:
        """With what says the form of its data, and without them."""
        return self.text if self.data is None else f"{self.text} FORMAT {self.form}"


def statement_of(body: bytes) -> Statement:
    """Read a request's whole text. Raises RefusedStatement: it is no UTF-8 or too long."""
    found = _insert(body)
    if found is None:
        found = Statement(_decoded(body).strip().rstrip(";"))
    text = found.text.encode()
    if len(text) > TEXT_BYTES:
        raise RefusedStatement(
            SYNTAX_ERROR, f"Max query size exceeded: a statement has at most {TEXT_BYTES} bytes"
        )
    return found


def allowed(canonical: str, kind: str, parameters: Mapping[str, str], *, writes: bool) -> None:
    """Whether a user may run a statement of this class; `canonical`: as the engine writes it. Raises RefusedStatement."""
    text = canonical.encode()
    words = list(_words(text))
    _check(text, words)
    for name in NAMED_BY_A_PARAMETER.findall(canonical):
        if parameters.get(name, "").strip('`" ').upper() in INSIDES:
            raise RefusedStatement(
                ACCESS_DENIED, f"Not enough privileges: the parameter {name} reaches outside of the server"
            )
    if kind == READS:
        return
    if not writes:
        raise RefusedStatement(READONLY, "Cannot execute query in readonly mode: this user only reads")
    if kind == WRITES or (kind == CONTROLS and words[0].text in SESSION_WORDS):
        return
    raise RefusedStatement(
        ACCESS_DENIED,
        "Not enough privileges: files, users, functions, the system, and how a statement waits for its end, are not for requests",
    )


class Word(NamedTuple):
    """A word, or a name in quotes, upper case; where it begins and ends; how deep in parentheses it is, whether one opens behind it, and
    what stands before it."""

    text: str
    start: int
    end: int
    depth: int
    quoted: bool
    calls: bool
    before: bytes


def _words(text: bytes) -> Iterator[Word]:
    """What is neither blank, comment nor text. It is lazy: data behind the head of an INSERT are not looked at."""
    depth, last, before = 0, None, b""
    for token in TOKEN.finditer(text):
        if token["blank"]:
            continue
        if last is not None:
            yield last._replace(calls=token["other"] == b"(")
            last = None
        if token["other"] == b"(":
            depth += 1
        elif token["other"] == b")":
            depth -= 1
        elif token["word"] or token["name"]:
            word = token["word"] or token["name"][1:-1]
            last = Word(
                word.decode(errors="replace").upper(),
                token.start(),
                token.end(),
                depth,
                bool(token["name"]),
                False,
                before,
            )
        before = token.group()
    if last is not None:
        yield last


def _check(text: bytes, words: list[Word]) -> None:
    """Look for words that reach outside."""
    # the engine writes no comments
    if any(token["blank"] and not token["blank"].isspace() for token in TOKEN.finditer(text)):
        raise RefusedStatement(SYNTAX_ERROR, "this statement can't be read for certain")
    makes, queries = bool(words) and words[0].text in MAKES, False
    for number, word in enumerate(words):
        if word.text in FILES and not word.quoted:
            raise RefusedStatement(
                ACCESS_DENIED, f"Not enough privileges: {word.text} is a file of the server"
            )
        queries = queries or word.text in QUERIES or word.text == "FUNCTION"
        # the columns of INSERT INTO table (file, …)
        filled = words[0].text == "INSERT" and not queries and word.depth == 1 and word.before in (b"(", b",")
        named = word.text == READS_A_FILE and not (word.quoted or word.before == b"." or filled)
        if word.text in INSIDES and (word.calls or named):
            raise RefusedStatement(
                ACCESS_DENIED,
                f"Not enough privileges: {word.text} reaches outside of the server (a column of that name: table.file)",
            )
        if makes and word.text == "ENGINE" and not word.quoted and number + 1 < len(words):
            following = words[number + 1]
            between = [
                one.group() for one in TOKEN.finditer(text, word.end, following.start) if not one["blank"]
            ]
            if between == [b"="] and not ENGINES.fullmatch(following.text):
                raise RefusedStatement(
                    ACCESS_DENIED, f"Not enough privileges: {following.text} reaches outside of the server"
                )


def _insert(body: bytes) -> Statement | None:
    """The statement, where it is an INSERT that brings data (or none at all, but could)."""
    words = (word for word in _words(body) if not word.quoted)
    first = next(words, None)
    if first is None or first.text != "INSERT":
        return None
    for word in words:
        if word.text in QUERIES or word.text in FILES or word.start > TEXT_BYTES:
            return None
        if word.depth == 0 and word.text == "VALUES":
            return Statement(_decoded(body[: word.start]).strip(), memoryview(body)[word.end :], "Values")
        if word.depth == 0 and word.text == "FORMAT":
            form = re.compile(rb"\s+([A-Za-z]\w*)[ \t\f]*\r?\n?").match(body, word.end)
            if form is None:
                raise RefusedStatement(SYNTAX_ERROR, "FORMAT without a name")
            # data begin behind blanks and the end of that line, no further
            return Statement(
                _decoded(body[: word.start]).strip(), memoryview(body)[form.end() :], form[1].decode()
            )
    return None


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise RefusedStatement(SYNTAX_ERROR, "the statement is no UTF-8 text") from None
