"""What all DAGs and their tasks have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.definitions.param import ParamsDict

from orchestration import notices

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context, Param

RAW, MARTS = Asset("adventureworks_raw"), Asset("adventureworks_marts")


def timed_out(context: Context) -> None:
    """A DAG's `on_failure_callback`. Airflow skips the last task, too, of a run that took too long: here is what that would do."""
    if context.get("reason") == "timed_out":
        from orchestration import steps  # which imports much that a DAG file does not need

        notices.timed_out(context)
        steps.note(context)


DAG_ARGUMENTS: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    "on_failure_callback": timed_out,
    "default_args": {"owner": "data-platform", "retries": 0, "on_failure_callback": notices.failed},
}

# for what a second try may mend: a service that is away for a moment; never for a data test
RETRIED: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
}

# a notice that is lost is worth one more try, and no more
NOTICE: dict[str, Any] = {
    "execution_timeout": timedelta(minutes=1),
    "retries": 1,
    "retry_delay": timedelta(seconds=5),
}


def one_form(dag: DAG, form: Mapping[str, Param]) -> None:
    """Give the DAG its trigger form. Call it when all tasks are made.

    Airflow copies the form into each task that is made in a DAG with one, the triggerer reads the DAG once for each task that it watches,
    and each task reads the DAG's file. A task's context has the parameters all the same: Airflow takes those of the DAG, then the task's,
    then what somebody chose.
    """
    dag.params = ParamsDict(form)
