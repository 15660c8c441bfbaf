"""Change data capture as the API's users configure it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airbyte_api import models

from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local.conftest import Connection, connect, source_configuration

METHOD = {"method": "CDC", "replication_slot": "elt_test_api", "publication": "shop_publication"}
DEDUPED = {"namespace": "shop", "name": "orders", "syncMode": "incremental_deduped_history"}


@pytest.fixture
def published(shop: SourceDatabase) -> Iterator[SourceDatabase]:
    with shop.connect() as owner:
        owner.execute("create publication shop_publication for table shop.orders, shop.lines")
    yield shop
    with shop.connect("superuser", autocommit=True) as superuser:
        superuser.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()")  # fmt: skip


def made(airbyte: AirbyteServer, source: SourceDatabase, folder: Path, **changes: Any) -> Connection:
    configuration = source_configuration(source, replication_method=METHOD | changes)
    return connect(airbyte, configuration, folder / "warehouse.duckdb", [DEDUPED])


def test_a_stream_without_cursor_field_is_synced_with_its_deletes(
    airbyte: AirbyteServer, published: SourceDatabase, tmp_path: Path
) -> None:
    connection = made(airbyte, published, tmp_path)
    with published.connect() as owner:
        owner.execute("insert into shop.orders (id) values (1), (2)")
    assert connection.sync()["status"] == "succeeded"
    with published.connect() as owner:
        owner.execute("delete from shop.orders where id = 1")
    assert connection.sync()["rowsSynced"] == 1
    query = "select id, _ab_cdc_deleted_at is null from raw_shop.orders order by id"
    assert connection.raw(query) == [(1, False), (2, True)]


def test_what_airbyte_sends_for_a_source_of_its_own_is_accepted(
    airbyte: AirbyteServer, published: SourceDatabase, tmp_path: Path
) -> None:
    defaults = models.ReadChangesUsingWriteAheadLogCDC(
        replication_slot="elt_test_api", publication="shop_publication"
    ).model_dump(mode="json", by_alias=True)
    assert {"queue_size", "heartbeat_action_query", "lsn_commit_behaviour"} <= set(defaults)
    assert made(airbyte, published, tmp_path, **defaults).sync()["status"] == "succeeded"


def test_a_captured_source_defines_the_cursor_itself(
    airbyte: AirbyteServer, published: SourceDatabase, tmp_path: Path
) -> None:
    with published.connect() as owner:
        owner.execute("create table shop.keyless (note text)")
    connection = made(airbyte, published, tmp_path)

    def streams() -> dict[str, tuple[bool, list[str]]]:
        answer = airbyte.http.get("/streams", params={"sourceId": connection.source_id}).raise_for_status()
        return {
            item["streamName"]: (item["sourceDefinedCursorField"], item["syncModes"])
            for item in answer.json()
        }

    full = ["full_refresh_overwrite", "full_refresh_append"]
    incremental = ["incremental_deduped_history", "incremental_append"]
    assert streams()["orders"] == (True, [*full, *incremental])
    assert streams()["keyless"] == (True, full)
    by_cursor = source_configuration(published)
    airbyte.http.patch(
        f"/sources/{connection.source_id}", json={"configuration": by_cursor}
    ).raise_for_status()
    assert streams()["orders"] == (False, [*full, *incremental])
    # and the stream that has no cursor can't be read by one
    job = connection.sync()
    assert job["status"] == "failed"
    assert "needs a cursorField when the source is read by cursor" in airbyte.log(job["jobId"])


def test_a_source_without_its_publication_says_so_when_it_is_looked_into(
    airbyte: AirbyteServer, published: SourceDatabase, tmp_path: Path
) -> None:
    connection = made(airbyte, published, tmp_path, publication="nowhere")
    answer = airbyte.http.get("/streams", params={"sourceId": connection.source_id})
    assert answer.status_code == 400
    assert "there is no publication nowhere" in answer.json()["detail"]


def slot_dropped(source: SourceDatabase) -> None:
    with source.connect("superuser", autocommit=True) as superuser:
        superuser.execute("select pg_drop_replication_slot('elt_test_api')")


def slot_moved_on(source: SourceDatabase) -> None:
    with source.connect("superuser", autocommit=True) as superuser:
        superuser.execute("checkpoint")  # what is committed is on disk: a slot goes no further
        superuser.execute("select pg_replication_slot_advance('elt_test_api', pg_current_wal_flush_lsn())")


@pytest.mark.parametrize(
    ("break_it", "found"), [(slot_dropped, "is gone"), (slot_moved_on, "was moved on by somebody else")]
)
def test_a_slot_broken_behind_our_back_fails_every_job_clearly_until_a_refresh_puts_it_right(
    airbyte: AirbyteServer, published: SourceDatabase, tmp_path: Path, break_it: Any, found: str
) -> None:
    connection = made(airbyte, published, tmp_path)
    with published.connect() as owner:
        owner.execute("insert into shop.orders (id) values (1), (2)")
    assert connection.sync()["status"] == "succeeded"
    with published.connect() as owner:
        owner.execute("delete from shop.orders where id = 1; insert into shop.orders (id) values (3)")
    break_it(published)
    query = "select id, _ab_cdc_deleted_at is null from raw_shop.orders order by id"
    for _ in range(2):
        job = connection.sync()
        assert job["status"] == "failed"
        assert f"the replication slot elt_test_api {found}: changes were missed" in job["failureReason"]
        assert "refresh the connection" in job["failureReason"]
        assert connection.raw(query) == [(1, True), (2, True)]
    assert connection.run("refresh")["status"] == "succeeded"
    assert connection.raw(query) == [(1, False), (2, True), (3, True)]
    with published.connect() as owner:
        owner.execute("update shop.orders set customer = 'later' where id = 3")
    assert connection.sync()["rowsSynced"] == 1
    assert connection.raw("select count(*), count(distinct id) from raw_shop.orders") == [(3, 3)]
