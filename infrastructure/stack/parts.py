"""The parts of the stack in the order in which they start: their programs, what they need, and when each is ready."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from foundation.errors import EltError
from foundation.settings import Settings, settings
from orchestration import airflow_api
from stack.health import answers
from stack.postgres import CLUSTERS, Cluster
from stack.program import Program


@dataclass(frozen=True)
class Part:
    """What a person starts and stops: programs, the parts it needs, what to prepare, and when it is ready."""

    name: str
    programs: tuple[Program, ...]
    needs: tuple[str, ...]  # started before it, stopped after it
    address: str
    ready: Callable[[], bool]
    prepare: Callable[[], object] = lambda: None
    patience: float = 60.0
    wants: tuple[str, ...] = ()  # started with it, but it lives on without them


def _module(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


def _accepts(cluster: Cluster) -> bool:
    try:
        cluster.connect("postgres", cluster.superuser, cluster.password).close()
    except (EltError, psycopg.Error):
        return False
    return True


def parts(config: Settings | None = None) -> dict[str, Part]:
    """The parts in the order in which they start."""
    from stack import airflow, lake, lane, monitoring, superset

    config = config or settings()
    postgres_programs = (
        Program("source", _module("stack.postgres", "source"), {"SOURCE_PORT": config.source_port}, "INT"),
        Program(
            "metadata", _module("stack.postgres", "metadata"), {"METADATA_PORT": config.metadata_port}, "INT"
        ),
    )
    web = Part(
        "web",
        (Program("web", _module("web_site"), {"WEB_PORT": config.web_port}),),
        ("postgres",),
        f"http://127.0.0.1:{config.web_port}",
        lambda: answers(config, "web", timeout=2),
        patience=120.0,  # its first start makes the history
    )
    apis = Part(
        "apis",
        (Program("apis", _module("local_apis"), {"APIS_PORT": config.apis_port}),),
        (),
        f"http://127.0.0.1:{config.apis_port}",
        lambda: answers(config, "apis", timeout=2),
    )
    store = Part(
        "lake",
        (Program("lake", _module("stack.lake"), lake.ports(config), "INT"),),  # it takes its time to end
        (),
        f"{config.lake_base} (S3), {config.lake_catalog_base} (Iceberg)",
        lambda: lake.ready(config),
        prepare=lambda: lake.prepare(config),
    )
    stream = Part(
        "stream",
        lane.programs(config),
        ("postgres",),
        f"{config.stream_brokers} (Kafka), {config.stream_registry_base} (schemas), {config.stream_clickhouse_base} (ClickHouse), http://127.0.0.1:{config.stream_page_port} (page)",
        lambda: lane.ready(config),
        prepare=lambda: lane.prepare(config),
        patience=120.0,
        wants=("web",) if "web" in config.sources else (),
    )
    eyes = Part(
        "monitoring",
        monitoring.programs(config),
        (),
        monitoring.address(config),
        lambda: monitoring.ready(config),
        prepare=lambda: monitoring.prepare(config),
        wants=("sink",),
    )
    optional = [
        *([web] if "web" in config.sources else []),
        *([apis] if config.local_apis else []),
        *([store] if config.lake_is_local and config.lake_in_use else []),
        *([stream] if "stream" in config.sources else []),
    ]
    return {
        part.name: part
        for part in (
            Part(
                "postgres",
                postgres_programs,
                (),
                f"127.0.0.1:{config.source_port} (source), 127.0.0.1:{config.metadata_port} (metadata)",
                lambda: all(_accepts(make(config)) for make in CLUSTERS.values()),
            ),
            Part(
                "sink",
                (
                    Program(
                        "sink",
                        _module("stack.sink"),
                        {"SINK_PORT": config.sink_port, "SINK_SMTP_PORT": config.sink_smtp_port},
                    ),
                ),
                (),
                f"http://127.0.0.1:{config.sink_port} (webhook), 127.0.0.1:{config.sink_smtp_port} (SMTP)",
                lambda: answers(config, "sink", timeout=2),
            ),
            Part(
                "airbyte",
                (Program("airbyte", _module("airbyte_local"), {"AIRBYTE_PORT": config.airbyte_port}),),
                (),
                f"http://127.0.0.1:{config.airbyte_port}/api/public/v1",
                lambda: answers(config, "airbyte", timeout=2),
            ),
            Part(
                "airflow",
                tuple(
                    Program(
                        name,
                        _module("stack.airflow", name),
                        {"AIRFLOW_PORT": config.airflow_port} if name.endswith("api-server") else {},
                    )
                    for name in airflow.PROGRAMS
                ),
                ("postgres",),
                f"http://127.0.0.1:{config.airflow_port}",
                lambda: answers(config, "airflow-api-server", timeout=20)
                and set(airflow_api.healthy(config).values()) == {"healthy"},
                prepare=lambda: airflow.prepare(config),
                patience=180.0,
                wants=("sink", "airbyte", *(part.name for part in optional)),
            ),
            Part(
                "superset",
                (Program("superset", _module("stack.superset"), {"SUPERSET_PORT": config.superset_port}),),
                ("postgres",),
                f"http://127.0.0.1:{config.superset_port}",
                lambda: answers(config, "superset", timeout=2),
                prepare=lambda: superset.prepare(config),
                patience=120.0,
            ),
            *optional,
            *([eyes] if config.monitoring != "off" else []),
        )
    }


def unknown_part(name: str, every: dict[str, Part]) -> EltError:
    """The error of somebody who names a part that is not there, or not in use."""
    remedy = f"choose from {', '.join(every)}"
    if name == "web":
        remedy = "put it in use: ELT_SOURCES=adventureworks,web in .env"
    if name == "apis":
        remedy = "put one of its sources in use: ELT_SOURCES=adventureworks,rates,weather in .env"
    if name == "lake":
        remedy = (
            "put a source in use whose connection lands there: ELT_SOURCES=adventureworks,totesys in .env"
        )
    if name == "stream":
        remedy = "put it in use: ELT_SOURCES=adventureworks,stream in .env"
    if name == "monitoring":
        remedy = "put it in use: MONITORING=on in .env"
    return EltError(f"no part is named {name!r}", remedy)


def with_needs(names: Iterable[str], every: dict[str, Part]) -> list[Part]:
    """The named parts (all of them when none is named) with what they need and want, in starting order."""
    names = list(names) or list(every)
    if unknown := [name for name in names if name not in every]:
        raise unknown_part(unknown[0], every)
    wanted = set(names)
    for name in names:
        wanted |= {*every[name].needs, *every[name].wants}
    return [part for part in every.values() if part.name in wanted]


def log_file(program: Program, home: Path) -> Path:
    return home / "logs" / f"{program.name}.log"


def last_line(program: Program, home: Path) -> str:
    """The last non-blank line of a program's log: most often the reason."""
    path = log_file(program, home)
    lines = (
        [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
        if path.exists()
        else []
    )
    return lines[-1].strip() if lines else "it wrote no log"
