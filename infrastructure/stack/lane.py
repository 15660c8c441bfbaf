"""The streaming lane as a part of the stack: Kafka, the schema registry. Those that are elsewhere are not started."""

from __future__ import annotations

import sys

from foundation.settings import Settings
from stack.health import answers
from stack.program import Program
from streaming import kafka
from streaming.environment import install


def programs(config: Settings) -> tuple[Program, ...]:
    """In the order in which they start."""
    found = []
    if config.stream_kafka_is_local:
        # it takes its time to end
        found.append(
            Program("stream-kafka", (sys.executable, "-m", "streaming.kafka"), kafka.ports(config), "INT")
        )
    if config.stream_registry_is_local:
        port = {"STREAM_REGISTRY_PORT": config.stream_registry_port}
        found.append(_launched("stream-registry", "streaming.registry", ports=port))
    return tuple(found)


def _launched(name: str, module: str, *arguments: str, ports: dict[str, int] | None = None) -> Program:
    return Program(name, (sys.executable, "-m", "streaming.launch", module, *arguments), ports or {})


def prepare(config: Settings) -> None:
    """Make what is missing. Raises EltError: no Java, a registry of packages that does not answer, no room."""
    if config.stream_kafka_is_local:
        kafka.prepare(config)
    else:
        install()


def ready(config: Settings) -> bool:
    """Whether Kafka and the registry do their work."""
    return (not config.stream_registry_is_local or answers(config, "registry", timeout=2)) and kafka.ready(
        config
    )
