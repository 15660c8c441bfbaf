"""The Snowflake destination under kills, lost answers, a busy service and a second server.

A proxy before the emulated Snowflake counts the statements of a job and does harm at one of them. Jobs that are killed are
processes of their own.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airbyte_local.destinations.snowflake import account
from airbyte_local.jobs.report import Report
from airbyte_local.sync import run
from airbyte_local.task import Task
from foundation.errors import EltError
from tests.fixtures.faults import Fault, Proxy, proxy
from tests.fixtures.snowflake import Snowflake
from tests.fixtures.source import SourceDatabase
from tests.integration.airbyte_local.conftest import SnowflakeEngine, stream

# a table that is merged, one that is only appended to, one that is replaced and whose columns change each time
STREAMS = (
    stream("shop.orders"),
    stream("shop.log", "incremental_append"),
    stream("shop.shapes", "full_refresh_overwrite"),
)

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "airbyte_local.sync",
        "airbyte_local.destinations.snowflake",
        "airbyte_local.sources.postgres.snapshot",
        "adbc_driver_postgresql.dbapi",
    ]
)


def job(task: dict[str, Any]) -> None:
    """A job in a process of its own."""
    with Path(os.devnull).open("wb") as nowhere:
        run(Task.of(task), Report(nowhere.fileno()))


@pytest.fixture(scope="module")
def faulty(snowflake_emulator: Snowflake) -> Iterator[Proxy]:
    with proxy(snowflake_emulator.port) as made:
        yield made


class Versions:
    """A source whose every row has the same version, and what of it has arrived."""

    def __init__(self, engine: SnowflakeEngine, faulty: Proxy) -> None:
        self.engine, self.proxy, self.number, self.held = engine, faulty, 0, 0
        engine.changes |= {"host": f"127.0.0.1:{faulty.port}"}
        engine.write(
            "create table shop.log (version integer, line integer, updated timestamp)",
            "create table shop.shapes (id integer primary key)",
            "insert into shop.shapes select generate_series(1, 5)",
        )

    def advance(self) -> None:
        """The next version of everything: other values, more lines, another column."""
        self.number += 1
        one = f"'2024-01-01'::timestamp + interval '{self.number} hours'"
        self.engine.write(
            "delete from shop.orders",
            f"insert into shop.orders (id, total, updated) select n, {self.number}, {one} from generate_series(1, 20) n",
            f"insert into shop.log select {self.number}, n, {one} from generate_series(1, 3) n",
            f"alter table shop.shapes add column c{self.number} integer default {self.number}",
            *([f"alter table shop.shapes drop column c{self.number - 1}"] if self.number > 1 else []),
        )

    def die_at(self, moment: Callable[[int, str], bool], after: bool) -> int:
        """Start a sync and kill its process at a statement, before it arrives or after it is done; its exit code."""
        self.proxy.reset()
        process = PROCESSES.Process(target=job, args=(self.engine.task(*STREAMS),))
        killed = threading.Event()

        def kill(number: int, sql: str) -> bool:
            if not killed.is_set() and moment(number, sql):
                os.kill(process.pid, signal.SIGKILL)
                killed.set()
                return True
            return False

        if after:
            self.proxy.answered = lambda number, sql: kill(number, sql) and None
        else:
            self.proxy.decide = lambda number, sql: Fault.LOST if kill(number, sql) else None
        process.start()
        process.join(60)
        assert process.exitcode is not None, "the job hangs"
        self.proxy.reset()
        return process.exitcode

    def arrived(self) -> int:
        """The version in the warehouse, of merged and appended rows, state and record: never a mixture."""
        if not self.engine.raw("select 1 from information_schema.tables where table_name = 'ORDERS'"):
            return 0
        versions = self.engine.raw(
            "select max(TOTAL), min(TOTAL), count(*), max((select max(VERSION) from RAW_SHOP.LOG)) from RAW_SHOP.ORDERS"
        )[0]
        if not versions[2]:
            return 0
        assert versions[0] == versions[1] == versions[3] and versions[2] == 20
        return int(versions[0])

    def check_all(self) -> None:
        """Everything is as in the source: nothing lost, nothing twice, nothing left over."""
        raw = self.engine.raw
        assert self.arrived() == self.number
        lines = [(version, line) for version in range(1, self.number + 1) for line in (1, 2, 3)]
        assert raw("select VERSION, LINE from RAW_SHOP.LOG order by 1, 2") == lines
        assert list(self.engine.column_types("shapes"))[:2] == ["ID", f"C{self.number}"]
        assert raw(f"select ID, C{self.number} from RAW_SHOP.SHAPES order by 1") == [
            (id_, self.number) for id_ in range(1, 6)
        ]
        left = raw(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema like 'AIRBYTE%' and table_name not in ('STATE', 'SYNCS', 'LEASES', 'SUCCESSORS')"
        )
        assert left == []
        schemas = raw(
            "select schema_name from information_schema.schemata where schema_name like 'AIRBYTE_STAGE%'"
        )
        assert schemas == []


@pytest.fixture
def versions(
    shop: SourceDatabase, snowflake_emulator: Snowflake, faulty: Proxy, tmp_path: Path
) -> Iterator[Versions]:
    engine = SnowflakeEngine(shop, tmp_path / "unused", emulator=snowflake_emulator)
    yield Versions(engine, faulty)
    faulty.reset()


MOMENTS = {
    "before the stage's schema": (r"create or replace transient schema", False),
    "before a file arrives": (r"put ", False),
    "when rows are in a stage table": (r"copy into", True),
    "in the open transaction": (r"begin name", True),
    "after a merge": (r'merge into "RAW_SHOP"', True),
    "before the commit": (r"commit", False),
    "after the commit": (r"commit", True),
    "before a table is replaced": (r"create or replace table", False),
    "after a table was replaced": (r"create or replace table", True),
}


@pytest.mark.slow
def test_killed_at_the_critical_statements_the_next_sync_is_right(versions: Versions) -> None:
    versions.advance()
    versions.engine.sync(*STREAMS)
    versions.check_all()
    for name, (pattern, after) in MOMENTS.items():
        before = versions.number
        versions.advance()
        code = versions.die_at(lambda _, sql, pattern=pattern: bool(re.match(pattern, sql)), after)
        assert code == -signal.SIGKILL, name
        committed = name in ("after the commit", "before a table is replaced", "after a table was replaced")
        assert versions.arrived() == (versions.number if committed else before), name
        versions.engine.sync(*STREAMS)
        versions.check_all()


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before it arrives", "after it is done"])
def test_killed_at_any_statement_the_next_sync_is_right(versions: Versions, after: bool) -> None:
    versions.advance()
    versions.engine.sync(*STREAMS)
    number = 1
    while True:
        before = versions.number
        versions.advance()
        code = versions.die_at(lambda at, _, number=number: at == number, after)
        assert versions.arrived() in (before, versions.number)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        versions.engine.sync(*STREAMS)
        versions.check_all()
        number += 1
    print(f"killed at each of {number - 1} statements")
    assert number > 30


def test_a_job_that_is_killed_in_its_first_sync_leaves_nothing_in_the_way(versions: Versions) -> None:
    versions.advance()
    assert versions.die_at(lambda _, sql: sql == "commit", after=False) == -signal.SIGKILL
    assert versions.arrived() == 0
    versions.engine.sync(*STREAMS)
    versions.check_all()


# -- the network, and a busy service


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, versions: Versions) -> Versions:
    """The connector gives up after a second, and our own pauses are short."""
    monkeypatch.setattr(account, "PAUSES", (0.1, 0.1, 0.1))
    versions.engine.changes |= {"jdbc_url_params": "ssl=off&networkTimeout=1000&loginTimeout=5"}
    return versions


def in_first_session(faulty: Proxy, pattern: str, fault: Fault) -> Callable[[int, str], Fault | None]:
    """The fault at every statement of this form until the job has logged in again."""

    def decide(_: int, sql: str) -> Fault | None:
        return fault if re.match(pattern, sql) and len(faulty.logins) == 1 else None

    return decide


@pytest.mark.parametrize(
    ("pattern", "fault", "merges"),
    [
        pytest.param("create or replace transient schema", Fault.LOST, 1, marks=pytest.mark.slow),
        pytest.param("put ", Fault.BUSY, 1, marks=pytest.mark.slow),
        pytest.param("copy into", Fault.UNANSWERED, 1, marks=pytest.mark.slow),
        ("begin name", Fault.UNANSWERED, 1),
        ('merge into "RAW_SHOP"', Fault.BUSY, 1),
        ('merge into "RAW_SHOP"', Fault.UNANSWERED, 2),
        pytest.param("insert into AIRBYTE_INTERNAL.STATE", Fault.UNANSWERED, 2, marks=pytest.mark.slow),
        ("commit", Fault.LOST, 2),
        ("commit", Fault.UNANSWERED, 1),
        pytest.param("create or replace table", Fault.UNANSWERED, 1, marks=pytest.mark.slow),
    ],
)
def test_a_lost_statement_is_asked_again_and_a_lost_commit_is_looked_for_first(
    impatient: Versions, pattern: str, fault: Fault, merges: int
) -> None:
    versions = impatient
    versions.advance()
    versions.engine.sync(*STREAMS)
    versions.advance()
    versions.proxy.reset()
    versions.proxy.decide = in_first_session(versions.proxy, pattern, fault)
    before = len(versions.engine.emulator.statements())
    assert versions.engine.sync(*STREAMS)["orders"] == (20, 20)
    assert len(versions.proxy.logins) == 2
    versions.check_all()
    asked = [each["sql"] for each in versions.engine.emulator.statements()[before:]]
    assert len([sql for sql in asked if sql.startswith('merge into "RAW_SHOP"')]) == merges


def test_a_service_that_stays_away_fails_the_job_and_the_next_sync_is_right(impatient: Versions) -> None:
    versions = impatient
    versions.advance()
    versions.engine.sync(*STREAMS)
    versions.advance()
    versions.proxy.reset()
    versions.proxy.decide = lambda _, sql: Fault.BUSY if sql.startswith("copy into") else None
    with pytest.raises(
        EltError, match=r"Snowflake 127\.0\.0\.1, database .* cannot be reached.*nothing is half done"
    ):
        versions.engine.sync(*STREAMS)
    assert versions.arrived() == versions.number - 1
    versions.proxy.reset()
    versions.engine.sync(*STREAMS)
    versions.check_all()


# -- a second server with the same connection


def at(pattern: str, act: Callable[[], None]) -> Callable[[int, str], Fault | None]:
    """Do something when the first statement of this form arrives."""
    done: list[str] = []

    def decide(_: int, sql: str) -> Fault | None:
        if re.match(pattern, sql) and not done:
            done.append(sql)
            act()
        return None

    return decide


@pytest.fixture
def second(versions: Versions) -> SnowflakeEngine:
    """The same connection on another server, which does not go through the proxy."""
    engine = versions.engine
    other = SnowflakeEngine(
        engine.source, engine.warehouse, emulator=engine.emulator, database=engine.database
    )
    versions.advance()
    engine.sync(*STREAMS)
    versions.advance()
    versions.proxy.reset()
    return other


@pytest.mark.parametrize("pattern", ["copy into", pytest.param("begin name", marks=pytest.mark.slow)])
def test_of_two_jobs_of_one_connection_the_later_one_commits_and_nothing_is_doubled(
    versions: Versions, second: SnowflakeEngine, pattern: str
) -> None:
    figures: list[dict[str, tuple[int, int]]] = []
    versions.proxy.decide = at(pattern, lambda: figures.append(second.sync(*STREAMS)))
    with pytest.raises(
        EltError, match=r"another job of this connection has begun since \(job 1, process \d+ on"
    ):
        versions.engine.sync(*STREAMS)
    assert figures[0]["orders"] == (20, 20)
    versions.check_all()
    versions.proxy.reset()
    assert versions.engine.sync(*STREAMS)["orders"] == (20, 0)
    versions.check_all()


def test_a_job_commits_nothing_once_another_has_taken_the_lease_whatever_that_one_does_then(
    versions: Versions, second: SnowflakeEngine
) -> None:
    take = "update AIRBYTE_INTERNAL.LEASES set TOKEN = 'theirs', HOLDER = 'job 7, process 1 on elsewhere'"
    versions.proxy.decide = at("begin name", lambda: second.raw(take) and None)
    with pytest.raises(EltError, match=r"another job .* has begun since \(job 7, process 1 on elsewhere\)"):
        versions.engine.sync(*STREAMS)
    assert versions.arrived() == versions.number - 1
    versions.proxy.reset()
    versions.engine.sync(*STREAMS)
    versions.check_all()


def test_a_job_that_begins_while_another_commits_goes_on_from_there(
    versions: Versions, second: SnowflakeEngine
) -> None:
    figures: list[dict[str, tuple[int, int]]] = []
    later = threading.Thread(target=lambda: figures.append(second.sync(*STREAMS)))
    versions.proxy.decide = at("insert into AIRBYTE_INTERNAL.STATE", later.start)
    assert versions.engine.sync(*STREAMS)["orders"] == (20, 20)
    later.join(120)
    assert figures[0]["orders"] == (20, 0)
    versions.check_all()


@pytest.mark.slow
def test_two_jobs_that_put_the_same_table_in_its_place_at_once_do_so_once(
    versions: Versions, second: SnowflakeEngine
) -> None:
    figures: list[dict[str, tuple[int, int]]] = []
    second.changes |= versions.engine.changes  # both through the proxy
    later = threading.Thread(target=lambda: figures.append(second.sync(*STREAMS)))
    replacing, tidied = threading.Event(), threading.Event()
    seen: list[str] = []

    def decide(_: int, sql: str) -> None:
        if sql.startswith("create or replace table"):
            seen.append(sql)
            if len(seen) == 1:  # the first job, which has committed, waits until the second one is as far
                later.start()
                assert replacing.wait(60)
            elif len(seen) == 2:  # and that one until the first is done
                replacing.set()
                assert tidied.wait(60)

    versions.proxy.decide = decide
    assert versions.engine.sync(*STREAMS)["orders"] == (20, 20)
    tidied.set()
    later.join(120)
    assert seen[0] == seen[1]
    assert figures[0]["orders"] == (20, 0)
    versions.check_all()


def test_a_transaction_that_somebody_aborts_moves_no_state(
    versions: Versions, second: SnowflakeEngine
) -> None:
    before = second.raw("select STATE from AIRBYTE_INTERNAL.STATE order by STREAM_NAME")

    def abort() -> None:
        (transaction,) = second.raw("show transactions")
        second.raw(f"select system$abort_transaction({transaction[0]})")

    versions.proxy.decide = at(r'insert into "RAW_SHOP"."LOG"', abort)
    with pytest.raises(EltError, match="the transaction was ended by somebody else"):
        versions.engine.sync(*STREAMS)
    assert second.raw("select STATE from AIRBYTE_INTERNAL.STATE order by STREAM_NAME") == before
    versions.proxy.reset()
    versions.engine.sync(*STREAMS)
    versions.check_all()
