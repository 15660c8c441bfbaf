"""`python -m tests.faults.second_opinion --histories 10 --syncs 12 --seed 1`: random histories, read by the sync and by Debezium.

The histories of `sources.py` with those definitions that Debezium notices. After some transactions it takes its snapshot, then
it streams, embedded in a process of its own, to the end of the history. The final rows of both are compared with those of the
source, value by value in PostgreSQL's output form. What Debezium is known to do (KNOWN; the table is in docs/postgres.md) is
counted under its name. The last line is a summary as JSON; exit code 1 when raw differs, or Debezium for no known reason.
It needs Java, and on first use a package of 200 MB from the index.
"""

from __future__ import annotations

import argparse
import base64
import json
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from airbyte_local.sources.postgres.cdc import slot
from tests.benchmarks import debezium
from tests.benchmarks.contestants import PeerError
from tests.benchmarks.environments import NotInstallable
from tests.faults.sources import History, Table
from tests.fixtures.postgres_versions import start_server
from tests.fixtures.source import SourceServer
from tests.fixtures.waiting import wait_until

FOLLOWED = ("add_column", "drop_column", "identity", "republish", "rewrite")
OPTIONS = {
    "snapshot_mode": "initial",
    "skipped_operations": "none",  # else truncates are left out
    "include_unknown_datatypes": "true",
    "decimal_handling_mode": "string",
    "interval_handling_mode": "string",
    "binary_handling_mode": "hex",
    "converter_replace_null_with_default": "false",
}
UNCHANGED = "__debezium_unavailable_value"  # a large value that an update leaves alone

# what Debezium documents for a type → text that PostgreSQL reads; the other types come as such text, or as a list of it
FORMS: dict[str, Callable[[Any], str]] = {
    "time": lambda micros: f"{micros // 3_600_000_000}:{micros // 60_000_000 % 60}:{micros % 60_000_000 / 1e6:f}",
    "bytea": lambda digits: rf"\x{digits}",
    "bit(3)": lambda coded: f"{int.from_bytes(base64.b64decode(coded), 'little'):03b}",
    "point": lambda point: f"({point['x']!r},{point['y']!r})",
    "shop.pair": lambda digits: bytes.fromhex(digits).decode(),
}
# and those that PostgreSQL counts from 1970 on as well
COUNTED = {
    "date": "date '1970-01-01' + %(v)s::integer",
    "timestamp": "case %(v)s::bigint when 9223372036825200000 then 'infinity' when -9223372036832400000 then '-infinity' else"
    " timestamp '1970-01-01' + %(v)s::bigint / 1000000 * interval '1 second'"
    " + %(v)s::bigint %% 1000000 * interval '1 microsecond' end",
}


@dataclass
class Row:
    """A row as Debezium has it: values by column; where they came from."""

    values: dict[str, Any]
    snapshot: bool


@dataclass(frozen=True)
class Difference:
    """A value, or a whole row (no column), that the source has otherwise."""

    table: Table
    column: str
    source: str | None
    theirs: str | None
    row: Row | None

    @property
    def type(self) -> str:
        """Of the column, or of the key."""
        return {"k": self.table.key, "": self.table.key, "large": "text", **self.table.columns}[self.column]

    def line(self) -> str:
        where = "snapshot" if self.row and self.row.snapshot else "stream"
        return f"{self.table.place}.{self.column} {self.type} ({where}): {self.source!r}, Debezium {self.theirs!r}"


def same_moment(difference: Difference) -> bool:
    """Whether two times with their zones are one moment of the day."""
    if not difference.source or not difference.theirs:
        return False
    source, theirs = (
        datetime.fromisoformat(f"2000-01-01T{text}") for text in (difference.source, difference.theirs)
    )
    return (source - theirs).total_seconds() % 86400 == 0


BC, AD = "4713-01-01 BC", "4713-01-01"


def day_of_snapshot(difference: Difference) -> bool:
    """A day BC of the snapshot; in a key also a row too few, and one too many, which keeps large values from being found."""
    if difference.theirs == UNCHANGED:
        return difference.table.key == "date"
    if difference.type != "date":
        return False
    if difference.row is None:
        return difference.source == BC
    return difference.row.snapshot and difference.theirs == AD and difference.source in (BC, None)


WRAPPED = ("?-2147472692", "?-622191234")  # from the log, from the snapshot
KNOWN: dict[str, Callable[[Difference], bool]] = {
    "a new column's default": lambda it: it.row is not None
    and it.theirs is None
    and it.column not in it.row.values,
    "timetz loses its zone": lambda it: it.type == "timetz" and same_moment(it),
    "date infinity wraps around": lambda it: it.type == "date"
    and (it.source == "infinity" or it.theirs in WRAPPED),
    "date BC is AD in the snapshot": day_of_snapshot,
    "an array of two dimensions is empty": lambda it: it.type == "integer[]"
    and (it.source or "").startswith("{{"),
}


def reason(difference: Difference) -> str | None:
    """The name under which a difference is known."""
    return next((name for name, test in KNOWN.items() if test(difference)), None)


def final_rows(events: Path) -> dict[str, dict[str, Row]]:
    """What the events leave: rows by table and key (as JSON)."""
    tables: dict[str, dict[str, Row]] = defaultdict(dict)
    gone: dict[str, Row | None] = {}
    for event in map(json.loads, events.read_text().splitlines()):
        rows, value = tables[event["table"]], event["value"]
        key = json.dumps(event["key"])
        if value["op"] == "t":
            rows.clear()
        elif value["op"] == "d":
            gone[key] = rows.pop(key, None)
        elif value["op"] in "rcu":
            moved = event["headers"].get("__debezium.oldkey")
            before = rows.get(key) or (moved and gone.get(json.dumps(json.loads(moved))))
            values = {
                name: before.values[name] if new == UNCHANGED and before else new
                for name, new in value["after"].items()
            }
            rows[key] = Row(values, value["op"] == "r")
    return tables


class Doubled(History):
    """A history that two read."""

    definitions: Sequence[str] = FOLLOWED

    def __init__(self, server: SourceServer, folder: Path, seed: int, told: Counter[str]) -> None:
        super().__init__(server, folder, seed, told)
        self.events = folder / "events.jsonl"
        self.folder = folder

    def kinds(self, table: Table) -> list[Callable[[Table], None]]:
        """Those that are wanted; a new column where this table has none of them."""
        wanted = [kind for kind in super().kinds(table) if kind.__name__ in self.definitions]
        return wanted or [self.add_column]

    def run(self, syncs: int) -> list[str]:
        """What raw has otherwise than the source, in words, as Debezium reads along."""
        for _ in range(8):
            self.write()
        self.end_others()
        self.superuser("create publication second for all tables with (publish_via_partition_root = true)")
        name = f"second_{self.database.database}"
        places = [table.place for table in self.tables]
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(
                debezium.read,
                self.database,
                name,
                "second",
                places,
                self.folder,
                events=self.events,
                **OPTIONS,
            )
            try:
                wait_until(lambda: reading.done() or self.streaming(name))
                return super().run(syncs)
            finally:
                self.end_others()
                with self.database.connect("superuser", autocommit=True) as connection:
                    debezium.finish(connection)
                self.told["changes read by Debezium"] += reading.result()["changes"]

    def streaming(self, name: str) -> object:
        """Whether the snapshot is complete: only then the slot is read."""
        query = "select 1 from pg_replication_slots where slot_name = %s and active"
        with self.database.connect("superuser") as connection:
            return connection.execute(query, [name]).fetchone()

    def differences(self) -> Iterator[Difference]:
        """What Debezium has otherwise than the source."""
        tables = final_rows(self.events)
        with self.database.connect("superuser", autocommit=True) as connection:
            for table in self.tables:
                theirs = {}
                for row in tables[table.place].values():
                    theirs[text(connection, table.key, row.values["k"])] = row
                columns = {"k": table.key, **table.columns, "large": "text"}
                for key, *values in source_rows(connection, table, list(columns)):
                    row = theirs.pop(key, None)
                    if row is None:
                        yield Difference(table, "", key, None, None)
                        continue
                    self.told["values compared"] += len(columns)
                    for (column, type_), value in zip(columns.items(), values, strict=True):
                        their = text(connection, type_, row.values.get(column))
                        if their != value:
                            yield Difference(table, column, value, their, row)
                for key, row in theirs.items():
                    yield Difference(table, "", None, key, row)


def source_rows(connection: psycopg.Connection, table: Table, columns: list[str]) -> list[tuple[Any, ...]]:
    """Key and all columns, in the output form."""
    shown = ", ".join(f"case when {name} is not null then format('%s', {name}) end" for name in columns)
    return connection.execute(f"select format('%s', k), {shown} from {table.place}").fetchall()


def text(connection: psycopg.Connection, type_: str, value: Any) -> str | None:
    """A value of Debezium's in PostgreSQL's output form; as it is, after a `?`, where PostgreSQL cannot read it."""
    if value is None:
        return None
    form = FORMS.get(
        type_.removesuffix("[]"), lambda value: value if isinstance(value, str) else json.dumps(value)
    )
    try:
        given = [item and form(item) for item in value] if type_.endswith("[]") else form(value)
        query = f"select format('%%s', {COUNTED.get(type_, f'%(v)s::{type_}')})"
        return connection.execute(query, {"v": given}).fetchone()[0]
    except (psycopg.Error, TypeError, ValueError, KeyError):
        return f"?{json.dumps(value)}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.second_opinion", description=__doc__)
    parser.add_argument("--histories", type=int, default=10)
    parser.add_argument("--syncs", type=int, default=12, help="in each history")
    parser.add_argument("--version", type=int, default=18, help="of PostgreSQL")
    parser.add_argument("--seed", type=int, default=1, help="of the first history; the next ones count on")
    parser.add_argument(
        "--definitions",
        default=",".join(FOLLOWED),
        help="those that may change, methods of History (%(default)s)",
    )
    parser.add_argument("--trace", action="store_true", help="tell all statements of a history that differed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the same clean-up as Ctrl-C
    try:
        debezium.python()
    except (PeerError, NotInstallable) as error:
        print(f"no second opinion: {error}", file=sys.stderr)
        return 2
    started = time.monotonic()
    slot.OPEN_SECONDS = 1  # a snapshot waits no longer for the other session's transaction
    told: Counter[str] = Counter()
    known: Counter[str] = Counter()
    ours, unknown, broken = [], [], []
    with TemporaryDirectory(prefix="elt-second-") as folder:
        Path(folder).chmod(0o755)
        server = start_server(options.version, Path(folder))
        try:
            for seed in range(options.seed, options.seed + options.histories):
                with TemporaryDirectory(dir=folder) as home:
                    history = Doubled(server, Path(home), seed, told)
                    history.definitions = options.definitions.split(",")
                    try:
                        found = history.run(options.syncs)
                        ours += [seed] if found else []
                        for difference in history.differences():
                            name = reason(difference)
                            if name is not None:
                                known[name] += 1
                            else:
                                unknown.append(seed)
                                found.append(difference.line())
                    except Exception:  # noqa: BLE001 - whatever it is, the seed names it
                        broken.append(seed)
                        found = [traceback.format_exc()]
                    if found:
                        print(f"seed {seed}:", *found, sep="\n  ", flush=True)
                        if options.trace:
                            print(*history.trace, sep="\n", flush=True)
                    history.close()
        finally:
            server.cluster.stop()
    summary = {
        "histories": options.histories,
        "raw differs": ours,
        "Debezium differs": sorted(set(unknown)),
        "broken": broken,
        "known differences of Debezium": dict(sorted(known.items())),
        "told": dict(sorted(told.items())),
        "seconds": round(time.monotonic() - started),
    }
    print(json.dumps(summary))
    return 1 if ours or unknown or broken else 0


if __name__ == "__main__":
    sys.exit(main())
