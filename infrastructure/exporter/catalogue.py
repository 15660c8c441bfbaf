"""Every metric: its type, its labels, and what it says. Nothing else is exported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A counter only grows, until its origin begins anew; a gauge is a state."""

    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...] = ()


Sample = tuple[str, tuple[str, ...], float]  # name, the labels' values, value
Samples = Iterable[Sample]


def _gauge(help: str, *labels: str) -> Metric:
    return Metric("gauge", help, labels)


# labels have few values: parts, programs, connections, DAGs, topics, tables; never a run, a job or a model
METRICS: dict[str, Metric] = {
    # every part
    "elt_up": _gauge("1: the part answers; 0: it does not, or not in time. Parts that nobody started are not here.", "part"),
    "elt_look_seconds": _gauge("How long the last look at a part took.", "part"),
    # Airbyte
    "elt_airbyte_recent_jobs": _gauge("Of the newest 100 jobs, by status.", "connection", "status"),
    "elt_airbyte_running_seconds": _gauge("How long the job has run that runs now; 0: none.", "connection"),
    "elt_airbyte_last_success_timestamp_seconds": _gauge("When a sync or refresh last succeeded.", "connection"),
    "elt_airbyte_last_failure_timestamp_seconds": _gauge("When a sync or refresh last failed.", "connection"),
    "elt_airbyte_last_success_rows": _gauge("Rows of the last that succeeded.", "connection"),
    "elt_airbyte_last_success_duration_seconds": _gauge("How long the last that succeeded took.", "connection"),
    # Airflow
    "elt_airflow_component_up": _gauge("1: Airflow finds its component healthy.", "component"),
    "elt_airflow_scheduler_heartbeat_timestamp_seconds": _gauge("When the scheduler's heart last beat."),
    "elt_airflow_dag_paused": _gauge("1: the DAG is paused.", "dag_id"),
    "elt_airflow_dag_runs": _gauge("Runs that Airflow keeps, by state.", "dag_id", "state"),
    "elt_airflow_dag_failed_tasks": _gauge("Failed tasks of the runs that Airflow keeps.", "dag_id"),
    "elt_airflow_dag_last_success_timestamp_seconds": _gauge("When a run last succeeded.", "dag_id"),
    "elt_airflow_dag_last_failure_timestamp_seconds": _gauge("When a run last failed.", "dag_id"),
    "elt_airflow_dag_last_success_duration_seconds": _gauge("How long the last run that succeeded took.", "dag_id"),
    # dbt and what it publishes, as the monitoring tables tell it
    "elt_dbt_last_build_nodes": _gauge("Models, tests and other nodes of the last build, by status.", "type", "status"),
    "elt_dbt_last_build_duration_seconds": _gauge("From the first node's start to the last one's end."),
    "elt_dbt_last_build_timestamp_seconds": _gauge("When the last build ended."),
    "elt_published_data_age_seconds": _gauge("Age of the data that analysts see, from the start of the sync that brought it."),
    "elt_published_data_deadline_seconds": _gauge("How old it may be (FRESHNESS_MINUTES)."),
    # the streaming lane
    "elt_stream_topic_messages": _gauge("Places that a topic keeps: messages, and the marks that end transactions.", "topic"),
    "elt_stream_topic_offsets_total": Metric("counter", "Places that a topic has given since it was made.", ("topic",)),
    "elt_stream_consumer_lag": _gauge("Places that a consumer group has not taken yet.", "group", "topic"),
    "elt_clickhouse_table_rows": _gauge("Rows, with those that a merge will drop.", "table"),
    "elt_clickhouse_table_bytes": _gauge("Size on disk.", "table"),
    # the machine
    "elt_program_up": _gauge("1: supervisord finds the program running. Programs that nobody started are not here.", "program"),
    "elt_program_start_timestamp_seconds": _gauge("When the program was last started.", "program"),
    "elt_program_memory_bytes": _gauge("Its processes' proportional shares of memory (PSS) together.", "program"),
    "elt_program_processes": _gauge("How many processes it is.", "program"),
    "elt_machine_memory_bytes": _gauge("Memory of the machine."),
    "elt_machine_memory_available_bytes": _gauge("Memory that a program could still have."),
    "elt_disk_bytes": _gauge("Size of the disk with a folder of ours.", "folder"),
    "elt_disk_free_bytes": _gauge("What is free of it.", "folder"),
}  # fmt: skip
