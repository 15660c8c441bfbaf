"""When a task that watches dbt ends, and how: by the producer's XCom, with Airflow's own trigger and events."""

import asyncio
from types import SimpleNamespace

import pytest
import structlog
from airflow._shared.module_loading import import_string
from airflow.triggers.base import TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from orchestration import triggers
from orchestration.cosmos_tasks import Results
from orchestration.names import ENDED_NODES
from orchestration.triggers import DbtNodesTrigger

PRODUCER = "dbt.dbt_producer_watcher"
TASK = SimpleNamespace(dag_id="elt", run_id="run 1", task_id="dbt.staging", try_number=1)


class Airflow:
    """What the triggerer can ask Airflow for: the producer's state and its XCom. `looks` counts the questions."""

    def __init__(self):
        self.state, self.ended, self.looks, self.away = "running", None, 0, 0

    def get_task_states(self, dag_id, task_ids, run_ids):
        assert (dag_id, task_ids, run_ids) == ("elt", [PRODUCER], ["run 1"])
        self.looks += 1
        if self.away:
            self.away -= 1
            raise ConnectionError("the database is away")
        return {"run 1": {PRODUCER: self.state}} if self.state else {}

    async def aget_one(self, key, dag_id, run_id, task_id):
        assert (key, dag_id, run_id, task_id) == (ENDED_NODES, "elt", "run 1", PRODUCER)
        return self.ended


@pytest.fixture
def airflow(monkeypatch):
    airflow = Airflow()
    monkeypatch.setattr(triggers, "EVERY", 0.02)
    monkeypatch.setattr(triggers, "LOG_SECONDS", 0)
    monkeypatch.setattr(triggers, "RuntimeTaskInstance", airflow)
    monkeypatch.setattr(triggers, "XCom", airflow)
    return airflow


@pytest.fixture
def said():
    """What a task's log gets, as (level, words)."""
    with structlog.testing.capture_logs() as entries:
        yield lambda: [(e["log_level"], e["event"] % e.get("positional_args", ())) for e in entries]


def trigger(*nodes, try_number=1):
    """A trigger as the triggerer makes it, from what is in the database."""
    place, arguments = DbtNodesTrigger(list(nodes), PRODUCER).serialize()
    made = import_string(place)(**arguments)
    made.task_instance = SimpleNamespace(**vars(TASK) | {"try_number": try_number})
    return made


async def first(made):
    return await anext(made.run())


def event_of(made, then=None):
    """Its event; `then` is called when it has looked a few times without one."""

    async def watch():
        waiting = asyncio.create_task(first(made))
        if then:
            await asyncio.sleep(5 * triggers.EVERY)
            assert not waiting.done()
            then()
        return await asyncio.wait_for(waiting, 30)

    return asyncio.run(watch())


def test_a_layer_is_done_when_each_of_its_models_is_while_dbt_still_builds(airflow, said):
    airflow.ended = {"model.p.a": []}

    def go_on():
        airflow.ended = {"model.p.a": [], "model.p.b": []}

    assert isinstance(event_of(trigger("model.p.a", "model.p.b"), go_on), TaskSuccessEvent)
    assert said() == [("info", "built and tested: model.p.a"), ("info", "built and tested: model.p.b")]


def test_a_model_with_problems_fails_its_task_with_all_of_them_in_the_log(airflow, said):
    airflow.ended = {"model.p.b": ["test.x: fail. Got 3 results", "test.y: fail."]}
    assert isinstance(event_of(trigger("model.p.a", "model.p.b")), TaskFailedEvent)
    assert said() == [("error", "test.x: fail. Got 3 results"), ("error", "test.y: fail.")]


def test_a_model_whose_tests_were_only_skipped_points_to_the_failure_elsewhere(airflow, said):
    """A test of two models is skipped when the other one failed."""
    results = Results(["model.p.a"], {"model.p.a": ["test.x"]})
    results.ended("model.p.a", "success", "")
    [skipped] = results.ended("test.x", "skipped", "")["model.p.a"]
    for problems in ([skipped], [skipped, "test.y: fail."]):
        airflow.ended = {"model.p.a": problems}
        assert isinstance(event_of(trigger("model.p.a")), TaskFailedEvent)
    words = f"model.p.a is not complete: dbt skipped what depends on a failure elsewhere, see {PRODUCER}"
    assert said() == [("error", words), ("error", "test.y: fail.")]


@pytest.mark.parametrize("state", ["failed", "upstream_failed", "skipped", "removed"])
def test_a_producer_that_ended_without_a_result_fails_it(airflow, said, state):
    def end():
        airflow.state = state

    assert isinstance(event_of(trigger("model.p.a"), end), TaskFailedEvent)
    assert said() == [("error", f"model.p.a: dbt ended without a result for it, see {PRODUCER}")]


def test_a_model_that_dbt_had_no_need_to_build_is_done_with_the_producer_and_not_counted_as_built(
    airflow, said
):
    airflow.ended = {"model.p.a": []}

    def end():
        airflow.state = "success"

    assert isinstance(event_of(trigger("model.p.a", "model.p.b"), end), TaskSuccessEvent)
    assert said() == [
        ("info", "built and tested: model.p.a"),
        (
            "info",
            "not part of this run: its inputs have not changed, or it was not selected: model.p.b",
        ),
    ]


def test_a_model_of_which_dbt_has_said_that_it_is_no_part_of_the_run_does_not_wait_for_the_producer(
    airflow, said
):
    airflow.ended = {"model.p.a": None}
    assert isinstance(event_of(trigger("model.p.a")), TaskSuccessEvent)
    assert [words for _, words in said()] == [
        "not part of this run: its inputs have not changed, or it was not selected: model.p.a"
    ]


def test_cleared_after_the_run_it_goes_on_in_a_worker_but_not_while_the_producer_runs(airflow):
    def end():
        airflow.state = "failed"

    event = event_of(trigger("model.p.a", try_number=2), end)
    assert type(event) is TriggerEvent


def test_a_database_that_is_away_for_a_moment_is_asked_again(airflow):
    airflow.away = 3
    airflow.ended = {"model.p.a": []}
    assert isinstance(event_of(trigger("model.p.a")), TaskSuccessEvent)


def test_all_tasks_of_a_run_share_one_look(airflow):
    async def watch():
        each = [asyncio.create_task(first(trigger(f"model.p.{number}"))) for number in range(40)]
        while airflow.looks < 4:
            await asyncio.sleep(triggers.EVERY)
        looks, began = airflow.looks, asyncio.get_running_loop().time()
        while airflow.looks < looks + 5:  # the first may have been asked before, and counted now
            await asyncio.sleep(triggers.EVERY)
        assert asyncio.get_running_loop().time() - began >= 3 * triggers.EVERY
        airflow.state = "success"
        await asyncio.wait_for(asyncio.gather(*each), 30)

    asyncio.run(watch())
    assert not triggers._progress  # it goes with the run's last trigger
