"""Who waits for which test, and when a model counts as done."""

import json
import os
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from cosmos.config import ProfileConfig

from foundation.settings import settings
from orchestration import cosmos_tasks
from orchestration.cosmos_tasks import DbtNodesSensor, Results, keep_artifacts
from orchestration.names import ENDED_NODES
from orchestration.parameters import REQUEST
from transformation.project import PROJECT, project_digest
from transformation.request import NOTHING, VARIABLE, BuildRequest

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
    assert results.ended("model.dim", "success", "OK") == {}
    assert results.ended("test.unique_dim", "pass", "") == {}
    assert results.ended("test.totals", "warn", "") == {"model.dim": []}


def test_a_failed_test_is_reported_by_name_with_dbts_words_for_every_model_that_has_it():
    results = Results(["model.dim", "model.fct"], cosmos_tasks.tests_by_node(MANIFEST))
    results.ended("model.dim", "success", "")
    results.ended("test.unique_dim", "fail", "Got 3 results,\n  configured to fail if != 0")
    results.ended("model.fct", "success", "")
    results.ended("test.fct_to_dim", "pass", "")
    assert results.ended("test.totals", "error", "Binder Error") == {
        "model.dim": [
            "test.unique_dim: fail. Got 3 results, configured to fail if != 0",
            "test.totals: error. Binder Error",
        ],
        "model.fct": ["test.totals: error. Binder Error"],
    }


def test_what_nobody_watches_is_passed_over():
    assert Results(["model.dim"], {}).ended("unit_test.fct", "fail", "") == {}


class TaskInstance:
    def __init__(self):
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = json.loads(json.dumps(value))


def test_cleared_after_the_run_it_builds_its_own_models(monkeypatch):
    profile = ProfileConfig(profile_name="p", target_name="t", profiles_yml_filepath=PROJECT / "profiles.yml")
    task = DbtNodesSensor(
        task_id="staging", nodes=["model.p.a", "seed.p.b"], project_dir=PROJECT, profile_config=profile
    )
    commands = []
    monkeypatch.setattr(
        task, "run_command", lambda cmd, env, context, **_: commands.append((cmd[1:], task.env))
    )
    monkeypatch.setattr(task, "get_env", lambda context: {})
    getattr(task, task.start_trigger_args.next_method)({}, event=None)  # as Airflow goes on with it
    [(command, env)] = commands
    assert command[0] == "build" and command[command.index("--select") + 1] == "a b"
    # so that its build is known as this project's
    assert json.loads(env["ELT_BUILD"])["project"] == project_digest(settings())


def test_the_warehouse_stays_reserved_for_the_run_while_its_dbt_builds(monkeypatch):
    renewed, tried = [], threading.Semaphore(0)

    def renew(settings, run):
        renewed.append(run)
        tried.release()
        if len(renewed) == 1:
            raise OSError("the disk is away for a moment")

    monkeypatch.setattr(cosmos_tasks, "RESERVED_SECONDS", 0.04)
    monkeypatch.setattr(cosmos_tasks, "lease_name", lambda context: "elt run 1")
    monkeypatch.setattr(cosmos_tasks, "renew", renew)
    cosmos_tasks.keep_reserved({})
    assert all(tried.acquire(timeout=30) for _ in range(3))
    assert set(renewed) == {"elt run 1"}


def test_a_build_that_was_cut_off_is_not_begun_again_and_says_why(monkeypatch):
    reserved = []
    monkeypatch.setattr(cosmos_tasks, "keep_reserved", reserved.append)
    first, second = ({"ti": SimpleNamespace(try_number=number)} for number in (1, 2))
    cosmos_tasks.begin_build(first)
    with pytest.raises(AirflowFailException, match="the build was cut off in the middle"):
        cosmos_tasks.begin_build(second)
    assert reserved == [first]


@pytest.mark.parametrize(
    ("request_", "runs"),
    [
        (BuildRequest(select=(NOTHING,), built_from={"project": "1"}), False),
        (BuildRequest(select=("fct_sales+",), built_from={"project": "1"}), True),
        (BuildRequest(), True),
        (BuildRequest(select=(NOTHING,)), True),  # somebody wants the seeds
    ],
)
def test_dbt_does_not_run_where_nothing_has_changed(tmp_path, request_, runs):
    request = request_.variables()[VARIABLE]
    told = []
    ti = SimpleNamespace(
        xcom_pull=lambda task_ids, key: request if (task_ids, key) == ("prepare", REQUEST) else "",
        xcom_push=lambda *pushed: told.append(pushed),
    )

    class Task:
        ran, cache_dir = False, tmp_path

        def execute(self, context):
            self.ran = True

    task = Task()
    cosmos_tasks.build_unless_unchanged(partial(Results, ["model.dim"], {}), {"ti": ti, "task": task})
    assert task.ran == runs
    assert told == ([] if runs else [(ENDED_NODES, {"model.dim": None})])


def event(name, level="debug", msg="", **node):
    """As dbt gives it to a callback."""
    return SimpleNamespace(
        info=SimpleNamespace(name=name, level=level, msg=msg),
        data=SimpleNamespace(node_info=SimpleNamespace(**node), run_result=SimpleNamespace(message="")),
    )


def test_of_dbts_events_only_the_end_of_a_node_is_passed_on_and_what_it_says_is_logged(caplog):
    ti, results = TaskInstance(), Results(["model.dim"], {})
    for name, level in (("NodeStart", "debug"), ("LogModelResult", "info"), ("NodeFinished", "debug")):
        with caplog.at_level("INFO"):
            told = event(name, level, f"{name} said", unique_id="model.dim", node_status="success")
            results.heard(ti, told)
    assert ti.pushed == {ENDED_NODES: {"model.dim": []}}
    assert [record.message for record in caplog.records] == ["LogModelResult said"]


def test_what_has_ended_is_passed_on_together_so_that_one_look_shows_it():
    ti, results = TaskInstance(), Results(["model.dim", "model.fct", "model.obt"], {})
    for node, status in (("model.dim", "success"), ("model.fct", "error")):
        results.heard(ti, event("NodeFinished", unique_id=node, node_status=status))
    assert ti.pushed == {ENDED_NODES: {"model.dim": [], "model.fct": ["model.fct: error."]}}


def test_a_build_of_which_airflow_could_not_be_told_fails_when_dbt_has_ended(monkeypatch):
    class Away:
        def xcom_push(self, *_):
            raise ConnectionError("the API server is away")

    ended = []

    def run(settings, words, values, folder, hear):
        for number in (1, 2):
            hear(event("NodeFinished", unique_id=f"model.{number}", node_status="success"))
        ended.append(words)

    monkeypatch.setattr(cosmos_tasks, "watched", run)
    with pytest.raises(ConnectionError, match="the API server is away"):
        cosmos_tasks.run_dbt(
            lambda: Results(["model.1", "model.2"], {}), ["dbt", "build"], {}, "", context={"ti": Away()}
        )
    assert ended == [["build"]]


@pytest.mark.parametrize(
    ("succeeds", "ended"), [(True, {"model.1": [], "model.2": None}), (False, {"model.1": []})]
)
def test_what_dbt_had_not_to_build_has_ended_with_it(monkeypatch, succeeds, ended):
    def run(settings, words, values, folder, hear):
        hear(event("NodeFinished", unique_id="model.1", node_status="success"))
        return SimpleNamespace(success=succeeds)

    monkeypatch.setattr(cosmos_tasks, "watched", run)
    ti = TaskInstance()
    cosmos_tasks.run_dbt(partial(Results, ["model.1", "model.2"], {}), ["dbt"], {}, "", context={"ti": ti})
    assert ti.pushed == {ENDED_NODES: ended}


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


def parsed_project(folder: Path, says: str, at: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("manifest.json", "partial_parse.msgpack"):
        (folder / name).write_text(says)
        os.utime(folder / name, (at, at))
    return folder


@pytest.mark.parametrize(("theirs", "used"), [(None, "ours"), (1, "ours"), (3, "theirs")])
def test_the_newer_parsed_project_is_used(tmp_path, theirs, used):
    cache = tmp_path / "cache" / "target"
    cache.mkdir(parents=True)
    if theirs:
        parsed_project(cache, "theirs", theirs)
    cosmos_tasks.know_project(cache.parent, parsed_project(tmp_path / "ours", "ours", 2))
    assert {file.name: file.read_text() for file in cache.iterdir()} == {
        "manifest.json": used,
        "partial_parse.msgpack": used,
    }


def test_a_build_goes_on_without_a_parsed_project(tmp_path):
    cosmos_tasks.know_project(tmp_path / "cache", tmp_path / "nowhere")
