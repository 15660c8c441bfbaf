"""A third source by files alone: connection YAML, a staging model, a DAG of one line. From the connector to a built model, and
the DAGs that would do it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import transformation.run
from foundation.settings import load_settings
from stack.airflow_environment import environment
from tests.fixtures import warm
from tests.fixtures.airbyte import AirbyteServer
from tests.fixtures.source import SourceDatabase, free_port
from tests.integration.airbyte_config.conftest import make_site
from tests.integration.airbyte_local.scripted import record, state, stream
from tests.integration.orchestration.test_dag import LOOK
from transformation.project import PROJECT
from transformation.run import write_manifest

CONNECTORS = Path(__file__).parents[2] / "connectors"
FILES = {
    "connections/sources/toy.yaml": """
name: toy
configuration:
  sourceType: scripted
  script: {folder}/script.json
""",
    "connections/destinations/duckdb.yaml": """
name: warehouse
configuration: {{destinationType: duckdb, destination_path: "{folder}/home/warehouse.duckdb"}}
""",
    "connections/connections/toy.yaml": """
name: toy
source: toy
destination: warehouse
namespaceDefinition: custom_format
namespaceFormat: toy
streams:
  - name: people
    syncMode: incremental_deduped_history
""",
    "project/models/staging/toy/_toy.yml": """
version: 2
sources:
  - name: toy
    tables:
      - name: people
models:
  - name: stg_toy_people
    description: One row per person of the toy.
    config: {{tags: [toy]}}
    columns:
      - name: person_id
        description: Number of the person.
        data_tests: [primary_key]
""",
    "project/models/staging/toy/stg_toy_people.sql": """-- grain: one row per person of the toy
select id as person_id from {{{{ source('toy', 'people') }}}}
""",
    "dags/toy.py": '''"""The Airflow DAGs of the toy."""

from orchestration.pipeline import source_dags

source_dags("toy", every="*/7 * * * *")
''',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project, with the toy's files."""
    shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("target", "logs"))
    (tmp_path / "home").mkdir()
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(folder=tmp_path).lstrip("\n"))
    read = [record("people", {"id": 1}), record("people", {"id": 2}), state("people", {"n": 2})]
    (tmp_path / "script.json").write_text(json.dumps({"streams": [stream("people")], "read": read}))
    return tmp_path


@pytest.mark.slow
def test_a_third_source_is_files_alone(
    folder: Path, empty_template: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the connection is applied and synced
    (folder / "server").mkdir()
    server = AirbyteServer(
        folder / "server",
        port := free_port(),
        client_id=f"toy {port}",
        extra={"AIRBYTE_CONNECTORS": str(CONNECTORS)},
    )
    server.start()
    try:
        make_site(server, empty_template, folder / "elt home").apply(folder / "connections")
        (connection,) = server.http.get("/connections").json()["data"]
        body = {"connectionId": connection["connectionId"], "jobType": "sync"}
        job = server.wait(server.http.post("/jobs", json=body).json()["jobId"])
    finally:
        server.stop()
    assert job["status"] == "succeeded", job

    # the model is built from what it brought, by the tag that the DAG builds
    known = {"ELT_SOURCES": "adventureworks,toy", "ELT_CONNECTIONS": str(folder / "connections")}
    config = load_settings({"ELT_HOME": str(folder / "home")} | known)
    place = ["--project-dir", folder / "project", "--profiles-dir", folder / "project"]
    output = ["--target-path", folder / "target", "--log-path", folder / "logs"]
    environ = os.environ | {"ELT_HOME": str(config.home)} | known
    built = warm.run("dbt", "build", "--select", "tag:toy", *place, *output, environ=environ, cwd=folder)
    assert built.returncode == 0, built.stdout[-3000:]
    with duckdb.connect(config.warehouse_path, read_only=True) as warehouse:
        assert warehouse.execute("from staging.stg_toy_people order by 1").fetchall() == [(1,), (2,)]

    # and Airflow has two DAGs that do the same
    monkeypatch.setattr(transformation.run, "PROJECT", folder / "project")
    write_manifest(config)
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, str(folder / "dags")],
        env=os.environ | known | environment(config),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert looked.returncode == 0, looked.stderr
    (line,) = [line for line in looked.stdout.splitlines() if line.startswith("DAGS=")]
    found = json.loads(line.removeprefix("DAGS="))
    assert found["errors"] == {}
    assert found["dags"]["toy_sync"]["schedule"] == "*/7 * * * *"
    assert found["dags"]["toy_sync"]["tasks"]["sync"]["outlets"] == ["toy_raw"]
    assert found["dags"]["toy_transformation"]["schedule"] == ["toy_raw"]
    assert "dbt.staging" in found["dags"]["toy_transformation"]["tasks"]
