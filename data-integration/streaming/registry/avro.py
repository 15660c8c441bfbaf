"""An Avro schema as a tree of types, read from its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from foundation.limits.strict_json import UnfitError, loads

WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class InvalidSchemaError(Exception):
    """A text that is no Avro schema, and why."""


@dataclass(frozen=True)
class Logical:
    """What a value means beyond its type; of a decimal with its digits."""

    name: str
    precision: int | None = None
    scale: int | None = None


@dataclass(eq=False)
class Type:
    """A type: primitive by its `kind`, or array, map (one of `parts`), union (all of `parts`), or one that has a name."""

    kind: str
    logical: Logical | None = None
    parts: list[Type] = field(default_factory=list)
    name: str = ""
    aliases: frozenset[str] = frozenset()
    size: int = 0
    symbols: tuple[str, ...] = ()
    default: str | None = None  # of an enum
    fields: list[Field] = field(default_factory=list)


@dataclass(eq=False)
class Field:
    """A field of a record."""

    name: str
    aliases: frozenset[str]
    type: Type
    has_default: bool


def compact(text: str, *, sorted_names: bool = False) -> str:
    """The schema's JSON without blanks: what tells two schemas apart. `sorted_names`: nor does the order of an object's names."""
    return json.dumps(_loaded(text), separators=(",", ":"), ensure_ascii=False, sort_keys=sorted_names)


def parse(text: str, references: Sequence[str] = ()) -> Type:
    """The type that a schema defines; `references` are schemas whose names it uses, in the order in which they need each other.

    Raises InvalidSchemaError with the reason.
    """
    known: dict[str, Any] = {}
    found: dict[str, Type] = {}
    for each in references:
        _checked(_loaded(each), known)
        _build(_loaded(each), "", found)
    raw = _loaded(text)
    _checked(raw, known)
    return _build(raw, "", found)


def _loaded(text: str) -> Any:
    try:
        return loads(text)
    except (ValueError, UnfitError) as error:
        raise InvalidSchemaError(f"no JSON: {error}") from None


def _checked(raw: Any, known: dict[str, Any]) -> None:
    """Types, defaults and references, as fastavro checks them, and names."""
    if not isinstance(raw, str | list | dict):
        raise InvalidSchemaError(f"{raw!r} is no type: one is a name, a list or an object")
    try:
        # it marks what it has seen: on a copy
        parse_schema(json.loads(json.dumps(raw)), named_schemas=known, _write_hint=False)
    except (SchemaParseException, UnknownType) as error:
        raise InvalidSchemaError(str(error) or type(error).__name__) from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise InvalidSchemaError(f"{type(error).__name__}: {error}") from None


def _build(raw: Any, space: str, found: dict[str, Type]) -> Type:
    if isinstance(raw, str):
        return Type(raw) if raw in PRIMITIVES else found[_full(raw, space)]
    if isinstance(raw, list):
        return Type("union", parts=[_build(each, space, found) for each in raw])
    kind = raw["type"]
    if not isinstance(kind, str) or kind not in ("array", "map", "record", "error", "enum", "fixed"):
        inner = _build(kind, space, found)
        # a primitive's annotation; what has a name keeps its own
        return Type(inner.kind, _logical(raw) or inner.logical) if inner.kind in PRIMITIVES else inner
    if kind in ("array", "map"):
        return Type(kind, parts=[_build(raw["items" if kind == "array" else "values"], space, found)])
    return _named(raw, "record" if kind == "error" else kind, space, found)


def _word(name: str) -> str:
    """Raises InvalidSchemaError: Avro has no such name."""
    if not all(map(WORD.fullmatch, name.split("."))):
        raise InvalidSchemaError(f"{name!r} is no name: letters, digits and _, and no digit first")
    return name


def _named(raw: Mapping[str, Any], kind: str, space: str, found: dict[str, Type]) -> Type:
    name = _word(_full(raw["name"], raw.get("namespace", space)))
    inside = name.rpartition(".")[0]
    made = found[name] = Type(
        kind,
        _logical(raw),
        name=name,
        aliases=frozenset(_full(alias, inside) for alias in raw.get("aliases", ())),
        size=raw.get("size", 0),
        symbols=tuple(raw.get("symbols", ())),
        default=raw.get("default") if kind == "enum" else None,
    )
    for each in raw.get("fields", ()):
        made.fields.append(
            Field(
                _word(each["name"]),
                frozenset(each.get("aliases", ())),
                _build(each["type"], inside, found),
                "default" in each,
            )
        )
    return made


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _logical(raw: Mapping[str, Any]) -> Logical | None:
    name = raw.get("logicalType")
    if not isinstance(name, str):
        return None
    return Logical(name, raw.get("precision"), raw.get("scale", 0)) if name == "decimal" else Logical(name)
