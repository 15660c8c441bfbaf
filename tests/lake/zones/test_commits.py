"""A commit is there or not: two writers, kills at every step, a store that cannot refuse."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airbyte_local.destinations.lake import store as stores
from airbyte_local.destinations.lake.manifests import Log
from airbyte_local.destinations.lake.session import LakeSession
from airbyte_local.jobs.report import Report
from airbyte_local.sync import run
from airbyte_local.task import Task
from foundation.errors import EltError
from lake.compact import compact
from lake.load import load
from lake.warehouse import Warehouse
from tests.fixtures.lake import CapturingLakeEngine, Lake, LakeEngine
from tests.integration.airbyte_local.conftest import stream
from tests.lake.zones.small import Writer

ORDERS, LINES = stream("shop.orders", "incremental_append"), stream("shop.lines", "incremental_append")
CAPTURED = [
    {"namespace": "shop", "name": name, "syncMode": "incremental_append"} for name in ("orders", "lines")
]
KILLS = 40

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["airbyte_local.sync", "airbyte_local.destinations.lake", "airbyte_local.sources.postgres.snapshot"]
)


def doomed(steps: int, after: bool) -> list[str]:
    """From here on this process is killed at its request number `steps` to the store; what grows are the names of its requests."""
    made, done = stores.Store.__dict__, []

    def dying(name: str) -> Any:
        def call(store: Any, *arguments: Any, **options: Any) -> Any:
            done.append(name)
            if len(done) == steps and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = made_before[name](store, *arguments, **options)
            if len(done) == steps:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return call

    made_before = {name: made[name] for name in ("put", "put_new", "get", "download")}
    for name in made_before:
        setattr(stores.Store, name, dying(name))
    return done


def job(task: dict[str, Any], steps: int, after: bool) -> None:
    """A job in a process of its own, which is killed at a step."""
    doomed(steps, after)
    with Path(os.devnull).open("wb") as nowhere:
        run(Task.of(task), Report(nowhere.fileno()))


def killed(engine: LakeEngine, steps: int, after: bool) -> bool:
    """Whether a sync was killed at that step; False when it has fewer."""
    return died(job, engine.task(*CAPTURED), steps, after)


def died(target: Any, argument: Any, steps: int, after: bool) -> bool:
    """Whether a process with that target was killed at that step; False when it has fewer."""
    process = PROCESSES.Process(target=target, args=(argument, steps, after))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode == -signal.SIGKILL


def test_a_kill_at_any_step_leaves_all_of_a_sync_or_nothing(capturing: CapturingLakeEngine) -> None:
    engine = capturing
    kills, version, steps, seen = 0, 0, 1, set()
    engine.write("insert into shop.orders (id) select generate_series(1, 3)")
    engine.synced(*CAPTURED)
    while kills < KILLS:
        version += 1
        engine.write(
            f"update shop.orders set customer = 'v{version}'; insert into shop.lines values (1, {version}, {version}, now())"
        )
        before = engine.log.latest().number
        if killed(engine, steps, after=bool(kills % 2)):
            kills += 1
            seen.add(steps)
            steps += not kills % 2
        else:
            steps = 1
        assert engine.log.latest().number in (before, before + 1)
        engine.load()
        orders = "select count(*) from raw_shop.orders where customer is not null"
        lines = "select count(*) from raw_shop.lines"
        ((whole,),) = engine.raw(orders)
        assert whole == 3 * engine.raw(lines)[0][0], "an order's change without its line"
    assert len(seen) >= 4
    engine.synced(*CAPTURED)
    assert engine.raw("select max(quantity), count(*) from raw_shop.lines") == [(version, version)]
    assert engine.raw("select count(*), count(distinct _airbyte_raw_id) from raw_shop.orders") == [
        (3 + 3 * version, 3 + 3 * version)
    ]
    before = engine.raw("select * from raw_shop.orders order by _airbyte_raw_id")
    engine.replay()
    assert engine.raw("select * from raw_shop.orders order by _airbyte_raw_id") == before


def compacting(lake: Lake, steps: int, after: bool) -> None:
    """A compaction in a process of its own, which is killed at a step."""
    doomed(steps, after)
    store = stores.Store(lake.place)
    compact(store, Log(store, "small"), "small", lake.config, whole=True)


def loading(lake: Lake, steps: int, after: bool) -> None:
    """A load in a process of its own, which is killed at a step; the last ones are at its commit."""
    done = doomed(steps, after)
    commit = Warehouse.commit

    def dying(warehouse: Warehouse) -> None:
        if steps > len(done) and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(warehouse)
        if steps > len(done):
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(Warehouse, "commit", dying)  # noqa: B010
    load("small", lake.config)


def test_a_kill_at_any_step_of_a_compaction_or_a_load_leaves_the_rows_as_they_were(lake: Lake) -> None:
    writer, version = Writer(lake), 0
    for _ in range(3):
        version += 1
        writer.write((version, "row"))
    for after in (False, True):
        for steps in range(1, 9):
            version += 1
            writer.write((version, "row"))
            died(compacting, lake, steps, after)
            died(loading, lake, steps, after)
            with duckdb.connect(lake.config.warehouse_path) as connection:
                there = connection.execute("from duckdb_tables() where table_name = 'items'").fetchall()
                ids = connection.execute("select id from shop.items order by id").fetchall() if there else []
            assert ids == [(one + 1,) for one in range(len(ids))] and len(ids) <= version
    load("small", lake.config)
    with duckdb.connect(lake.config.warehouse_path) as connection:
        found = connection.execute("select id from shop.items order by id").fetchall()
    assert found == [(one + 1,) for one in range(version)]


def test_of_two_writers_at_once_one_commits_and_the_other_says_so(
    either: CapturingLakeEngine, monkeypatch
) -> None:
    engine, other = either, type(either)(either.source, either.warehouse, lake=either.lake)
    other.connection_id = engine.connection_id
    by_cursor = engine.configuration() | {
        "replication_method": {"method": "Standard"}
    }  # a slot has one reader
    both = threading.Barrier(2)
    commit = LakeSession.commit
    errors: list[EltError] = []

    def together(session: LakeSession, *arguments: Any) -> None:
        both.wait(30)
        commit(session, *arguments)

    def sync(one: LakeEngine) -> None:
        try:
            one.sync(ORDERS, source=by_cursor)
        except EltError as error:
            errors.append(error)

    monkeypatch.setattr(LakeSession, "commit", together)
    for number in range(1, 6):
        engine.write(f"insert into shop.orders (id, updated) values ({number}, '2024-01-01')")
        threads = [threading.Thread(target=sync, args=(one,)) for one in (engine, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(errors) == number and "has committed this connection's rows meanwhile" in str(errors[-1])
        engine.load()
        assert engine.raw("select count(*), count(distinct id) from raw_shop.orders") == [(number, number)]


def test_a_store_that_cannot_refuse_a_second_writer_is_refused_itself(
    engine: LakeEngine, monkeypatch
) -> None:
    def careless(store: stores.Store, key: str, body: bytes) -> bool:
        store.put(key, body)
        return True

    monkeypatch.setattr(stores.Store, "put_new", careless)
    with pytest.raises(EltError, match="ignores If-None-Match"):
        engine.sync(ORDERS)


def test_a_request_that_was_sent_twice_commits_once(engine: LakeEngine, monkeypatch) -> None:
    once = stores.Store.put_new

    def twice(store: stores.Store, key: str, body: bytes) -> bool:
        once(store, key, body)
        return once(store, key, body)

    monkeypatch.setattr(stores.Store, "check_put_new", lambda _: None)
    monkeypatch.setattr(stores.Store, "put_new", twice)
    engine.write("insert into shop.orders (id, updated) values (1, '2024-01-01')")
    engine.synced(ORDERS)
    assert engine.raw("select count(*) from raw_shop.orders") == [(1,)]


def test_a_store_that_is_away_is_named_with_the_remedy(engine: LakeEngine) -> None:
    configuration = engine.destination["configuration"] | {"s3_endpoint": "http://127.0.0.1:9"}
    with pytest.raises(EltError, match=r"http://127\.0\.0\.1:9 can't be reached.*elt up lake"):
        engine.sync(ORDERS, destination={"type": "lake", "configuration": configuration})
