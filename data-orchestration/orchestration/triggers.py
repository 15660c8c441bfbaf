"""How a task watches dbt without a process: the scheduler starts its trigger, the triggerer ends the task with what dbt said.

All triggers of a run share one look at the producer's XCom, twice a second. The triggerer keeps what is imported
here in memory: it imports little.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakValueDictionary

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent
from asgiref.sync import sync_to_async

from orchestration.names import ENDED_NODES

EVERY = 0.5  # seconds from one look to the next
# The triggerer closes a task's log when it hears that the trigger has ended, and lines come by another way (Airflow 3.3.2,
# jobs/triggerer_job_runner.py): without this pause those written last can land in its own log.
LOG_SECONDS = 0.5
SUCCESS = "success"
OVER = frozenset(
    {SUCCESS, "failed", "skipped", "upstream_failed", "removed"}
)  # the producer tells nothing more
SKIPPED = re.compile(r"\S+: skipped\.")  # a problem, as the producer words it

# of each model whose tests have ended, too: its problems; None: it was no part of the run
Ended = dict[str, list[str] | None]


class Progress:
    """dbt's progress in a run so far, as its triggers see it."""

    def __init__(self, dag_id: str, run_id: str, producer: str) -> None:
        self._producer = {"dag_id": dag_id, "run_id": run_id, "task_id": producer}
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._seen: tuple[str | None, Ended] = (None, {})

    async def look(self) -> tuple[str | None, Ended]:
        """The state of the task that runs dbt, and what has ended; asked of Airflow at most once in `EVERY` seconds."""
        async with self._lock:
            if time.monotonic() - self._asked >= EVERY:
                self._asked = time.monotonic()
                state = await self._state()  # before the results, which may come in between
                self._seen = (state, await XCom.aget_one(key=ENDED_NODES, **self._producer) or {})
            return self._seen

    async def _state(self) -> str | None:
        dag_id, run_id, task_id = self._producer.values()
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=dag_id, task_ids=[task_id], run_ids=[run_id]
        )
        state = states.get(run_id, {}).get(task_id)
        return None if state is None else str(state)


_progress: WeakValueDictionary[tuple[str, str, str], Progress] = WeakValueDictionary()


def progress_of(dag_id: str, run_id: str, producer: str) -> Progress:
    """The one Progress of a run; it goes with the last trigger that looks at it."""
    key = (dag_id, run_id, producer)
    found = _progress.get(key)
    if found is None:
        found = _progress[key] = Progress(*key)
    return found


class DbtNodesTrigger(BaseTrigger):
    """Ends its task when dbt has built the nodes and run their tests: with success, or with their problems in the log.

    A task that is tried again after the run (somebody cleared it) goes on in a worker, which builds the nodes.
    """

    def __init__(self, nodes: list[str], producer: str) -> None:
        super().__init__()
        self.nodes, self.producer = nodes, producer

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """By which Airflow makes it again, in whichever triggerer."""
        return f"{__name__}.{type(self).__name__}", {"nodes": self.nodes, "producer": self.producer}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, the last look's verdict."""
        verdict = await self._verdict()
        await asyncio.sleep(LOG_SECONDS)
        yield verdict

    async def _verdict(self) -> TriggerEvent:
        """Look until all nodes have ended, or one that is not well."""
        ti = self.task_instance
        if ti is None:
            raise RuntimeError("Airflow names the task before it runs its trigger")
        progress = progress_of(ti.dag_id, ti.run_id, self.producer)
        waiting = list(self.nodes)
        while True:
            try:
                state, ended = await progress.look()
            except Exception as error:  # noqa: BLE001 - Airflow's database is away for a moment
                self.log.warning("no answer, asked again: %s", error)
                state, ended = None, {}
            if ti.try_number > 1 and state in OVER:
                self.log.info("the run is over: these nodes are built in a worker")
                return TriggerEvent(None)
            if problems := self._problems(waiting, state, ended):
                for problem in problems:
                    self.log.error("%s", problem)
                return TaskFailedEvent()
            if not waiting:
                return TaskSuccessEvent()
            await asyncio.sleep(EVERY / 4)

    def _problems(self, waiting: list[str], state: str | None, ended: Ended) -> list[str]:
        """The first problems there are; nodes that are well leave `waiting`."""
        for node in list(waiting):
            problems = ended.get(node)
            if problems:
                return [problem for problem in problems if not SKIPPED.match(problem)] or [
                    f"{node} is not complete: dbt skipped what depends on a failure elsewhere, see {self.producer}"
                ]
            if problems is not None:
                self.log.info("built and tested: %s", node)
            elif state == SUCCESS or node in ended:
                self.log.info(
                    "not part of this run: its inputs have not changed, or it was not selected: %s", node
                )
            elif state in OVER:
                return [f"{node}: dbt ended without a result for it, see {self.producer}"]
            else:
                continue
            waiting.remove(node)
        return []
