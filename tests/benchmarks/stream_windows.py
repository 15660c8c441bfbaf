"""The lane's minutes beside a second implementation, a job of Flink SQL (flink/job.sql): the same payments, the same truth.

    python tests/benchmarks/stream_windows.py [--rate 1000] [--seconds 60] [--backlog 100000] [--checkpoint-ms 200] [--json]

Both read `shop.card_transactions_scored`, one after the other, each from a broker of its own. The payments are made from a seed; their clock
runs SPEED times faster than ours. Five in a hundred are out of order, but in time; one in two hundred is so late that its minute is closed.
`start`: from the launch to the first figure, of payments that wait. `catch_up`: payments that come all at once, until the figures of all minutes
that they close are there. `figure_seconds`: at an even rate, from the payment that closes a minute in its slowest partition to its
complete figure; `idle`: figures (late ones aside) while one partition has no payments; `around_kill`: the longest such wait while the program is killed (`kill -9`) and started again.
`equal`: at the end, the sums of the committed parts of each minute and channel are those of the payments (number, amount, suspected), to the
cent, late ones included; `late`: payments that came when their minute was closed. Memory is each program's own share (PSS).
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
from rich.console import Console
from rich.table import Table

from foundation.settings import ROOT, Settings, load_settings
from tests.benchmarks.flink_job import TARGET, Flink, install, statements
from tests.benchmarks.stream_visible import memory, percentile
from tests.fixtures.stream import Running, broker, environ_of, producer, registry, use_clients

console = Console(stderr=True, width=None if sys.stderr.isatty() else 120, highlight=False)
SEED = 30
AT = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
SPEED = 60  # seconds of the payments' clock in one of ours
PARTITIONS = 4
WAITING = 4_000  # payments that are there before the program starts
IDLE_SECONDS = 5
KILL_SECONDS = 30
PATIENCE = 240.0  # on a machine that has other things to do

Figures = dict[
    tuple[datetime, str], tuple[int, Decimal, int]
]  # (minute, channel) → events, amount, suspected


@dataclass(frozen=True)
class Payment:
    """A payment on its way. `clock`: the moment at which it comes, on the payments' clock; `at`: that at which it happened."""

    value: bytes
    partition: int
    clock: datetime
    at: datetime
    channel: str
    amount: Decimal
    suspected: bool

    @property
    def minute(self) -> datetime:
        return self.at.replace(second=0, microsecond=0)


def payments(config: Settings, rate: int, count: int, idle: range) -> Iterator[Payment]:
    """So many, always the same; the last one of each partition comes an hour after all others and closes their minutes. `idle`: numbers of
    which none is in the last partition."""
    from confluent_kafka.serialization import MessageField, SerializationContext

    from streaming.catalogue import CARDS_SCORED
    from streaming.fraud.features import features
    from streaming.producer.payments import payment, truth
    from streaming.schemas import Schemas

    serializer = Schemas(config).serializer(CARDS_SCORED)
    context = SerializationContext(CARDS_SCORED.name, MessageField.VALUE)
    nothing = [0.0] * len(features().names)
    dice = Random(SEED)
    step = timedelta(seconds=SPEED / rate)
    for number in range(count + PARTITIONS):
        last = number >= count
        clock = AT + number * step + timedelta(hours=1 if last else 0)
        chance = dice.random()
        back = 0.0
        if not last and chance < 0.05:
            back = dice.uniform(180, 1800) if chance < 0.005 else dice.uniform(0, 50)
        made = payment(SEED, number, clock - timedelta(seconds=round(back, 3)))
        event = {
            name: made[name] for name in ("event_id", "occurred_at", "creditcardid", "amount", "channel")
        }
        suspected = truth(SEED, number) is not None
        event |= {"features": nothing, "score": float(suspected), "suspected": suspected, "reason": ""}
        value = serializer(event | {"model_version": 0, "scoring_seconds": 0.0}, context)
        partition = (number if last else made["creditcardid"]) % (PARTITIONS - (number in idle))
        yield Payment(
            value, partition, clock, made["occurred_at"], made["channel"], made["amount"], suspected
        )


def summed(parts: Iterable[tuple[datetime, str, int, Decimal, int]]) -> Figures:
    figures: Figures = {}
    for minute, channel, events, amount, suspected in parts:
        known = figures.get((minute, channel), (0, Decimal(0), 0))
        figures[minute, channel] = known[0] + events, known[1] + amount, known[2] + suspected
    return figures


def truth_of(made: Iterable[Payment]) -> Figures:
    return summed((one.minute, one.channel, 1, one.amount, int(one.suspected)) for one in made)


def closed_at(made: Iterable[Payment]) -> dict[datetime, datetime]:
    """Minute → the clock at which its slowest partition has a payment that closes it; only minutes that are closed in all."""
    from streaming.enricher.minutes import LATENESS

    made = list(made)
    waits = timedelta(minutes=1, milliseconds=LATENESS)
    minutes = sorted({one.minute for one in made})
    latest: dict[datetime, list[datetime]] = {}
    for partition in range(PARTITIONS):
        place = 0
        for one in (each for each in made if each.partition == partition):
            while place < len(minutes) and minutes[place] + waits <= one.at:
                latest.setdefault(minutes[place], []).append(one.clock)
                place += 1
    return {minute: max(clocks) for minute, clocks in latest.items() if len(clocks) == PARTITIONS}


class Program(Protocol):
    """What makes the figures."""

    process: Any

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def end(self) -> None: ...

    @property
    def said(self) -> str: ...


@dataclass(frozen=True)
class Part:
    """A message with figures, and when it was there for a reader of what is committed."""

    seen: float
    minute: datetime
    channel: str
    events: int
    amount: Decimal
    suspected: int
    late: bool


def part(seen: float, event: dict[str, Any]) -> Part:
    minute = event["occurred_at"].replace(tzinfo=UTC)
    names = ("channel_name", "events", "amount", "suspected", "late")
    return Part(seen, minute, *(event[name] for name in names))


def reading(config: Settings, topic: str) -> Callable[[bytes], Any]:
    """What reads the events of a topic by the schema that they were written by: Flink writes one of its own."""
    from confluent_kafka.serialization import MessageField, SerializationContext

    from streaming.schemas import Schemas

    return partial(Schemas(config).deserializer(), ctx=SerializationContext(topic, MessageField.VALUE))


class Looking(threading.Thread):
    """Reads the parts as they are committed."""

    def __init__(self, config: Settings, topic: str) -> None:
        super().__init__(daemon=True)
        self.config, self.topic, self.over = config, topic, threading.Event()
        self.parts: list[Part] = []

    def run(self) -> None:
        from confluent_kafka import Consumer, TopicPartition

        from streaming.client import member

        read = reading(self.config, self.topic)
        consumer = Consumer(member(self.config, "benchmark-looking", 4096) | {"fetch.wait.max.ms": 10})
        consumer.assign([TopicPartition(self.topic, number, 0) for number in range(PARTITIONS)])
        while not self.over.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                seen = time.monotonic()
                self.parts.append(part(seen, read(message.value())))
        consumer.close()


@dataclass
class Contest:
    """One implementation with a broker of its own, which is measured."""

    config: Settings
    program: Program
    topic: str
    made: list[Payment]
    options: argparse.Namespace
    sent: dict[int, float] = field(
        default_factory=dict
    )  # number of the payment → when it was given to the producer
    place: int = 0

    def __post_init__(self) -> None:
        self.writer, self.looking = producer(self.config), Looking(self.config, self.topic)

    def run(self) -> dict[str, Any]:
        self.looking.start()
        phases = (self._start, self._catch_up, self._even, self._idle, self._killed)
        found = {name: figure for phase in phases for name, figure in phase().items()}
        self._send(PARTITIONS)
        number = sum(events for events, *_ in self._wanted().values())
        self._until(lambda: sum(one.events for one in list(self.looking.parts)) >= number, "the last figure")
        time.sleep(2)  # for what should not come
        self.program.end()
        self.looking.over.set()
        self.looking.join(30)
        return found | self._compared()

    def _start(self) -> dict[str, Any]:
        self._send(WAITING)
        began = time.monotonic()
        self.program.start()
        self._until(lambda: bool(self.looking.parts), "the first figure")
        found = {
            "start_seconds": round(self.looking.parts[0].seen - began, 1),
            "start_processor_seconds": round(self._processor(), 1),
        }
        self._until_closed()
        return found

    def _catch_up(self) -> dict[str, Any]:
        began, used = time.monotonic(), self._processor()
        self._send(self.options.backlog)
        seconds = self._until_closed() - began
        return {
            "catch_up_per_second": round(self.options.backlog / seconds),
            "catch_up_per_processor_second": round(self.options.backlog / (self._processor() - used)),
        }

    def _even(self) -> dict[str, Any]:
        first, used = self.place, self._processor()
        self._send(self.options.rate * self.options.seconds, self.options.rate)
        found = {"memory_mib": memory(self.program.process.pid)}
        self._until_closed()
        waits = self._waits(first)
        return found | {
            "figure_seconds": {f"p{p}": round(percentile(waits, p), 3) for p in (50, 95, 100)},
            "minutes": len(waits),
            "processor_share": round((self._processor() - used) / self.options.seconds, 2),
        }

    def _idle(self) -> dict[str, Any]:
        before = len(self.looking.parts)
        self._send(self.options.rate * IDLE_SECONDS, self.options.rate)
        time.sleep(IDLE_SECONDS)
        return {"figures_while_a_partition_is_idle": sum(not one.late for one in self.looking.parts[before:])}

    def _killed(self) -> dict[str, Any]:
        first, half = self.place, self.options.rate * KILL_SECONDS // 2
        self._send(half, self.options.rate)
        self.program.kill()
        self.program.start()
        self._send(half, self.options.rate)
        self._until_closed()
        return {"figure_seconds_around_kill": round(max(self._waits(first)), 1)}

    def _wanted(self) -> Figures:
        """Of all minutes but the one that stays open."""
        last = max(one.minute for one in self.made)
        return truth_of(one for one in self.made if one.minute < last)

    def _compared(self) -> dict[str, Any]:
        """All that the topic has, read once more from its beginning, beside the payments."""
        from streaming.reading import messages

        read = reading(self.config, self.topic)
        parts = [part(0, read(message.value())) for message in messages(self.config, self.topic)]
        wanted = self._wanted()
        got = summed((one.minute, one.channel, one.events, one.amount, one.suspected) for one in parts)
        wrong = sorted(key for key in wanted.keys() | got.keys() if wanted.get(key) != got.get(key))
        for minute, channel in wrong[:10]:
            is_, should = got.get((minute, channel)), wanted.get((minute, channel))
            console.print(f"{self.topic}: {minute:%H:%M} {channel} has {is_}, the payments {should}")
        return {
            "equal": not wrong,
            "figures": len(wanted),
            "parts": len(parts),
            "late": sum(one.late for one in parts),
        }

    def _send(self, count: int, rate: int | None = None) -> None:
        """The next ones: at an even rate, or as fast as Kafka takes them."""
        from streaming.catalogue import CARDS_SCORED

        def delivered(error: Any, _: Any) -> None:
            assert error is None, error

        began = time.monotonic()
        for number, one in enumerate(self.made[self.place : self.place + count]):
            while rate and (wait := began + number / rate - time.monotonic()) > 0:
                self.writer.poll(0)
                time.sleep(min(wait, 0.005))
            while True:
                try:
                    self.writer.produce(
                        CARDS_SCORED.name, one.value, partition=one.partition, on_delivery=delivered
                    )
                    break
                except BufferError:
                    self.writer.poll(0.05)
            self.sent[self.place + number] = time.monotonic()
            self.writer.poll(0)
        assert self.writer.flush(30) == 0
        self.place += count

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.program.process.poll() is None, self.program.said[-6000:]
            assert time.monotonic() < deadline, f"{what} did not come: {self.program.said[-6000:]}"
            time.sleep(0.1)

    def _until_closed(self) -> float:
        """When the figures were there of all minutes that the payments so far close."""
        made = self.made[: self.place]
        closed = closed_at(made).keys()
        wanted = {key: figures[0] for key, figures in truth_of(made).items() if key[0] in closed}

        def there() -> bool:
            got: dict[tuple[datetime, str], int] = {}
            for one in list(self.looking.parts):
                got[one.minute, one.channel] = got.get((one.minute, one.channel), 0) + one.events
            return all(got.get(key, 0) >= events for key, events in wanted.items())

        self._until(there, "figures of closed minutes")
        return max(one.seen for one in self.looking.parts)

    def _processor(self) -> float:
        """Seconds that the program has used."""
        times = psutil.Process(self.program.process.pid).cpu_times()
        return float(times.user + times.system)

    def _waits(self, first: int) -> list[float]:
        """Seconds for each minute that the payments from the first on close."""
        made = self.made[: self.place]
        by_clock = {one.clock: number for number, one in enumerate(made)}
        seen: dict[datetime, float] = {}
        for one in self.looking.parts:
            if not one.late:
                seen[one.minute] = max(one.seen, seen.get(one.minute, 0.0))
        waits = []
        for minute, clock in closed_at(made).items():
            if (number := by_clock[clock]) >= first and minute in seen:
                waits.append(seen[minute] - self.sent[number])
        return waits


def lines_of_enricher() -> int:
    """Of the lane's job, without empty lines, comments and documentation: minutes.py, and what binds it to quixstreams."""
    folder = ROOT / "data-integration" / "streaming" / "enricher"
    texts = [(folder / "minutes.py").read_text()]
    app = (folder / "app.py").read_text()
    for node in ast.walk(ast.parse(app)):
        if isinstance(node, ast.FunctionDef) and node.name == "_add_minutes":
            texts.append(ast.unparse(node))
    count = 0
    for text in texts:
        tree = ast.parse(text)
        documented = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                documented |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        count += sum(
            bool(line.strip()) and not line.strip().startswith("#") and number not in documented
            for number, line in enumerate(text.splitlines(), 1)
        )
    return count


def measured(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from confluent_kafka.admin import AdminClient, NewTopic

    from streaming.catalogue import CARDS_SCORED, WINDOWS
    from streaming.client import connection

    found: dict[str, Any] = {}
    with ExitStack() as stack:
        schemas = stack.enter_context(registry(environ_of(folder / "registry"), folder / "registry"))
        quiet = WAITING + options.backlog + options.rate * options.seconds
        idle = range(quiet, quiet + options.rate * IDLE_SECONDS)
        made = list(payments(schemas.config, options.rate, idle.stop + options.rate * KILL_SECONDS, idle))
        for who in options.only or ("enricher", "flink"):
            with broker(folder / who) as kafka, ExitStack() as own:
                kafka.start()
                port = schemas.environ["STREAM_REGISTRY_PORT"]
                environ = kafka.environ | {
                    "STREAM_REGISTRY_PORT": port,
                    "ELT_SOURCES": "adventureworks,stream",
                }
                config = load_settings(environ)
                program: Program
                if who == "enricher":
                    words = ["streaming.launch", "streaming.enricher"]
                    program = Running(words, environ, folder / "enricher.log")
                    topic, lines = WINDOWS.name, lines_of_enricher()
                else:
                    admin = AdminClient(connection(config))
                    admin.create_topics([NewTopic(TARGET, PARTITIONS, 1)])[TARGET].result(30)
                    program = Flink(config, folder / "flink-home", CARDS_SCORED.name, options.checkpoint_ms)
                    topic, lines = TARGET, len(statements())
                own.callback(program.end)
                found[who] = Contest(config, program, topic, made, options).run() | {"lines": lines}
    return found


def main() -> None:
    """Print the figures. Exit code 1: some are not those of the payments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--backlog", type=int, default=100_000)
    parser.add_argument("--checkpoint-ms", type=int, default=200)
    parser.add_argument("--only", choices=("enricher", "flink"), action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    use_clients()
    install()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(options, Path(folder))
    table = Table("what", *found)
    for name in next(iter(found.values())):
        table.add_row(name, *(str(each.get(name)) for each in found.values()))
    console.print(table)
    if options.json:
        print(json.dumps(found))
    sys.exit(0 if all(each["equal"] for each in found.values()) else 1)


if __name__ == "__main__":
    main()
