"""The streaming lane as a part of the stack: Kafka, the schema registry, ClickHouse, who writes events, the sink, the enricher, alerts, and the
embedded page. Those that are elsewhere are not started."""

from __future__ import annotations

import sys

from foundation.settings import Settings
from stack.health import answers
from stack.program import Program
from streaming import kafka
from streaming.environment import install
from streaming.page import nginx


def programs(config: Settings) -> tuple[Program, ...]:
    """In the order in which they start; a producer waits for what it needs."""
    found = []
    if config.stream_kafka_is_local:
        # it takes its time to end
        found.append(
            Program("stream-kafka", (sys.executable, "-m", "streaming.kafka"), kafka.ports(config), "INT")
        )
    if config.stream_registry_is_local:
        port = {"STREAM_REGISTRY_PORT": config.stream_registry_port}
        found.append(_launched("stream-registry", "streaming.registry", ports=port))
    if config.stream_clickhouse_is_local:
        port = {"STREAM_CLICKHOUSE_PORT": config.stream_clickhouse_port}
        found.append(_launched("stream-clickhouse", "streaming.clickhouse", ports=port))
    found.append(_launched("stream-orders", "streaming.producer", "orders"))
    found.append(_launched("stream-cards", "streaming.producer", "cards"))
    if "web" in config.sources:
        found.append(_launched("stream-page-views", "streaming.producer", "page_views"))
    found.append(_launched("stream-sink", "streaming.sink"))  # it waits for ClickHouse
    found.append(_launched("stream-enricher", "streaming.enricher"))
    found.append(_launched("stream-alerts", "streaming.fraud.alerts"))
    if not nginx.missing():
        tokens = (sys.executable, "-m", "streaming.page")
        found.append(Program("stream-tokens", tokens, {"STREAM_TOKEN_PORT": config.stream_token_port}))
        page = (sys.executable, "-m", "streaming.page.nginx")
        found.append(Program("stream-page", page, {"STREAM_PAGE_PORT": config.stream_page_port}))
    return tuple(found)


def _launched(name: str, module: str, *arguments: str, ports: dict[str, int] | None = None) -> Program:
    return Program(name, (sys.executable, "-m", "streaming.launch", module, *arguments), ports or {})


def prepare(config: Settings) -> None:
    """Make what is missing. Raises EltError: no Java, a registry of packages that does not answer, no room."""
    if config.stream_kafka_is_local:
        kafka.prepare(config)
    else:
        install()
    if lacking := nginx.missing():
        print(lacking, flush=True)
    else:
        nginx.install()


def ready(config: Settings) -> bool:
    """Whether Kafka, the registry, ClickHouse and the page do their work."""
    local = {
        "registry": config.stream_registry_is_local,
        "clickhouse": config.stream_clickhouse_is_local,
        "page": not nginx.missing(),
    }
    return all(answers(config, name) for name, here in local.items() if here) and kafka.ready(config)
