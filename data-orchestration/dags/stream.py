"""The Airflow DAGs `stream_sync` and `stream_transformation`: the lane's events in the warehouse, where ELT_SOURCES has `stream`."""

from orchestration.pipeline import source_dags
from orchestration.tasks import reconcile_lane_task

AFTER_SYNC = """
`reconcile` compares the raw layer with the lane's tables in ClickHouse. The models do not wait for it. It fails when one of them lacks a message, or has other
figures; the message names topic, partition and offset, and docs/stream.md says what to do. It fails, too, when the lane is down: `elt up stream`.
"""

source_dags(
    "stream",
    every="37 * * * *",
    about="Orders, page views and payments as events, for longer than the lane keeps them.",
    owner="payments",
    after_sync=(reconcile_lane_task,),
    after_sync_doc=AFTER_SYNC,
    gated=False,
)
