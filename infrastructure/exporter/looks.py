"""Looking at the parts when somebody scrapes: all at once, each in a time limit, none more often than is good for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from exporter import airbyte, lane, machine, runs
from exporter.airflow import Airflow
from exporter.catalogue import METRICS, Sample, Samples
from foundation.errors import EltError
from foundation.settings import Settings
from stack.health import CHECKS, PAGES, answers

LIMIT_SECONDS = 8.0  # a scrape takes no longer; Prometheus waits for ten
ERROR_GOOD_FOR = 5.0  # a part that comes back is seen by the next scrape
Ask = Callable[[Settings], Samples]
Family = GaugeMetricFamily | CounterMetricFamily

# whose own page or login says that they are well, by the program that has to be started
WELL = {"sink": "sink", "web": "web", "apis": "apis", "superset": "superset", "stream-registry": "registry"}
DATABASES = ("source", "metadata")


@dataclass(frozen=True)
class Part:
    """What is asked, and the seconds for which an answer is good: as many as the question costs."""

    ask: Ask
    good_for: float


def parts(config: Settings, airflow: Airflow, kafka: lane.Kafka) -> dict[str, Part]:
    """The parts that somebody has started, and those that are elsewhere."""
    started = machine.started(config)
    lane_in_use = "stream" in config.sources
    found = {
        "machine": (True, Part(machine.machine, 10)),
        "programs": (bool(started), Part(machine.programs, 30)),
        "monitoring": (True, Part(runs.look, 30)),
        "airbyte": ("airbyte" in started or config.airbyte_url, Part(airbyte.look, 15)),
        "airflow": ("airflow-api-server" in started or config.airflow_url, Part(airflow.look, 60)),
        "kafka": (
            lane_in_use and ("stream-kafka" in started or not config.stream_kafka_is_local),
            Part(kafka.look, 15),
        ),
        "clickhouse": (
            lane_in_use and ("stream-clickhouse" in started or not config.stream_clickhouse_is_local),
            Part(lane.clickhouse, 15),
        ),
        **{name: (program in started, Part(_page(name), 10)) for program, name in WELL.items()},
        **{name: (name in started, Part(_login(name), 10)) for name in DATABASES},
    }
    return {name: part for name, (there, part) in found.items() if there}


def _page(name: str) -> Ask:
    def ask(config: Settings) -> Samples:
        if not answers(config, name):
            raise EltError(f"no answer at {PAGES[name].format_map(config.model_dump())}")
        return ()

    return ask


def _login(name: str) -> Ask:
    def ask(config: Settings) -> Samples:
        if not CHECKS[name](config):
            raise EltError(f"the database {name} lets nobody in")
        return ()

    return ask


@dataclass(frozen=True)
class Found:
    """What a look has found; `error` is empty where the part answered."""

    samples: tuple[Sample, ...]
    error: str
    seconds: float
    at: float


class Looker:
    """Looks at one part: once at a time, and not again while an answer is good."""

    def __init__(self, name: str, config: Settings) -> None:
        self._name, self._config = name, config
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._found: Found | None = None

    def begin(self, part: Part) -> None:
        """Look, unless an answer is good still or a look is under way."""
        with self._lock:
            under_way = self._thread is not None and self._thread.is_alive()
            if not under_way and not self._is_good(part):
                self._thread = threading.Thread(target=self._look, args=[part], name=self._name, daemon=True)
                self._thread.start()

    def _is_good(self, part: Part) -> bool:
        found = self._found
        if found is None:
            return False
        return time.monotonic() - found.at < (
            min(part.good_for, ERROR_GOOD_FOR) if found.error else part.good_for
        )

    def found(self, until: float) -> Found:
        """What it found, waited for until a moment of the monotonic clock; a look that takes longer is an error."""
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, until - time.monotonic()))
        if self._found is None or (thread is not None and thread.is_alive()):
            return Found((), f"no answer within {LIMIT_SECONDS:g} s", LIMIT_SECONDS, time.monotonic())
        return self._found

    def _look(self, part: Part) -> None:
        samples: tuple[Sample, ...] = ()
        began, error = time.monotonic(), ""
        try:
            samples = tuple(_checked(part.ask(self._config)))
        except (EltError, httpx.HTTPError) as problem:
            error = str(problem) or type(problem).__name__
        except Exception as problem:  # noqa: BLE001 - whatever it is: the other parts are shown
            error = f"{type(problem).__name__}: {problem}"
        if error != (self._found.error if self._found else ""):
            print(
                f"exporter: {self._name}: {error.splitlines()[0] if error else 'answers again'}", flush=True
            )
        now = time.monotonic()
        self._found = Found(samples, error, now - began, now)


def _checked(samples: Samples) -> Iterator[Sample]:
    """Raises EltError for a sample that the catalogue does not have."""
    for name, labels, value in samples:
        if name not in METRICS or len(METRICS[name].labels) != len(labels):
            raise EltError(f"{name}{labels} is not in the catalogue of metrics")
        yield name, labels, float(value)


class Looks:
    """Everything that a scrape shows. `asked`: the parts of this moment."""

    def __init__(self, config: Settings, asked: Callable[[], dict[str, Part]]) -> None:
        self._config, self._asked = config, asked
        self._lookers: dict[str, Looker] = {}
        self._lock = threading.Lock()

    def text(self) -> bytes:
        """The metrics as Prometheus reads them; after LIMIT_SECONDS at the latest."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def describe(self) -> list[Family]:
        """Nothing: the registry need not look to know the names."""
        return []

    def collect(self) -> Iterator[Family]:
        """What prometheus_client asks for."""
        families = {name: _family(name) for name in METRICS}
        for part, found in self._look().items():
            samples = (
                *found.samples,
                ("elt_up", (part,), float(not found.error)),
                ("elt_look_seconds", (part,), found.seconds),
            )
            for name, labels, value in samples:
                families[name].add_metric(labels, value)
        yield from families.values()

    def _look(self) -> dict[str, Found]:
        until = time.monotonic() + LIMIT_SECONDS
        asked = self._asked()
        with self._lock:
            lookers = {name: self._lookers.setdefault(name, Looker(name, self._config)) for name in asked}
        for name, part in asked.items():
            lookers[name].begin(part)
        return {name: looker.found(until) for name, looker in lookers.items()}


def _family(name: str) -> Family:
    metric = METRICS[name]
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return make(name, metric.help, labels=metric.labels)
