"""How long an event takes until somebody sees its row in ClickHouse, at an even rate of payments by card.

    python tests/benchmarks/stream_visible.py [--rate 1000] [--seconds 60] [--enricher] [--json]

A whole lane of its own: broker, registry, ClickHouse, the sink. A producer sends so many a second; a reader asks ClickHouse every 50 ms, by
its user that only reads, which offsets are there. `visible`: from the moment in which the producer got the event to the moment in which the
answer with it had come. `figures`: the same for the figures per minute. `behind`: events that were not visible when the producer ended.
`sustained`: the producer reached the rate, and the last quarter's events took no longer than the first's (twice as long, and half a second): the
lag did not grow. Memory is each program's own share (PSS), `postgres` the registry's.

With `--enricher` the payments are enriched, too, and scored by a model of the size that training makes. `scoring_ms`: features and score of a
payment; `scored_seconds`: from the moment in which Kafka took the payment to that in which its scored row was stored, of all and of the first
and the last quarter; `scored_behind`: payments without a scored row when the producer ended.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil

from foundation.settings import Settings, load_settings
from tests.fixtures.clickhouse import served
from tests.fixtures.stream import Running, broker, environ_of, producer, registry, use_clients
from tests.fixtures.waiting import wait_until

LOOK_SECONDS = 0.05


def memory(pid: int) -> int:
    """MiB of a process and those that it started."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family) >> 20


class Looking(threading.Thread):
    """Asks again and again how far a partition's rows have come."""

    def __init__(self, client: Any) -> None:
        super().__init__(daemon=True)
        self.client, self.stopped = client, threading.Event()
        self.seen: dict[int, list[tuple[int, float]]] = (
            {}
        )  # partition → (newest offset, when it was seen), rising
        self.figures: list[tuple[int, float]] = []  # (payments in all minutes, when)
        self.seconds: list[float] = []

    def run(self) -> None:
        while not self.stopped.is_set():
            began = time.monotonic()
            rows = self.client.query(
                "select partition, max(offset) from card_transactions group by partition"
            ).result_rows
            now = time.monotonic()
            self.seconds.append(now - began)
            for partition, offset in rows:
                known = self.seen.setdefault(partition, [])
                if not known or known[-1][0] < offset:
                    known.append((offset, now))
            (counted,) = self.client.query(
                "select sum(payments) from card_transactions_per_minute"
            ).result_rows[0]
            self.figures.append((int(counted), time.monotonic()))
            self.stopped.wait(max(0.0, LOOK_SECONDS - (time.monotonic() - began)))


def event(number: int, run: str) -> dict[str, Any]:
    return {
        "event_id": f"{run}-{number}",
        "occurred_at": int(time.time() * 1e6),
        "creditcardid": number % 5000,
        "amount": Decimal(number % 20_000) / 100,
        "merchant_id": number % 300,
        "merchant_category": "books",
        "country": "US",
        "card_country": "US",
        "channel": "online",
        "device_id": None,
    }


def promote_a_model(config: Settings) -> None:
    """One that has learned nothing of use, and takes as long to score as another."""
    import numpy
    import sklearn

    from streaming.fraud import models, train
    from streaming.fraud.features import features

    names, dice = list(features().names), numpy.random.default_rng(7)
    rows = dice.random((20_000, len(names)))
    made = train.classifier().fit(rows, rows[:, 0] + dice.random(20_000) / 2 > 1.2)
    record = models.Record(0, "", [], [], 0, 0, names, 0.9, {}, {}, True, sklearn=sklearn.__version__)
    models.promote(config, models.keep(config, record, made).version)


def scored(reader: Any, total: int, ended_at: float) -> dict[str, Any]:
    """How the payments were enriched, once all of them are."""
    once = "select count() from card_transactions_scored final"
    wait_until(lambda: reader.query(once).result_rows[0][0] >= total, 600, pause=0.5)
    assert reader.query(once).result_rows[0][0] == total
    rows = reader.query(
        "select toFloat64(paid.appended_at), toFloat64(done.stored_at), done.scoring_seconds, done.model_version"
        " from card_transactions as paid join card_transactions_scored as done using (event_id) order by 1"
    ).result_rows
    waited = [stored - appended for appended, stored, *_ in rows]
    quarter = max(1, len(rows) // 4)
    return {
        "scoring_ms": {
            f"p{p}": round(1e3 * percentile([row[2] for row in rows], p), 2) for p in (50, 99, 100)
        },
        "scored_seconds": {
            name: {f"p{p}": round(percentile(part, p), 2) for p in (50, 95, 100)}
            for name, part in {"all": waited, "first": waited[:quarter], "last": waited[-quarter:]}.items()
        },
        "scored_behind": sum(stored > ended_at for _, stored, *_ in rows),
        "by_a_model": sum(row[3] > 0 for row in rows),
    }


def measured(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from confluent_kafka.serialization import MessageField, SerializationContext

    from streaming.catalogue import CARDS
    from streaming.schemas import Schemas

    with ExitStack() as stack:
        kafka = stack.enter_context(broker(folder / "kafka"))
        kafka.start()
        schemas = stack.enter_context(registry(environ_of(folder / "registry"), folder / "registry"))
        house = stack.enter_context(served(folder / "house"))
        environ = kafka.environ | {
            "ELT_HOME": str(house.home),
            "STREAM_CLICKHOUSE_PORT": str(house.port),
            "STREAM_REGISTRY_PORT": schemas.environ["STREAM_REGISTRY_PORT"],
        }
        config = load_settings(environ)
        sink = Running(["streaming.launch", "streaming.sink"], environ, folder / "sink.log")
        stack.callback(sink.end)
        sink.start()
        enricher = Running(["streaming.launch", "streaming.enricher"], environ, folder / "enricher.log")
        if options.enricher:
            promote_a_model(config)
            stack.callback(enricher.end)
            enricher.start()
            wait_until(lambda: "at work" in enricher.said, 90)
        serializer, context = Schemas(config).serializer(CARDS), SerializationContext(
            CARDS.name, MessageField.VALUE
        )
        writer = producer(config)
        sent: dict[tuple[int, int], float] = {}
        writer.produce(CARDS.name, serializer(event(0, "first"), context), b"0")
        assert writer.flush(30) == 0
        reader = house.client(writes=False, database=config.stream_clickhouse_database)

        def there() -> int:
            tables = reader.query("exists table card_transactions_per_minute").result_rows[0][0]
            return (
                tables
                and reader.query("select sum(payments) from card_transactions_per_minute").result_rows[0][0]
            )

        wait_until(lambda: there() == 1, 90)
        looking = Looking(reader)
        looking.start()
        total = options.rate * options.seconds
        started = time.monotonic()
        for number in range(total):
            due = started + number / options.rate
            if (wait := due - time.monotonic()) > 0:
                writer.poll(wait if wait > 0.002 else 0)
                while (wait := due - time.monotonic()) > 0:
                    time.sleep(wait)
            at = time.monotonic()
            value = serializer(event(number, "bench"), context)

            def delivered(error: Any, message: Any, at: float = at) -> None:
                assert error is None, error
                sent[message.partition(), message.offset()] = at

            writer.produce(CARDS.name, value, str(number % 5000).encode(), on_delivery=delivered)
            writer.poll(0)
        assert writer.flush(30) == 0
        ended, ended_at = time.monotonic(), time.time()
        pids = {
            "kafka": kafka.process.pid,
            "registry": schemas.program.process.pid,
            "clickhouse": house.process.pid,
            "postgres": schemas.cluster.running_pid(),
        }
        pids |= {"sink": sink.process.pid}
        if options.enricher:
            pids |= {"enricher": enricher.process.pid}
        taken = {name: memory(pid) for name, pid in pids.items()}
        wait_until(lambda: looking.figures[-1][0] == total + 1, 90)
        looking.stopped.set()
        looking.join(30)
        latencies, behind = [], 0
        by_moment: list[tuple[float, float]] = []
        for partition in {place[0] for place in sent}:
            seen = iter(looking.seen[partition])
            offset, when = next(seen)
            for (_, mine), at in sorted(item for item in sent.items() if item[0][0] == partition):
                while offset < mine:
                    offset, when = next(seen)
                latencies.append(when - at)
                by_moment.append((at, when - at))
                behind += when > ended
        (rows,) = reader.query("select count() from card_transactions final").result_rows[0]
        assert rows == total + 1, rows
        quarter = max(1, len(by_moment) // 4)
        in_order = [seconds for _, seconds in sorted(by_moment)]
        first, last = percentile(in_order[:quarter], 50), percentile(in_order[-quarter:], 50)
        reached = total / (ended - started)
        # the figures of a moment hold the first so many events of all partitions
        moments = sorted(sent.values())
        late = [
            when - moments[min(counted - 1, total) - 1]
            for counted, when in looking.figures
            if 1 < counted <= total
        ]
        return {
            "rate": options.rate,
            "reached": round(reached),
            "sustained": reached >= 0.98 * options.rate and last <= 2 * first + 0.5,
            "events": total,
            "visible_seconds": {f"p{p}": round(percentile(latencies, p), 3) for p in (50, 95, 99, 100)},
            "figures_seconds": {f"p{p}": round(percentile(late, p), 3) for p in (50, 95, 100)},
            "behind": behind,
            "query_seconds_p95": round(percentile(looking.seconds, 95), 4),
            "memory_mib": taken | {"all": sum(taken.values())},
            **(scored(reader, total + 1, ended_at) if options.enricher else {}),
        }


def percentile(values: list[float], which: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * which / 100))] if which < 100 else ordered[-1]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--enricher", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    use_clients()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(options, Path(folder))
    print(json.dumps(found, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
