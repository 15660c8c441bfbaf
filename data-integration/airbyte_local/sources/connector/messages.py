"""The kinds of a connector's messages: runs of records, which stay text, and the few messages that mean something to us.

Almost every line is a record of the stream of the line before, and begins like it: such a line is only looked at by its
first bytes. All others are read as JSON. Text that is no JSON at all is logged, as Airbyte does (libraries print such things);
a line that begins as a message and is not whole, or ends in one, is an error, since data would be lost.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airbyte_local import exact
from airbyte_local.failures import Key
from airbyte_local.schema import label
from airbyte_local.sources.connector.process import Process, how_it_ended
from foundation.errors import EltError
from foundation.quoting import visible

log = logging.getLogger(__name__)

LEVELS = {"FATAL": 50, "ERROR": 40, "WARN": 30, "INFO": 20, "DEBUG": 10, "TRACE": 5}
EXCERPT = 100
MODULE = re.compile(r"^(?:\w+\.)+(?=\w+: )")  # before the name of an exception
HEAD = re.compile(
    rb'\s*\{\s*"type"\s*:\s*"RECORD"\s*,\s*"record"\s*:\s*\{'
    rb'((?:\s*"(?:stream|namespace)"\s*:\s*(?:"(?:[^"\\]|\\.)*"|null)\s*,)+)\s*"data"\s*:\s*\{'
)


# the end of a record whose namespace follows its data, as airbyte-cdk writes it; a field of the data is never so near to the end
TAIL = re.compile(
    rb'\}\s*,\s*"emitted_at"\s*:\s*[0-9]+\s*(?:,\s*"namespace"\s*:\s*("(?:[^"\\]|\\.)*"|null)\s*)?\}\s*\}$'
)
TAIL_BYTES = 300
NAMESPACE = b'"namespace"'


@dataclass(frozen=True)
class Rows:
    """Records of one stream: their messages as lines of JSON."""

    key: Key
    lines: bytes
    count: int


@dataclass(frozen=True)
class State:
    """How far the connector has come; every record before it in its stream (or, without one, at all) belongs to it.

    `blobs`: what each of these streams is to get back. `position`: what all share, in the form it is stored in. `records`: how
    many the connector says that it sent since its last state of the same kind.
    """

    blobs: dict[Key, Any]
    position: dict[str, Any] | None = None
    records: float | None = None


@dataclass(frozen=True)
class Status:
    """A stream has STARTED, is RUNNING, COMPLETE or INCOMPLETE."""

    key: Key
    status: str


@dataclass(frozen=True)
class Control:
    """The connector wants this configuration from now on: a token was renewed, say."""

    configuration: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a command was asked for: SPEC, CONNECTION_STATUS or CATALOG."""

    type: str
    content: dict[str, Any]


Item = Rows | State | Status | Control | Answer

_RECORD = object()
NEVER = b"\n"  # no line begins so
TYPES = ("RECORD", "STATE", "LOG", "TRACE", "CONTROL", "SPEC", "CATALOG", "CONNECTION_STATUS")
STATE = b'"STATE"'
DEEPEST = 200  # levels of what is kept and written down again
KEPT = frozenset({"STATE", "CONTROL", "SPEC", "CATALOG"})
BEGINNING = re.compile(rf'\s*\{{\s*"type"\s*:\s*"({"|".join(TYPES)})"'.encode())
GLUED = re.compile(rb'\{\s*"type"\s*:\s*"(RECORD|STATE)".*\}\s*$')


class Messages:
    """Reads a process to its end. `streams`: those whose records are wanted."""

    def __init__(self, process: Process, streams: Iterable[Key] = ()) -> None:
        self.errors: dict[Key | None, str] = {}  # what it said went wrong, by stream
        self.at: Key | None = None  # the stream that it spoke of last
        self._process, self._label = process, process.connector.label
        self._keys = set(streams)
        self._by_name: dict[str, list[Key]] = {}
        for key in self._keys:
            self._by_name.setdefault(key[1], []).append(key)
        self._key: Key | None = None  # the stream of the last record; None: one that is not wanted
        self._head = NEVER  # how its next record begins
        self._tail = b""  # its namespace, where that follows the data
        self._number = 0
        self._last_log = self._last_error = ""
        self._unwanted: set[str] = set()

    def __iter__(self) -> Iterator[Item]:
        """Raises EltError: a broken line, silence, an error that it reported, an exit code other than 0."""
        for items in self.blocks():
            yield from items

    def blocks(self) -> Iterator[list[Item]]:
        """The same, as much at a time as was read at once; an empty list while nothing comes."""
        for block in self._process.blocks():
            yield from self._complete(block)
        code = self._process.exit_code()
        if code == 0 and self._process.rest:
            yield from self._complete(self._process.rest + b"\n")
        if code or self.errors:
            raise self.failure(code)

    def failure(self, code: int = 0) -> EltError:
        """What went wrong, in one line: the connector, the stream, its own reason or else its last useful words."""
        doing = f"stream {label(*self.at)}" if self.at else self._process.command
        found = [f"{f'stream {label(*key)}' if key else doing}: {text}" for key, text in self.errors.items()]
        if code and not self.errors:
            last = self._last_error or self._process.last_words or self._last_log
            said = f"; the last it said: {shortened(last, 300)}" if last else ""
            found = [f"{doing}: {how_it_ended(code)}{said}"]
        return EltError(f"{self._label}: {'; '.join(found)}", "see the job's log" if self._keys else "")

    def _complete(self, block: bytes) -> Iterator[list[Item]]:
        """What a block holds, up to a broken line, if there is one: what was whole before it counts."""
        items = []
        try:
            for item in self._told_apart(block):
                items.append(item)
        except EltError:
            yield items
            raise
        yield items

    def _told_apart(self, block: bytes) -> Iterator[Item]:
        run: list[bytes] = []
        unnamed = NAMESPACE not in block  # no record of it has to be searched
        for line in block[:-1].split(b"\n"):
            self._number += 1
            if (
                line.startswith(self._head)
                and line[-1:] == b"}"
                and ((unnamed and not self._tail) or namespace_after(line, len(self._head)) == self._tail)
            ):
                run.append(line)
                continue
            if not line or line.isspace():
                continue
            key = self._key
            try:
                item = self._understood(line)
            except EltError:
                yield from self._rows(key, run)
                raise
            if item is not _RECORD or self._key != key:
                yield from self._rows(key, run)
                run = []
            if item is _RECORD:
                run.append(line)
            elif item is not None:
                yield item
        yield from self._rows(self._key, run)

    def _rows(self, key: Key | None, run: list[bytes]) -> Iterator[Rows]:
        if key is not None and run:
            self.at = key
            yield Rows(key, b"\n".join(run) + b"\n", len(run))

    def _understood(self, line: bytes) -> Any:
        """The item that a line is, `_RECORD`, or None for one that needs no more attention."""
        head = HEAD.match(line)
        if head and line[-1:] == b"}":
            names = json.loads(b"{" + head[1].rstrip().removesuffix(b",") + b"}")
            tail = namespace_after(line, head.end())
            if tail:
                names["namespace"] = json.loads(tail)
            if tail is not None and ("namespace" in names or len(self._by_name.get(names["stream"], ())) < 2):
                self._key, self._head, self._tail = self._key_of(names), head[0], tail
                return _RECORD
        message = self._parsed(line)
        if message is None:
            return None
        try:
            kind = message["type"]
            if kind == "RECORD":
                self._key, self._head = self._key_of(message["record"]), NEVER
                message["record"]["data"].keys()
                return _RECORD
            return self._meaning(kind, message)
        except (KeyError, TypeError, AttributeError):
            raise self._broken(line) from None

    def _parsed(self, line: bytes) -> dict[str, Any] | None:
        """The line as a message; None when it is text that was not meant to be one."""
        parse = exact.parsed if STATE in line else json.loads
        try:
            message = parse(line)
        except (ValueError, RecursionError):
            if BEGINNING.match(line) or is_glued(line):
                raise self._broken(line) from None
            message = None
        if isinstance(message, dict) and message.get("type") in TYPES:
            return message if parse is json.loads or message["type"] == "STATE" else json.loads(line)
        self._last_log = self._process.clean(line.decode(errors="replace"))
        log.info("%s: %s", self._process.connector.type, self._last_log)
        return None

    def _broken(self, line: bytes) -> EltError:
        return self._wrong(
            f"is no whole Airbyte message: {excerpt(self._process.clean(line.decode(errors='replace')))}"
        )

    def _wrong(self, reason: str) -> EltError:
        """What is wrong with the line that was read last."""
        at = self._key or self.at
        where = f", stream {label(*at)}" if at else ""
        return EltError(
            f"{self._label}{where}: line {self._number} of its output {reason}",
            "report it to the connector's maintainer; what was committed before stays",
        )

    def _key_of(self, record: dict[str, Any]) -> Key | None:
        """The stream of a record, if it is wanted. Raises EltError: it may be of any of several streams."""
        name, namespace = record["stream"], record.get("namespace") or ""
        candidates = self._by_name.get(name, ())
        if (namespace, name) in candidates:
            return namespace, name
        if not namespace and len(candidates) == 1:
            return candidates[0]
        if not namespace and candidates:
            raise EltError(
                f"{self._label}: it sent a record of {visible(name)} without a namespace, and {len(candidates)} streams of"
                " that name were asked for",
                "report it to the connector's maintainer; until then, sync one of them alone",
            )
        if name not in self._unwanted:
            self._unwanted.add(name)
            log.warning("%s sends records of %s, which nobody asked for", self._label, label(namespace, name))
        return None

    def _meaning(self, kind: str, message: dict[str, Any]) -> Any:
        """The item that a message is, None for one that needs no more. Raises EltError, or TypeError and the like: it has another form."""
        if kind in KEPT and is_deeper(message, DEEPEST):
            raise self._wrong(f"is a {kind} message that is nested more than {DEEPEST} levels deep")
        if kind == "STATE":
            return self._state(message["state"])
        if kind == "LOG":
            said = message["log"]
            self._last_log = self._process.clean(str(said["message"]))
            level = LEVELS.get(said["level"], logging.INFO)
            if level >= logging.ERROR:
                self._last_error = self._last_log
            log.log(level, "%s: %s", self._process.connector.type, self._last_log)
        elif kind == "TRACE":
            return self._trace(message["trace"])
        elif kind == "CONTROL":
            configuration = message["control"]["connectorConfig"]["config"]
            configuration.keys()
            return Control(configuration)
        elif kind in ("SPEC", "CATALOG"):
            return Answer(kind, message[kind.lower()])
        elif kind == "CONNECTION_STATUS":
            return Answer(kind, message["connectionStatus"])
        return None

    def _state(self, state: dict[str, Any]) -> State:
        kind = state.get("type") or "LEGACY"
        records = (state.get("sourceStats") or {}).get("recordCount")
        if type(records) is str:
            raise TypeError("a number of records that is text")
        records = None if records is None else float(records)
        if kind != "STREAM" and self._unwanted:  # they are among the number
            records = None
        if kind == "STREAM":
            key = self._described(state["stream"]["stream_descriptor"])
            self.at = key
            return State({key: blob_of(state["stream"])}, records=records)
        if kind == "GLOBAL":
            blobs = {
                self._described(one["stream_descriptor"]): blob_of(one)
                for one in state["global"]["stream_states"]
            }
            return State(blobs, {"type": kind, "shared_state": state["global"].get("shared_state")}, records)
        return State({}, {"type": "LEGACY", "data": state["data"]}, records)

    def _trace(self, trace: dict[str, Any]) -> Status | None:
        if trace["type"] == "STREAM_STATUS":
            status = trace["stream_status"]
            key = self._described(status["stream_descriptor"])
            self.at = key
            log.info("%s: %s", label(*key), status["status"])
            return Status(key, status["status"])
        if trace["type"] == "ESTIMATE":
            estimate = trace["estimate"]
            name = label(estimate.get("namespace") or "", estimate["name"]) if estimate.get("name") else "all"
            rows, size = estimate.get("row_estimate"), estimate.get("byte_estimate")
            log.info("%s: the connector expects %s rows, %s bytes", name, rows or "?", size or "?")
        elif trace["type"] == "ERROR":
            error = trace["error"]
            descriptor = error.get("stream_descriptor")
            of = self._described(descriptor) if descriptor else None
            text = self._process.clean(error["message"] or "an error without a message")
            log.error("%s: %s (%s)", self._label, text, error.get("failure_type"))
            for more in ("internal_message", "stack_trace"):
                if error.get(more):
                    log.error("%s", self._process.clean(error[more]))
            if of not in self.errors:  # the first is the cause, what follows is its echo
                self.errors[of] = shortened(without_traceback(text), 300)
        return None

    def _described(self, descriptor: dict[str, Any]) -> Key:
        name, namespace = descriptor["name"], descriptor.get("namespace") or ""
        if not isinstance(name, str) or not isinstance(namespace, str):
            raise TypeError("a stream's name that is no text")
        candidates = self._by_name.get(name, ())
        return candidates[0] if not namespace and len(candidates) == 1 else (namespace, name)


def namespace_after(line: bytes, start: int) -> bytes | None:
    """The namespace that a record names after `start`, where its data begins: as JSON, empty without one; None: not clear."""
    if line.find(NAMESPACE, start) < 0:
        return b""
    found = TAIL.search(line, max(start, len(line) - TAIL_BYTES))
    return found and (found[1] or b"")


def blob_of(stream: dict[str, Any]) -> Any:
    """A stream's state; one that is null is still a state."""
    blob = stream.get("stream_state")
    return {} if blob is None else blob


def is_deeper(value: Any, most: int) -> bool:
    """Whether JSON is nested in more than so many levels: Python's own functions for it end at some hundreds."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return any(isinstance(one, dict | list) for one in level)


def is_glued(line: bytes) -> bool:
    """Whether a whole record or state follows other text, which a library has printed without an end of line."""
    found = GLUED.search(line)
    try:
        return found is not None and isinstance(json.loads(found[0])[found[1].decode().lower()], dict)
    except (ValueError, KeyError, RecursionError):
        return False


def excerpt(line: str) -> str:
    """The beginning of a line, for people. Its data may be personal: it shows only the form of that."""
    before, mark, data = line.partition('"data"')
    return shortened(before + mark + form_of(data), EXCERPT)


def form_of(text: str) -> str:
    """A text without what it says: letters are a, digits are 9."""
    return "".join("9" if char.isdigit() else "a" if char.isalpha() else char for char in text)


def without_traceback(text: str) -> str:
    """What a Python traceback says in the end, without the exception's module; any other text as it is.

    The file-based connectors send the whole of it as their message.
    """
    lines = text.strip().splitlines()
    if not lines or not lines[0].startswith("Traceback "):
        return text
    last = max(
        number for number, line in enumerate(lines) if line[:1] == " " or line.startswith("Traceback ")
    )
    said = "\n".join(lines[last + 1 :])
    return MODULE.sub("", said, count=1) or text


def shortened(text: str, most: int) -> str:
    """One line of it, at most so long."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]} …"
