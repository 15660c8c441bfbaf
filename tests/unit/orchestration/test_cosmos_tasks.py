"""Who waits for which test, and when a model counts as done."""

import json

import pytest

from foundation.settings import settings
from orchestration import cosmos_tasks
from orchestration.cosmos_tasks import DbtNodesSensor, Results, keep_artifacts
from orchestration.notices import WatchedTaskFailed
from transformation.project import project_digest

MANIFEST = {
    "nodes": {
        "model.dim": {"resource_type": "model"},
        "model.fct": {"resource_type": "model"},
        "test.unique_dim": {"resource_type": "test", "attached_node": "model.dim"},
        "test.fct_to_dim": {
            "resource_type": "test",
            "attached_node": "model.fct",
            "depends_on": {"nodes": ["model.fct", "model.dim"]},
        },
        "test.totals": {
            "resource_type": "test",
            "attached_node": None,
            "depends_on": {"nodes": ["model.fct", "model.dim"]},
        },
    }
}


def test_a_foreign_key_test_belongs_to_the_fact_and_a_singular_test_to_all_it_reads():
    assert cosmos_tasks.tests_by_node(MANIFEST) == {
        "model.dim": ["test.unique_dim", "test.totals"],
        "model.fct": ["test.fct_to_dim", "test.totals"],
    }


def test_a_model_is_done_when_its_last_test_has_ended():
    results = Results(["model.dim"], cosmos_tasks.tests_by_node(MANIFEST))
    assert results.ended("model.dim", "success", "OK") == []
    assert results.ended("test.unique_dim", "pass", "") == []
    assert results.ended("test.totals", "warn", "") == [("model.dim", [])]


def test_a_failed_test_is_told_by_name_with_dbts_words_for_every_model_that_has_it():
    results = Results(["model.dim", "model.fct"], cosmos_tasks.tests_by_node(MANIFEST))
    results.ended("model.dim", "success", "")
    results.ended("test.unique_dim", "fail", "Got 3 results,\n  configured to fail if != 0")
    results.ended("model.fct", "success", "")
    results.ended("test.fct_to_dim", "pass", "")
    assert results.ended("test.totals", "error", "Binder Error") == [
        (
            "model.dim",
            [
                "test.unique_dim: fail. Got 3 results, configured to fail if != 0",
                "test.totals: error. Binder Error",
            ],
        ),
        ("model.fct", ["test.totals: error. Binder Error"]),
    ]


def test_what_nobody_watches_is_passed_over():
    assert Results(["model.dim"], {}).ended("unit_test.fct", "fail", "") == []


class TaskInstance:
    def __init__(self, try_number=1):
        self.pushed = {}
        self.try_number = try_number

    def xcom_push(self, key, value):
        self.pushed[key] = value

    def xcom_pull(self, task_ids, key):
        return self.pushed.get(key)


@pytest.fixture
def sensor(monkeypatch):
    """A sensor of two models, and the state of the producer that it asks Airflow for."""
    sensor = DbtNodesSensor(
        task_id="staging", nodes=["model.p.a", "model.p.b"], project_dir="p", deferrable=False
    )
    sensor.state, sensor.renewed = "running", []
    monkeypatch.setattr(cosmos_tasks, "lease_name", lambda context: "elt run 1")
    monkeypatch.setattr(cosmos_tasks, "renew", lambda settings, run: sensor.renewed.append(run))
    monkeypatch.setattr(sensor, "_get_producer_task_status", lambda context: sensor.state)
    return sensor


def test_a_layer_is_done_when_each_of_its_models_is(sensor):
    ti = TaskInstance()
    assert sensor.poke({"ti": ti}) is False
    ti.pushed["model.p.a"] = []
    assert sensor.poke({"ti": ti}) is False
    ti.pushed["model.p.b"] = []
    assert sensor.poke({"ti": ti}) is True
    assert sensor.renewed == ["elt run 1"]  # the lease, not at every look


def test_a_model_with_problems_fails_its_task_with_all_of_them(sensor):
    ti = TaskInstance()
    ti.pushed = {"model.p.a": [], "model.p.b": ["test.x: fail. Got 3 results", "test.y: fail."]}
    with pytest.raises(WatchedTaskFailed, match=r"test.x: fail. Got 3 results; test.y: fail."):
        sensor.poke({"ti": ti})


def test_a_model_whose_tests_were_only_skipped_points_to_the_failure_elsewhere(sensor):
    """A test of two models is skipped when the other one failed."""
    ti, results = TaskInstance(), Results(["model.p.a"], {"model.p.a": ["test.x"]})
    results.ended("model.p.a", "success", "")
    ti.pushed.update(results.ended("test.x", "skipped", ""))
    with pytest.raises(WatchedTaskFailed, match=r"model.p.a is not complete: .* a failure elsewhere, see"):
        sensor.poke({"ti": ti})
    ti.pushed["model.p.a"] = ["test.x: skipped.", "test.y: fail. Got 3 results"]
    with pytest.raises(WatchedTaskFailed, match=r"^test.y: fail. Got 3 results$"):
        sensor.poke({"ti": ti})


@pytest.mark.parametrize("state", ["failed", "upstream_failed", "skipped", "removed"])
def test_a_producer_that_ended_without_a_result_fails_it_and_starts_no_second_dbt(sensor, state):
    sensor.state = state
    with pytest.raises(WatchedTaskFailed, match="dbt ended without a result"):
        sensor.poke({"ti": TaskInstance()})


def test_a_model_that_dbt_had_no_need_to_build_is_done_with_the_producer_and_not_told_as_built(
    sensor, caplog
):
    sensor.state = "success"
    ti = TaskInstance()
    ti.pushed["model.p.a"] = []
    with caplog.at_level("INFO"):
        assert sensor.poke({"ti": ti}) is True
    assert [message for message in caplog.messages if "model.p" in message] == [
        "built and tested: model.p.a",
        "not part of this run: its inputs have not changed, or it was not selected: model.p.b",
    ]


def test_cleared_after_the_run_it_builds_its_own_models(sensor, monkeypatch):
    commands = []
    monkeypatch.setattr(sensor, "build_and_run_cmd", lambda context, cmd_flags: commands.append(cmd_flags))
    assert sensor.poke({"ti": TaskInstance(try_number=2)}) is False  # the producer still runs: wait on
    sensor.state = "success"
    assert sensor.poke({"ti": TaskInstance(try_number=2)}) is True
    assert commands == [["--select", "a", "b"]]
    # so that its build is known as this project's
    assert json.loads(sensor.env["ELT_BUILD"])["project"] == project_digest(settings())
    assert sensor.base_cmd == ["build"]


def test_of_dbts_events_only_the_end_of_a_node_is_told_and_what_it_says_is_logged(caplog):
    ti, results = TaskInstance(), Results(["model.dim"], {})
    node = {"unique_id": "model.dim", "node_status": "success"}
    for name, level in (("NodeStart", "debug"), ("LogModelResult", "info"), ("NodeFinished", "debug")):
        line = {"info": {"name": name, "level": level, "msg": f"{name} said"}, "data": {"node_info": node}}
        with caplog.at_level("INFO"):
            results.heard(json.dumps(line), {"context": {"ti": ti}})
    assert ti.pushed == {"model.dim": []}
    assert [record.message for record in caplog.records] == ["LogModelResult said"]


def test_the_results_of_each_build_are_kept_and_the_last_ones_apart(tmp_path):
    places = {"last": str(tmp_path / "last"), "results": str(tmp_path / "results")}
    keep_artifacts(str(tmp_path), **places)
    assert not (tmp_path / "last").exists()  # dbt ended before it had any
    (tmp_path / "target").mkdir()
    for invocation in ("one", "two"):
        content = json.dumps({"metadata": {"invocation_id": invocation}, "results": []})
        (tmp_path / "target" / "run_results.json").write_text(content)
        keep_artifacts(str(tmp_path), **places)
        assert [(f.name, f.read_text()) for f in (tmp_path / "last").iterdir()] == [
            ("run_results.json", content)
        ]
    assert sorted(f.name for f in (tmp_path / "results").iterdir()) == ["one.json", "two.json"]
