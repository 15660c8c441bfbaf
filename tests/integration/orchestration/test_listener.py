"""What the listener sees of a real source, with the rights of Airbyte's reader."""

import pytest

from adventureworks.database import publish
from foundation.errors import EltError
from orchestration.listener import Listener, Runs, look
from tests.fixtures.waiting import wait_until

IDLE = Runs(0, 0, 0)
CHANGES = [
    "insert into sales.currency values ('XXA', 'One', now())",
    "update sales.currency set name = 'Two' where currencycode = 'XXA'",
    "delete from sales.currency where currencycode = 'XXA'",
    "truncate sales.currencyrate cascade",
]


@pytest.fixture
def shop(empty_source):
    with empty_source.connect() as connection:
        publish(connection)
    return empty_source


def change(shop, statement):
    with shop.connect() as connection:  # which the server counts when it closes, if not before
        connection.execute(statement)


def test_each_kind_of_change_starts_a_run_and_reading_starts_none(shop):
    listener = Listener()
    assert not listener.saw(look(shop.settings))
    for statement in CHANGES:
        change(shop, statement)
        wait_until(lambda: listener.saw(seen := look(shop.settings)) and listener.due(seen, IDLE), 20)
        with shop.connect("reader") as connection:
            connection.execute("select count(*) from sales.salesorderheader")
        change(shop, "analyze sales.currency")
        assert not listener.saw(look(shop.settings)), statement


def test_a_table_that_is_not_published_starts_no_run(shop):
    listener = Listener()
    change(shop, "create table public.notes (id int)")
    listener.saw(look(shop.settings))
    change(shop, "insert into public.notes values (1)")
    change(shop, CHANGES[0])  # what the first one wrote is counted before this
    change(shop, CHANGES[2])
    wait_until(lambda: listener.saw(look(shop.settings)), 20)
    before = look(shop.settings)
    change(shop, "insert into public.notes values (2)")
    change(shop, "select 1")
    assert look(shop.settings).written == before.written


def test_a_locked_table_keeps_nobody_waiting(shop):
    with shop.connect() as connection:
        connection.execute("lock table sales.currency in access exclusive mode")
        assert look(shop.settings).position > 0


def test_the_slot_tells_what_a_sync_has_brought(shop):
    assert look(shop.settings).synced is None
    with shop.connect("reader", autocommit=True) as connection:
        slot = shop.settings.source_slot
        connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
        seen = look(shop.settings)
        assert 0 < seen.synced <= seen.position
        connection.execute("select pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", [slot])
        assert look(shop.settings).synced >= seen.synced


def test_a_source_that_refuses_is_named_without_its_password(shop):
    wrong = shop.settings.model_copy(update={"source_database": "nowhere"})
    with pytest.raises(EltError, match=r"database nowhere, user airbyte_reader: .*does not exist") as refused:
        look(wrong)
    assert shop.settings.source_reader_password.get_secret_value() not in str(refused.value)
