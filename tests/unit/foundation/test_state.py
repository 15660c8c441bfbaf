"""Small files of state, each damaged in every way that a file is: one line that names it, or a note that says nothing."""

from __future__ import annotations

import json
import os
import time

import pytest

from elt.privacy.protocol import Protocol
from foundation.errors import EltError
from foundation.lease import acquire, holder, renew, reserve
from foundation.settings import load_settings
from orchestration.publish import on_duckdb

DAMAGE = [b"", b"{", b"[]", b"null", b"{}", b'"text"', b"\xff\xfe", b"\0" * 20, b'{"number": null}']


@pytest.fixture
def config(tmp_path):
    return load_settings({"ELT_HOME": str(tmp_path / "home")})


def served(config, number, record):
    folder = config.home / "serving" / f"v{number}"
    folder.mkdir(parents=True)
    (folder / "published.json").write_bytes(record)
    return folder


@pytest.mark.parametrize("content", DAMAGE)
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_damaged_hold_does_not_let_a_build_be_published(config, content):
    (config.home / "serving").mkdir(parents=True)
    (config.home / "serving" / "held.json").write_bytes(content)
    with pytest.raises(EltError, match=r"held\.json is (empty|damaged) — `elt publish --rollback N`"):
        on_duckdb.held(config)
    on_duckdb.resume(config)
    assert on_duckdb.held(config) is None


@pytest.mark.parametrize("content", DAMAGE)
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_damaged_record_of_a_version_is_named_with_its_folder(config, content):
    folder = served(config, 7, content)
    with pytest.raises(EltError, match=rf"published\.json is (empty|damaged) — remove the folder {folder}"):
        on_duckdb.versions(config)


@pytest.mark.parametrize("content", DAMAGE)
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_damaged_note_of_an_erasure_is_not_taken_for_none(config, content):
    path = config.home / "privacy" / "customer-1.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(EltError, match=r"customer-1\.json is (empty|damaged) — put the file back"):
        Protocol.of(config, 1)


@pytest.mark.parametrize("content", DAMAGE)
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_damaged_reservation_holds_others_off_until_it_is_over(tmp_path, content):
    warehouse = tmp_path / "warehouse.duckdb"
    reserve(warehouse, "run 1")
    note = tmp_path / "warehouse.duckdb.reserved.json"
    note.write_bytes(content)
    assert "a note that is damaged" in holder(warehouse)
    assert not renew(warehouse, "run 1")
    with pytest.raises(EltError, match="a note that is damaged"):
        acquire(warehouse, "sync", wait_seconds=0)
    old = time.time() - 1000
    os.utime(note, (old, old))
    acquire(warehouse, "sync", wait_seconds=0).release()


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_note_of_the_writer_says_nothing(tmp_path, content):
    warehouse = tmp_path / "warehouse.duckdb"
    lock = acquire(warehouse, "a sync")
    (tmp_path / "warehouse.duckdb.owner.json").write_bytes(content)
    assert holder(warehouse) == "a writer that has just started"
    lock.release()


def test_a_whole_note_is_read(config):
    record = {
        "number": 7,
        "run": "r",
        "published_at": "2026-01-01T00:00:00Z",
        "seconds": 1.0,
        "tables": {"fct": 3},
    }
    served(config, 7, json.dumps(record).encode())
    [version] = on_duckdb.versions(config)
    assert (version.number, version.rows, version.current) == (7, 3, False)
