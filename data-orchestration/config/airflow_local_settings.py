"""Airflow reads this file when it starts. Here: what the scheduler loads before it forks.

LocalExecutor runs a task in a fork of the scheduler. What is imported here, once, each task's process has at once; else each
of a run's thirty tasks imports Cosmos and the operators anew, about two seconds of processor apiece.
"""

import gc
import sys

# Airflow's processes allocate tens of thousands of long-lived objects while they start: collect less often
gc.set_threshold(50_000, 20, 50)

if "scheduler" in sys.argv:

    import dbt.cli.main  # noqa: F401
