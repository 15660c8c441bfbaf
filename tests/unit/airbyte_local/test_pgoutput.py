"""pgoutput's messages into changes: any values, cut into batches anywhere; held against an encoder of the documented layout."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_local.enums import SyncMode
from airbyte_local.schema import Column, DataType, Kind, StreamPlan
from airbyte_local.sources.base import Apply, ChangeBatch, Truncated
from airbyte_local.sources.postgres.cdc.pgoutput import DELETE, UPSERT, Decoder
from foundation.errors import EltError

LEFT = object()  # a large value that comes as unchanged
COLUMNS = ("id", "name", "note")
SINCE, UNTIL = 100, 200

Row = tuple[object, ...]


def plan(table: int, selected: Iterable[str] = ("note", "id")) -> StreamPlan:
    """A stream that selects some of the table's columns, in an order of its own."""
    columns = tuple(
        Column(name, "text", DataType(Kind.TEXT), name != "id", True, f"{table}.{COLUMNS.index(name)}")
        for name in selected
    )
    mode = SyncMode.INCREMENTAL_DEDUPED_HISTORY
    return StreamPlan(
        "shop", f"t{table}", mode, columns, (), ("id",), True, None, "raw", f"t{table}", captured=True
    )


# -- the documented layout


def begin(commit: int) -> bytes:
    return struct.pack(">cqqi", b"B", commit, commit * 1_000_000, 7)


def relation(table: int, columns: Iterable[str] = COLUMNS) -> bytes:
    columns = list(columns)
    told = b"".join(struct.pack(">b", name == "id") + name.encode() + b"\0" + bytes(8) for name in columns)
    return struct.pack(">cI", b"R", table) + b"shop\0t\0" + b"d" + struct.pack(">h", len(columns)) + told


def tuple_of(row: Row) -> bytes:
    told = b""
    for value in row:
        if value is None or value is LEFT:
            told += b"n" if value is None else b"u"
        else:
            text = str(value).encode()
            told += b"t" + struct.pack(">i", len(text)) + text
    return struct.pack(">h", len(row)) + told


def insert(table: int, row: Row) -> bytes:
    return struct.pack(">cI", b"I", table) + b"N" + tuple_of(row)


def update(table: int, row: Row, old: Row | None = None, mark: bytes = b"K") -> bytes:
    before = b"" if old is None else mark + tuple_of(old)
    return struct.pack(">cI", b"U", table) + before + b"N" + tuple_of(row)


def delete(table: int, row: Row) -> bytes:
    return struct.pack(">cI", b"D", table) + b"K" + tuple_of(row)


def truncate(*tables: int) -> bytes:
    return struct.pack(">ciB", b"T", len(tables), 0) + struct.pack(f">{len(tables)}I", *tables)


def batches(messages: list[bytes], cuts: Iterable[int] = ()) -> list[pa.RecordBatch]:
    """The messages, numbered, cut before these places. Each batch is a slice, as a reader may hand them out."""
    whole = pa.record_batch(
        {"lsn": pa.array(range(len(messages)), pa.int64()), "data": pa.array(messages, pa.binary())}
    )
    places = [0, *sorted(cuts), len(messages)]
    return [whole.slice(first, last - first) for first, last in pairwise(places)]


def decoded(
    messages: list[bytes], cuts: Iterable[int] = (), *plans: StreamPlan
) -> list[ChangeBatch | Truncated | Apply]:
    return list(Decoder(plans or (plan(1), plan(2)), SINCE, UNTIL).decode(batches(messages, cuts)))


def rows_of(items: Iterable[object], table: int) -> list[dict[str, object]]:
    """A table's changes in their order, without their numbers."""
    rows = [
        row
        for item in items
        if isinstance(item, ChangeBatch) and item.plan.name == f"t{table}"
        for row in item.batch.to_pylist()
    ]
    numbers = [row["seq"] for row in rows]
    assert len(set(numbers)) == len(numbers)
    return [
        {name: value for name, value in row.items() if name != "seq"}
        for row in sorted(rows, key=lambda row: row["seq"])
    ]


def change(
    op: int, lsn: int, commit: int, note: object, id_: object, old: str | None = None
) -> dict[str, object]:
    left = "10" if note is LEFT else None
    return {
        "op": op, "lsn": lsn, "at": f"2000-01-01T00:{commit // 60:02}:{commit % 60:02}Z", "unchanged": left, "k0": old,
        "c0": None if note is LEFT else note, "c1": id_,
    }  # fmt: skip


# -- what is made of it

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
values = st.one_of(st.none(), texts)
large = st.one_of(values, st.just(LEFT))
tables = st.sampled_from((1, 2, 3_000_000_000))  # the last is of no stream
told = st.one_of(
    st.tuples(st.just("insert"), tables, st.tuples(texts, values, values)),
    st.tuples(st.just("update"), tables, st.tuples(texts, large, large)),
    st.tuples(st.just("delete"), tables, st.tuples(texts, st.none(), st.none())),
    st.tuples(st.just("rekey"), tables, st.tuples(texts, values, values)),
    st.tuples(st.just("begin"), st.sampled_from((99, 100, 150, 199, 200)), st.none()),
)


@given(st.lists(told, max_size=30), st.data())
def test_every_change_of_a_counting_transaction_comes_once_in_order_and_whole(steps, data) -> None:
    messages, expected, commit = [relation(1), relation(2), relation(3_000_000_000)], {1: [], 2: []}, 0
    for kind, of, row in steps:
        lsn = len(messages)
        if kind == "begin":
            commit = of
            messages.append(begin(commit))
            continue
        wanted = expected.get(of, []) if SINCE <= commit < UNTIL else []
        id_ = row[0]
        if kind == "insert":
            messages.append(insert(of, row))
            wanted.append(change(UPSERT, lsn, commit, row[2], id_))
        elif kind == "update":
            messages.append(update(of, row))
            wanted.append(change(UPSERT, lsn, commit, row[2], id_))
        elif kind == "delete":
            messages.append(delete(of, row))
            wanted.append(change(DELETE, lsn, commit, None, id_))
        else:
            messages.append(update(of, row, old=(id_ + "!", None, None)))
            wanted.append(change(DELETE, lsn, commit, None, id_ + "!"))
            wanted.append(change(UPSERT, lsn, commit, row[2], id_))
    cuts = data.draw(st.lists(st.integers(0, len(messages)), max_size=4))
    items = decoded(messages, cuts)
    assert not any(isinstance(item, Apply) for item in items)
    assert {table: rows_of(items, table) for table in expected} == expected


def test_a_row_under_another_key_that_keeps_a_large_value_waits_for_what_came_before() -> None:
    moved = update(1, ("2", "a", LEFT), old=("1", None, None))
    items = decoded(
        [relation(1), begin(150), insert(1, ("1", "a", "long")), moved, insert(1, ("3", "b", "c"))]
    )
    kinds = [type(item) for item in items]
    assert kinds == [ChangeBatch, Apply, ChangeBatch, Apply, ChangeBatch]
    assert rows_of(items[2:3], 1) == [
        change(DELETE, 3, 150, None, "1"),
        change(UPSERT, 3, 150, LEFT, "2", old="1"),
    ]


def test_a_move_at_the_end_of_a_batch_is_applied_before_the_next_change() -> None:
    messages = [
        relation(1),
        begin(150),
        update(1, ("2", "a", LEFT), old=("1", None, None)),
        delete(1, ("2", None, None)),
    ]
    items = decoded(messages, [3])
    assert [type(item) for item in items] == [ChangeBatch, Apply, ChangeBatch]


def test_the_whole_old_row_gives_the_values_that_the_new_one_does_not_tell() -> None:
    messages = [relation(1), begin(150), update(1, ("2", "a", LEFT), old=("1", "a", "long"), mark=b"O")]
    assert rows_of(decoded(messages), 1) == [
        change(DELETE, 2, 150, "long", "1"),
        change(UPSERT, 2, 150, "long", "2"),
    ]


def test_a_truncate_comes_between_the_changes_before_and_after_and_only_when_it_counts() -> None:
    messages = [
        relation(1), begin(150), insert(1, ("1", "a", "b")), truncate(1, 9), insert(1, ("2", "a", "b")), begin(250), truncate(1),
    ]  # fmt: skip
    messages.insert(1, relation(9))
    items = decoded(messages)
    assert [type(item) for item in items] == [ChangeBatch, Truncated, ChangeBatch]
    assert (items[1].lsn, items[1].at) == (4, "2000-01-01T00:02:30Z")


def test_a_table_that_changes_between_two_rows_is_read_by_its_columns_of_the_time() -> None:
    messages = [
        relation(1), begin(150), insert(1, ("1", "a", "b")), relation(1, ("note", "more", "id")), insert(1, ("c", "d", "2")),
    ]  # fmt: skip
    assert [(row["c1"], row["c0"]) for row in rows_of(decoded(messages), 1)] == [("1", "b"), ("2", "c")]


def test_rows_that_lack_a_selected_column_are_refused_by_name() -> None:
    messages = [relation(1, ("id", "name")), begin(150), insert(1, ("1", "a"))]
    with pytest.raises(EltError, match=r"shop\.t1: it was changed without the column note"):
        decoded(messages)


def test_bytes_that_are_no_text_are_refused_with_the_stream() -> None:
    bad = insert(1, ("1", "a", "x")).replace(b"x", b"\xff")
    with pytest.raises(EltError, match=r"shop\.t1: a value is not valid UTF-8"):
        decoded([relation(1), begin(150), bad])


def test_changes_are_numbered_on_from_batch_to_batch() -> None:
    rows = [insert(1, (str(number), "a", "b")) for number in range(9)]
    items = decoded([relation(1), begin(150), *rows], [2, 5, 8])
    assert [row["c1"] for row in rows_of(items, 1)] == [str(number) for number in range(9)]
