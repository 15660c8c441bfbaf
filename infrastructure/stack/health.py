"""`python -m stack.health PROGRAM`: exit code 0 when that program of the stack is well. A container's health check runs it."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable

import httpx
import psycopg

from foundation.errors import EltError, one_line
from foundation.limits.instance import INSTANCE, instance
from foundation.settings import Settings, settings


def _database(name: str) -> Callable[[Settings], bool]:
    """A database is well when it lets its superuser in."""

    def accepts(config: Settings) -> bool:
        from stack.postgres import CLUSTERS

        cluster = CLUSTERS[name](config)
        with contextlib.suppress(EltError, psycopg.Error):
            cluster.connect("postgres", cluster.superuser, cluster.password).close()
            return True
        return False

    return accepts


def answers(config: Settings, program: str, timeout: float = 5) -> bool:
    """Whether this stack's server of that name is well, by its own page; another program on its port is not that server."""
    address = PAGES[program].format_map(config.model_dump())
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(address, timeout=timeout)
        return answer.is_success and answer.headers.get(INSTANCE) == instance(config.home, program)
    return False


def _page(program: str, timeout: float = 5) -> Callable[[Settings], bool]:
    return lambda config: answers(config, program, timeout)


def _component(name: str) -> Callable[[Settings], bool]:
    """A part of Airflow that serves nothing is well when its heart has beaten lately, as the API server sees it."""

    def beats(config: Settings) -> bool:
        with contextlib.suppress(httpx.HTTPError, ValueError):
            report = httpx.get(f"{config.airflow_base}/api/v2/monitor/health", timeout=5).json()
            return (report.get(name) or {}).get("status") == "healthy"
        return False

    return beats


def _worker(config: Settings) -> bool:
    """A worker is well when it answers through the broker."""
    from celery import Celery

    broker = Celery(broker=_broker(config))
    return bool(broker.control.ping(destination=[f"celery@{socket.gethostname()}"], timeout=5))


def _broker(config: Settings) -> str:
    from stack.airflow_environment import environment

    return environment(config)["AIRFLOW__CELERY__BROKER_URL"]


PAGES = {
    "sink": "http://127.0.0.1:{sink_port}/health",
    "airbyte": "http://127.0.0.1:{airbyte_port}/api/public/v1/health",
    "web": "http://127.0.0.1:{web_port}/health",
    "apis": "http://127.0.0.1:{apis_port}/health",
    "registry": "http://127.0.0.1:{stream_registry_port}/health",
    "clickhouse": "http://127.0.0.1:{stream_clickhouse_port}/health",
    "exporter": "http://127.0.0.1:{exporter_port}/health",
    "page": "http://127.0.0.1:{stream_page_port}/health",
    "superset": "http://127.0.0.1:{superset_port}/health",
    "airflow-api-server": "http://127.0.0.1:{airflow_port}/execution/health",
}
CHECKS: dict[str, Callable[[Settings], bool]] = {
    "source": _database("source"),
    "metadata": _database("metadata"),
    "sink": _page("sink"),
    "airbyte": _page("airbyte"),
    "superset": _page("superset"),
    # the part that serves tasks is built when it is first asked, which takes seconds: it is asked here, not by the first task
    "airflow-api-server": _page("airflow-api-server", timeout=20),
    "airflow-scheduler": _component("scheduler"),
    "airflow-dag-processor": _component("dag_processor"),
    "airflow-triggerer": _component("triggerer"),
    "airflow-worker": _worker,
}


def main(arguments: list[str]) -> int:
    """0 when the named program is well, 1 when not, 2 when there is none of that name."""
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        print(f"usage: python -m stack.health {'|'.join(CHECKS)}", file=sys.stderr)
        return 2
    with one_line("health"):
        return 0 if CHECKS[arguments[0]](settings()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
