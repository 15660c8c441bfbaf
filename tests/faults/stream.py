"""`python -m tests.faults.stream --kills 60 --seed 1`: a random history of kills while the shop trades and pays, then the topics beside the shop.

Killed at random moments, often in the midst of their start, are the producers of orders and of payments, the broker, the registry, and the
server of the shop's log. At the end each order and each change of its header has to be one event, in the order of its revisions, and each payment number
one event. The last line is a summary as JSON; exit code 1 when something is missing, or there twice.
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
from contextlib import ExitStack
from pathlib import Path

import psycopg

from adventureworks import shop
from foundation.errors import EltError
from foundation.settings import load_settings
from tests.benchmarks.stream_events import shop as small_shop
from tests.fixtures.source import SourceDatabase
from tests.fixtures.stream import Running, broker, environ_of, registry, together, use_clients
from tests.fixtures.waiting import wait_until

HEADERS = "select salesorderid, revisionnumber from sales.salesorderheader"
VICTIMS = ("orders", "cards", "broker", "registry", "source")
WEIGHTS = (4, 4, 2, 2, 1)


def trade(database: SourceDatabase, rate: float, over: threading.Event) -> None:
    """The shop trades, and goes on as soon as its server is back."""
    while not over.is_set():
        try:
            with database.connect() as connection:
                shop.live(connection, rate, stopped=over.is_set)
        except (psycopg.Error, EltError):
            time.sleep(0.2)


def history(kills: int, seed: int, folder: Path) -> dict[str, object]:
    from streaming.catalogue import CARDS, DEAD_LETTERS, ORDER_STATUS, ORDERS
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
        environ = together(kafka, schemas, database) | {"STREAM_CARDS_PER_SECOND": "200"}
        programs = {
            name: Running(["streaming.launch", "streaming.producer", name], environ, folder / f"{name}.log")
            for name in ("orders", "cards")
        }
        for program in programs.values():
            program.start()
            stack.callback(program.end)
        wait_until(lambda: "orders: from" in programs["orders"].said, 60)
        with database.connect() as connection:
            before = dict(connection.execute(HEADERS).fetchall())
        over = threading.Event()
        trader = threading.Thread(target=trade, args=(database, 20, over))
        trader.start()
        try:
            while killed.total() < kills:
                time.sleep(dice.expovariate(1 / 2.0))
                (victim,) = dice.choices(VICTIMS, WEIGHTS)
                killed[victim] += 1
                print(f"kill {killed.total()}: {victim}", file=sys.stderr, flush=True)
                if victim in programs:
                    programs[victim].kill()
                    programs[victim].start()
                elif victim == "broker":
                    kafka.kill()
                    kafka.start()
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
        for program in programs.values():
            program.stop()
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
        }


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
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
