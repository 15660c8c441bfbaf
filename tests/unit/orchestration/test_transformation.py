"""Who waits for which test, and when a model counts as done."""

import json

from orchestration import transformation
from orchestration.transformation import Results, keep_artifacts

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
    assert transformation.tests_by_node(MANIFEST) == {
        "model.dim": ["test.unique_dim", "test.totals"],
        "model.fct": ["test.fct_to_dim", "test.totals"],
    }


def test_a_model_is_done_when_its_last_test_has_ended():
    results = Results(["model.dim"], transformation.tests_by_node(MANIFEST))
    assert results.ended("model.dim", "success", "OK") == []
    assert results.ended("test.unique_dim", "pass", "") == []
    assert results.ended("test.totals", "warn", "") == [("model.dim", [])]


def test_a_failed_test_is_told_by_name_with_dbts_words_for_every_model_that_has_it():
    results = Results(["model.dim", "model.fct"], transformation.tests_by_node(MANIFEST))
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
    def __init__(self):
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = value


def test_of_dbts_events_only_the_end_of_a_node_is_told_and_what_it_says_is_logged(caplog):
    ti, results = TaskInstance(), Results(["model.dim"], {})
    node = {"unique_id": "model.dim", "node_status": "success"}
    for name, level in (("NodeStart", "debug"), ("LogModelResult", "info"), ("NodeFinished", "debug")):
        line = {"info": {"name": name, "level": level, "msg": f"{name} said"}, "data": {"node_info": node}}
        with caplog.at_level("INFO"):
            results.heard(json.dumps(line), {"context": {"ti": ti}})
    assert ti.pushed == {"model.dim": []}
    assert [record.message for record in caplog.records] == ["LogModelResult said"]


def test_the_results_of_a_build_are_kept(tmp_path):
    keep_artifacts(str(tmp_path), keep=str(tmp_path / "last"))
    assert not (tmp_path / "last").exists()  # dbt ended before it had any
    (tmp_path / "target").mkdir()
    for content in ("{}", '{"results": []}'):
        (tmp_path / "target" / "run_results.json").write_text(content)
        keep_artifacts(str(tmp_path), keep=str(tmp_path / "last"))
        assert [(f.name, f.read_text()) for f in (tmp_path / "last").iterdir()] == [
            ("run_results.json", content)
        ]
