"""Which change of a schema leaves events readable: Avro's rules, one by one, and each rule against what a real reader does."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer

from streaming.registry.avro import InvalidSchemaError, compact, parse
from streaming.registry.compatibility import Level, broken, unreadable


def record(*fields: Any, name: str = "Order", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [*fields], **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Status", "symbols": [*symbols], **more}


def fixed(size: int, name: str = "Digest") -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


ID = field("id", "int")
LIST = record(field("value", "long"), field("next", ["null", "Node"]), name="Node")

# reader, writer, a value of the writer's, and what is broken ("": nothing)
PAIRS: list[tuple[str, Any, Any, Any, str]] = [
    ("the same", record(ID), record(ID), {"id": 1}, ""),
    ("a field more with a default", record(ID, field("n", "int", default=0)), record(ID), {"id": 1}, ""),
    (
        "a field more without one",
        record(ID, field("n", "int")),
        record(ID),
        {"id": 1},
        "READER_FIELD_MISSING_DEFAULT_VALUE",
    ),
    ("a field less", record(ID), record(ID, field("n", "int")), {"id": 1, "n": 2}, ""),
    ("a field by its old name", record(field("key", "int", aliases=["id"])), record(ID), {"id": 1}, ""),
    (
        "a renamed field",
        record(field("key", "int")),
        record(ID),
        {"id": 1},
        "READER_FIELD_MISSING_DEFAULT_VALUE",
    ),
    ("an optional field", record(field("id", ["null", "int"])), record(ID), {"id": 1}, ""),
    ("no longer optional", record(ID), record(field("id", ["null", "int"])), {"id": None}, "TYPE_MISMATCH"),
    ("another record", record(ID, name="Offer"), record(ID), {"id": 1}, "NAME_MISMATCH"),
    ("a record by its old name", record(ID, name="Offer", aliases=["Order"]), record(ID), {"id": 1}, ""),
    ("int as long", "long", "int", 7, ""),
    ("long as int", "int", "long", 1 << 40, "TYPE_MISMATCH"),
    ("float as double", "double", "float", 0.5, ""),
    ("double as float", "float", "double", 0.1, "TYPE_MISMATCH"),
    ("long as double", "double", "long", 7, ""),
    ("text as bytes", "bytes", "string", "é", ""),
    ("bytes as text", "string", "bytes", b"e", ""),
    ("int as text", "string", "int", 7, "TYPE_MISMATCH"),
    ("a symbol more", enum("NEW", "PAID"), enum("NEW"), "NEW", ""),
    ("a symbol less", enum("NEW"), enum("NEW", "PAID"), "PAID", "MISSING_ENUM_SYMBOLS"),
    ("a symbol less, with a default", enum("NEW", default="NEW"), enum("NEW", "PAID"), "PAID", ""),
    ("fixed of another size", fixed(8), fixed(4), b"abcd", "FIXED_SIZE_MISMATCH"),
    ("an array of longs", {"type": "array", "items": "long"}, {"type": "array", "items": "int"}, [1], ""),
    (
        "a map of texts",
        {"type": "map", "values": "string"},
        {"type": "map", "values": "int"},
        {"a": 1},
        "TYPE_MISMATCH",
    ),
    ("a branch more", ["null", "int", "string"], ["null", "int"], 1, ""),
    ("a branch less", ["null", "int"], ["null", "int", "string"], "x", "MISSING_UNION_BRANCH"),
    ("a list of itself", LIST, LIST, {"value": 1, "next": {"value": 2, "next": None}}, ""),
    (
        "a list whose values shrink",
        record(field("value", "int"), field("next", ["null", "Node"]), name="Node"),
        LIST,
        {"value": 1 << 40, "next": None},
        "TYPE_MISMATCH",
    ),
]


@pytest.mark.parametrize(
    "reader, writer, value, kind", [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS]
)
def test_a_rule_says_what_a_reader_does(reader: Any, writer: Any, value: Any, kind: str) -> None:
    breaks = unreadable(parse(json.dumps(reader)), parse(json.dumps(writer)))
    assert [each.kind for each in breaks] == ([kind] if kind else [])
    written = io.BytesIO()
    schemaless_writer(written, parse_schema(writer), value)
    written.seek(0)
    # fastavro is more lenient in two cases, which the specification does not allow
    if not kind:
        schemaless_reader(written, parse_schema(writer), parse_schema(reader))


@pytest.mark.parametrize(
    "reader, writer",
    [
        (decimal(12, 2), decimal(12, 4)),
        (decimal(14, 2), decimal(12, 2)),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            {"type": "long", "logicalType": "timestamp-micros"},
        ),
    ],
    ids=["other decimals", "more digits", "milliseconds for microseconds"],
)
def test_a_number_that_means_something_else_is_another_type(reader: Any, writer: Any) -> None:
    assert [each.kind for each in unreadable(parse(json.dumps(reader)), parse(json.dumps(writer)))] == [
        "TYPE_MISMATCH"
    ]


def entangled(count: int, last: str) -> str:
    """Records each of which holds any other; the last one differs by a field."""
    there: set[int] = set()

    def defined(number: int) -> dict[str, Any]:
        there.add(number)
        others = [f"R{n}" if n in there else defined(n) for n in range(count) if n != number]
        return record(
            field("any", others), field("own", last if number == count - 1 else "int"), name=f"R{number}"
        )

    return json.dumps(defined(0))


@pytest.mark.threat("a request that makes a server fail")
def test_records_that_hold_each_other_are_compared_once_a_pair() -> None:
    """Every way through them would be a factorial of their number."""
    schemas = [parse(entangled(8, last)) for last in ("string", "int")]
    kinds = [each.kind for each in unreadable(*schemas)]
    assert set(kinds) == {"MISSING_UNION_BRANCH"} and not unreadable(schemas[0], schemas[0])


def test_a_type_that_another_branch_took_for_readable_is_looked_at_again() -> None:
    inner = record(field("w", "r1.W"), name="r1.V")
    first = record(field("v", inner), field("extra", "int"), name="r1.W")
    second = record(field("v", "r1.V"), field("extra", "string"), name="r2.W")
    written = record(field("v", record(field("w", "w.W"), name="w.V")), field("extra", "string"), name="w.W")
    breaks = unreadable(parse(json.dumps([first, second])), parse(json.dumps([written])))
    assert [each.kind for each in breaks] == ["MISSING_UNION_BRANCH"]


@pytest.mark.threat("a request that makes a server fail")
def test_what_would_take_too_long_to_compare_is_refused() -> None:
    branches = [[record(name=f"{side}{number}") for number in range(400)] for side in "rw"]
    with pytest.raises(InvalidSchemaError, match="pairs of types"):
        unreadable(*(parse(json.dumps(each)) for each in branches))
    chain = [record(name="C0"), *(record(field("f", f"C{n - 1}"), name=f"C{n}") for n in range(1, 2_000))]
    deep = [parse(json.dumps(record(field("f", "C1999"))), [json.dumps(chain)]) for _ in range(2)]
    with pytest.raises(InvalidSchemaError, match="too deep"):
        unreadable(*deep)


OLD, NEW = record(ID), record(ID, field("n", "int", default=0))  # forward and backward
MORE = record(ID, field("n", "int"))  # forward alone
LESS = record()  # backward alone, from OLD


@pytest.mark.parametrize(
    "level, versions, new, allowed",
    [
        ("BACKWARD", [OLD], NEW, True),
        ("BACKWARD", [OLD], MORE, False),
        ("BACKWARD", [OLD], LESS, True),
        ("FORWARD", [OLD], MORE, True),
        ("FORWARD", [OLD], LESS, False),
        ("FULL", [OLD], NEW, True),
        ("FULL", [OLD], MORE, False),
        ("FULL", [OLD], LESS, False),
        ("NONE", [OLD], "string", True),
        # the last version alone, or all
        ("BACKWARD", [LESS, NEW], MORE, True),
        ("BACKWARD_TRANSITIVE", [LESS, NEW], MORE, False),
        ("FORWARD", [MORE, LESS], OLD, True),
        ("FORWARD_TRANSITIVE", [MORE, LESS], OLD, False),
        ("FULL_TRANSITIVE", [OLD, NEW], NEW, True),
        ("BACKWARD", [], MORE, True),
    ],
)
def test_a_level_lets_in_what_it_promises(level: str, versions: list[Any], new: Any, allowed: bool) -> None:
    earlier = [parse(json.dumps(each)) for each in reversed(versions)]
    assert (not broken(Level(level), parse(json.dumps(new)), earlier)) is allowed


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{", "no JSON"),
        ('"money"', "money"),
        ('{"type": "record", "name": "a", "fields": [{"name": "x"}]}', "type"),
        ('{"type": "record", "fields": []}', "name"),
        ('{"type": "record", "name": "a b", "fields": []}', "a b"),
        ('{"type": "enum", "name": "e", "symbols": ["A", "A"]}', "A"),
        ("[" * 80 + "]" * 80, "nested deeper"),
        ('{"type": "record", "name": "a", "fields": [{"name": "n", "type": "int", "default": "x"}]}', "x"),
        ("NaN", "no number"),
        ("7", "7"),
        ("null", ""),
    ],
)
def test_what_is_no_schema_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidSchemaError, match=reason):
        parse(text)


def test_a_schema_is_the_same_whatever_its_blanks() -> None:
    assert (
        compact('{"type" : "string",\n "doc": "é"}')
        == compact('{"type":"string","doc":"é"}')
        != compact('{"doc":"é","type":"string"}')
    )
    assert compact('{"a":1,"b":2}', sorted_names=True) == compact('{"b":2,"a":1}', sorted_names=True)
