"""Many small syncs become few files; what nobody needs goes, and what somebody reads stays."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from airbyte_local.destinations.lake.manifests import Log
from airbyte_local.destinations.lake.store import Store
from foundation.errors import EltError
from foundation.settings import Settings
from lake.compact import compact, live, retain
from lake.load import load, replay
from lake.reading import unread
from lake.status import status
from orchestration.maintenance import tidy
from tests.fixtures.lake import Lake
from tests.lake.zones.small import INTEGER, TEXT, Writer
from tests.lake.zones.test_stack import connections

LATER = timedelta(days=400)
SYNCS = 1000


def rows(lake: Lake, columns: str = "id, label") -> list[tuple[object, ...]]:
    with duckdb.connect(lake.config.warehouse_path, read_only=True) as connection:
        return connection.execute(f"select {columns} from shop.items order by all").fetchall()


def log_of(lake: Lake) -> tuple[Store, Log]:
    store = Store(lake.place)
    return store, Log(store, "small")


def test_a_thousand_small_syncs_are_few_files_and_the_same_rows(lake: Lake, tmp_path) -> None:
    writer, (store, log) = Writer(lake), log_of(lake)
    for number in range(SYNCS):
        writer.write((number, f"row {number}"))
    load("small", lake.config)
    before = rows(lake, "*")
    assert len(before) == SYNCS
    assert len(live(log)[1]["shop", "items"].files) == SYNCS
    done = compact(store, log, "small", lake.config)
    assert (done.commits, done.before, done.after) == (SYNCS, SYNCS, 1)
    assert load("small", lake.config)[0].total == 0, "a compaction brings no row twice"
    other = replace(lake, environ=lake.environ | {"ELT_HOME": str(tmp_path / "other")})
    assert load("small", other.config)[0].commits == 1
    assert rows(other, "*") == before == rows(lake, "*")
    writer.write((SYNCS, "one more"))
    assert load("small", other.config)[0].rows == {"shop.items": 1}
    deleted = retain(store, log, lake.config, now=datetime.now(UTC) + LATER)
    assert deleted == {"processed": SYNCS}, "landing stays for ever unless a rule says otherwise"
    load("small", lake.config, again=True)
    assert len(rows(lake)) == SYNCS + 1
    assert replay("small", lake.config).total == SYNCS + 1


def test_a_reader_in_the_middle_takes_only_what_it_has_not(lake: Lake) -> None:
    writer, (store, log) = Writer(lake), log_of(lake)
    for number in range(5):
        writer.write((number, "early"))
    load("small", lake.config)
    for number in range(5, 9):
        writer.write((number, "late"))
    compact(store, log, "small", lake.config, whole=True)
    writer.write((9, "last"))
    assert load("small", lake.config)[0].rows == {"shop.items": 5}
    assert [id_ for id_, _ in rows(lake)] == list(range(10))


def test_a_table_that_began_again_has_nothing_of_before(lake: Lake) -> None:
    writer, (store, log) = Writer(lake), log_of(lake)
    writer.write((1, "before"))
    load("small", lake.config)
    writer.write((2, "after"), again=True)
    writer.write((3, "after"))
    compact(store, log, "small", lake.config, whole=True)
    assert load("small", lake.config)[0].rows == {"shop.items": 2}
    assert rows(lake) == [(2, "after"), (3, "after")]


def test_a_sync_and_a_compaction_at_once_are_both_there(lake: Lake, monkeypatch) -> None:
    writer, (store, log) = Writer(lake), log_of(lake)
    for number in range(4):
        writer.write((number, "before"))
    commit = Log.commit

    def late(self: Log, manifest):
        monkeypatch.setattr(Log, "commit", commit)
        writer.write((4, "meanwhile"))
        return commit(self, manifest)

    monkeypatch.setattr(Log, "commit", late)
    compact(store, log, "small", lake.config, whole=True)
    # and the other way round: a compaction between the start of a sync and its commit
    writer.write((5, "after"))

    def later(self: Log, manifest):
        monkeypatch.setattr(Log, "commit", commit)
        compact(store, log, "small", lake.config, whole=True)
        return commit(self, manifest)

    monkeypatch.setattr(Log, "commit", later)
    writer.write((6, "around"))
    load("small", lake.config)
    assert [id_ for id_, _ in rows(lake)] == list(range(7))
    retain(store, log, lake.config, now=datetime.now(UTC) + LATER)
    load("small", lake.config, again=True)
    assert [id_ for id_, _ in rows(lake)] == list(range(7))


def test_of_two_compactions_at_once_one_is_done(lake: Lake, monkeypatch) -> None:
    writer = Writer(lake)
    for number in range(4):
        writer.write((number, "row"))
    both, errors = threading.Barrier(2), []
    commit = Log.commit

    def together(self: Log, manifest):
        both.wait(30)
        return commit(self, manifest)

    def run() -> None:
        try:
            compact(Store(lake.place), Log(Store(lake.place), "small"), "small", lake.config, whole=True)
        except EltError as error:
            errors.append(str(error))

    monkeypatch.setattr(Log, "commit", together)
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == ["the lake was compacted meanwhile — nothing is to be done"]
    monkeypatch.setattr(Log, "commit", commit)
    load("small", lake.config)
    assert len(rows(lake)) == 4


def test_files_of_older_types_are_rewritten(lake: Lake) -> None:
    writer, (store, log) = Writer(lake), log_of(lake)
    writer.write((1, "a"))
    wide = replace(
        INTEGER, source_type="bigint", type=replace(INTEGER.type, kind=type(INTEGER.type.kind).BIGINT)
    )
    writer.write((5_000_000_000, "b"), columns=(wide, TEXT))
    assert compact(store, log, "small", lake.config).after == 1
    assert compact(store, log, "small", lake.config).commits == 0
    load("small", lake.config)
    assert rows(lake) == [(1, "a"), (5_000_000_000, "b")]


def test_the_rules_let_go_what_nobody_needs_and_nothing_else(lake: Lake) -> None:
    writer, (store, log) = Writer(lake), log_of(lake)
    for number in range(3):
        writer.write((number, "row"))
    orphan = "landing/small/shop.items/extracted_at=x/killed.parquet"
    store.put(orphan, b"of a job that was killed")
    assert retain(store, log, lake.config) == {}, "what is young may be a running job's"
    much_later = datetime.now(UTC) + LATER
    assert retain(store, log, lake.config, now=much_later) == {"landing": 1}
    compact(store, log, "small", lake.config, whole=True)
    writer.write((3, "row"))
    strict = config_with(lake, LAKE_LANDING_DAYS="30")
    assert retain(store, log, strict, now=datetime.now(UTC)) == {}
    assert retain(store, log, strict, now=much_later) == {"manifests": 3, "landing": 3, "processed": 3}
    load("small", lake.config)
    assert len(rows(lake)) == 4
    with pytest.raises(
        EltError, match=r"landing has 1 of the 4 rows of shop\.items.*elt lake load small --again"
    ):
        replay("small", lake.config)
    load("small", lake.config, again=True)
    assert len(rows(lake)) == 4
    (state,) = status(lake.config)
    assert (state.rows, state.files, state.loaded) == (4, 2, state.commits)


def test_a_reader_that_has_begun_ends_while_a_compaction_goes_by(lake: Lake) -> None:
    writer, (store, log) = Writer(lake), log_of(lake)
    for number in range(3):
        writer.write((number, "row"))
    begun = unread(log)
    compact(store, log, "small", lake.config, whole=True)
    retain(store, log, lake.config)
    assert all(store.get(file.key) is not None for file in begun.files)


def test_syncs_without_rows_leave_no_manifests_for_ever(lake: Lake, monkeypatch) -> None:
    writer, (store, log) = Writer(lake), log_of(lake)
    writer.write((1, "a"))
    for _ in range(4):
        writer.write()
    writer.write((2, "b"))
    monkeypatch.setattr("lake.compact.COMMITS", 6)
    assert compact(store, log, "small", lake.config).commits == 6
    writer.write()
    assert retain(store, log, lake.config, now=datetime.now(UTC) + LATER)["manifests"] == 4
    assert sorted(log.numbers()) == [1, 6, 7, 8]
    load("small", lake.config)
    assert replay("small", lake.config).total == 2
    assert rows(lake) == [(1, "a"), (2, "b")]


def test_a_table_that_begins_again_may_have_other_types(lake: Lake) -> None:
    writer = Writer(lake)
    writer.write((1, "a"))
    load("small", lake.config)
    writer.write((2, "between"))
    text = replace(TEXT, name="id")
    writer.write(("x", "b"), columns=(text, TEXT), again=True)
    assert load("small", lake.config)[0].rows == {"shop.items": 1}
    assert rows(lake) == [("x", "b")]


def test_the_nightly_maintenance_keeps_up_the_lake(lake: Lake, tmp_path: Path) -> None:
    writer = Writer(lake)
    for number in range(3):
        writer.write((number, "row"))
    config = config_with(
        lake, **connections(tmp_path / "files", "shop", "lake"), LAKE_COMPACT_FILES="2", LAKE_UNUSED_HOURS="0"
    )
    assert tidy(config)["objects of the lake (processed)"] == 3
    assert "objects of the lake (processed)" not in tidy(config)
    load("small", lake.config)
    assert len(rows(lake)) == 3


def config_with(lake: Lake, **changes: str) -> Settings:
    return replace(lake, environ=lake.environ | changes).config
