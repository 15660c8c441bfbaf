"""Messages of PostgreSQL's log, byte by byte."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest

from streaming.producer.pgoutput import Begin, Change, Commit, Decoder, Truncate

TABLE = 16_400


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def relation(*columns: str) -> bytes:
    described = b"".join(b"\0" + text(name) + struct.pack(">Ii", 25, -1) for name in columns)
    return (
        b"R"
        + struct.pack(">I", TABLE)
        + text("sales")
        + text("orders")
        + b"d"
        + struct.pack(">h", len(columns))
        + described
    )


def row(*values: Any) -> bytes:
    """None: null; …: it was not sent again."""
    parts = [struct.pack(">h", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif value is ...:
            parts.append(b"u")
        else:
            parts.append(b"t" + struct.pack(">i", len(value.encode())) + value.encode())
    return b"".join(parts)


def change(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", TABLE) + body


@pytest.fixture
def decoder() -> Decoder:
    made = Decoder()
    assert made.decode(relation("id", "note")) is None
    return made


def test_a_transaction_has_its_place_and_its_moment(decoder: Decoder) -> None:
    micros = (
        int((datetime(2026, 1, 31, 12, tzinfo=UTC) - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds())
        * 1_000_000
    )
    begin = b"B" + struct.pack(">qqI", 700, micros + 5, 1)
    assert decoder.decode(begin) == Begin(700, datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC))
    assert decoder.decode(b"C" + struct.pack(">bqqq", 0, 700, 748, micros)) == Commit(700, 748)


def test_a_row_has_what_was_sent_of_it(decoder: Decoder) -> None:
    made = decoder.decode(change(b"I", b"N" + row("7", "é")))
    assert made == Change("I", "sales.orders", {"id": "7", "note": "é"})
    assert decoder.decode(change(b"I", b"N" + row("8", None))) == Change(
        "I", "sales.orders", {"id": "8", "note": None}
    )
    assert decoder.decode(change(b"U", b"N" + row("7", ...))) == Change("U", "sales.orders", {"id": "7"})


@pytest.mark.parametrize("mark", [b"K", b"O"])
def test_an_update_that_tells_what_was_before_is_the_new_row(decoder: Decoder, mark: bytes) -> None:
    made = decoder.decode(change(b"U", mark + row("7", None) + b"N" + row("9", "x")))
    assert made == Change("U", "sales.orders", {"id": "9", "note": "x"})


def test_a_delete_is_the_key_and_a_truncate_the_tables(decoder: Decoder) -> None:
    assert decoder.decode(change(b"D", b"K" + row("7", None))) == Change(
        "D", "sales.orders", {"id": "7", "note": None}
    )
    assert decoder.decode(b"T" + struct.pack(">ibI", 1, 0, TABLE)) == Truncate(("sales.orders",))


def test_a_table_that_has_changed_is_read_as_it_is_now(decoder: Decoder) -> None:
    decoder.decode(relation("id", "note", "size"))
    made = decoder.decode(change(b"I", b"N" + row("7", "x", "4")))
    assert made == Change("I", "sales.orders", {"id": "7", "note": "x", "size": "4"})


@pytest.mark.parametrize("other", [b"Y" + struct.pack(">I", 1), b"O" + struct.pack(">q", 1), b"M\0"])
def test_what_tells_of_no_row_is_passed_over(decoder: Decoder, other: bytes) -> None:
    assert decoder.decode(other) is None
