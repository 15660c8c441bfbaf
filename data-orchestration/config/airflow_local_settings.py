"""Airflow reads this file when it starts. Here: what the scheduler and the DAG processor load before they fork.

LocalExecutor runs a task in a fork of the scheduler, and a DAG file is read in a fork of the DAG processor. What is imported
here, once, each of those processes has at once; else each imports Cosmos and the operators itself, one to two seconds of
processor apiece. The DAG processor also reads the file for every few tasks that the triggerer ends, to run their callbacks.
"""

# ruff: noqa: F401

import gc
import logging
import sys

# Airflow's processes allocate tens of thousands of long-lived objects while they start: collect less often
gc.set_threshold(50_000, 20, 50)

# a task's log begins with what the task does, not with how Cosmos has read the DAG
for name in ("cosmos.config", "cosmos.converter", "cosmos.dbt", "cosmos.operators", "openlineage.client"):
    logging.getLogger(name).setLevel(logging.WARNING)
# it warns of each operation and exposure, which are no tasks
logging.getLogger("cosmos.airflow.graph").setLevel(logging.ERROR)

if {"scheduler", "dag-processor"} & set(sys.argv):  # what others wrote; ours may change while they run
    import airflow.providers.airbyte.operators.airbyte
    import airflow.providers.standard.decorators.python
    import cosmos.airflow.task_group
    import cosmos.operators.watcher
    import duckdb
    import psycopg
    import pyarrow.dataset

if "scheduler" in sys.argv:
    import dbt.cli.main
