"""Faults while a sync runs, each at many moments: the right data, or a clear failure that loses nothing.

More of them are with their subjects: ties, nulls and empty syncs in `test_cursor_sync.py`, a full disk and a locked warehouse
in `test_tables.py`, two syncs at once in `test_jobs.py`, a restored source in `test_restored_source.py`.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adventureworks.shop import live
from foundation.errors import EltError
from stack.postgres import Cluster
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import Connection, Engine, connect, source_configuration, stream
from tests.integration.airbyte_local.histories import kill
from tests.integration.airbyte_local.test_jobs import job_processes, runs, waits_for_lines
from tests.integration.airbyte_local.test_restored_source import own

__all__ = ["own"]  # a fixture: an engine whose source server may be stopped

STREAMS = [stream("shop.orders"), stream("shop.lines")]
ROWS = 5_000


# -- the source goes away


def crash(cluster: Cluster) -> None:
    """The server ends at once, without a checkpoint; the next start recovers from the log."""
    with cluster.connect("postgres", cluster.superuser, cluster.password, autocommit=True) as connection:
        connection.execute("checkpoint")  # the tests' servers do not wait for the disk when they commit
    pid = cluster.running_pid()
    os.kill(pid, signal.SIGQUIT)
    wait_until(lambda: not runs(pid))


@pytest.mark.parametrize("end", [Cluster.stop, crash], ids=["stopped", "crashed"])
def test_a_source_restarted_in_mid_read_is_named_and_the_next_sync_is_right(own: Engine, end: object) -> None:
    own.write("insert into shop.orders (id, updated) values (1, clock_timestamp())")
    own.sync()
    own.write(
        "insert into shop.orders (id, updated) values (2, clock_timestamp())",
        "insert into shop.lines values (2, 1, 1, clock_timestamp())",
    )
    cluster = own.source.server.cluster
    with ThreadPoolExecutor(1) as threads:
        blocker = own.source.connect()
        blocker.execute("lock table shop.lines in access exclusive mode")
        syncing = threads.submit(own.sync)
        wait_until(lambda: waits_for_lines(own.source))
        end(cluster)
        error = syncing.exception()
    blocker.close()
    assert isinstance(error, EltError), error
    assert f"PostgreSQL at 127.0.0.1:{cluster.port}" in str(error)
    assert own.raw("select id from raw_shop.orders") == [(1,)]
    with pytest.raises(EltError, match="Connection refused"):
        own.sync()
    cluster.start()
    assert own.sync() == {"orders": (2, 1), "lines": (1, 1)}
    assert own.raw("select id from raw_shop.orders order by id") == [(1,), (2,)]


# -- a job ends at any moment


class Versions:
    """Orders and lines that all have one value, the number of their version: what is torn shows at once."""

    def __init__(self, made: Connection, source: SourceDatabase) -> None:
        self.made, self.source, self.server = made, source, made.server
        self.number = self.held = 0
        with source.connect() as connection:
            for table in ("orders", "lines"):  # a cursor with a zone: its position is the newest row's
                connection.execute(f"alter table shop.{table} alter updated type timestamptz")
            connection.execute(
                f"insert into shop.orders (id, updated) select n, now() from generate_series(1, {ROWS}) n"
            )
            connection.execute(
                f"insert into shop.lines select n, 1, 0, now() from generate_series(1, {ROWS}) n"
            )
        for _ in range(2):  # the first is slower
            self.advance()
            started = time.monotonic()
            assert made.sync()["status"] == "succeeded"
            self.seconds = time.monotonic() - started
        self.held = self.number

    def advance(self) -> None:
        """All rows get the next number."""
        self.number += 1
        with self.source.connect() as connection:
            connection.execute("update shop.orders set total = %s, updated = now()", [self.number])
            connection.execute("update shop.lines set quantity = %s, updated = now()", [self.number])

    def arrived(self) -> int:
        """The version that the warehouse holds, all of it and nothing else, positions included."""
        rows = self.made.raw(
            "select total::integer, count(*) from raw_shop.orders group by 1 union all"
            " select quantity, count(*) from raw_shop.lines group by 1"
        )
        assert len(rows) == 2, rows
        assert rows[0] == rows[1] == (rows[0][0], ROWS)
        positions = self.made.raw(
            "select (select min((state ->> 'cursor')::timestamptz) from airbyte_internal.state where stream_name is not null)"
            " = (select max(updated) from raw_shop.orders), (select max(job_id) from airbyte_internal.state)"
            " = (select max_by(job_id, extracted_at) from airbyte_internal.syncs)"
        )
        assert positions == [(True, True)]
        return rows[0][0]

    def check(self, status: str) -> bool:
        """Old or new, and new if the job says so; whether it is new."""
        found = self.arrived()
        assert found == self.number or (found == self.held and status != "succeeded")
        self.held = found
        return found == self.number


@pytest.fixture
def versions(own_airbyte: AirbyteServer, shop: SourceDatabase, tmp_path: Path) -> Versions:
    made = connect(own_airbyte, source_configuration(shop), tmp_path / "warehouse.duckdb", STREAMS)
    return Versions(made, shop)


def cancel_at_moments(versions: Versions, moments: int) -> None:
    """Cancel so many jobs, each later in its life than the one before, the last about when it would end."""
    span = 2.5 * versions.seconds  # a cancelled job leaves no process behind that has everything imported
    new = 0
    for number in range(moments):
        versions.advance()
        job_id = versions.made.start()
        time.sleep(span * (number + 1) / moments)
        answer = versions.server.http.delete(f"/jobs/{job_id}").json()
        assert answer["status"] in ("cancelled", "succeeded")
        new += versions.check(answer["status"])
    print(f"{moments} cancels over {span:.2f} s: {new} times the new data, else the old")
    assert versions.made.sync()["status"] == "succeeded"
    assert versions.arrived() == versions.number


def test_a_cancel_leaves_the_old_or_the_new(versions: Versions) -> None:
    cancel_at_moments(versions, 3)


@pytest.mark.slow
def test_a_cancel_at_any_moment_leaves_the_old_or_the_new(versions: Versions) -> None:
    cancel_at_moments(versions, 40)


def kill_at_commits(versions: Versions, tries: int, seed: int, server_too: bool) -> None:
    """Kill jobs, or the server with them, around their commit: random moments after the last rows were written."""
    moments = random.Random(seed)
    new = 0
    for _ in range(tries):
        versions.advance()
        job_id = versions.made.start()
        processes: list[int] = []
        log = versions.server.home / "airbyte" / "jobs" / f"{job_id}.log"
        deadline = time.monotonic() + 60
        while "shop.lines: " not in log.read_text() and time.monotonic() < deadline:
            processes = processes or job_processes(versions.server)
            time.sleep(0.001)  # the commit itself takes some 20 ms
        time.sleep(moments.uniform(0, 0.08))
        if server_too:
            versions.server.restart(signal.SIGKILL)
            wait_until(lambda processes=processes: not any(runs(pid) for pid in processes))
        else:
            for pid in processes:
                kill(pid)
        new += versions.check(versions.server.wait(job_id)["status"])
    print(f"seed {seed}: {tries} kills around the commit: {new} times the new data, else the old")
    assert versions.made.sync()["status"] == "succeeded"
    assert versions.arrived() == versions.number


def test_a_job_killed_in_mid_commit_leaves_the_old_or_the_new(versions: Versions) -> None:
    kill_at_commits(versions, tries=3, seed=1, server_too=False)


@pytest.mark.slow
@pytest.mark.parametrize(("tries", "seed", "server_too"), [(40, 2, False), (15, 3, True)])
def test_many_kills_in_mid_commit_leave_the_old_or_the_new(
    versions: Versions, tries: int, seed: int, server_too: bool
) -> None:
    kill_at_commits(versions, tries, seed, server_too)


# -- under a steady write load

HEADERS, LINES = "adventureworks_sales.salesorderheader", "adventureworks_sales.salesorderdetail"

# Shop and generator write both in one transaction: the header's subtotal is the sum of its lines at four decimals.
UNLIKE_THEIR_LINES = f"""
select salesorderid, subtotal, lines from (select salesorderid, subtotal::decimal(18, 4) as subtotal from {HEADERS})
full join (
    select salesorderid,
        sum(unitprice::decimal(12, 4) * (1 - unitpricediscount::decimal(12, 4)) * orderqty)::decimal(18, 4) as lines
    from {LINES} group by salesorderid
) using (salesorderid)
where subtotal is distinct from lines
limit 5
"""


def adventureworks(server: AirbyteServer, source: SourceDatabase, warehouse: Path) -> Connection:
    """A connection of the orders and their lines, the lines first."""
    streams = [
        stream(f"sales.{name}", cursorField=["modifieddate"])
        for name in ("salesorderdetail", "salesorderheader")
    ]
    configuration = source_configuration(source, schemas=["sales"])
    return connect(
        server, configuration, warehouse, streams, namespaceFormat="adventureworks_${SOURCE_NAMESPACE}"
    )


@pytest.mark.slow
def test_under_the_live_shop_every_synced_order_line_has_its_order(
    airbyte: AirbyteServer, generated_source: SourceDatabase, tmp_path: Path
) -> None:
    source = generated_source.copy()
    made = adventureworks(airbyte, source, tmp_path / "warehouse.duckdb")
    stopped = threading.Event()
    try:
        with ThreadPoolExecutor(2) as threads, source.connect() as one, source.connect() as other:
            shops = [
                threads.submit(live, connection, rate=30, seed=seed, stopped=stopped.is_set)
                for seed, connection in enumerate((one, other))
            ]
            try:
                counts = []
                for _ in range(15):
                    job = made.sync()
                    assert job["status"] == "succeeded", job.get("failureReason")
                    assert made.raw(UNLIKE_THEIR_LINES) == []
                    counts.append(made.raw(f"select count(*) from {LINES}")[0][0])
                    assert not any(shop.done() for shop in shops)
            finally:
                stopped.set()
            traded = [shop.result()["new_lines"] for shop in shops]
        assert min(traded) > 0
        assert len(set(counts)) == len(counts), "the shop was idle between two syncs"
        assert made.sync()["status"] == "succeeded"
        with source.connect() as connection:
            for table, columns in (("salesorderheader", "subtotal"), ("salesorderdetail", "orderqty")):
                query = f"select count(*), sum({columns})::decimal(18, 4) from {{}}.{table}"
                expected = connection.execute(query.format("sales")).fetchall()
                if table == "salesorderheader":  # an unconstrained numeric arrives as text
                    query = query.replace(columns, f"{columns}::decimal(18, 4)")
                assert made.raw(query.format("adventureworks_sales")) == expected
    finally:
        source.server.drop(source)
