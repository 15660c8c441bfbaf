"""Names of tasks and XComs by which one module finds what another one made."""

from __future__ import annotations

PRODUCER = "dbt_producer_watcher"  # Cosmos' name for the task that runs dbt
RECORD = "record"  # the task that fills the monitoring tables, as a run's last
SYNC_JOB = "job_id"  # XCom of a run's task `sync`: the number of its Airbyte job
