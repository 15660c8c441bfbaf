"""Workers of Airflow's executor on one machine: as many as tasks wait, none when nothing has run for a while."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.fixtures.waiting import wait_until


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A real executor with real workers; what a workload does is its own function."""
    from airflow.executors.base_executor import BaseExecutor

    from stack import local_executor

    monkeypatch.setattr(local_executor, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(local_executor, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(BaseExecutor, "run_workload", staticmethod(lambda workload, **_: workload.work()))
    made = local_executor.OnDemandExecutor(parallelism=3)
    monkeypatch.setattr(made, "change_state", lambda key, state, *_: states.append((key, state)))
    states: list[tuple[str, str]] = []
    made.states = states  # type: ignore[attr-defined]
    made.start()
    yield made
    made.end()


def _workload(key: str, work: Callable[[], object]) -> SimpleNamespace:
    return SimpleNamespace(
        key=key,
        work=work,
        display_name=key,
        running_state=None,
        success_state="success",
        failure_state="failed",
    )


def _run(executor: Any, *workloads: SimpleNamespace) -> None:
    for workload in workloads:
        executor.queued_tasks[workload.key] = workload
    executor._process_workloads(list(workloads))


def _ended(executor: Any, tasks: int) -> bool:
    executor.sync()
    return len(executor.states) == tasks


def test_no_worker_waits_for_a_first_task(executor: Any) -> None:
    executor.sync()
    assert executor.workers == {}


def test_as_many_workers_start_as_tasks_wait(executor: Any) -> None:
    _run(executor, _workload("a", os.getpid), _workload("b", os.getpid))
    assert 1 <= len(executor.workers) <= 2
    wait_until(lambda: _ended(executor, 2), 20)
    assert sorted(executor.states) == [("a", "success"), ("b", "success")]


def test_there_are_no_more_workers_than_the_parallelism(executor: Any) -> None:
    _run(executor, *(_workload(str(number), partial(time.sleep, 0.2)) for number in range(8)))
    assert len(executor.workers) == 3
    wait_until(lambda: _ended(executor, 8), 20)


def test_the_end_of_a_task_wakes_the_scheduler(executor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.local_executor.LOOK_SECONDS", 600)
    _run(executor, _workload("a", partial(time.sleep, 0.2)))
    executor.sync()
    assert executor.states == [("a", "success")]


def test_idle_workers_end_and_the_next_task_gets_one(executor: Any) -> None:
    _run(executor, _workload("a", os.getpid))
    wait_until(lambda: _ended(executor, 1), 20)
    first = set(executor.workers)

    def idle() -> bool:
        executor.sync()
        return not executor.workers

    wait_until(idle, 20)
    _run(executor, _workload("b", os.getpid))
    wait_until(lambda: _ended(executor, 2), 20)
    assert first and set(executor.workers) - first


def test_the_process_that_tells_of_lineage_ends_when_idle_and_the_next_event_gets_one(executor: Any) -> None:
    from airflow.providers.openlineage.plugins.listener import get_openlineage_listener

    lineage = get_openlineage_listener()
    first = lineage.executor.submit(os.getpid).result(20)
    time.sleep(0.4)
    executor.sync()
    assert lineage._executor is None and not psutil.pid_exists(first)
    assert lineage.executor.submit(os.getpid).result(20) != first
    lineage.before_stopping(executor)


def test_a_task_that_comes_while_workers_end_is_run(executor: Any) -> None:
    _run(executor, _workload("a", os.getpid))
    wait_until(lambda: _ended(executor, 1), 20)
    time.sleep(0.4)  # beyond IDLE_SECONDS: the next turn tells the worker to end
    executor.sync()
    _run(executor, _workload("b", os.getpid))
    wait_until(lambda: _ended(executor, 2), 20)
