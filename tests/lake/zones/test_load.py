"""From a source through both zones into the warehouse: every version of a row, once."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from airbyte_local.destinations.lake.store import Store
from foundation.errors import EltError
from lake import load as load_module
from lake.reading import unread
from tests.fixtures.lake import CapturingLakeEngine, Lake, LakeEngine
from tests.integration.airbyte_local import every_type
from tests.integration.airbyte_local.conftest import Engine, stream
from tests.integration.airbyte_local.every_type import EVERY_TYPE

ORDERS = {"namespace": "shop", "name": "orders", "syncMode": "incremental_append"}
BY_CURSOR = stream("shop.orders", "incremental_append")
HISTORY = "select id, customer, _ab_cdc_deleted_at is not null from raw_shop.orders order by _ab_cdc_lsn, id"
EVERYTHING = "select * from raw_shop.orders order by _airbyte_raw_id"


def test_each_change_is_a_row_of_its_own_and_comes_once(either: CapturingLakeEngine) -> None:
    engine = either
    engine.write("insert into shop.orders (id, customer) values (1, 'a'), (2, 'b')")
    assert engine.sync(ORDERS)["orders"] == (2, 2)
    assert engine.load().rows == {"raw_shop.orders": 2}
    engine.write("update shop.orders set customer = 'c' where id = 1", "delete from shop.orders where id = 2")
    engine.sync(ORDERS)
    engine.write("insert into shop.orders (id, customer) values (2, 'again')")
    engine.sync(ORDERS)
    assert (done := engine.load()).commits == 2 and done.rows == {"raw_shop.orders": 3}
    expected = [(1, "a", False), (2, "b", False), (1, "c", False), (2, None, True), (2, "again", False)]
    assert engine.raw(HISTORY) == expected
    assert engine.load().commits == 0
    assert engine.raw(HISTORY) == expected
    before = engine.raw(EVERYTHING)
    assert len({row[-4] for row in before}) == len(before), "an id twice"
    assert engine.replay().total == 5
    assert engine.raw(EVERYTHING) == before
    engine.load(again=True)
    assert engine.raw(EVERYTHING) == before


def test_a_table_that_was_emptied_at_once_has_a_row_without_a_key_that_says_so(
    capturing: CapturingLakeEngine,
) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, customer) values (1, 'a')")
    engine.sync(ORDERS)
    engine.write("truncate shop.orders cascade")
    engine.sync(ORDERS)
    engine.load()
    rows = "select id, customer, _airbyte_generation_id, _ab_cdc_deleted_at is not null from raw_shop.orders order by 3"
    assert engine.raw(rows) == [(1, "a", 0, False), (None, None, 1, True)]
    before = engine.raw(EVERYTHING)
    engine.replay()
    assert engine.raw(EVERYTHING) == before


def test_each_type_arrives_as_a_sync_into_the_warehouse_lands_it(
    capturing: CapturingLakeEngine, tmp_path
) -> None:
    engine, types = capturing, {"namespace": "shop", "name": "types", "syncMode": "incremental_append"}
    values = ", ".join(value for _, value, _ in EVERY_TYPE.values())
    engine.write(
        *every_type.made(),
        f"insert into shop.types values (1, {values})",
        "insert into shop.types values (2)",
    )
    engine.sync(types)
    engine.write(f"insert into shop.types values (3, {values})")
    engine.synced(types)
    direct = Engine(engine.source, tmp_path / "direct.duckdb")
    direct.sync(types | {"syncMode": "full_refresh_overwrite"})
    columns = ", ".join(["id", *every_type.COLUMNS])
    query = f"select {columns} from raw_shop.types order by id"
    assert repr(engine.raw(query)) == repr(direct.raw(query))
    found, wanted = engine.column_types("types"), direct.column_types("types")
    assert {name: type_ for name, type_ in found.items() if not name.startswith("_ab_cdc")} == wanted


def test_rows_at_the_cursor_come_once_whether_read_again_or_not(engine: LakeEngine) -> None:
    engine.write(
        "insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-02'), (3, null)"
    )
    engine.synced(BY_CURSOR)
    engine.write("insert into shop.orders (id, updated) values (4, '2024-01-02'), (5, null)")
    engine.synced(BY_CURSOR)
    engine.write("update shop.orders set customer = 'changed', updated = '2024-01-03' where id = 1")
    engine.synced(BY_CURSOR)
    assert engine.synced(BY_CURSOR)["orders"][1] == 0
    query = "select id, customer from raw_shop.orders order by id, customer nulls first"
    assert engine.raw(query) == [(1, None), (1, "changed"), (2, None), (3, None), (4, None), (5, None)]
    before = engine.raw(EVERYTHING)
    engine.replay()
    assert engine.raw(EVERYTHING) == before


def test_an_overwritten_stream_has_the_rows_of_its_last_sync_and_a_cleared_one_none(
    engine: LakeEngine,
) -> None:
    whole = stream("shop.orders", "full_refresh_overwrite")
    engine.write("insert into shop.orders (id) values (1), (2)")
    engine.synced(whole)
    engine.write("delete from shop.orders where id = 1", "insert into shop.orders (id) values (3)")
    engine.sync(whole)
    engine.synced(whole)
    assert engine.raw("select id, _airbyte_generation_id from raw_shop.orders order by id") == [
        (2, 3),
        (3, 3),
    ]
    engine.write("delete from shop.orders")
    engine.synced(whole)
    assert engine.raw("select count(*) from raw_shop.orders") == [(0,)]
    engine.write("insert into shop.orders (id) values (4)")
    engine.synced(whole)
    engine.synced(whole, jobType="clear")
    assert engine.raw("select count(*) from raw_shop.orders") == [(0,)]


def test_files_of_a_table_that_has_begun_again_since_are_not_downloaded(engine: LakeEngine) -> None:
    engine.write("insert into shop.orders (id) values (1)")
    for _ in range(3):
        engine.sync(stream("shop.orders", "full_refresh_overwrite"))
    assert unread(engine.log).files == list(engine.log.latest().parts[0].processed)


def test_a_load_that_another_one_has_overtaken_goes_on_from_there(engine: LakeEngine, monkeypatch) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01')")
    engine.sync(BY_CURSOR)
    opened = load_module.opened

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(load_module, "opened", opened)
        assert engine.load().rows == {"raw_shop.orders": 1}
        engine.write("insert into shop.lines values (1, 1, 1, now())")
        engine.sync(BY_CURSOR, stream("shop.lines", "incremental_append"))
        return opened(*arguments)

    monkeypatch.setattr(load_module, "opened", overtaken)
    assert engine.load().rows == {"raw_shop.lines": 1}
    assert engine.load().commits == 0
    assert engine.raw("select count(*) from raw_shop.orders") == [(1,)]


def test_a_table_may_have_any_name(engine: LakeEngine) -> None:
    engine.write(
        'create table shop."a/b %" (id integer primary key, updated timestamp)',
        """insert into shop."a/b %" values (1, '2024-01-01')""",
    )
    engine.synced(stream("shop.a/b %", "incremental_append"))
    before = engine.raw('from raw_shop."a/b %"')
    engine.replay()
    assert engine.raw('from raw_shop."a/b %"') == before and len(before) == 1


def test_a_file_is_downloaded_piece_by_piece(lake: Lake, tmp_path) -> None:
    store, content = Store(lake.place), os.urandom(48 << 20)
    store.put("large", content)
    digest = hashlib.sha256(content).hexdigest()
    tracemalloc.start()
    store.download("large", tmp_path / "large", digest)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "large").read_bytes() == content
    assert most < 16 << 20
    with pytest.raises(EltError, match="has another content"):
        store.download("large", tmp_path / "other", "0" * 64)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["large"]


def test_a_refresh_begins_the_table_again(capturing: CapturingLakeEngine) -> None:
    engine = capturing
    engine.write("insert into shop.orders (id, customer) values (1, 'a')")
    engine.synced(ORDERS)
    engine.write("update shop.orders set customer = 'b'")
    engine.synced(ORDERS)
    engine.synced(ORDERS, jobType="refresh")
    assert engine.raw("select customer from raw_shop.orders") == [("b",)]


def test_a_mode_that_keeps_one_row_per_key_is_refused_with_the_remedy(engine: LakeEngine) -> None:
    with pytest.raises(EltError, match=r"keeps every version of a row.*incremental_append"):
        engine.sync(stream("shop.orders"))


def test_a_load_notes_its_syncs_in_the_same_transaction(engine: LakeEngine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01')")
    engine.sync(BY_CURSOR)
    engine.sync(BY_CURSOR)
    engine.load()
    assert engine.raw(
        "select connection_name, number, rows from airbyte_internal.lake_loads order by number"
    ) == [
        ("shop", 1, 1),
        ("shop", 2, 0),
    ]
    assert engine.raw("select count(*), max(extracted_at) is not null from airbyte_internal.syncs") == [
        (2, True)
    ]


def test_a_table_of_another_program_is_left_alone(engine: LakeEngine) -> None:
    engine.warehouse.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(engine.warehouse) as connection:
        connection.execute("create schema raw_shop; create table raw_shop.orders as select 1 as mine")
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01')")
    engine.sync(BY_CURSOR)
    with pytest.raises(EltError, match=r"raw_shop\.orders is in the warehouse, and another program made it"):
        engine.load()
    assert engine.raw("from raw_shop.orders") == [(1,)]


def test_a_damaged_file_is_named_and_nothing_of_it_is_loaded(engine: LakeEngine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01')")
    engine.sync(BY_CURSOR)
    (file,) = engine.log.latest().parts[0].processed
    engine.store.put(file.key, b"something else")
    with pytest.raises(EltError, match=rf"{file.key} has another content"):
        engine.load()
    engine.store.delete([file.key])
    with pytest.raises(EltError, match=rf"{file.key} is missing"):
        engine.load()


def test_files_that_no_manifest_names_are_not_there(engine: LakeEngine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01')")
    engine.sync(BY_CURSOR)
    (file,) = engine.log.latest().parts[0].processed
    engine.store.put(file.key.replace("extracted_at=2", "extracted_at=1"), engine.store.get(file.key))
    engine.load()
    assert engine.raw("select count(*) from raw_shop.orders") == [(1,)]


def test_no_credential_is_in_an_object_a_path_or_a_log(either: CapturingLakeEngine, caplog) -> None:
    engine, place = either, either.lake.place
    caplog.set_level("DEBUG")
    engine.write("insert into shop.orders (id, customer) values (1, 'a')")
    engine.synced(ORDERS)
    dsn = engine.source.dsn("reader")
    secrets = [place.access_key_id, place.secret_access_key, dsn["password"]]
    objects = [found.key for found in engine.store.objects("")]
    assert len(objects) >= 3
    for key in objects:
        body = engine.store.get(key)
        for secret in secrets:
            assert secret not in key and secret.encode() not in body
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("botocore")]
    assert not any(secret in line for line in ours for secret in secrets)
    with pytest.raises(EltError) as refused:
        Store(replace(place, bucket="no-such-bucket", access_key_id="OTHER")).put("a", b"")
    assert "no-such-bucket" in str(refused.value)
    assert not any(secret in str(refused.value) for secret in secrets)
