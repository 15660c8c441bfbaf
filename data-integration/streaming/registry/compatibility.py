"""Whether who reads by one schema can read what was written by another: the rules of Avro's schema resolution.

Of logical types the rule is the specification's for decimals (other digits are another type), and the same for all others: seconds that are
read as milliseconds would be wrong without a word. Confluent's own registry lets such changes pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from streaming.registry.avro import Field, InvalidSchemaError, Type

Pair = tuple[int, int]  # the ids of a reader's type and a writer's
MOST_PAIRS = 100_000

# what is written as the one can be read as the other
PROMOTED = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


class Level(StrEnum):
    """Which of two versions of a schema has to be able to read the other's events; transitive: of each two, not of the last two."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        return self.endswith("_TRANSITIVE")


@dataclass(frozen=True)
class Break:
    """One thing that makes a schema unreadable by another: Avro's name for it, where in the schema of the reader, and in words."""

    kind: str
    path: str
    what: str

    def __str__(self) -> str:
        return f"{{errorType:'{self.kind}', description:'{self.what}', path:'{self.path}'}}"


def broken(level: Level, new: Type, earlier: list[Type]) -> list[Break]:
    """What forbids `new` at a level; `earlier`: the versions that are there, the latest first. Raises InvalidSchemaError: too much to compare."""
    against = earlier if level.transitive else earlier[:1]
    readable, found = _Readable(), list[Break]()
    for each in against:
        if level.startswith(("BACKWARD", "FULL")):
            found += unreadable(new, each, readable)
        if level.startswith(("FORWARD", "FULL")):
            found += unreadable(each, new, readable)
    return list(dict.fromkeys(found))


def unreadable(reader: Type, writer: Type, readable: _Readable | None = None) -> list[Break]:
    """Why a reader can't read all that a writer may write; empty: it can. Raises InvalidSchemaError: too much to compare.

    `readable`: what is known already of these types.
    """
    try:
        return list(_Resolution(readable or _Readable()).of(reader, writer, ""))
    except RecursionError:
        raise InvalidSchemaError("its types are nested too deep to be compared") from None


class _Readable:
    """Which types read which, each pair looked at once: without the places, which a choice between branches does not need.

    A pair that its own parts lead back to counts as readable until it turns out otherwise; then all is looked at again with that
    knowledge, so an answer never rests on what was wrong.
    """

    def __init__(self) -> None:
        self._refuted: set[Pair] = set()
        self._known: dict[Pair, bool] = {}
        self._steps = 0

    def __call__(self, reader: Type, writer: Type) -> bool:
        while True:
            self._known = {}
            found = self.now(reader, writer)
            refuted = {pair for pair, readable in self._known.items() if not readable}
            if refuted <= self._refuted:
                return found
            self._refuted |= refuted

    def now(self, reader: Type, writer: Type) -> bool:
        """The answer as far as it is known."""
        pair = (id(reader), id(writer))
        if pair in self._refuted:
            self._known[pair] = False
        elif pair not in self._known:
            self.step()
            self._known[pair] = True
            self._known[pair] = next(_Part(self).breaks(reader, writer, ""), None) is None
        return self._known[pair]

    def step(self) -> None:
        self._steps += 1
        if self._steps > MOST_PAIRS:
            raise InvalidSchemaError(f"more than {MOST_PAIRS} pairs of types would have to be compared")


class _Resolution:
    """The rules. What a record, an array … holds is looked at by `of`, a branch of a union by `_readable`."""

    def __init__(self, readable: _Readable) -> None:
        self._readable = readable
        self._begun: set[Pair] = set()  # a type that holds itself is looked at once

    def of(self, reader: Type, writer: Type, path: str) -> Iterator[Break]:
        if (id(reader), id(writer)) not in self._begun:
            self._readable.step()
            if reader.name and writer.name:
                self._begun.add((id(reader), id(writer)))
            yield from self.breaks(reader, writer, path)

    def breaks(self, reader: Type, writer: Type, path: str) -> Iterator[Break]:
        """What this pair breaks."""
        if writer.kind == "union":
            for branch in writer.parts:
                yield from self._in_union(reader, branch, path)
        elif reader.kind == "union":
            yield from self._in_union(reader, writer, path)
        elif reader.kind == writer.kind:
            if _means_another(reader, writer):
                yield Break(
                    "TYPE_MISMATCH", path or "/", f"{_told(reader)} does not mean what {_told(writer)} means"
                )
            elif rule := self._rules.get(reader.kind):
                yield from rule(self, reader, writer, path)
        elif reader.kind not in PROMOTED.get(writer.kind, ()) or _means_another(reader, writer):
            yield Break("TYPE_MISMATCH", path or "/", f"{_told(reader)} does not read {_told(writer)}")

    def _in_union(self, reader: Type, writer: Type, path: str) -> Iterator[Break]:
        """One branch of the writer's: some branch of a reader's union reads it."""
        if reader.kind != "union":
            yield from self.of(reader, writer, path)
        elif not any(
            (id(branch), id(writer)) in self._begun or self._reads(branch, writer) for branch in reader.parts
        ):
            yield Break("MISSING_UNION_BRANCH", path or "/", f"no branch reads {_told(writer)}")

    def _reads(self, reader: Type, writer: Type) -> bool:
        return self._readable(reader, writer)

    def _inner(self, reader: Type, writer: Type, path: str) -> Iterator[Break]:
        yield from self.of(
            reader.parts[0], writer.parts[0], f"{path}/{'items' if reader.kind == 'array' else 'values'}"
        )

    def _fixed(self, reader: Type, writer: Type, path: str) -> Iterator[Break]:
        yield from _names(reader, writer, path)
        if reader.size != writer.size:
            yield Break(
                "FIXED_SIZE_MISMATCH", f"{path}/size", f"{reader.size} bytes, written were {writer.size}"
            )

    def _enum(self, reader: Type, writer: Type, path: str) -> Iterator[Break]:
        yield from _names(reader, writer, path)
        unknown = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
        if unknown and reader.default is None:
            yield Break(
                "MISSING_ENUM_SYMBOLS", f"{path}/symbols", f"{', '.join(unknown)}: unknown to the reader"
            )

    def _record(self, reader: Type, writer: Type, path: str) -> Iterator[Break]:
        yield from _names(reader, writer, path)
        written = {each.name: each for each in writer.fields}
        for number, each in enumerate(reader.fields):
            place = f"{path}/fields/{number}"
            if source := _source(each, written):
                yield from self.of(each.type, source.type, f"{place}/type")
            elif not each.has_default:
                yield Break(
                    "READER_FIELD_MISSING_DEFAULT_VALUE",
                    place,
                    f"the field {each.name} is not written, and has no default",
                )

    _rules: dict[str, Callable[[_Resolution, Type, Type, str], Iterator[Break]]] = (
        {  # noqa: RUF012 - never changed
            "array": _inner,
            "map": _inner,
            "fixed": _fixed,
            "enum": _enum,
            "record": _record,
        }
    )


class _Part(_Resolution):
    """The rules of one pair; what it holds is known already, or found out and kept."""

    def of(self, reader: Type, writer: Type, path: str) -> Iterator[Break]:
        if not self._readable.now(reader, writer):
            yield Break("", path, "")

    def _reads(self, reader: Type, writer: Type) -> bool:
        return self._readable.now(reader, writer)


def _source(wanted: Field, written: dict[str, Field]) -> Field | None:
    """The writer's field that a reader's is read from: by its name, else by one it had."""
    if wanted.name in written:
        return written[wanted.name]
    return next((written[alias] for alias in sorted(wanted.aliases) if alias in written), None)


def _names(reader: Type, writer: Type, path: str) -> Iterator[Break]:
    """Names count without their namespaces, as Avro's own libraries compare them."""
    last = writer.name.rpartition(".")[2]
    if last != reader.name.rpartition(".")[2] and writer.name not in reader.aliases:
        yield Break("NAME_MISMATCH", f"{path}/name", f"{reader.name} is not {writer.name}")


def _means_another(reader: Type, writer: Type) -> bool:
    """Both are annotated, and not alike."""
    return bool(reader.logical and writer.logical and reader.logical != writer.logical)


def _told(each: Type) -> str:
    if each.logical and each.logical.name == "decimal":
        return f"decimal({each.logical.precision},{each.logical.scale})"
    return each.name or (each.logical.name if each.logical else each.kind)
