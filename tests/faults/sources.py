"""`python -m tests.faults.sources --histories 200 --syncs 12 --versions 15,18 --seed 1`: random histories of a source.

A history is a database with three tables of random types (one is partitioned), and between any two syncs some transactions:
inserts, updates, moves of keys, large values that an update leaves alone, deletes, truncates, savepoints, transactions that
stay open or prepared over a sync, and DDL of tables, types, partitions, replica identities and publications. After each
sync by change data capture raw is compared with the source, as `elt airbyte verify` does; at the end of a history also what
a full refresh gives. A sync may refuse, and must say of which stream; a difference without a word is what is looked for. A
history is its seed. The last line is a summary as JSON; exit code 1 when something differed.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import psycopg
from adbc_driver_postgresql import dbapi

from airbyte_config.mapped import mapped
from airbyte_config.row_comparison import StreamResult
from airbyte_config.source import SESSION, Source
from airbyte_config.verify import compare
from airbyte_local.sources.postgres.cdc import slot
from airbyte_local.sources.postgres.connect import Address
from foundation.errors import EltError
from tests.fixtures.postgres_versions import start_server
from tests.fixtures.source import SourceServer
from tests.integration.airbyte_local.conftest import Engine, source_configuration, stream
from tests.integration.airbyte_local.test_capture import CapturingEngine

SCHEMA = """
create schema shop authorization adventureworks_owner;
set role adventureworks_owner;
create type shop.mood as enum ('well', 'so so', 'ill');
create type shop.pair as (one shop.mood, two integer);
create domain shop.price as numeric(10,2);
create domain shop.sale_price as shop.price;
grant usage on schema shop to airbyte_reader;
alter default privileges in schema shop grant select on tables to airbyte_reader;
"""

# by type: SQL of a value that depends on the number n
VALUES = {
    "smallint": "(n % 30000)::smallint",
    "integer": "n * 7919",
    "bigint": "n * 7919::bigint * 1000003",
    "numeric(12,4)": "n / 7.0",
    "numeric(14,5)": "n / 7.0",
    "numeric(38,10)": "n * 10::numeric ^ 20 / 7",
    "numeric": "case n % 9 when 0 then 'NaN' else n / 7.0 end",
    "real": "case n % 9 when 0 then 'Infinity' else n / 3.0 end",
    "double precision": "case n % 9 when 0 then 'NaN' else n / 3.0 end",
    "boolean": "n % 2 = 0",
    "char(5)": "chr(97 + n % 26)",
    "varchar(20)": "'v ' || n || repeat(' ', n % 3)",
    "text": "case n % 5 when 0 then '' when 1 then e'a\\nb\\\\\"c\\t' else 'ü' || n end",
    "timestamp": "case n % 9 when 0 then '-infinity' when 1 then timestamp '0044-03-15 BC' else timestamp '2024-01-01' + n * interval '1.000001 s' end",
    "timestamptz": "case n % 9 when 0 then 'infinity' else timestamptz '2024-01-01' + n * interval '1 hour' end",
    "date": "case n % 9 when 0 then 'infinity' when 1 then '4713-01-01 BC' else date '2024-01-01' + n end",
    "time": "case n % 9 when 0 then '24:00' else time '00:00' + n * interval '1.5 s' end",
    "timetz": "timetz '10:00+05:30' + n * interval '1 s'",
    "interval": "n * interval '1 month 2 days 3.5 s'",
    "uuid": "md5(n::text)::uuid",
    "bytea": "decode(md5(n::text), 'hex')",
    "json": "('{\"a\":  ' || n || ', \"a\": null}')::json",
    "jsonb": "jsonb_build_object('n', n, 't', 'ü\"')",
    "inet": "inet '10.0.0.1' + n % 200",
    "cidr": "'10.0.0.0/8'",
    "macaddr": "'08:00:2b:01:02:03'",
    "integer[]": "case n % 9 when 0 then array[[n, null], [2, 3]] else array[n, null, -n] end",
    "text[]": "array['a\"b', null, 'null', n::text]",
    "inet[]": "array[inet '10.0.0.1']",
    "int4range": "int4range(n, n + 5)",
    "bit(3)": "(n % 8)::bit(3)",
    "money": "(n / 3.0)::numeric::money",
    "point": "point(n, n / 3.0)",
    "oid": "4000000000::oid",
    '"char"': "'x'",
    "shop.mood": "(enum_range(null::shop.mood))[1 + n % 3]",
    "shop.sale_price": "n / 7.0",
    "shop.pair": "row((enum_range(null::shop.mood))[1 + n % 3], n)::shop.pair",
    "shop.pair[]": "array[row((enum_range(null::shop.mood))[1], n)::shop.pair]",
}
KEYS = (
    "smallint", "integer", "bigint", "numeric(12,4)", "text", "varchar(20)", "char(5)", "uuid", "bytea", "inet", "date", "timestamp", "timestamptz", "double precision",
)  # fmt: skip
# what a column's type may become, and how
RETYPED = {
    "smallint": ("integer", "{} * 2"),
    "integer": ("bigint", "{} + 1"),
    "numeric(12,4)": ("numeric(14,5)", "{} * 10"),
    "varchar(20)": ("text", "{} || '!'"),
    "real": ("double precision", "{}"),
    "date": ("timestamp", "{}"),
}
LARGE = "(select string_agg(md5((n + i)::text), '') from generate_series(1, 300) as i)"


class Table:
    """A table of a history: its key's type, its other columns with their types."""

    def __init__(self, chance: random.Random, name: str, partitioned: bool) -> None:
        self.name, self.partitioned = name, partitioned
        self.key = "integer" if partitioned else chance.choice(KEYS)
        self.columns = {f"c{at}": chance.choice(list(VALUES)) for at in range(chance.randint(3, 8))}
        self.made = len(self.columns)
        self.parts = [f"{name}_p{at}" for at in range(2)] if partitioned else []

    @property
    def place(self) -> str:
        return f"shop.{self.name}"

    def create(self) -> list[str]:
        columns = ", ".join(f"{name} {type_}" for name, type_ in self.columns.items())
        made = f"create table {self.place} (k {self.key} primary key, {columns}, large text, updated timestamp default now())"
        if not self.partitioned:
            return [made, f"alter table {self.place} alter large set storage external"]
        return [
            f"{made} partition by hash (k)",
            *(
                f"create table shop.{part} partition of {self.place} for values with (modulus 3, remainder {at})"
                for at, part in enumerate(self.parts)
            ),
            f"create table shop.{self.name}_rest partition of {self.place} for values with (modulus 3, remainder 2)",
        ]


class History:
    """One history in a database of its own."""

    def __init__(self, server: SourceServer, folder: Path, seed: int, told: Counter[str]) -> None:
        self.chance, self.told, self.server = random.Random(seed), told, server
        self.database = server.create()
        with self.database.connect("superuser") as connection:
            connection.execute(SCHEMA)
        self.engine = CapturingEngine(self.database, folder / "raw.duckdb")
        self.engine.slot = self.database.database
        self.full = Engine(self.database, folder / "full.duckdb", connection_id="full")
        self.session = self.database.connect(autocommit=True)
        self.other = self.database.connect(autocommit=True)
        self.waiting: list[str] = []  # how the other session's transactions are to end
        self.trace: list[str] = []
        self.tables = [Table(self.chance, name, name == "parted") for name in ("one", "two", "parted")]
        for table in self.tables:
            for statement in table.create():
                self.session.execute(statement)
        self.publish()

    def publish(self) -> None:
        how = self.chance.choice(
            ["for all tables", f"for table {', '.join(table.place for table in self.tables)}"]
        )
        self.superuser(f"create publication shop_publication {how} with (publish_via_partition_root = true)")

    def superuser(self, statement: str) -> None:
        self.trace.append(statement)
        with self.database.connect("superuser", autocommit=True) as connection:
            connection.execute(statement)

    def close(self) -> None:
        self.end_others("rollback")
        self.session.close()
        self.other.close()
        with self.database.connect("superuser", autocommit=True) as connection:
            connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()")  # fmt: skip
        self.server.drop(self.database)

    # -- writers

    def rows(self, table: Table) -> str:
        """A condition that some rows of a table meet."""
        some = self.chance.randint(1, 4)
        return f"k in (select k from {table.place} order by md5(k::text || '{self.chance.random()}') limit {some})"

    def value(self, type_: str) -> str:
        """SQL of a value."""
        if self.chance.random() < 0.15:
            return "null"
        return VALUES[type_]

    def insert(self, table: Table) -> str:
        first, count = self.chance.randint(1, 60), self.chance.randint(1, 6)
        columns = ", ".join(["k", *table.columns, "large"])
        values = [f"({VALUES[table.key]})::{table.key}"]
        values += [f"({self.value(type_)})::{type_}" for type_ in table.columns.values()]
        values.append(self.chance.choice(["null", LARGE, "'small'"]))
        return (
            f"insert into {table.place} ({columns}) select {', '.join(values)}"
            f" from generate_series({first}, {first + count - 1}) as n on conflict do nothing"
        )

    def update(self, table: Table) -> str:
        name, type_ = self.chance.choice(list(table.columns.items()))
        new = f"{name} = (select ({self.value(type_)})::{type_} from (select {self.chance.randint(1, 99)} as n) as x)"
        return f"update {table.place} set {new}, updated = now() where {self.rows(table)}"

    def enlarge(self, table: Table) -> str:
        return f"update {table.place} set large = (select {LARGE} from (select {self.chance.randint(1, 99)} as n) as x) where {self.rows(table)}"

    def move(self, table: Table) -> str:
        number = self.chance.randint(1, 90)
        new = f"(select ({VALUES[table.key]})::{table.key} from (select {number} as n) as x)"
        return f"update {table.place} set k = {new} where k = (select k from {table.place} order by md5(k::text || '{number}') limit 1)"

    def touch(self, table: Table) -> str:
        return f"update {table.place} set updated = now() where {self.rows(table)}"

    def delete(self, table: Table) -> str:
        return f"delete from {table.place} where {self.rows(table)}"

    def truncate(self, table: Table) -> str:
        return f"truncate {table.place}"

    WRITES: tuple[tuple[Callable[..., str], int], ...] = (
        (insert, 8), (update, 6), (enlarge, 3), (move, 4), (touch, 4), (delete, 3), (truncate, 1),
    )  # fmt: skip

    def transaction(self, session: psycopg.Connection) -> None:
        """Some statements; each may fail, and some are undone, by a savepoint. One that stays open locks no whole table."""
        writes = [each for each in self.WRITES if session is self.session or each[0] is not History.truncate]
        kinds, weights = zip(*writes, strict=True)
        for at in range(self.chance.randint(1, 5)):
            kind = self.chance.choices(kinds, weights)[0]
            statement = kind(self, self.chance.choice(self.tables))
            self.attempt(session, f"s{at}", statement, undo=self.chance.random() < 0.15)
            self.told[kind.__name__] += 1

    def attempt(self, session: psycopg.Connection, savepoint: str, statement: str, undo: bool) -> None:
        session.execute(f"savepoint {savepoint}")
        try:
            session.execute(statement)
        except psycopg.errors.OperationalError:  # a lock that the other session holds
            undo = True
        except psycopg.Error as error:
            self.trace.append(f"-- failed: {str(error).splitlines()[0]}")
            undo = True
        self.trace.append(statement + (" -- undone" if undo else ""))
        session.execute(f"rollback to {savepoint}" if undo else f"release {savepoint}")

    def write(self) -> None:
        """One transaction in the first session, or one of the other's, which stays open for a while."""
        if self.chance.random() < 0.15 and not self.waiting:
            self.other.execute("begin; set local lock_timeout = '200ms'")
            self.trace.append("-- the other session begins")
            self.transaction(self.other)
            self.waiting = [self.chance.choice(["commit", "commit", "rollback", "prepare"])]
            if self.waiting == ["prepare"]:
                name = f"p_{self.database.database}"
                self.other.execute(f"prepare transaction '{name}'")
                self.trace.append("-- the other session prepares")
                self.waiting = [
                    self.chance.choice([f"commit prepared '{name}'", f"rollback prepared '{name}'"])
                ]
            return
        self.session.execute("begin; set local lock_timeout = '200ms'")
        self.trace.append("-- begin")
        self.transaction(self.session)
        end = self.chance.choices(["commit", "rollback"], [9, 1])[0]
        self.session.execute(end)
        self.trace.append(f"-- {end}")

    def end_others(self, how: str | None = None) -> None:
        for end in self.waiting:
            if how and not end.startswith(("commit prepared", "rollback prepared")):
                end = how
            self.other.execute(end)
            self.trace.append(f"-- the other session: {end}")
        self.waiting = []

    # -- definitions

    def define(self) -> None:
        """One change of a definition. What waits for the other session's transaction does not happen."""
        table = self.chance.choice(self.tables)
        kind = self.chance.choice(self.kinds(table))
        before = (dict(table.columns), table.key, list(table.parts))
        try:
            with self.session.transaction():
                self.session.execute("set local lock_timeout = '200ms'")
                kind(table)
        except psycopg.Error as error:
            table.columns, table.key, table.parts = before
            self.trace.append(f"-- failed: {kind.__name__}: {str(error).splitlines()[0]}")
        else:
            self.told[kind.__name__] += 1

    def kinds(self, table: Table) -> list[Callable[[Table], None]]:
        """What may happen to the definition of a table."""
        kinds = [self.add_column, self.drop_column, self.retype, self.replace_column, self.rename_label, self.identity, self.republish, self.rewrite, self.make_again, self.rename_away]  # fmt: skip
        if table.partitioned:
            kinds += [self.detach, self.attach, self.truncate_part] * 2
        return kinds

    def ddl(self, statement: str) -> None:
        self.trace.append(statement)
        self.session.execute(statement)

    def add_column(self, table: Table) -> None:
        type_ = self.chance.choice(list(VALUES))
        name, table.made = f"c{table.made}", table.made + 1
        default = ""
        if type_ in ("integer", "bigint", "double precision"):
            default = self.chance.choice(["", " default 5", " default random() * 100"])
        self.ddl(f"alter table {table.place} add column {name} {type_}{default}")
        table.columns[name] = type_

    def drop_column(self, table: Table) -> None:
        if len(table.columns) > 2:
            name = self.chance.choice(list(table.columns))
            self.ddl(f"alter table {table.place} drop column {name}")
            del table.columns[name]

    def replace_column(self, table: Table) -> None:
        """Another column under the same name."""
        name, type_ = self.chance.choice(list(table.columns.items()))
        self.ddl(f"alter table {table.place} drop column {name}")
        self.ddl(f"alter table {table.place} add column {name} {type_}")

    def retype(self, table: Table) -> None:
        able = [name for name, type_ in table.columns.items() if type_ in RETYPED]
        if able:
            name = self.chance.choice(able)
            type_, using = RETYPED[table.columns[name]]
            self.ddl(f"alter table {table.place} alter {name} type {type_} using {using.format(name)}")
            table.columns[name] = type_

    def rename_label(self, table: Table) -> None:
        self.ddl("alter type shop.mood rename value 'ill' to 'sick'")

    def identity(self, table: Table) -> None:
        places = [f"shop.{part}" for part in table.parts] if table.partitioned else [table.place]
        self.ddl(
            f"alter table {self.chance.choice(places)} replica identity {self.chance.choice(['full', 'default'])}"
        )

    def rewrite(self, table: Table) -> None:
        if not table.partitioned:
            self.ddl(f"alter table {table.place} set unlogged")
            self.ddl(f"alter table {table.place} set logged")

    def make_again(self, table: Table) -> None:
        if not table.partitioned:
            self.ddl(f"drop table {table.place}")
            for statement in table.create():
                self.ddl(statement)

    def rename_away(self, table: Table) -> None:
        """Another table takes the name for a while."""
        if not table.partitioned:
            self.ddl(f"alter table {table.place} rename to away")
            self.ddl("update shop.away set updated = now() - interval '1 day'")
            self.ddl(f"alter table shop.away rename to {table.name}")

    def republish(self, table: Table) -> None:
        self.superuser("drop publication shop_publication")
        self.publish()

    def detach(self, table: Table) -> None:
        part = self.chance.choice(table.parts)
        self.ddl(f"alter table {table.place} detach partition shop.{part}")
        if self.chance.random() < 0.5:
            self.ddl(f"update shop.{part} set updated = '2020-01-01'")
        if self.chance.random() < 0.5:
            self.ddl(f"delete from shop.{part}")
        remainder = part[-1]
        if self.chance.random() < 0.7:
            self.ddl(
                f"alter table {table.place} attach partition shop.{part} for values with (modulus 3, remainder {remainder})"
            )
        else:
            self.ddl(f"drop table shop.{part}")
            self.ddl(
                f"create table shop.{part} partition of {table.place} for values with (modulus 3, remainder {remainder})"
            )

    def attach(self, table: Table) -> None:
        """A partition that is made anew from a copy of its rows."""
        part = self.chance.choice(table.parts)
        self.ddl(f"create table shop.copied (like {table.place} including all)")
        self.ddl(f"insert into shop.copied select * from shop.{part}")
        self.ddl(f"drop table shop.{part}")
        self.ddl(f"alter table shop.copied rename to {part}")
        self.ddl(
            f"alter table {table.place} attach partition shop.{part} for values with (modulus 3, remainder {part[-1]})"
        )

    def truncate_part(self, table: Table) -> None:
        self.ddl(f"truncate shop.{self.chance.choice(table.parts)}")

    # -- syncs

    def run(self, syncs: int) -> list[str]:
        """The differences of this history, each in words."""
        found: list[str] = []
        for number in range(syncs):
            for _ in range(self.chance.randint(0, 4)):
                self.write()
            if self.chance.random() < 0.5:
                self.define()
                for _ in range(self.chance.randint(0, 2)):
                    self.write()
            if self.chance.random() < 0.5:
                self.end_others()
            found += [f"sync {number + 1}: {line}" for line in self.sync()]
        self.end_others()
        self.full.sync(*(stream(table.place, "full_refresh_overwrite") for table in self.tables))
        found += [f"full refresh: {result.line()}" for result in self.compared(self.full) if not result.equal]
        return found

    def sync(self) -> list[str]:
        """The streams that differ after a sync, and, where it refused, after a refresh."""
        self.trace.append("-- sync")
        streams = [
            stream(table.place, "incremental_deduped_history", primaryKey=[["k"]]) for table in self.tables
        ]
        said = self.refused(streams)
        if (
            "transactions are open" in said or "open transactions" in said
        ):  # a stream is to be read as a whole
            self.told["waited for transactions"] += 1
            self.end_others()
            said = self.refused(streams)
        found = [r for r in self.compared(self.engine) if not r.equal and f"{r.stream}:" not in said]
        if said:
            self.told[
                f"refused: {said.partition('stream shop.')[2].partition(': ')[2][:60] or said[:60]}"
            ] += 1
            self.trace.append(f"-- refused: {said}")
            if "other" not in said:
                found = []  # nothing was loaded
            self.end_others()
            self.republish(self.tables[0])
            self.engine.sync(*streams, jobType="refresh")
            found += [r for r in self.compared(self.engine) if not r.equal]
        return [result.line() for result in found]

    def refused(self, streams: list[dict[str, Any]]) -> str:
        """Why a sync failed; nothing when it did not."""
        try:
            self.engine.sync(*streams)
        except EltError as error:
            return str(error)
        self.told["syncs"] += 1
        return ""

    def compared(self, engine: Engine) -> list[StreamResult]:
        address = Address.of(source_configuration(self.database))
        with (
            duckdb.connect(engine.warehouse, read_only=True) as duck,
            address.conninfo(SESSION) as conninfo,
            dbapi.connect(conninfo) as connection,
        ):
            duck.execute("set TimeZone = 'UTC'")
            source, results = Source(connection), []
            for table in self.tables:
                found = source.tables["shop", table.name]
                results.append(
                    compare(
                        table.place,
                        found,
                        mapped(found, list(found.columns), []),
                        ["k"],
                        source,
                        duck,
                        ("raw_shop", table.name),
                    )
                )
        return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.sources", description=__doc__)
    parser.add_argument("--histories", type=int, default=200, help="on each version")
    parser.add_argument("--syncs", type=int, default=12, help="in each history")
    parser.add_argument("--versions", default="15,18")
    parser.add_argument("--seed", type=int, default=1, help="of the first history; the next ones count on")
    parser.add_argument(
        "--minutes", type=float, default=0, help="begin no history after so long (0: no limit)"
    )
    parser.add_argument("--trace", action="store_true", help="tell all statements of a history that differed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the same clean-up as Ctrl-C
    started = time.monotonic()
    summary: dict[str, Any] = {"syncs a history": options.syncs, "first seed": options.seed}
    lost = 0
    slot.OPEN_SECONDS = 1  # a snapshot waits no longer for the other session's transaction
    for version in map(int, options.versions.split(",")):
        told: Counter[str] = Counter()
        done, differing, broken = 0, [], []
        with TemporaryDirectory(prefix="elt-sources-") as folder:
            Path(folder).chmod(0o755)
            server = start_server(version, Path(folder))
            try:
                for seed in range(options.seed, options.seed + options.histories):
                    if options.minutes and time.monotonic() - started > options.minutes * 60:
                        break
                    with TemporaryDirectory(dir=folder) as home:
                        history = History(server, Path(home), seed, told)
                        try:
                            found = history.run(options.syncs)
                        except Exception:  # noqa: BLE001 - whatever it is, the seed names it
                            broken.append(seed)
                            found = [traceback.format_exc()]
                        if found:
                            differing += [seed] if seed not in broken else []
                            print(f"PostgreSQL {version}, seed {seed}:", *found, sep="\n  ", flush=True)
                            if options.trace:
                                print(*history.trace, sep="\n", flush=True)
                        history.close()
                    done += 1
                    if sys.stderr.isatty() or options.trace:
                        print(f"seed {seed} done", file=sys.stderr, flush=True)
            finally:
                server.cluster.stop()
        lost += len(differing) + len(broken)
        summary[f"PostgreSQL {version}"] = {"histories": done, "differing": differing, "broken": broken, "told": dict(sorted(told.items()))}  # fmt: skip
    summary["seconds"] = round(time.monotonic() - started)
    print(json.dumps(summary))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
