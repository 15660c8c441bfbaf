"""Airflow's components, DAGs and runs, through its REST API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx

from exporter.catalogue import Sample
from foundation.settings import Settings
from orchestration import airflow_api

PAGE = 100  # Airflow's largest
ANSWER_SECONDS = 10.0
OUTCOMES = {"success": "success", "failed": "failure"}


class Airflow:
    """It logs in once, and again when its token has expired: each login costs Airflow a slow hash."""

    def __init__(self) -> None:
        self._api: httpx.Client | None = None

    def look(self, config: Settings) -> Iterator[Sample]:
        """Three small questions for each DAG, and three for all."""
        api = self._api = self._api or airflow_api.client(config, timeout=ANSWER_SECONDS)
        health = _get(api, "/monitor/health")
        for component in airflow_api.COMPONENTS:
            status = (health.get(component) or {}).get("status")
            yield "elt_airflow_component_up", (component,), float(status == "healthy")
        if beat := (health.get("scheduler") or {}).get("latest_scheduler_heartbeat"):
            yield "elt_airflow_scheduler_heartbeat_timestamp_seconds", (), _moment(beat)

        under_way = _get(api, "/dags/~/dagRuns", state=["queued", "running"], limit=PAGE)["dag_runs"]
        counts = Counter((run["dag_id"], run["state"]) for run in under_way)
        for dag in _get(api, "/dags", limit=PAGE)["dags"]:
            yield from _dag(api, dag, counts)


def _dag(api: httpx.Client, dag: dict[str, Any], counts: Counter[tuple[str, str]]) -> Iterator[Sample]:
    name = dag["dag_id"]
    yield "elt_airflow_dag_paused", (name,), float(dag["is_paused"])
    for state in ("queued", "running"):
        yield "elt_airflow_dag_runs", (name, state), counts[name, state]
    for state, outcome in OUTCOMES.items():
        found = _get(api, f"/dags/{name}/dagRuns", state=state, order_by="-end_date", limit=1)
        yield "elt_airflow_dag_runs", (name, state), found["total_entries"]
        for run in found["dag_runs"]:
            yield f"elt_airflow_dag_last_{outcome}_timestamp_seconds", (name,), _moment(run["end_date"])
            if outcome == "success":
                yield "elt_airflow_dag_last_success_duration_seconds", (name,), run["duration"] or 0
    failed = _get(api, f"/dags/{name}/dagRuns/~/taskInstances", state="failed", limit=1)
    yield "elt_airflow_dag_failed_tasks", (name,), failed["total_entries"]


def _get(api: httpx.Client, path: str, **params: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.get(path, params=params).raise_for_status().json()
    return answer


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
