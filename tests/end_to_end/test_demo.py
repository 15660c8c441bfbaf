"""The demo on a real stack: a run by a real scheduler, its messages, its marts, a dashboard's numbers, and its end.

The one stack that `make test` starts; everything else that needs one is in the stack tier.
"""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from elt.report import REVENUE_BY_CATEGORY
from foundation.settings import ROOT
from orchestration import airflow_api
from tests.end_to_end.conftest import in_source, keep, messages
from tests.fixtures.superset import revenue_by_category_on_the_dashboard


@pytest.fixture(scope="module")
def chain(demo):
    """The stack that the demo left."""
    return demo


def test_the_demo_shows_its_steps_and_reports_what_it_did(chain, served):
    output = chain.demo.stdout
    assert "▶ Source" in output and "▶ DAG run" in output and "success" in output
    rows = sum(count for [count] in in_source(chain, "select count(*) from sales.salesorderdetail"))
    assert served(chain, "select count(*) from marts.fct_sales") == [(rows,)]
    assert (
        "revenue by category, in the 365 days that end with the newest order:" in output and "Bikes" in output
    )
    assert f"http://127.0.0.1:{chain.settings.airflow_port}" in output
    assert "▶ Dashboards: Superset" in output and "not started" not in output
    assert f"http://127.0.0.1:{chain.settings.superset_port}/superset/dashboard/sales-overview/" in output
    assert "user analyst" in output
    for secret in (chain.home / "secrets.env").read_text().splitlines():
        assert secret.partition("=")[2] not in output + chain.demo.stderr


def test_what_the_demo_says_to_do_next_works_as_printed(chain, served):
    lines = chain.demo.stdout.partition("  next:\n")[2].splitlines()
    assert [line.split()[0] for line in lines][::3] == ["make", "make"] and len(lines) == 4
    for line in lines[:3]:  # the last one stops the stack
        done = subprocess.run(shlex.split(line), cwd=ROOT, env=chain.environ, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stdout + done.stderr)
        if "sql" in line:
            assert "Bikes" in done.stdout


def test_a_run_that_succeeds_leaves_a_start_and_a_success_message(chain):
    texts = [json.dumps(message) for message in messages(chain)]
    assert any("start" in text.lower() and "adventureworks_elt" in text for text in texts)
    assert any("succe" in text.lower() and "adventureworks_elt" in text for text in texts)
    assert not any("fail" in text.lower() for text in texts)


def test_the_dag_runs_under_the_names_that_the_design_gives(chain):
    with airflow_api.client(chain.settings) as api:
        dags = [dag["dag_id"] for dag in api.get("/dags").json()["dags"]]
        errors = api.get("/importErrors").json()["import_errors"]
    assert dags == [
        "adventureworks_docs",
        "adventureworks_elt",
        "adventureworks_full_refresh",
        "adventureworks_maintenance",
    ]
    assert errors == []


def test_the_log_of_a_task_begins_with_what_it_does(chain):
    [log] = chain.settings.logs_dir.glob("airflow/dag_id=adventureworks_elt/*/task_id=sync/attempt=1.log")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    loggers = [event.get("logger", "") for event in events]
    assert not [event for event in events if event.get("logger", "").startswith(("cosmos", "py.warnings"))]
    assert next(at for at, name in enumerate(loggers) if name.endswith("AirbyteSyncOperator")) <= 4, loggers


def test_the_first_query_gives_the_figures_of_the_dashboard(chain, served):
    queried = {category: f"{revenue:.2f}" for category, revenue in served(chain, REVENUE_BY_CATEGORY)}
    assert len(queried) > 2 and queried == revenue_by_category_on_the_dashboard(chain.settings)


def test_down_leaves_no_process(chain):
    down = chain.elt("down")
    assert down.returncode == 0, down.stderr
    assert chain.processes() == []
    keep(chain)
