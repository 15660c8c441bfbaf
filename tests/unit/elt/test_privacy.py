"""What `elt privacy erase` does not look at, it names; what it changes in a backup, a restore takes."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from adventureworks.erasure import Subject
from elt.privacy.erase import erase_in_backups, out_of_reach
from elt.privacy.protocol import Protocol
from foundation.settings import load_settings
from orchestration.sealed import seal, verify


@pytest.mark.parametrize(
    ("sources", "named"),
    [
        ("adventureworks", ()),
        ("adventureworks,web", ("web site's events",)),
        ("adventureworks,totesys", ("the lake",)),
        ("adventureworks,posts,stream", ("the lake", "streaming lane")),
    ],
)
def test_an_erasure_names_each_place_that_it_does_not_reach(
    sources: str, named: tuple[str, ...], tmp_path: Path
) -> None:
    found = out_of_reach(load_settings({"ELT_HOME": str(tmp_path), "ELT_SOURCES": sources}))
    assert len(found) == len(named)
    assert all(name in line for name, line in zip(named, found, strict=True))


def test_an_erasure_names_what_is_there_of_sources_that_are_in_use_no_more(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "warehouse-20260101.duckdb").touch()
    (aside, lake) = out_of_reach(load_settings({"ELT_HOME": str(tmp_path)}))
    assert "warehouse-20260101.duckdb" in aside and "the lake" in lake


def test_a_backup_without_the_person_is_one_that_a_restore_takes(tmp_path: Path) -> None:
    settings = load_settings({"ELT_HOME": str(tmp_path)})
    folder = tmp_path / "backups" / "2026-01-01T000000Z"
    folder.mkdir(parents=True)
    with duckdb.connect(folder / "warehouse.duckdb") as duck:
        duck.execute(
            "create schema snapshots; create table snapshots.customers_snapshot as"
            " select range as customer_id, 'Xanthippe ' || range as customer_name from range(3)"
        )
    seal(folder)
    protocol = Protocol.of(settings, 1)
    run = protocol.begin(Subject(1, 1, True, [1], [], [], [], [], []))
    erase_in_backups(settings, protocol, run, print)
    verify(folder)
    with duckdb.connect(folder / "warehouse.duckdb", read_only=True) as duck:
        names = duck.execute("select customer_name from snapshots.customers_snapshot order by customer_id")
        assert names.fetchall() == [("Xanthippe 0",), ("Erased Person",), ("Xanthippe 2",)]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
