"""How fast the lane is: payments at an even rate, from the event to who reads it; and orders from the shop's log, beside Debezium.

    python tests/benchmarks/stream_events.py [--rate 1000] [--seconds 60] [--orders 20000] [--debezium] [--json]

payments: the producer of payments, at `rate` a second for so long; a reader of committed events (stream_reader.py) takes the time from
`occurred_at` until it has each. `behind`: events that it had not taken when the producer ended. Memory is each
program's own share (PSS). orders: so many orders, each a transaction of the shop, are in its log when the producer starts; from its first event to its
last. With --debezium the same log is read by Debezium, embedded, whose events are taken as JSON by Python (tests/benchmarks/debezium.py).
A table on standard error, figures as JSON on standard output with `--json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
from rich.console import Console
from rich.table import Table

from foundation.settings import ROOT, load_settings
from tests.benchmarks import debezium
from tests.fixtures.source import SourceDatabase, make_server
from tests.fixtures.stream import (
    Broker,
    Registry,
    Running,
    broker,
    environ_of,
    registry,
    together,
    use_clients,
)
from tests.fixtures.waiting import wait_until

console = Console(stderr=True, width=None if sys.stderr.isatty() else 120, highlight=False)
ORDER = """
with header as (
    insert into sales.salesorderheader (
        revisionnumber, orderdate, duedate, status, onlineorderflag, customerid, billtoaddressid, shiptoaddressid, shipmethodid,
        subtotal, taxamt, freight, totaldue, rowguid
    )
    select 1, orderdate, duedate, 1, onlineorderflag, customerid, billtoaddressid, shiptoaddressid, shipmethodid, subtotal, taxamt,
        freight, totaldue, gen_random_uuid()
    from sales.salesorderheader where salesorderid = %s
    returning salesorderid
)
insert into sales.salesorderdetail (
    salesorderid, orderqty, productid, specialofferid, unitprice, unitpricediscount, rowguid
)
select header.salesorderid, orderqty, productid, specialofferid, unitprice, unitpricediscount, gen_random_uuid()
from header, sales.salesorderdetail as l where l.salesorderid = %s
"""


def memory(process: subprocess.Popen[bytes]) -> int:
    """MiB of a process and those that it started."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family) >> 20


def processor(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def payments(kafka: Broker, schemas: Registry, options: argparse.Namespace) -> dict[str, Any]:
    environ = kafka.environ | {"STREAM_REGISTRY_PORT": schemas.environ["STREAM_REGISTRY_PORT"]}
    from streaming.environment import STREAM
    from streaming.environment import environ as of_lane

    reader = subprocess.Popen(
        [str(STREAM.python), str(Path(__file__).parent / "stream_reader.py")],
        env=environ | {"PYTHONPATH": of_lane()["PYTHONPATH"]},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert reader.stdin is not None and reader.stdout is not None
    assert reader.stdout.readline() == b"ready\n", "the reader got no partitions"
    words = ["streaming.launch", "streaming.producer", "cards", "1", str(options.rate), str(options.seconds)]
    writer = Running(words, environ, Path(kafka.log).parent / "cards.log")
    used = processor(kafka.process)
    writer.start()
    taken: dict[str, int] = {}
    deadline = time.monotonic() + options.seconds - 2
    while writer.process.poll() is None:
        time.sleep(0.5)
        if time.monotonic() > deadline and not taken:
            taken = {
                "kafka": memory(kafka.process),
                "producer": memory(writer.process),
                "registry": memory(schemas.program.process),
            }
    assert writer.process.returncode == 0, writer.said[-2000:]
    reader.stdin.write(b"END\n")
    reader.stdin.close()
    found = json.loads(reader.stdout.read())
    assert reader.wait(30) == 0
    return found | {
        "rate": options.rate,
        "memory_mib": taken,
        "kafka_processor_seconds": round(processor(kafka.process) - used, 1),
    }


def fill(database: SourceDatabase, count: int) -> None:
    """So many orders of some lines each, each in a transaction of its own."""
    with database.connect("superuser", autocommit=True) as connection:
        orders = connection.execute(
            "select salesorderid from sales.salesorderheader order by salesorderid limit 1000"
        ).fetchall()
        for number in range(count):
            order = orders[number % len(orders)][0]
            connection.execute(ORDER, [order, order])


def orders(
    kafka: Broker, schemas: Registry, database: SourceDatabase, options: argparse.Namespace
) -> dict[str, Any]:
    from streaming.catalogue import ORDERS
    from streaming.status import status

    environ = together(kafka, schemas, database)
    config = load_settings(environ)
    made = Running(
        ["streaming.launch", "streaming.producer", "orders"], environ, Path(kafka.log).parent / "orders.log"
    )
    made.start()
    wait_until(lambda: "orders: from" in made.said, 60)
    made.stop()
    with database.connect("superuser", autocommit=True) as connection:
        connection.execute("select pg_create_logical_replication_slot('debezium', 'pgoutput')")
    fill(database, options.orders)
    started = time.monotonic()
    made.start()

    def there() -> int:
        return next(each["messages"] for each in status(config)["topics"] if each["topic"] == ORDERS.name)

    wait_until(lambda: there() > 0, 60)
    first, begun = time.monotonic(), there()
    wait_until(lambda: there() >= options.orders, 600)
    seconds = time.monotonic() - first
    made.stop()
    found = {
        "orders": options.orders,
        "seconds_with_start": round(time.monotonic() - started, 2),
        "orders_per_second": round((options.orders - begun) / seconds),
    }
    if options.debezium:
        with database.connect("superuser", autocommit=True) as connection:
            debezium.finish(connection)
        names = ["sales.salesorderheader", "sales.salesorderdetail"]
        with tempfile.TemporaryDirectory() as folder:
            read = debezium.read(
                database,
                "debezium",
                config.source_publication,
                names,
                Path(folder),
                taken=True,
                snapshot_mode="no_data",
            )
        found["debezium"] = {
            "changes": read["changes"],
            "seconds": round(read["seconds"], 2),
            "orders_per_second": round(options.orders / read["seconds"]),
        }
    return found


def shop() -> SourceDatabase:
    """A server with a small shop."""
    from adventureworks.arrow import csv_chunks
    from adventureworks.database import replace_all
    from adventureworks.generator import generate
    from adventureworks.schema import tables

    server = make_server(Path(tempfile.mkdtemp(prefix="elt-stream-")), fsync="off", synchronous_commit="off")
    server.cluster.start()
    database = server.create(name="shop", private=True)
    with database.connect() as connection:
        content = generate(scale=0.05, seed=42)
        replace_all(
            connection,
            {name: csv_chunks(tables()[name], data) for name, data in content.items()},
            reader=server.config.source_reader,
        )
    return database


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--debezium", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    use_clients()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        kafka = stack.enter_context(broker(Path(folder) / "kafka"))
        kafka.start()
        home = Path(folder) / "registry"
        schemas = stack.enter_context(registry(environ_of(home), home))
        if options.seconds:
            found["payments"] = payments(kafka, schemas, options)
        if options.orders:
            database = shop()
            stack.callback(database.server.cluster.stop)
            found["orders"] = orders(kafka, schemas, database, options)
    table = Table("what", "figure")
    for part, figures in found.items():
        for name, figure in figures.items():
            table.add_row(f"{part}: {name}", str(figure))
    console.print(table)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
