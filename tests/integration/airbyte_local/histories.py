"""Random histories of a small shop and of the syncs that read it: what may happen, and what must hold after every job.

Writers have sessions of their own, whose transactions stay open over syncs, are prepared, rolled back or committed late.
Most jobs run in this process, those that are cancelled or killed in processes of a real server, all of one connection.

The test knows the moment that each job reads, so it is strict: after a job that succeeded the warehouse holds every
stream as the source was at that moment, row for row; after one that did not, that or exactly what it held before.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from airbyte_local.enums import SyncMode
from foundation.errors import EltError
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceServer
from tests.fixtures.waiting import wait_until
from tests.integration.airbyte_local.conftest import Engine, connect, source_configuration, stream
from tests.integration.airbyte_local.test_jobs import job_processes, runs

# Every table has a `number` that is its key or ends it, a `label`, and all but one a cursor `updated`, each of another
# type. `pieces` is the sum of the quantities of an order's lines: whoever writes lines moves it in the same transaction.
SHOP = """
create schema shop authorization adventureworks_owner;
set role adventureworks_owner;
create sequence shop.numbers;
create table shop.orders (
    number integer primary key default nextval('shop.numbers'), label text, total numeric(10,2), pieces integer not null,
    updated timestamp
);
create table shop.lines (
    order_number integer references shop.orders, number integer default nextval('shop.numbers'), label text,
    quantity integer not null, updated timestamptz, primary key (order_number, number)
);
create table shop.notes (
    order_number integer, line_number integer, number integer default nextval('shop.numbers'), label text,
    updated timestamp(0), primary key (order_number, line_number, number),
    foreign key (order_number, line_number) references shop.lines
);
create table shop.visits (number integer primary key default nextval('shop.numbers'), label text, updated date);
create table shop.events (number integer primary key default nextval('shop.numbers'), label text, updated timestamptz);
create table shop.counters (
    number integer primary key default nextval('shop.numbers'), label text, updated bigint not null
);
create table shop.regions (number integer primary key default nextval('shop.numbers'), label text);
grant usage on schema shop to airbyte_reader;
grant select on all tables in schema shop to airbyte_reader;
"""

FIRST = ("orders", "lines", "regions", "counters")  # the streams of the connection when it is new
LATER = ("notes", "visits", "events")
TABLES = (*FIRST, *LATER)
STANDALONE = ("visits", "events", "counters", "regions")  # without parent or child
ALTERED = tuple(
    name for name in TABLES if name != "events"
)  # appended versions have the columns of their time

SESSIONS = ("a", "b", "c")
CLERK = (
    "clerk"  # never leaves a transaction open: numbers as cursor are sound only in the order of their commits
)
MAX_PREPARED = 2

MOMENTS = {
    "clock": "clock_timestamp()",
    "transaction": "now()",  # one value for all that a transaction writes
    "none": "null::timestamptz",
    "future": "'infinity'::timestamptz",
}

# the types of added columns, each followed by what it can be widened to
WIDENINGS = (
    ("smallint", "integer", "bigint", "numeric(24,4)", "numeric"),
    ("numeric(6,2)", "numeric(10,4)", "numeric(30,20)"),
    ("real", "double precision"),
    ("varchar(9)", "text"),
    ("date", "timestamp without time zone"),
    ("boolean",),
    ("jsonb",),
)
ADDED_TYPES = tuple(chain[0] for chain in WIDENINGS)


@dataclass(frozen=True)
class Method:
    """A way to read the source: its replication method, the sync mode of each stream, and what it can see.

    `live`: the condition on the rows of the warehouse that are not deleted in the source.
    """

    name: str
    modes: dict[str, SyncMode]
    sees_deletes: bool
    captures: bool = False
    live: str = "true"

    def replication(self, slot: str) -> dict[str, str]:
        """The source's `replication_method`."""
        if self.captures:
            return {"method": "CDC", "replication_slot": slot, "publication": "shop_publication"}
        return {"method": "Standard"}


DEDUPED = dict.fromkeys(TABLES, SyncMode.INCREMENTAL_DEDUPED_HISTORY)
CURSOR = Method(
    "cursor",
    DEDUPED | {"regions": SyncMode.FULL_REFRESH_OVERWRITE, "events": SyncMode.INCREMENTAL_APPEND},
    sees_deletes=False,
)
IN_FULL = Method("in full", dict.fromkeys(TABLES, SyncMode.FULL_REFRESH_OVERWRITE), sees_deletes=True)
CAPTURE = Method("capture", DEDUPED, sees_deletes=True, captures=True, live="_ab_cdc_deleted_at is null")


@dataclass
class Content:
    """A table: the columns with their types in the source, and how often each row is there, in a canonical text form."""

    columns: dict[str, str]
    rows: Counter[tuple[str | None, ...]]


@dataclass
class Place:
    """Where histories happen."""

    source: SourceServer
    airbyte: AirbyteServer
    folder: Path
    numbers: count[int] = field(default_factory=count)


class History:
    """One history: a fresh database, warehouse and connection."""

    def __init__(self, method: Method, place: Place, order: tuple[str, ...]) -> None:
        self.method, self.server = method, place.airbyte
        self.database = place.source.create()
        with self.database.connect("superuser") as connection:
            connection.execute(SHOP)
            if method.captures:
                connection.execute("reset role; create publication shop_publication for all tables")
        self.streams = list(order)
        self.configuration = source_configuration(
            self.database, replication_method=method.replication(self.database.database)
        )
        warehouse = place.folder / f"{next(place.numbers)}.duckdb"
        self.engine = Engine(self.database, warehouse, _jobs=count(1_000_000))
        self.connection = connect(self.server, self.configuration, warehouse, self._configured())
        self.sessions = {name: self.database.connect(autocommit=True) for name in (*SESSIONS, CLERK)}
        for session in self.sessions.values():
            session.execute("set lock_timeout = '10s'")  # a history that waits for itself is wrong
        self.observer = self.database.connect("superuser", autocommit=True)
        self.open: dict[str, set[str]] = {}  # by session: the tables that its transaction has touched
        self.prepared: dict[str, set[str]] = {}  # by name of the transaction
        self.added: dict[tuple[str, str], str] = {}  # columns that a history has added: their type
        self.held: dict[str, Content] = {}  # what the warehouse is known to hold
        self.whole_due = True  # whether the next job has to read some stream as a whole
        self.ids = count(1)

    def _configured(self) -> list[dict[str, Any]]:
        return [stream(f"shop.{name}", self.method.modes[name].value) for name in self.streams]

    def close(self) -> None:
        """Leave nothing behind in the source server."""
        for session in self.sessions.values():
            session.close()
        for name in self.prepared:
            self.observer.execute(f"rollback prepared '{name}'")
        slots = "pg_replication_slots where database = current_database()"
        wait_until(lambda: not self.observer.execute(f"select from {slots} and active").fetchone())
        self.observer.execute(f"select pg_drop_replication_slot(slot_name) from {slots}")
        self.observer.close()
        self.database.server.drop(self.database)

    # -- writers

    def write(self, session: str, touched: set[str], statement: str) -> None:
        """Run a statement in a session; it commits at once unless the session's transaction is open.

        No statement waits for a row that another session has locked: it leaves that row alone.
        """
        self.sessions[session].execute(statement)
        if session in self.open:
            self.open[session] |= touched

    def trade(self, session: str, orders: int, lines: int, moment: str) -> None:
        """New orders with their lines."""
        self.write(session, {"orders", "lines"}, new_orders(orders, lines, moment))

    def add_lines(self, session: str, rest: int, moment: str) -> None:
        """A line more for some orders."""
        when = MOMENTS[moment]
        self.write(
            session,
            {"orders", "lines"},
            f"with picked as ({picked_orders(rest)}), added as (insert into shop.lines (order_number, quantity, updated)"
            f" select number, 3, {when} from picked returning order_number)"
            f" update shop.orders set pieces = pieces + 3, updated = {when} from added where number = order_number",
        )

    def change_quantities(self, session: str, rest: int, by: int, moment: str) -> None:
        """Other quantities in all lines of some orders."""
        when = MOMENTS[moment]
        self.write(
            session,
            {"orders", "lines"},
            f"with picked as ({picked_orders(rest)}), those as (select l.order_number, l.number from shop.lines as l"
            " join picked on order_number = picked.number for no key update of l skip locked),"
            f" changed as (update shop.lines as l set quantity = quantity + {by}, updated = {when} from those"
            " where (l.order_number, l.number) = (those.order_number, those.number) returning l.order_number)"
            f" update shop.orders set pieces = pieces + {by} * n, updated = {when}"
            " from (select order_number, count(*) as n from changed group by 1) where number = order_number",
        )

    def insert(self, session: str, table: str, rows: int, moment: str) -> None:
        """Rows of a table without parent."""
        columns = ["label"] + (["updated"] if self._cursor(table, moment) else [])
        values = [new_label()] + ([self._cursor(table, moment)] if self._cursor(table, moment) else [])
        self.write(
            CLERK if table == "counters" else session,
            {table},
            f"insert into shop.{table} ({', '.join(columns)}) select {', '.join(values)} from generate_series(1, {rows})",
        )

    def annotate(self, session: str, rest: int, moment: str) -> None:
        """Notes on some lines: grandchildren."""
        self.write(
            session,
            {"orders", "lines", "notes"},
            f"insert into shop.notes (order_number, line_number, label, updated)"
            f" select order_number, number, {new_label()}, {MOMENTS[moment]} from (select * from shop.lines"
            f" where number % 3 = {rest} order by number desc limit 4 for key share skip locked)",
        )

    def change(self, session: str, table: str, rest: int, value: int, moment: str) -> None:
        """Other values in some rows of any table, added columns included; their cursor moves."""
        values = {"label": new_label()}
        if self._cursor(table, moment):
            values["updated"] = self._cursor(table, moment)
        values |= {name: literal(type_, value) for (of, name), type_ in self.added.items() if of == table}
        changes = ", ".join(f"{name} = {text}" for name, text in values.items())
        self.write(
            CLERK if table == "counters" else session,
            {table},
            f"update shop.{table} set {changes} where {some(table, rest, 'no key update')}",
        )

    def delete(self, session: str, table: str, rest: int) -> None:
        """Take away some rows of a table that nothing refers to."""
        self.write(session, {table}, f"delete from shop.{table} where {some(table, rest, 'update')}")

    def change_keys(self, session: str, table: str, rest: int) -> None:
        """Give some rows of a table that nothing refers to another key."""
        self.write(
            session,
            {table},
            f"update shop.{table} set number = nextval('shop.numbers') where {some(table, rest, 'update')}",
        )

    def truncate(self, table: str) -> None:
        """Take away all rows of a table that nothing refers to, and that no open transaction has touched."""
        self.write(CLERK, {table}, f"truncate shop.{table}")

    def enlarge(self, session: str, table: str, rest: int, moment: str) -> None:
        """Labels so large that the server keeps them apart, and does not send them again while nobody touches them."""
        cursor = self._cursor(table, moment)
        changes = f"label = {LARGE}" + (f", updated = {cursor}" if cursor else "")
        self.write(
            CLERK if table == "counters" else session,
            {table},
            f"update shop.{table} set {changes} where {some(table, rest, 'no key update')}",
        )

    def touch(self, session: str, table: str, rest: int, moment: str) -> None:
        """Change some rows in all but their label."""
        changes = f"updated = {cursor}" if (cursor := self._cursor(table, moment)) else "number = number"
        self.write(
            CLERK if table == "counters" else session,
            {table},
            f"update shop.{table} set {changes} where {some(table, rest, 'no key update')}",
        )

    def undo_a_part(self, session: str, table: str, rows: int, moment: str) -> None:
        """A transaction inserts, thinks better of it, and inserts again; it goes on if it was under way."""
        alone = session not in self.open
        if alone:
            self.begin(session)
        for how in ("rollback to", "release"):
            self.sessions[session].execute("savepoint part")
            self.insert(session, table, rows, moment)
            self.touch(session, table, rows - 1, moment)
            self.sessions[session].execute(f"{how} savepoint part")
        if alone:
            self.end(session, "commit")

    @property
    def deletable(self) -> list[str]:
        """The tables from which rows may vanish: where the method sees that, and nothing refers to them."""
        overwritten = [name for name in STANDALONE if name != "counters"] + ["notes"]
        return [
            name
            for name in overwritten
            if self.method.sees_deletes or self.method.modes[name] == SyncMode.FULL_REFRESH_OVERWRITE
        ]

    def _cursor(self, table: str, moment: str) -> str | None:
        if table == "regions":
            return None
        return "nextval('shop.numbers')" if table == "counters" else MOMENTS[moment]

    # -- transactions

    def begin(self, session: str) -> None:
        self.sessions[session].execute("begin")
        self.open[session] = set()

    def end(self, session: str, how: str) -> None:
        """`how`: commit or rollback."""
        self.sessions[session].execute(how)
        del self.open[session]

    def prepare(self, session: str) -> None:
        name = f"{self.database.database} {next(self.ids)}"
        self.sessions[session].execute(f"prepare transaction '{name}'")
        self.prepared[name] = self.open.pop(session)

    def end_prepared(self, how: str) -> None:
        """The oldest prepared transaction; `how`: commit or rollback."""
        name = next(iter(self.prepared))
        self.sessions[CLERK].execute(f"{how} prepared '{name}'")
        del self.prepared[name]

    @property
    def may_sync(self) -> bool:
        """Whether a sync need not wait: a captured stream is read as a whole only when no transaction is open."""
        return not (self.method.captures and self.whole_due) or self.may_refresh

    @property
    def may_refresh(self) -> bool:
        return not (self.method.captures and (self.open or self.prepared))

    @property
    def free(self) -> list[str]:
        """The tables that no open transaction has touched: their definition can be changed, and all of them locked."""
        taken = set().union(*self.open.values(), *self.prepared.values())
        return [name for name in TABLES if name not in taken]

    # -- schema changes

    def add_column(self, table: str, type_: str, value: int | None) -> None:
        """A column with this value in all rows, or without."""
        self.whole_due = True
        default = "" if value is None else f" default {literal(type_, value)}"
        name = f"added_{next(self.ids)}"
        self.sessions[CLERK].execute(f"alter table shop.{table} add column {name} {type_}{default}")
        self.added[table, name] = type_

    def drop_column(self, table: str, name: str) -> None:
        self.sessions[CLERK].execute(f"alter table shop.{table} drop column {name}")
        del self.added[table, name]

    def replace_column(self, table: str, name: str) -> None:
        """A column is dropped and another takes its name and type, with other values."""
        self.whole_due = True
        type_ = self.added[table, name]
        new = f"add column {name} {type_} default {literal(type_, 77)}"
        self.sessions[CLERK].execute(f"alter table shop.{table} drop column {name}, {new}")

    def widen_column(self, table: str, name: str) -> None:
        self.whole_due = True
        type_ = wider(self.added[table, name])
        self.sessions[CLERK].execute(f"alter table shop.{table} alter column {name} type {type_}")
        self.added[table, name] = type_

    def add_stream(self, table: str) -> None:
        """The connection reads one table more."""
        self.whole_due = True
        self.streams.append(table)
        body = {"configurations": {"streams": self._configured()}}
        self.server.http.patch(f"/connections/{self.connection.id}", json=body).raise_for_status()

    # -- jobs in this process

    def run(self, job_type: str = "sync") -> dict[str, tuple[int, int]]:
        """A job in this process; (rows read, rows written) by table. Raises EltError."""
        return self.engine.sync(
            *self._configured(),
            connectionId=self.connection.id,
            source=self.configuration,
            jobType=job_type,
        )

    def sync(self) -> None:
        self.run()
        self.check_equal(self.source())

    def refresh(self) -> None:
        self.run("refresh")
        self.check_equal(self.source())

    def clear(self) -> None:
        self.run("clear")
        empty = {name: Content(content.columns, Counter()) for name, content in self.held.items()}
        self.check_equal(empty, append=False)
        self.whole_due = True

    def sync_under_writes(self) -> None:
        """Others trade all the time."""
        with self.database.connect(autocommit=True) as connection, ThreadPoolExecutor(1) as threads:
            syncing = threads.submit(self.run)
            while not syncing.done():
                connection.execute(new_orders(2, 2, "clock"))
            syncing.result()
        self.check_whole()

    def sync_held(self, table: str) -> None:
        """While a sync waits for one of its tables, orders and lines are committed: it must not see any of them."""
        expected = self.source()
        with self._held(table) as (blocker, _, syncing):
            blocker.execute(new_orders(2, 2, "clock"))
            blocker.execute(
                f"update shop.lines set label = {new_label()}, updated = clock_timestamp()" + MINE
            )
            blocker.execute("commit")
            syncing.result()
        self.check_equal(expected)

    def sync_lost(self, table: str) -> None:
        """The source ends the session of a sync that has read some tables: nothing of that remains."""
        with self._held(table) as (_, reader, syncing):
            self.observer.execute("select pg_terminate_backend(%s)", [reader])
            error = syncing.exception()
            assert isinstance(error, EltError), error
            assert "terminating connection" in str(error)
        self.check_held()

    @contextmanager
    def _held(self, table: str) -> Iterator[tuple[psycopg.Connection, int, Future[Any]]]:
        """A sync that waits for a table: the session that holds it back, the reader's process id, the sync's future."""
        with self.database.connect(autocommit=True) as blocker, ThreadPoolExecutor(1) as threads:
            blocker.execute("begin")
            blocker.execute(f"lock table shop.{table} in access exclusive mode")
            syncing = threads.submit(self.run)
            try:
                reader = self._waiting_reader(syncing)
                yield blocker, reader, syncing
            finally:
                blocker.close()

    def _waiting_reader(self, syncing: Future[Any]) -> int:
        """Process id of the session with which a sync waits for a lock."""
        query = (
            "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        while not syncing.done():
            if found := self.observer.execute(query).fetchone():
                return found[0]
            time.sleep(0.01)
        raise AssertionError(f"the sync did not wait for the lock: {syncing.result()}")

    # -- jobs in processes of the server

    def job(self, fate: str, after: float) -> None:
        """A sync that ends by itself (`left`), is `cancelled` or `killed`, or whose server is, `after` seconds."""
        expected = self.source()
        job_id = self.connection.start()
        if fate != "left":
            time.sleep(after)
        if fate == "cancelled":
            self.server.http.delete(f"/jobs/{job_id}").raise_for_status()
        elif fate == "killed":
            for pid in job_processes(self.server):
                kill(pid)
        elif fate == "server killed":
            processes = job_processes(self.server)
            self.server.restart(signal.SIGKILL)
            wait_until(lambda: not any(runs(pid) for pid in processes))
        status = self.server.wait(job_id)["status"]
        endings = {"left": ["succeeded"], "cancelled": ["cancelled", "succeeded"]}
        assert status in endings.get(fate, ["failed", "succeeded"]), (status, self.server.log(job_id))
        if status == "succeeded" or self._differences(self.held, self.warehouse(self.held)):
            self.check_equal(expected)

    def two_starts(self, table: str) -> None:
        """Two at once, of which the first cannot end: one is refused."""
        expected = self.source()
        with self.database.connect() as blocker, ThreadPoolExecutor(2) as threads:
            blocker.execute(f"lock table shop.{table} in access exclusive mode")
            body = {"connectionId": self.connection.id, "jobType": "sync"}
            asked = [threads.submit(self.server.http.post, "/jobs", json=body) for _ in range(2)]
            answers = sorted((one.result() for one in asked), key=lambda answer: answer.status_code)
            assert [answer.status_code for answer in answers] == [200, 409]
        job = self.server.wait(answers[0].json()["jobId"])
        assert job["status"] == "succeeded", job
        self.check_equal(expected)

    # -- what must hold

    def finish(self) -> None:
        """All transactions end, a last sync brings the rest, and one more has nothing to write."""
        for session in list(self.open):
            self.end(session, "commit")
        while self.prepared:
            self.end_prepared("commit")
        self.sync()
        written = {name: figures[1] for name, figures in self.run().items()}
        overwritten = [name for name in written if self.method.modes[name] == SyncMode.FULL_REFRESH_OVERWRITE]
        assert not {name: rows for name, rows in written.items() if rows and name not in overwritten}
        self.check_equal(self.source())

    def source(self) -> dict[str, Content]:
        """What is committed in the tables of the connection's streams."""
        found: dict[str, dict[str, str]] = {}
        for table, column, type_ in self.observer.execute(
            "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a join pg_class c"
            " on c.oid = a.attrelid where c.relnamespace = 'shop'::regnamespace and c.relkind = 'r' and a.attnum > 0"
            " and not a.attisdropped order by a.attnum"
        ):
            found.setdefault(table, {})[column] = type_
        contents = {}
        for name in self.streams:
            columns = found[name]
            query = f"select {', '.join(f'{column}::text' for column in columns)} from shop.{name}"
            contents[name] = content(columns, self.observer.execute(query).fetchall())
        return contents

    def warehouse(self, like: dict[str, Content]) -> dict[str, Content]:
        """The same columns of the same tables in the warehouse; a table that lacks one is left out."""
        contents: dict[str, Content] = {}
        if not self.engine.warehouse.exists():
            return contents
        with duckdb.connect(self.engine.warehouse, read_only=True) as connection:
            for name, wanted in like.items():
                columns = ", ".join(f"{column}::varchar" for column in wanted.columns)
                try:
                    rows = connection.execute(
                        f"select {columns} from raw_shop.{name} where {self.method.live}"
                    )
                except (duckdb.CatalogException, duckdb.BinderException):
                    continue
                contents[name] = content(wanted.columns, rows.fetchall())
        return contents

    def check_equal(self, expected: dict[str, Content], append: bool = True) -> None:
        """The warehouse holds what is expected. Where rows are appended, it may hold older versions too, each once."""
        found = self.warehouse(expected)
        current = dict(found)
        for name in expected if append else ():
            if self.method.modes[name] == SyncMode.INCREMENTAL_APPEND and name in found:
                twice = {row: times for row, times in found[name].rows.items() if times > 1}
                assert not twice, f"{name}: more than once: {twice}"
                current[name] = Content(
                    found[name].columns,
                    Counter(row for row in found[name].rows if row in expected[name].rows),
                )
        differences = self._differences(expected, current)
        assert not differences, "; ".join(differences)
        self.held = found
        self.whole_due = False
        self.check_positions()

    def check_held(self) -> None:
        """The warehouse holds exactly what it did before."""
        differences = self._differences(self.held, self.warehouse(self.held))
        assert not differences, "; ".join(differences)

    def check_whole(self) -> None:
        """No line is without its order, and each order has all of its lines: the state of one moment."""
        torn = self.engine.raw(
            "select o.number, pieces, sum(quantity) from raw_shop.orders as o full join raw_shop.lines as l"
            " on l.order_number = o.number group by all having pieces is distinct from coalesce(sum(quantity), 0)"
        )
        assert not torn, f"orders that do not fit their lines (number, pieces, quantities): {torn[:5]}"
        self.held = self.warehouse(self.source())
        self.whole_due = False
        self.check_positions()

    def check_positions(self) -> None:
        """No saved cursor is beyond the source's clock, or beyond the start of a transaction that is still open.

        Nor, where the column rounds its values, beyond what such a start is rounded to.
        """
        saved = self.engine.raw(
            "select stream_name, state ->> 'cursor' from airbyte_internal.state"
            " where state ->> 'cursor' is not null and stream_name <> 'counters'"
        )
        oldest = self.observer.execute(
            "select least(clock_timestamp(), min(xact_start)) at time zone 'UTC' from pg_stat_activity"
            " where datname = current_database() and state = 'idle in transaction'"
        ).fetchone()[0]
        limits = {"notes": oldest.replace(microsecond=0)}
        beyond = [one for one in saved if one[1].removesuffix("+00") > str(limits.get(one[0], oldest))]
        assert not beyond, f"saved beyond {oldest}: {beyond}"

    @staticmethod
    def _differences(expected: dict[str, Content], found: dict[str, Content]) -> list[str]:
        """What is missing and what is too much, by table, with up to three rows of each."""
        told = []
        for name, content in expected.items():
            if name not in found:
                told.append(f"{name}: no such table, or not all of the columns {', '.join(content.columns)}")
                continue
            missing, extra = content.rows - found[name].rows, found[name].rows - content.rows
            if missing or extra:
                told.append(
                    f"{name} ({', '.join(content.columns)}): {missing.total()} rows missing, such as"
                    f" {list(missing)[:3]}; {extra.total()} too many, such as {list(extra)[:3]}"
                )
        return told


MINE = " where xmin = pg_current_xact_id()::xid"  # the rows that this transaction wrote


def new_label() -> str:
    """A value that no row has had."""
    return "'v' || nextval('shop.numbers')"


# too long for its row, and not to be compressed
LARGE = "(select string_agg(md5(random()::text || n), '') from generate_series(1, 150) as n)"


def new_orders(orders: int, lines: int, moment: str) -> str:
    """The statement that inserts orders with so many lines each."""
    when = MOMENTS[moment]
    return (
        f"with placed as (insert into shop.orders (label, total, pieces, updated) select 'order', n / 4.0, {lines} * 2,"
        f" {when} from generate_series(1, {orders}) as n returning number)"
        f" insert into shop.lines (order_number, quantity, updated) select number, 2, {when} from placed,"
        f" generate_series(1, {lines})"
    )


def picked_orders(rest: int) -> str:
    """Some orders, locked."""
    return f"select number from shop.orders where number % 3 = {rest} order by number limit 4 for no key update skip locked"


def some(table: str, rest: int, lock: str) -> str:
    """The condition that picks, and locks, up to five rows of a table."""
    return f"ctid = any(array(select ctid from shop.{table} where number % 3 = {rest} limit 5 for {lock} skip locked))"


def literal(type_: str, value: int) -> str:
    """A value of a type, made from a small number."""
    if type_.startswith("varchar") or type_ == "text":
        return f"'w{value}'"
    if type_.startswith(("date", "timestamp")):
        return f"'2024-01-01'::date + {value}"
    if type_ == "boolean":
        return str(value % 2 == 0).lower()
    if type_ == "jsonb":
        return f"""'{{"value": {value}}}'"""
    return f"{value} / 4.0" if type_.startswith(("numeric", "real", "double")) else str(value)


def wider(type_: str) -> str | None:
    """The next wider type."""
    chain = next(chain for chain in WIDENINGS if type_ in chain)
    return dict(pairwise(chain)).get(type_)


def content(columns: dict[str, str], rows: list[tuple[Any, ...]]) -> Content:
    """Rows in text form, from either side, in the one form that both have."""
    types = list(columns.values())
    return Content(
        columns,
        Counter(
            tuple(canonical(type_, text) for type_, text in zip(types, row, strict=True)) for row in rows
        ),
    )


def canonical(type_: str, text: str | None) -> str | None:
    """A number without the zeros that only its type shows; anything else as it is."""
    if text is None or not type_.startswith(("smallint", "integer", "bigint", "numeric", "real", "double")):
        return text
    return f"{Decimal(text).normalize():f}"


def kill(pid: int) -> None:
    """kill -9; the process may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
