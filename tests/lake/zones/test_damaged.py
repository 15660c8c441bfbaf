"""Manifests that are damaged, that somebody else wrote, or of an older copy of the lake: one line that names it, and nothing changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airbyte_local.destinations.lake.manifests import Log
from airbyte_local.destinations.lake.store import Store
from foundation.errors import EltError
from lake.compact import compact
from lake.load import load
from lake.publish import publish
from lake.status import status
from tests.fixtures.lake import Lake
from tests.lake.zones.small import Writer

Values = dict[str, Any]


def changed(**values: Any) -> Callable[[bytes], bytes]:
    return lambda text: json.dumps(json.loads(text) | values).encode()


def of_a_file(**values: Any) -> Callable[[bytes], bytes]:
    def change(text: bytes) -> bytes:
        manifest = json.loads(text)
        manifest["parts"][0]["processed"][0].update(values)
        return json.dumps(manifest).encode()

    return change


def of_a_type(type_: str) -> Callable[[bytes], bytes]:
    def change(text: bytes) -> bytes:
        manifest = json.loads(text)
        manifest["tables"][0]["columns"]["other"] = type_
        return json.dumps(manifest).encode()

    return change


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda text: b"",
    "cut off": lambda text: text[:200],
    "no text": lambda text: b"\xff\xfe",
    "a list": lambda text: b"[]",
    "nothing": lambda text: b"null",
    "another object": lambda text: b"{}",
    "nested without end": lambda text: b"[" * 100_000,
    "another number": changed(number=7),
    "another connection's": changed(connection_id="other"),
    "a time that is none": changed(extracted_at="yesterday"),
    "a state that is none": changed(state=None),
    "rows that are no number": of_a_file(rows="many"),
    "a file outside of the zones": of_a_file(key="drops/posts/2026/01/01.jsonl"),
    "no table for the rows": changed(tables=[]),
    "a digest that is a path": of_a_file(sha256="../../other"),
}


def test_a_damaged_manifest_is_named_and_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    writer, store, log = Writer(lake), Store(lake.place), Log(Store(lake.place), "small")
    writer.write((1, "a"))
    load("small", lake.config)
    before = lake.config.warehouse_path.read_bytes()
    writer.write((2, "b"))
    text = store.get(log.key(2))
    assert text is not None
    for name, damage in DAMAGES.items():
        store.put(log.key(2), damage(text))
        for attempt in (
            lambda: load("small", lake.config),
            lambda: status(lake.config),
            lambda: writer.write((3, "c")),
        ):
            with pytest.raises(EltError, match=log.key(2)) as error:
                attempt()
            assert "restore it" in str(error.value), name
    assert lake.config.warehouse_path.read_bytes() == before
    store.put(log.key(2), text)
    assert load("small", lake.config)[0].rows == {"shop.items": 1}


@pytest.mark.threat("a service that is taken over")
def test_a_manifest_brings_no_sql(lake: Lake, tmp_path: Path) -> None:
    writer, store, log = Writer(lake), Store(lake.place), Log(Store(lake.place), "small")
    writer.write((1, "a"))
    text, stolen = store.get(log.key(1)), tmp_path / "stolen.csv"
    assert text is not None
    for type_ in (f"integer); copy (select 1) to '{stolen}'; --", "VARCHAR DEFAULT (getenv('HOME'))"):
        store.put(log.key(1), of_a_type(type_)(text))
        with pytest.raises(EltError, match="damaged"):
            load("small", lake.config)
    assert not stolen.exists()


def test_what_others_put_among_the_manifests_counts_for_nothing(lake: Lake) -> None:
    writer, store = Writer(lake), Store(lake.place)
    for key in ("small/0.txt", "small/0000000000-9999999998.json", "small/0000000000-x.json", "other/readme"):
        store.put(f"manifests/{key}", b"hello")
    writer.write((1, "a"))
    writer.write((2, "b"))
    assert [one.rows for one in load(None, lake.config)] == [{"shop.items": 2}]


def test_a_lake_that_went_back_is_not_taken_for_the_one_that_was_loaded(lake: Lake) -> None:
    writer, store, log = Writer(lake), Store(lake.place), Log(Store(lake.place), "small")
    writer.write((1, "a"))
    writer.write((2, "lost"))
    load("small", lake.config)
    assert publish(lake.config, "small") == {"shop.items": 2}
    store.delete([log.key(2)])  # as a copy of the day before has it
    for label in ("b", "c"):  # of fewer commits, of as many, of more
        with pytest.raises(EltError, match=r"up to commit 2 of another lake.*lake load small --again"):
            load("small", lake.config)
        assert [(one.other, "another lake's" in one.sentence) for one in status(lake.config)] == [
            (True, True)
        ]
        writer.write((3, label))
    with pytest.raises(EltError, match="another lake"):
        load("small", lake.config)
    assert publish(lake.config, "small") == {"shop.items": 3}
    assert publish(lake.config, "small") == {"shop.items": 0}
    assert load("small", lake.config, again=True)[0].rows == {"shop.items": 3}
    assert load("small", lake.config)[0].commits == 0
    assert not status(lake.config)[0].other
    compact(store, log, "small", lake.config, whole=True)
    assert (load("small", lake.config)[0].total, publish(lake.config)) == (0, {"shop.items": 1})
    writer.write((4, "d"))
    assert (load("small", lake.config)[0].total, publish(lake.config)) == (1, {"shop.items": 1})
