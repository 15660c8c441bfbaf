"""The four sync modes, and what refresh, clear and reset do to them, in every destination."""

from __future__ import annotations

import pytest

from foundation.errors import EltError
from tests.integration.airbyte_local.conftest import Engine, stream

pytestmark = pytest.mark.promise


@pytest.fixture
def engine(either: Engine) -> Engine:
    return either


OVERWRITE = stream("shop.orders", "full_refresh_overwrite")
FULL_APPEND = stream("shop.orders", "full_refresh_append")
APPEND = stream("shop.orders", "incremental_append")
DEDUPED = stream("shop.orders")


def ids(engine: Engine) -> list[int]:
    return [row[0] for row in engine.raw("select id from raw_shop.orders order by id")]


def generations(engine: Engine) -> list[int]:
    return [
        row[0] for row in engine.raw("select distinct _airbyte_generation_id from raw_shop.orders order by 1")
    ]


# -- full refresh


def test_full_refresh_replaces_everything_and_counts_its_generation(engine: Engine) -> None:
    engine.write("insert into shop.orders (id) values (1), (2)")
    assert engine.sync(OVERWRITE)["orders"] == (2, 2)
    engine.write("delete from shop.orders where id = 1", "alter table shop.orders drop column customer")
    assert engine.sync(OVERWRITE)["orders"] == (1, 1)
    assert engine.raw("select id, _airbyte_generation_id from raw_shop.orders") == [(2, 2)]
    assert [name.lower() for name in engine.column_types("orders")] == [
        "id", "total", "placed", "updated",
        "_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta", "_airbyte_generation_id",
    ]  # fmt: skip


def test_full_refresh_append_keeps_what_earlier_syncs_saw(engine: Engine) -> None:
    engine.write("insert into shop.orders (id) values (1), (2)")
    assert engine.sync(FULL_APPEND)["orders"] == (2, 2)
    engine.write("delete from shop.orders where id = 1")
    assert engine.sync(FULL_APPEND)["orders"] == (1, 1)
    found = engine.raw("select id, _airbyte_generation_id from raw_shop.orders order by 2, 1")
    assert found == [(1, 1), (2, 1), (2, 2)]


# -- incremental append


def test_append_brings_every_version_and_none_twice(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-02')")
    assert engine.sync(APPEND)["orders"] == (2, 2)
    assert engine.sync(APPEND)["orders"] == (1, 0)
    engine.write("update shop.orders set total = 5, updated = '2024-01-03' where id = 1")
    assert engine.sync(APPEND)["orders"] == (2, 1)
    assert engine.sync(APPEND)["orders"] == (1, 0)
    assert engine.raw("select id, total from raw_shop.orders order by id, updated") == [
        (1, None),
        (1, 5),
        (2, None),
    ]


def test_append_takes_what_shares_the_boundary_value_and_leaves_what_was_delivered(engine: Engine) -> None:
    engine.write(
        "insert into shop.orders (id, updated) select n, '2024-01-01' from generate_series(1, 500) n"
    )
    engine.sync(APPEND)
    engine.write(
        "insert into shop.orders (id, updated) select n, '2024-01-01' from generate_series(501, 700) n"
    )
    assert engine.sync(APPEND)["orders"] == (700, 200)
    assert ids(engine) == list(range(1, 701))


def test_append_delivers_rows_without_a_cursor_value_once(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, null), (2, '2024-01-01')")
    engine.sync(APPEND)
    engine.write("insert into shop.orders (id, updated) values (3, null)")
    assert engine.sync(APPEND)["orders"] == (3, 1)
    assert ids(engine) == [1, 2, 3]


def test_append_counts_equal_rows_of_a_table_without_key(engine: Engine) -> None:
    engine.write(
        "create table shop.clicks (page text, updated timestamp)",
        "insert into shop.clicks select 'home', '2024-01-01' from generate_series(1, 3)",
    )
    clicks = stream("shop.clicks", "incremental_append")
    assert engine.sync(clicks)["clicks"] == (3, 3)
    engine.write("insert into shop.clicks values ('home', '2024-01-01')")
    assert engine.sync(clicks)["clicks"] == (4, 1)
    assert engine.raw("select count(*) from raw_shop.clicks") == [(4,)]


def test_append_takes_what_an_open_transaction_commits_late(engine: Engine) -> None:
    with engine.source.connect(autocommit=False) as late:
        late.execute("insert into shop.orders (id, updated) values (1, clock_timestamp())")
        engine.write("insert into shop.orders (id, updated) values (2, clock_timestamp())")
        assert engine.sync(APPEND)["orders"] == (1, 1)
        late.commit()
    assert engine.sync(APPEND)["orders"] == (2, 1)
    assert ids(engine) == [1, 2]


def test_append_does_not_repeat_the_boundary_when_a_column_is_added(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-02')")
    engine.sync(APPEND)
    engine.write(
        "alter table shop.orders add column channel text default 'web'",
        "insert into shop.orders (id, updated) values (3, '2024-01-03')",
    )
    assert engine.sync(APPEND)["orders"] == (2, 1)
    assert engine.raw("select id, channel from raw_shop.orders order by id") == [
        (1, None),
        (2, None),
        (3, "web"),
    ]


# -- from one mode to another


def test_a_stream_goes_from_full_refresh_to_incremental(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-02')")
    engine.sync(OVERWRITE)
    assert engine.sync(DEDUPED)["orders"] == (2, 0)
    assert engine.sync(DEDUPED)["orders"] == (1, 0)
    assert engine.sync(APPEND)["orders"] == (1, 0)


def test_appended_rows_are_not_deduplicated_behind_the_users_back(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01')")
    engine.sync(FULL_APPEND)
    engine.sync(FULL_APPEND)
    with pytest.raises(EltError, match=r"may hold a key more than once.* refresh the connection"):
        engine.sync(DEDUPED)
    assert engine.sync(DEDUPED, jobType="refresh")["orders"] == (1, 1)
    assert ids(engine) == [1]
    assert engine.sync(DEDUPED)["orders"] == (1, 0)


# -- refresh, clear, reset


@pytest.mark.parametrize(
    "configured", [OVERWRITE, FULL_APPEND, APPEND, DEDUPED], ids=lambda one: one["syncMode"]
)
def test_a_refresh_makes_the_table_equal_to_the_source_and_counts_its_generation(
    engine: Engine, configured: dict
) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-02')")
    engine.sync(configured)
    (before,) = generations(engine)
    engine.write("delete from shop.orders where id = 1")
    assert engine.sync(configured, jobType="refresh")["orders"] == (1, 1)
    assert ids(engine) == [2]
    assert generations(engine) == [before + 1]


def test_a_refresh_that_fails_leaves_the_table_as_it_was(engine: Engine) -> None:
    engine.write("insert into shop.orders (id, total, updated) values (1, 5, '2024-01-01')")
    engine.sync(DEDUPED)
    engine.write("insert into shop.orders (id, total, updated) values (2, 'NaN', '2024-01-02')")
    with pytest.raises(EltError, match=r"does not fit|Snowflake's NUMBER.* cannot"):
        engine.sync(DEDUPED, jobType="refresh")
    assert ids(engine) == [1]


@pytest.mark.parametrize("job_type", ["clear", "reset"])
def test_clear_empties_the_tables_and_the_next_sync_starts_from_the_beginning(
    engine: Engine, job_type: str
) -> None:
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01'), (2, '2024-01-02')")
    engine.sync(DEDUPED)
    (before,) = generations(engine)
    assert engine.sync({**DEDUPED, "namespace": None}, jobType=job_type) == {}
    assert ids(engine) == []
    assert engine.cursor_of("orders") is None
    assert engine.sync(DEDUPED)["orders"] == (2, 2)
    assert generations(engine) == [before + 1]


def test_clear_needs_no_source_and_touches_no_other_table(engine: Engine) -> None:
    engine.write(
        "insert into shop.orders (id, updated) values (1, now())",
        "insert into shop.lines values (1, 1, 1, now())",
    )
    engine.sync()
    gone = {"host": "127.0.0.1", "port": 1, "database": "x", "username": "x"}
    engine.sync(DEDUPED, jobType="clear", source=gone)
    assert ids(engine) == []
    assert engine.raw("select count(*) from raw_shop.lines") == [(1,)]


def test_clear_before_the_first_sync_has_nothing_to_do(engine: Engine) -> None:
    engine.sync(DEDUPED, jobType="clear")
    engine.write("insert into shop.orders (id, updated) values (1, now())")
    assert engine.sync(DEDUPED)["orders"] == (1, 1)
