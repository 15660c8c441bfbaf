"""YAML that remembers its lines, so that every complaint about a file names the place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from foundation.errors import EltError
from foundation.settings import ROOT

MERGE = "tag:yaml.org,2002:merge"
VALUES, DEPTH = 200_000, 50  # in one file
DIRECTORY = ROOT / "data-integration" / "connections"

At = tuple[str | int, ...]  # the way to a value: ("streams", 3, "primaryKey")


@dataclass(frozen=True)
class Document:
    """One file: its values, and the line of each."""

    path: Path
    data: dict[str, Any]
    lines: dict[At, int]

    def line(self, at: At) -> int:
        """The line of `at`, or of the nearest thing around it that the file does hold."""
        known = [at[:length] for length in range(len(at) + 1) if at[:length] in self.lines]
        return self.lines[known[-1]]

    def holds(self, at: At) -> bool:
        """Whether the file says something there."""
        data: Any = self.data
        for part in at:
            try:
                data = data[part]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def error(self, at: At, message: str, remedy: str) -> EltError:
        return EltError(f"{shown(self.path)}, line {self.line(at)}: {message}", remedy)


def complaint(document: Document, at: At, error: ValidationError, see: str) -> EltError:
    """The first thing that pydantic found below `at`, in the file's terms; never a value (it may be a secret)."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    where = (*at, *first["loc"])
    name = where[-1] if where else "the file"
    if first["type"] == "extra_forbidden":
        return document.error(where, f"unknown field {name}", f"correct or remove it ({see})")
    if first["type"] == "missing":
        return document.error(where, f"{name} is missing", f"add it ({see})")
    while where and not document.holds(where):  # pydantic goes on with the types that it has tried
        where = where[:-1]
    named = [str(part) for part in where if not isinstance(part, int)]
    kind = first["type"]
    said = "not a mapping of fields" if kind in ("model_type", "model_attributes_type") else first["msg"]
    return document.error(where, f"{named[-1] if named else 'the file'}: {said}", f"correct it ({see})")


def shown(path: Path) -> str:
    """The path as a person would type it from the repository's root."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def read(path: Path) -> Document:
    """Read one YAML file that holds a mapping.

    Raises EltError naming file and line: not YAML, a named pipe, a key twice, not a mapping.
    """
    if path.is_fifo():  # reading it would wait for somebody who writes
        raise EltError(f"{shown(path)} can't be read: it is a named pipe", "mend or restore the file")
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        lines: dict[At, int] = {(): 1}
        data = None if node is None else _walk(loader, node, (), lines, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise EltError(f"{shown(path)}{where}: {error.problem}", "mend the YAML") from None
    except RecursionError:
        raise EltError(
            f"{shown(path)}: more than {DEPTH} values within each other", "mend the YAML"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EltError(f"{shown(path)} can't be read: {error}", "mend or restore the file") from None
    if not isinstance(data, dict):
        raise EltError(f"{shown(path)}, line 1: not a mapping of fields", "see connections/README.md")
    return Document(path, data, lines)


def _pairs(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the pairs of a mapping, with those that `<<` merges in. A mapping that contains itself counts as too many."""
    if isinstance(node, yaml.SequenceNode):
        return sum(_pairs(item, known) for item in node.value)
    if not isinstance(node, yaml.MappingNode):
        return 1
    if id(node) not in known:
        known[id(node)] = VALUES + 1  # while it is counted
        merged = sum(_pairs(value, known) for key, value in node.value if key.tag == MERGE)
        known[id(node)] = len(node.value) + merged
    return known[id(node)]


def _merge(loader: yaml.SafeLoader, node: yaml.MappingNode) -> None:
    """Resolve `<<`: the node's own keys go over those that it takes over, and only a key of its own can be there twice."""
    own = list(node.value)
    loader.flatten_mapping(node)
    if len(own) == len(node.value) and all(a is b for a, b in zip(own, node.value, strict=True)):
        return
    named = {str(loader.construct_object(key)) for key, _ in own if key.tag != MERGE}
    kept = [pair for pair in own if pair[0].tag != MERGE]
    merged = {str(loader.construct_object(key)): (key, value) for key, value in node.value}
    node.value = [pair for name, pair in merged.items() if name not in named] + kept


def _walk(loader: yaml.SafeLoader, node: yaml.Node, at: At, lines: dict[At, int], path: Path) -> Any:
    lines.setdefault(at, node.start_mark.line + 1)
    merges = isinstance(node, yaml.MappingNode) and any(key.tag == MERGE for key, _ in node.value)
    if len(lines) > VALUES or len(at) > DEPTH or (merges and _pairs(node, {}) > VALUES):
        raise EltError(
            f"{shown(path)}, line {node.start_mark.line + 1}: more than {VALUES:,} values, or {DEPTH} within each other,"
            " with its aliases written out",
            "take the aliases out",
        )
    if isinstance(node, yaml.MappingNode):
        _merge(loader, node)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(_value(loader, key_node, path))
            line = key_node.start_mark.line + 1
            if key in values:
                raise EltError(f"{shown(path)}, line {line}: {key} is here twice", "remove one")
            lines[(*at, key)] = line
            values[key] = _walk(loader, value_node, (*at, key), lines, path)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_walk(loader, item, (*at, i), lines, path) for i, item in enumerate(node.value)]
    return _value(loader, node, path)


def _value(loader: yaml.SafeLoader, node: yaml.Node, path: Path) -> Any:
    """A key or a single value; YAML allows texts that are none elsewhere, and days that no month has."""
    try:
        value = loader.construct_object(node)
        str(value).encode()
    except (ValueError, OverflowError) as error:
        reason = "half a surrogate pair" if isinstance(error, UnicodeEncodeError) else str(error)
        raise EltError(
            f"{shown(path)}, line {node.start_mark.line + 1}: {reason}", "correct the value"
        ) from None
    return value
