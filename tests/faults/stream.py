"""`python -m tests.faults.stream --kills 60 --seed 1`: a random history of kills while the shop trades and pays, then the topics beside the shop.

Killed at random moments, often in the midst of their start, are the producers of orders and of payments, the broker, the registry, the
server of the shop's log, the enricher, the sink, and ClickHouse. At the end each order and each change of its header has to be one event, in the
order of its revisions, and each payment number one event; each order has to be enriched once, each payment scored once; the minutes that are
over have to count each payment once; and ClickHouse and, after one sync, the warehouse have to have each event of each topic once. The last line is a summary as JSON; exit
code 1 when something is missing, or there twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg

from adventureworks import shop
from foundation.errors import EltError
from foundation.settings import Settings, load_settings
from streaming.catalogue import (
    CARDS,
    CARDS_SCORED,
    DEAD_LETTERS,
    DERIVED,
    EVENTS,
    ORDER_STATUS,
    ORDERS,
    ORDERS_ENRICHED,
    WINDOWS,
    Topic,
)
from tests.benchmarks.stream_events import shop as small_shop
from tests.fixtures.clickhouse import ClickHouse
from tests.fixtures.load import loading
from tests.fixtures.source import SourceDatabase
from tests.fixtures.stream import Running, broker, environ_of, registry, together, use_clients
from tests.fixtures.waiting import wait_until

HEADERS = "select salesorderid, revisionnumber from sales.salesorderheader"
PROGRAMS = {
    "orders": ("streaming.producer", "orders"),
    "cards": ("streaming.producer", "cards"),
    "enricher": ("streaming.enricher",),
    "sink": ("streaming.sink",),
}
VICTIMS = (*PROGRAMS, "broker", "registry", "source", "ClickHouse")
WEIGHTS = (3, 3, 4, 3, 2, 2, 1, 2)
DRAIN_SECONDS = 600
LEAST_SECONDS = 300  # so that some minutes are over at the end


def trade(database: SourceDatabase, rate: float, over: threading.Event) -> None:
    """The shop trades, and goes on as soon as its server is back."""
    while not over.is_set():
        try:
            with database.connect() as connection:
                shop.live(connection, rate, stopped=over.is_set)
        except (psycopg.Error, EltError):
            time.sleep(0.2)


class Keeper(threading.Thread):
    """Starts a program that ends by itself again, as supervisord does."""

    def __init__(self, programs: dict[str, Running]) -> None:
        super().__init__(daemon=True)
        self.programs, self.lock = dict(programs), threading.Lock()
        self.restarts: Counter[str] = Counter()

    def run(self) -> None:
        while self.programs:
            with self.lock:
                for name, program in self.programs.items():
                    if program.process is not None and program.process.poll() is not None:
                        self.restarts[name] += 1
                        program.start()
            time.sleep(0.5)

    def kill(self, name: str) -> None:
        """And start it at once."""
        with self.lock:
            self.programs[name].kill()
            self.programs[name].start()

    def end(self) -> None:
        """Leave them as they are."""
        with self.lock:
            self.programs.clear()

    def stop(self, name: str) -> None:
        """For good."""
        with self.lock:
            program = self.programs.pop(name)
        program.stop()


def history(kills: int, seed: int, folder: Path) -> dict[str, object]:
    from streaming.reading import values

    dice = random.Random(seed)
    killed: Counter[str] = Counter()
    with ExitStack() as stack:
        kafka = stack.enter_context(broker(folder / "kafka"))
        kafka.start()
        schemas = stack.enter_context(registry(environ_of(folder / "registry"), folder / "registry"))
        database = small_shop()
        cluster = database.server.cluster
        stack.callback(cluster.stop)
        house = ClickHouse(Path(kafka.environ["ELT_HOME"]))
        stack.callback(lambda: house.process and house.process.poll() is None and house.end())
        house.start()
        environ = together(kafka, schemas, database) | {
            "STREAM_CARDS_PER_SECOND": "100",
            "STREAM_CLICKHOUSE_PORT": str(house.port),
        }
        programs = {
            name: Running(["streaming.launch", *words], environ, folder / f"{name}.log")
            for name, words in PROGRAMS.items()
        }
        for program in programs.values():
            program.start()
            stack.callback(program.end)
        wait_until(lambda: "orders: from" in programs["orders"].said, 60)
        keeper = Keeper(programs)
        stack.callback(keeper.end)
        keeper.start()
        with database.connect() as connection:
            before = dict(connection.execute(HEADERS).fetchall())
        began, over = time.monotonic(), threading.Event()
        trader = threading.Thread(target=trade, args=(database, 20, over))
        trader.start()
        try:
            while killed.total() < kills:
                time.sleep(dice.expovariate(1 / 2.0))
                (victim,) = dice.choices(VICTIMS, WEIGHTS)
                killed[victim] += 1
                print(f"kill {killed.total()}: {victim}", file=sys.stderr, flush=True)
                if victim in programs:
                    keeper.kill(victim)
                elif victim == "broker":
                    kafka.kill()
                    kafka.start()
                elif victim == "ClickHouse":
                    house.end(signal.SIGKILL)
                    house.start()
                elif victim == "registry":
                    schemas.program.kill()
                    schemas.start()
                else:
                    pid = cluster.running_pid()
                    assert pid is not None
                    os.kill(pid, signal.SIGKILL)
                    wait_until(lambda: cluster._process is None or cluster._process.poll() is not None, 30)
                    cluster.start()
        finally:
            over.set()
            trader.join(60)
        config = load_settings(environ)
        with database.connect("superuser", autocommit=True) as connection:
            connection.execute(
                "update sales.salesorderheader set revisionnumber = revisionnumber + 1 where salesorderid = 43659"
            )
            now = dict(connection.execute(HEADERS).fetchall())
        last = (43659, now[43659])

        def changes() -> list[tuple[int, int]]:
            return [(one["salesorderid"], one["revisionnumber"]) for one in values(config, ORDER_STATUS)]

        wait_until(lambda: last in changes(), 180)
        time.sleep(max(0.0, began + LEAST_SECONDS - time.monotonic()))
        for name in ("orders", "cards"):
            keeper.stop(name)
        ids = {topic: Counter(one["event_id"] for one in values(config, topic)) for topic in EVENTS.values()}
        made_of = {ORDERS_ENRICHED: ORDERS, CARDS_SCORED: CARDS}
        wait_until(
            lambda: all(_has(config, made, ids[source]) for made, source in made_of.items()), DRAIN_SECONDS
        )
        paid = Counter(_minute(one) for one in values(config, CARDS))
        over_by = max(paid) - 3  # later ones may be open
        # the minutes are made of what was scored: a second way through Kafka
        with suppress(AssertionError):
            wait_until(lambda: not _unlike(paid, _counted(config), over_by), DRAIN_SECONDS, pause=1)
        keeper.stop("enricher")
        derived = {topic: list(values(config, topic)) for topic in DERIVED.values()}
        ids |= {topic: Counter(one["event_id"] for one in events) for topic, events in derived.items()}
        wait_until(
            lambda: all(set(_rows(house, topic)) >= set(found) for topic, found in ids.items()),
            DRAIN_SECONDS,
            pause=0.5,
        )
        keeper.stop("sink")
        rows = {topic: Counter(_rows(house, topic)) for topic in ids}
        (folder / "load").mkdir()
        with loading(folder / "load", environ) as load:
            load.sync()
            loaded = {topic: Counter(load.events(topic)) for topic in EVENTS.values() if ids[topic]}
        counted = _counted(config)
        placed = Counter(one["salesorderid"] for one in values(config, ORDERS))
        changed = changes()
        numbers = Counter(int(one["event_id"].rpartition("-")[2]) for one in values(config, CARDS))
        wanted = {(order, n) for order, end in now.items() for n in range(before.get(order, 1) + 1, end + 1)}
        of_order: dict[int, list[int]] = {}
        for order, revision in changed:
            of_order.setdefault(order, []).append(revision)
        return {
            "seed": seed,
            "kills": dict(killed),
            "restarts": dict(keeper.restarts),
            "orders": placed.total(),
            "changes": len(changed),
            "payments": numbers.total(),
            "dead_letters": sum(1 for _ in values(config, DEAD_LETTERS)),
            "orders_missing": len(set(now) - set(before) - set(placed)),
            "orders_twice": sum(count > 1 for count in placed.values()),
            "changes_missing": len(wanted - set(changed)),
            "changes_twice": len(changed) - len(set(changed)),
            "changes_out_of_order": sum(revisions != sorted(revisions) for revisions in of_order.values()),
            "payments_missing": max(numbers, default=-1) + 1 - len(numbers),
            "payments_twice": sum(count > 1 for count in numbers.values()),
            "derived": {topic.name: len(events) for topic, events in derived.items()},
            **{
                f"{made.name}_missing": len(set(ids[source]) - set(ids[made]))
                for made, source in made_of.items()
            },
            **{f"{topic.name}_twice": ids[topic].total() - len(ids[topic]) for topic in derived},
            "minutes_over": sum(minute <= over_by for minute in paid),
            "minutes_missing": len(_unlike(paid, counted, over_by)),
            "rows_missing": sum(len(set(found) - set(rows[topic])) for topic, found in ids.items()),
            "rows_twice": sum(found.total() - len(found) for found in rows.values()),
            "loaded": {topic.name: found.total() for topic, found in loaded.items()},
            "loaded_missing": sum(len(set(ids[topic]) ^ set(found)) for topic, found in loaded.items()),
            "loaded_twice": sum(found.total() - len(found) for found in loaded.values()),
        }


def _has(config: Settings, topic: Topic, wanted: Counter[str]) -> bool:
    from streaming.reading import values

    return {one["event_id"] for one in values(config, topic)} >= set(wanted)


def _rows(house: ClickHouse, topic: Topic) -> list[str]:
    table = topic.name.rpartition(".")[2]
    rows = house.client(database="shop").query(f"select event_id from {table} final").result_rows
    return [row[0] for row in rows]


def _counted(config: Settings) -> Counter[int]:
    """Payments by minute, as the enricher has counted them."""
    from streaming.reading import values

    counted: Counter[int] = Counter()
    for part in values(config, WINDOWS):
        if part["subject"] == "payments":
            counted[_minute(part)] += part["events"]
    return counted


def _unlike(paid: Counter[int], counted: Counter[int], over_by: int) -> list[int]:
    """The minutes that are over and have other figures."""
    return [minute for minute in paid | counted if minute <= over_by and paid[minute] != counted[minute]]


def _minute(event: dict[str, Any]) -> int:
    return int(event["occurred_at"].timestamp() // 60)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    use_clients()
    with tempfile.TemporaryDirectory() as folder:
        found = history(options.kills, options.seed, Path(folder))
    print(json.dumps(found))
    wrong = [name for name, count in found.items() if name.endswith(("missing", "twice", "order")) and count]
    sys.exit(bool(wrong) or not found["minutes_over"])


if __name__ == "__main__":
    main()
