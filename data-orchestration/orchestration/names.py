"""Names of tasks and XComs by which one module finds what another one made."""

from __future__ import annotations

PRODUCER = "dbt_producer_watcher"  # Cosmos' name for the task that runs dbt
WATCHER = "DbtNodesSensor"  # the operator of the tasks that watch it
RECORD = "record"  # the task that fills the monitoring tables, as a run's last
ENDED_NODES = (
    "ended_nodes"  # XCom of the task that runs dbt: the watched models that have ended, see `triggers.Ended`
)
SYNC_JOB = "job_id"  # XCom of a run's task `sync`: the number of its Airbyte job
SYNCED = "synced"  # XCom of `sync`: rows and seconds of that job
HELD, UNCHANGED = (
    "held",
    "unchanged",
)  # XComs of `publish`: the version that a rollback holds, that is right still
MODELS = "models"  # XCom of `plan`: the models that the run will build, if their inputs have changed
REASON = "failure_reason"  # XCom of a task that has reported a failure
